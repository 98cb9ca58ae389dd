/*
 * Everything that the analyses find in one recording. It is made once, by one function, and
 * does not change afterwards.
 *
 * To add an analysis: write a pair of files in this folder that takes a finished timeline, and
 * give its result a field here and a call in analysis.c.
 */
#ifndef GT_ANALYSIS_ANALYSIS_H
#define GT_ANALYSIS_ANALYSIS_H

#include "analysis/blockers.h"
#include "analysis/contention.h"
#include "analysis/cost.h"
#include "analysis/crowd.h"
#include "base/error.h"
#include "model/recorded.h"

struct gt_run_info; /* event/run_info.h */

struct gt_analysis {
    size_t gil_count;
    struct gt_contention *contentions; /* by GIL: who waited for whom */
    struct gt_blockers *blockers;      /* by GIL: which functions were waited for */
    struct gt_crowd crowd;             /* how much of the waiting is the machine's doing */
    struct gt_cost cost;               /* what recording cost the program */
};

/* Analyses what was recorded. Free the result with gt_analysis_free. NULL: no memory. */
struct gt_analysis *gt_analysis_new(const struct gt_recorded *recorded,
                                    const struct gt_run_info *info, struct gt_error *err);
void gt_analysis_free(struct gt_analysis *analysis);

#endif
