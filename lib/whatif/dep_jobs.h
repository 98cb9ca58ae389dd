/* SPDX-License-Identifier: MIT */
/* Jobs that any of several threads might have done, as dependencies. */
#ifndef GT_WHATIF_DEP_JOBS_H
#define GT_WHATIF_DEP_JOBS_H

#include "whatif/dep_list.h"

/* After all others but clocks. 0 or -1. */
int gt_deps_add_jobs(struct gt_deps *deps);

#endif
