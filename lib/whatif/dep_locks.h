/* SPDX-License-Identifier: MIT */
/* Semaphores as dependencies: those that are locks, and those that signal. */
#ifndef GT_WHATIF_DEP_LOCKS_H
#define GT_WHATIF_DEP_LOCKS_H

#include "whatif/dep_list.h"

/* `nested`, by sync operation: part of what a queue, barrier or join does. 0 or -1. */
int gt_deps_add_semaphores(struct gt_deps *deps, const bool *nested);

#endif
