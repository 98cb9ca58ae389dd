/* SPDX-License-Identifier: MIT */
/* What the gate can measure of what recording costs: where it can hit a run's probes
 * (hitcost.h), and whether switches are recorded. */
#ifndef GT_LAUNCH_HITPLACE_H
#define GT_LAUNCH_HITPLACE_H

#include "launch/hitcost.h"
#include "launch/plan.h"

struct gt_hit_place {
    enum gt_hit_function function; /* GT_HIT_NONE: nowhere */
    const char *path;              /* of libc; borrowed */
    uint64_t offset;               /* of the function in it */
    bool switches; /* scheduling is recorded: measure that, too (switchcost.h) */
};

/* Find the place for the plan's probes in `libc`, a path that must outlive `place`. */
void gt_hit_place_find(struct gt_hit_place *place, const struct gt_plan *plan,
                       const char *libc);

#endif
