/* SPDX-License-Identifier: MIT */
/*
 * Python processes of the target that the agent is not in: set-uid programs, other libcs, those
 * that were started without LD_PRELOAD.
 */
#ifndef GT_LAUNCH_UNSEEN_H
#define GT_LAUNCH_UNSEEN_H

#include "base/strvec.h"

/* Of `root_pid` and all that descend from it, as they are now: "1234 (python3)". `agent` is the
 * name of the agent's file. What ends meanwhile, or cannot be read, is left out. Returns 0 or
 * -1. */
int gt_unseen_find(int root_pid, const char *agent, struct gt_strvec *processes);

#endif
