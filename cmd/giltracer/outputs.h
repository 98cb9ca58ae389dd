/* The files that one run writes: opened before the target runs, so that what cannot be
 * written is found early; complete or absent in the end. */
#ifndef GILTRACER_OUTPUTS_H
#define GILTRACER_OUTPUTS_H

#include "base/error.h"
#include "base/fs.h"
#include "common/results.h"
#include "ingest/ingest.h"
#include "launch/signals.h"
#include "options.h"

#include <stddef.h>

struct gt_outputs {
    struct gt_output *files;
    enum gt_report_format *formats;
    size_t count; /* of files that are open */
    struct gt_output summary;
    bool has_summary;
};

/* Whether every path's ending names a format. Opens nothing. */
int gt_outputs_check(const struct gt_cli *cli, struct gt_error *err);
int gt_outputs_open(struct gt_outputs *outputs, const struct gt_cli *cli, struct gt_error *err);
/* What they are to hold, of a finished recording: with estimates where one of them, or the
 * table, shows these. See gt_results_make. */
int gt_outputs_prepare(struct gt_results *results, struct gt_ingest *ingest,
                       const struct gt_run_info *info, const struct gt_cli *cli,
                       struct gt_error *err);
/* Write all and print the table. Says itself what fails; a second SIGINT ends it between
 * files. Those not written are abandoned. */
void gt_outputs_write(struct gt_outputs *outputs, const struct gt_results *results,
                      const struct gt_cli *cli, const struct gt_signals *signals,
                      uv_loop_t *loop);
/* Close and remove what is not committed. Harmless when nothing is open. */
void gt_outputs_abandon(struct gt_outputs *outputs);

#endif
