/* SPDX-License-Identifier: MIT */
/* What one thread wrote, and another one waited for, as dependencies. */
#ifndef GT_WHATIF_DEP_IO_H
#define GT_WHATIF_DEP_IO_H

#include "whatif/dep_list.h"

/* 0 or -1. */
int gt_deps_add_io(struct gt_deps *deps);

#endif
