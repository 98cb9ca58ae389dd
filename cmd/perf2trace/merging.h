/* SPDX-License-Identifier: MIT */
/* Several recordings, read one after the other onto one timeline. */
#ifndef PERF2TRACE_MERGING_H
#define PERF2TRACE_MERGING_H

#include "base/error.h"
#include "cli.h"
#include "event/run_info.h"
#include "ingest/merge.h"
#include "recording.h"

#include <stddef.h>

/* Starts as all zeros. */
struct merging {
    struct recording *list;
    size_t count;
    struct gt_run_identity *identities; /* of each of them */
    struct gt_user_labels labels;       /* that all of them have */
    struct gt_merge *merge;
    const struct gt_recorded *recorded; /* the result, … */
    struct gt_run_info info;            /* … and what is known of the run */
};

/* Read cli->inputs. What `merging` holds lasts until its release, also after a failure, and
 * borrows `cli`. 0 or negative. */
int merging_read(struct merging *merging, const struct cli *cli, struct gt_error *err);
void merging_release(struct merging *merging);

#endif
