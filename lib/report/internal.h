/* SPDX-License-Identifier: MIT */
/* Private to report/: what a finished report consists of. */
#ifndef GT_REPORT_INTERNAL_H
#define GT_REPORT_INTERNAL_H

#include "analysis/analysis.h"
#include "base/strvec.h"
#include "model/recorded.h"
#include "report/report.h"
#include "whatif/estimate.h"

struct gt_report {
    /* Constants, all of them the caller's. */
    const struct gt_recorded *recorded;
    const struct gt_timeline *timeline; /* recorded's */
    const struct gt_analysis *analysis;
    const struct gt_whatif *whatif; /* without estimates where none are shown */
    const struct gt_run_info *info;
    struct gt_report_options options;
    const struct gt_metrics *metrics; /* of several runs; NULL: none were taken */

    struct gt_strvec findings;  /* sentences, valid UTF-8, safe for a terminal */
    struct gt_strvec essential; /* of them, those to tell where the GIL does not matter */
};

/* Were thread states recorded, and asked for? Otherwise they only serve to judge holders of the
 * GIL, and no output shows them. */
static inline bool gt_report_shows_states(const struct gt_report *report)
{
    return report->timeline->saw_sched && report->recorded->detect & GT_DETECT_SCHED;
}

/* NULL: functions were not traced. */
static inline const char *gt_report_function_source(const struct gt_report *report)
{
    return report->timeline->functions.count == 0 ? NULL
           : report->recorded->viztracer          ? "viztracer"
                                                  : "agent";
}

/* Time zero of every output. */
static inline int64_t gt_report_zero_ns(const struct gt_report *report)
{
    return report->timeline->start_ns > 0 ? report->timeline->start_ns : 0;
}

static inline const char *gt_function_kind_name(const struct gt_function_info *function)
{
    return function->flags & GT_FUNCTION_GC  ? "gc"
           : function->flags & GT_FUNCTION_C ? "c"
                                             : "python";
}

/* Append a sentence, with a space before it: what would have kept perf from losing events
 * (lost.c). 0 or -1. */
int gt_lost_say_remedy(const struct gt_report *report, struct gt_buf *text);

#endif
