/* SPDX-License-Identifier: MIT */
/* Queues whose items several threads take, and barriers, as dependencies. */
#ifndef GT_WHATIF_DEP_QUEUES_H
#define GT_WHATIF_DEP_QUEUES_H

#include "whatif/dep_list.h"

/* Both return 0 or -1. */
int gt_deps_add_queues(struct gt_deps *deps);
int gt_deps_add_barriers(struct gt_deps *deps);

/* Were all uses of queues recorded? Not when their functions were let go of. */
bool gt_deps_queues_are_whole(const struct gt_timeline *timeline);

#endif
