/* SPDX-License-Identifier: MIT */
/*
 * In the worst window of any length, of the whole run: how long threads of all GILs together,
 * or one thread, waited for a GIL or held one, and between which bounds that lies where not all
 * is known. The window is the one with the most that is known, of several the first one
 * (worst.h); where the run is shorter, all of it.
 *
 * A share is of the threads' lives in the window, or of the window's length where they lived
 * for less: threads that live for a moment are no measure of a second.
 */
#ifndef GT_ANALYSIS_WORST_RANGE_H
#define GT_ANALYSIS_WORST_RANGE_H

#include "analysis/covers.h"

struct gt_worst_range {
    int64_t start_ns;    /* of the window */
    int64_t ns, most_ns; /* of what is known; and at the most, in any window */
    double percent;      /* of what is known, a share */
    double low, high;    /* between which it lies, whatever it is that is not known */
};

/* Of all threads, those included that were not seen, and those that need no GIL. 0 or -1 (no
 * memory). */
int gt_worst_range_of_all(struct gt_worst_range *range, const struct gt_timeline *timeline,
                          int64_t length_ns, bool holds);
/* Which share of their lives all threads waited, in percent of what is known, in the worst
 * windows of several lengths. 0 or -1. */
int gt_worst_waits(double *percents, const struct gt_timeline *timeline,
                   const int64_t *lengths_ns, size_t count);
/* Of one member of a GIL. 0 or -1. */
int gt_worst_range_of_member(struct gt_worst_range *range, const struct gt_timeline *timeline,
                             const struct gt_covers_index *index, uint32_t member,
                             int64_t length_ns, bool holds);

#endif
