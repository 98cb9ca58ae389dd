/* SPDX-License-Identifier: MIT */
/*
 * What the threads of a recording waited for in one another, as steps of a workload: starts,
 * ends and joins of threads, locks, queues, barriers, events, pipes. Made from what the agent
 * saw (model/sync.h), from calls, and from the scheduler's wake-ups where there was no agent.
 *
 * A semaphore that is always given by the thread that took it is a lock, and stays one: the
 * thread that comes first in the replay has it first. For all others (conditions, events,
 * joins) each wait ends by the post that ended it. Items of a queue are taken in the recorded
 * order; if several threads work for it, by the thread that comes first.
 *
 * To add a kind of dependency: write a pair dep_NAME.[ch] that adds to struct gt_deps
 * (dep_list.h), and call it in dependencies.c. dep_jobs and dep_clocks come last: they look at
 * what the others have added.
 */
#ifndef GT_WHATIF_DEPENDENCIES_H
#define GT_WHATIF_DEPENDENCIES_H

#include "whatif/dep_list.h"

/* Adds locks, events and queues to the workload, which has its threads. `replayed` is borrowed
 * until _release, which is right after a failure, too. 0 or -1. */
int gt_deps_init(struct gt_deps *deps, const struct gt_timeline *timeline,
                 struct gt_workload *workload, const uint32_t *replayed);
void gt_deps_release(struct gt_deps *deps);

#endif
