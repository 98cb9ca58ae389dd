/* SPDX-License-Identifier: MIT */
/*
 * What recording cost beside the GIL's events and calls: scheduling, with stacks where they
 * were wanted, and what -e asked for. The gate measured what it costs that a thread leaves its
 * CPU and comes back while that is recorded (launch/switchcost.h). An event of -e is taken for
 * half of that: one sample, where a switch is two or three.
 */
#ifndef GT_ANALYSIS_PERF_COST_H
#define GT_ANALYSIS_PERF_COST_H

#include <stdbool.h>
#include <stdint.h>

struct gt_recorded; /* model/recorded.h */
struct gt_run_info; /* event/run_info.h */

struct gt_perf_cost {
    int64_t switch_ns;   /* of one; -1: not known, and nothing of the following is */
    int64_t states_ns;   /* of all switches that were recorded */
    int64_t counters_ns; /* of all events of -e: an estimate */
    double states_percent, counters_percent; /* of the program's CPU time */
    bool states_dear, counters_dear;         /* more than the budget allows */
};

/* `running_ns`: CPU time of the program's threads; 0: not known. */
struct gt_perf_cost gt_perf_cost_find(const struct gt_recorded *recorded,
                                      const struct gt_run_info *info, int64_t running_ns);

#endif
