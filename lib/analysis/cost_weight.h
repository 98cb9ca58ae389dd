/* SPDX-License-Identifier: MIT */
/* How much what recording cost matters to what else is told, and which options cost less. */
#ifndef GT_ANALYSIS_COST_WEIGHT_H
#define GT_ANALYSIS_COST_WEIGHT_H

#include "analysis/cost.h"

struct gt_recorded; /* model/recorded.h */

enum gt_cost_level {
    GT_COST_LITTLE, /* not worth a sentence */
    GT_COST_TOLD,
    GT_COST_DEAR, /* so much that the verdict and the estimates are of another run than the
                     program's own */
};

/* What records for less. */
enum gt_cheaper {
    GT_CHEAPER_NONE,
    GT_CHEAPER_NO_FUNCTIONS, /* do not trace functions */
    GT_CHEAPER_FUTEX,        /* see the GIL where it is contended only */
    GT_CHEAPER_AGENT,        /* see the GIL from within the program, without probes */
    GT_CHEAPER_AGENT_NO_FUNCTIONS,
};

struct gt_cost_weight {
    double percent; /* of the run's length; 0: none, or not known */
    enum gt_cost_level level;
    enum gt_cheaper cheaper;
    bool handovers_matter; /* cost.waiting_ns is a part worth a clause */
};

struct gt_cost_weight gt_cost_weigh(const struct gt_cost *cost,
                                    const struct gt_recorded *recorded, int64_t wall_ns);

#endif
