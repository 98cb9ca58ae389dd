/* SPDX-License-Identifier: MIT */
/* A flame graph as a profile of pprof's, gzip-compressed. */
#ifndef GT_REPORT_FLAME_PPROF_H
#define GT_REPORT_FLAME_PPROF_H

#include "analysis/flame.h"
#include "base/output.h"
#include "event/run_info.h"
#include "model/timeline.h"

/* Write the whole of it; the caller commits `output`. `what` names its values, "running" or
 * "page-faults": nanoseconds, or of events their number. Where the flame was made with
 * GT_FLAME_APART, each sample says whose it is (report/sample_labels.h), by the timeline that
 * it was made of and what is known of the run. 0 or negative. */
int gt_flame_pprof_write(const struct gt_flame *flame, const char *what,
                         const struct gt_timeline *timeline, const struct gt_run_info *info,
                         struct gt_output *output, struct gt_error *err);

#endif
