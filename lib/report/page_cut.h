/* SPDX-License-Identifier: MIT */
/*
 * Private to report/: a report of the beginning of a recording, for a page that would otherwise
 * be larger than a browser opens. What was recorded later is not in it, and counts as lost
 * there.
 */
#ifndef GT_REPORT_PAGE_CUT_H
#define GT_REPORT_PAGE_CUT_H

#include "analysis/analysis.h"
#include "report/internal.h"

/* Shares the lists of the report that it was cut from, as far as they go. */
struct gt_page_cut {
    struct gt_report report;
    struct gt_recorded recorded;
    struct gt_timeline timeline;
    struct gt_analysis analysis;
    struct gt_chunks *views; /* lists that end in a chunk of their own, to be released */
    size_t view_count, view_capacity;
};

/* Cut at `until_ns`. 0 or negative; release it in either case. */
int gt_page_cut_init(struct gt_page_cut *cut, const struct gt_report *report, int64_t until_ns,
                     struct gt_error *err);
void gt_page_cut_release(struct gt_page_cut *cut);

#endif
