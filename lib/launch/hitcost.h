/* SPDX-License-Identifier: MIT */
/*
 * What a hit of a probe costs. The gate measures it just before it becomes the target, while
 * perf records: so it is the cost on this machine, in this run, of the probe that the target
 * will hit. Needs nothing but libc, like the gate (gatekeeper.h).
 */
#ifndef GT_LAUNCH_HITCOST_H
#define GT_LAUNCH_HITCOST_H

#include <stdint.h>

/* A function of libc that returns at once when it is called as hitcost.c does. */
enum gt_hit_function {
    GT_HIT_NONE,
    GT_HIT_SIGNAL,    /* pthread_cond_signal: one hit */
    GT_HIT_TIMEDWAIT, /* pthread_cond_timedwait, with probes on entry and return: two */
};

/*
 * Map the file's code, and call the function at `offset` in it some hundred times. Returns the
 * cost of a hit in ns; -1 where the code cannot be run in that way.
 */
int64_t gt_hit_cost_ns(const char *path, uint64_t offset, enum gt_hit_function function);

#endif
