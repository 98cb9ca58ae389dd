/* SPDX-License-Identifier: MIT */
/* Which functions are asked about: those that caused the most waiting by not giving the GIL up.
 */
#ifndef GT_WHATIF_CANDIDATES_H
#define GT_WHATIF_CANDIDATES_H

#include "analysis/blockers.h"
#include "whatif/build.h"

/* A function that kept the GIL, in all its rows, of all processes. */
struct gt_candidate {
    uint32_t function, gil, row;
    uint32_t gils, last_gil;
    int64_t waiting_ns, row_ns;
    int64_t kept_hold_ns, asked_hold_ns;
    bool kept; /* it was seen to keep the GIL */
};

struct gt_candidates {
    struct gt_candidate list[GT_BUILD_FUNCTIONS]; /* the one with the most waiting first */
    size_t count;
};

/* `blockers` by GIL. 0 or -1. */
int gt_candidates_find(struct gt_candidates *candidates, const struct gt_timeline *timeline,
                       const struct gt_blockers *blockers);

/* Are both indices the same function? Each process numbers its functions by itself. */
bool gt_candidate_is_same(const struct gt_timeline *timeline, uint32_t one, uint32_t two);

#endif
