/* SPDX-License-Identifier: MIT */
/* Starts, ends and joins of threads, as dependencies. */
#ifndef GT_WHATIF_DEP_LIVES_H
#define GT_WHATIF_DEP_LIVES_H

#include "whatif/dep_list.h"

/* Threads start when their creators make them. 0 or -1. */
int gt_deps_add_births(struct gt_deps *deps);
/* A thread that joined another one waited for its end. 0 or -1. */
int gt_deps_add_joins(struct gt_deps *deps);
/* A process lives as long as its threads; but its end takes daemon threads along. 0 or -1. */
int gt_deps_add_ends(struct gt_deps *deps);

/* Did the thread's life end while it waited for a GIL? The interpreter's end does that to
 * daemon threads. */
bool gt_deps_died_waiting(const struct gt_timeline *timeline, uint32_t thread);

#endif
