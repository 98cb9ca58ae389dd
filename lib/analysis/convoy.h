/* SPDX-License-Identifier: MIT */
/*
 * The convoy effect. A thread that does little between short operations without the GIL queues
 * up behind one that computes. It gets the GIL only when that one must give it up, and so waits
 * for a switch interval, every time.
 */
#ifndef GT_ANALYSIS_CONVOY_H
#define GT_ANALYSIS_CONVOY_H

#include "analysis/blockers.h"
#include "analysis/contention.h"

/* One GIL's. */
struct gt_convoy {
    uint32_t count;  /* threads that wait in it, behind the same one; 0: there is none */
    uint32_t waiter; /* the first of them: member of the GIL … */
    uint32_t holder; /* … and the one that it waits behind */
    int64_t wait_ns; /* what the waiter waits on average, … */
    int64_t hold_ns; /* … to hold the GIL for so long … */
    uint32_t waits;  /* … so often */
    /* A shorter switch interval would help. It does not where most waiting is for what does not
     * give the GIL up when it is asked. */
    bool interval_helps;
};

struct gt_convoy gt_convoy_find(const struct gt_gil *gil,
                                const struct gt_contention *contention,
                                const struct gt_blockers *blockers);

#endif
