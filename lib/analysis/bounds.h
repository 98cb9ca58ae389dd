/* SPDX-License-Identifier: MIT */
/*
 * Between which bounds a figure lies where a part of the run is not known: from what it is if
 * nothing was missed there, to what it is if all of that was waiting, or holding.
 */
#ifndef GT_ANALYSIS_BOUNDS_H
#define GT_ANALYSIS_BOUNDS_H

#include "model/timeline.h"

/* At least `ns`, and at most `more_ns` above that. */
struct gt_bounds {
    int64_t ns, more_ns;
};

/* Of one thread or of several: sums, and the longest of all. */
struct gt_bounded_times {
    struct gt_bounds wait, hold, longest_wait, longest_hold, lock_wait, stopped;
    int64_t lifetime_ns, unknown_ns;
};

void gt_bounds_add(struct gt_bounds *sum, int64_t ns, int64_t more_ns);

/* Add what a thread did with one GIL. */
void gt_bounds_add_thread(struct gt_bounded_times *times, const struct gt_timeline *timeline,
                          const struct gt_gil *gil, const struct gt_gil_thread *member);

/* Did the thread live in a build without a GIL, and used that of a moment never? */
bool gt_bounds_is_without_gil(const struct gt_timeline *timeline, uint32_t thread);

/* Add what such a thread did. */
void gt_bounds_add_without_gil(struct gt_bounded_times *times,
                               const struct gt_timeline *timeline, uint32_t thread);

/* Add the processes of which no more is known than that they ran. */
void gt_bounds_add_unseen(struct gt_bounded_times *times, const struct gt_timeline *timeline);

#endif
