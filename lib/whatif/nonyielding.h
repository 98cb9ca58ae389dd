/* SPDX-License-Identifier: MIT */
/*
 * Non-yielding holds: stretches of holding in which a thread does not give the GIL up when it
 * is asked. These are calls of the C functions that are asked about, and whatever was seen to
 * keep the GIL from a waiter.
 */
#ifndef GT_WHATIF_NONYIELDING_H
#define GT_WHATIF_NONYIELDING_H

#include "analysis/blockers.h"

struct gt_nonyielding_span {
    int64_t start_ns, end_ns;
    uint32_t thread;
    uint16_t tag; /* of its function; 0: none that is asked about */
};

/* Of a function: is it asked about what would happen if it released the GIL? */
struct gt_tag {
    uint16_t tag; /* 0: no */
    /* Of a Python function: of its holding while it was asked to give the GIL up, how much was
     * in non-yielding holds. */
    float kept_share;
    bool whole; /* everything under it counts, Python code, too */
};

/* Sorted by thread and start; those of one thread do not overlap. */
struct gt_nonyielding {
    struct gt_nonyielding_span *list;
    size_t count;
    size_t *first; /* by thread, and one more */
};

/* `blockers` by GIL; `tags` by function; `native`: further spans, of struct gt_nonyielding_span
 * in any order, which take the place of others; NULL: none. 0 or -1. */
int gt_nonyielding_init(struct gt_nonyielding *spans, const struct gt_timeline *timeline,
                        const struct gt_blockers *blockers, const struct gt_tag *tags,
                        const struct gt_chunks *native);
void gt_nonyielding_release(struct gt_nonyielding *spans);

#endif
