/* SPDX-License-Identifier: MIT */
/* From a finished recording to the report on it: the analyses, the estimates where an output
 * shows them, and the words. */
#ifndef GT_COMMON_RESULTS_H
#define GT_COMMON_RESULTS_H

#include "analysis/analysis.h"
#include "model/recorded.h"
#include "report/report.h"
#include "whatif/estimate.h"

#include <limits.h>
#include <stdbool.h>

/* Starts as all zeros. It must stay where it is: the report points to the estimates. */
struct gt_results {
    struct gt_analysis *analysis;
    struct gt_whatif whatif;
    struct gt_report *report;
    char working_dir[PATH_MAX]; /* of the options that the report was made with */
};

/* `recorded` and `info` are borrowed until _release, which is right after a failure, too.
 * `options` may be NULL; without a working_dir the process's own is taken. `estimates`: an
 * output shows them. 0 or negative. */
int gt_results_make(struct gt_results *results, const struct gt_recorded *recorded,
                    const struct gt_run_info *info, const struct gt_report_options *options,
                    bool estimates, struct gt_error *err);
void gt_results_release(struct gt_results *results);

#endif
