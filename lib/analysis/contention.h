/* SPDX-License-Identifier: MIT */
/*
 * Who waited for whom: each wait is charged to the threads that held the same GIL meanwhile.
 * Time in which nobody held it (it was free, or passed from one thread to the next) is charged
 * to nobody. For each waiter, all charges add up to its wait_ns exactly.
 */
#ifndef GT_ANALYSIS_CONTENTION_H
#define GT_ANALYSIS_CONTENTION_H

#include "base/chunks.h"
#include "base/error.h"
#include "model/timeline.h"

/* The number of pairs grows with the square of the threads. With thousands of threads, each
 * waiter has charges only for the holders that it waited for longest, and one for all others.
 */
#define GT_OTHERS (UINT32_MAX - 1)

/* How long `waiter` waited while `holder` held. Member indices of one GIL. */
struct gt_blame {
    uint32_t waiter;
    uint32_t holder; /* GT_NO_INDEX: nobody held it; GT_OTHERS */
    int64_t ns;
};

/* Of one GIL. Sorted by waiter, then by ns, the longest first; that of all others, and then
 * nobody's, come last. */
struct gt_contention {
    struct gt_chunks blames; /* of struct gt_blame */
};

int gt_contention_init(struct gt_contention *contention, const struct gt_gil *gil,
                       struct gt_error *err);
void gt_contention_release(struct gt_contention *contention);

/* The waiter's blames: *count of them, from the returned index on. */
size_t gt_contention_of(const struct gt_contention *contention, uint32_t waiter, size_t *count);

static inline const struct gt_blame *gt_blame_at(const struct gt_contention *contention,
                                                 size_t index)
{
    return gt_chunks_at(&contention->blames, index);
}

#endif
