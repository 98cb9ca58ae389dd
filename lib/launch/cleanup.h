/* SPDX-License-Identifier: MIT */
/* What is left to do after a giltracer that died, by its sentry: nothing of libuv, and no child
 * processes. */
#ifndef GT_LAUNCH_CLEANUP_H
#define GT_LAUNCH_CLEANUP_H

#include "launch/claim.h"

/*
 * End the tools that the run `owner` started (owner.h), remove its probes, have its agents
 * write no more, and remove the folder that is claimed, if any. Takes some seconds where tools
 * do not end when asked. The target, which may run on, is left alone.
 */
void gt_cleanup(const char *owner, struct gt_claim *claim);

#endif
