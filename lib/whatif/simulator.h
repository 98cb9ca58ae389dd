/* SPDX-License-Identifier: MIT */
/*
 * Plays a workload (workload.h) under the rules that are asked for, and says how long the run
 * would have taken. How long threads wait for a GIL, for a CPU and for one another is not
 * recorded in a workload: it is what comes out.
 *
 * The rules of the GIL are CPython's. A waiter asks for it when the switch interval has passed;
 * the holder then gives it up, except in a step that keeps it, to the waiter that asked first.
 * A thread that gives it up by itself and comes back before the woken waiter is there gets it
 * again. CPUs are shared evenly among all threads that can run.
 *
 * Time grows with the steps, times the logarithm of the threads.
 */
#ifndef GT_WHATIF_SIMULATOR_H
#define GT_WHATIF_SIMULATOR_H

#include "whatif/workload.h"

struct gt_sim_result {
    int64_t end_ns; /* of the last thread that counts */
    uint32_t crowd; /* how many threads could run at once, at most: more cores change nothing */
    bool stuck;     /* threads wait for one another for ever: end_ns means nothing */
};

/* 0 or negative. */
int gt_simulate(const struct gt_workload *workload, const struct gt_sim_rules *rules,
                struct gt_sim_result *result, struct gt_error *err);

#endif
