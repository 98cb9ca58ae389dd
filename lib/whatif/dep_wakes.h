/* SPDX-License-Identifier: MIT */
/* What threads waited for in one another where only the scheduler's wake-ups tell it. */
#ifndef GT_WHATIF_DEP_WAKES_H
#define GT_WHATIF_DEP_WAKES_H

#include "whatif/dep_list.h"

/* Of threads that no agent saw. 0 or -1. */
int gt_deps_add_wakes(struct gt_deps *deps);

#endif
