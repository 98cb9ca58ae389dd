/* SPDX-License-Identifier: MIT */
/* What is done until a time, and sleeps until a time, as dependencies. */
#ifndef GT_WHATIF_DEP_CLOCKS_H
#define GT_WHATIF_DEP_CLOCKS_H

#include "whatif/dep_list.h"

/* After all others. 0 or -1. */
int gt_deps_add_clocks(struct gt_deps *deps);

#endif
