/* SPDX-License-Identifier: MIT */
/* What the agent brought along into other roots (agent/root.h), and is to be removed from
 * there. */
#ifndef GT_LAUNCH_ROOTS_H
#define GT_LAUNCH_ROOTS_H

/* Remove all folders that are listed in the folder of a recording, which is open as `folder`.
 * What is no such folder stays, and so does anything in them that is not the agent's. */
void gt_roots_remove(int folder);

#endif
