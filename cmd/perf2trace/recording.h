/* SPDX-License-Identifier: MIT */
/* What giltracer left of a run, as one name on the command line: the folder of --keep, an
 * agent's log, or a report's trace JSON. */
#ifndef PERF2TRACE_RECORDING_H
#define PERF2TRACE_RECORDING_H

#include "base/error.h"
#include "cli.h"
#include "common/run_file.h"
#include "ingest/ingest.h"

#include <stdbool.h>

struct recording {
    const char *path; /* as it was named */
    char *name;       /* what it is called: no two of a list have the same */
    char *perf, *probes, *native, *agent; /* what there is of it; NULL: none */
    bool is_report;                       /* … but a trace JSON, at `path` */
    struct gt_run_file file;              /* what ran, and by which clocks */
};

/* Is it the name of one, as far as that can be seen? Of nothing, no. */
bool recording_is_folder(const char *path);
bool recording_is_report(const char *path);

/* Find out what is in it. Starts as all zeros; release it also after a failure. 0 or negative.
 */
int recording_find(struct recording *recording, const char *path, struct gt_error *err);
void recording_release(struct recording *recording);

/* Of the labels that it was recorded with, those that were `given` now go before. 0 or
 * negative. */
int recording_label(struct recording *recording, const struct gt_user_labels *given,
                    struct gt_error *err);

/* Have it read as if its parts had been named one by one. Both are borrowed. */
void recording_use(const struct recording *recording, struct cli *cli);
struct gt_ingest_options recording_options(const struct recording *recording, unsigned detect);

#endif
