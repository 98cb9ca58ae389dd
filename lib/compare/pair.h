/* SPDX-License-Identifier: MIT */
/*
 * Stacks of both sides in one tree: how long threads held the GIL, and waited for it, in each.
 * The first level are threads by kind, as in figures.h; below them are functions, the caller
 * above the called one.
 */
#ifndef GT_COMPARE_PAIR_H
#define GT_COMPARE_PAIR_H

#include "compare/figures.h"
#include "compare/side.h"

enum gt_pair_what { GT_PAIR_WAIT, GT_PAIR_HOLD, GT_PAIR_WHATS };

struct gt_pair_node {
    uint32_t parent; /* before its children */
    uint32_t name;   /* in the names */
    uint32_t depth;  /* of the root 0 */
    struct {
        int64_t self_ns, total_ns; /* in this one; with those below */
    } time[GT_PAIR_WHATS][GT_SIDES];
};

enum { GT_PAIR_DEPTH_MAX = 256, GT_PAIR_NODES_MAX = 400000 };

/* Deeper calls, and those of more stacks than that, count for their callers. */
struct gt_pair {
    struct gt_chunks nodes; /* of struct gt_pair_node; 0 is the root */
    bool has_calls[GT_SIDES];
};

/* Of finished sides. 0 or negative; release it in either case. */
int gt_pair_init(struct gt_pair *pair, const struct gt_side sides[GT_SIDES],
                 const struct gt_figures *figures, struct gt_error *err);
void gt_pair_release(struct gt_pair *pair);

static inline struct gt_pair_node *gt_pair_at(const struct gt_pair *pair, size_t index)
{
    return gt_chunks_at(&pair->nodes, index);
}

#endif
