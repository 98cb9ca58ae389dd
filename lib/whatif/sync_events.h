/* SPDX-License-Identifier: MIT */
/* Events and futures, which stay set, and semaphores that count, as dependencies. */
#ifndef GT_WHATIF_SYNC_EVENTS_H
#define GT_WHATIF_SYNC_EVENTS_H

#include "whatif/dep_list.h"

/* Both return 0 or -1. */
int gt_deps_add_events(struct gt_deps *deps);
int gt_deps_add_permits(struct gt_deps *deps);

/* Were all uses of counting semaphores recorded? Not when their functions were let go of. */
bool gt_deps_permits_are_whole(const struct gt_timeline *timeline);

#endif
