/* SPDX-License-Identifier: MIT */
/*
 * What recording cost the program: how often each thing was recorded, times what recording it
 * once costs. The latter is measured in the run itself where that is possible: the gate
 * measures a hit of a probe (launch/hitcost.h), the agent its own events and calls
 * (agent/measure.h).
 *
 * Else it is estimated from the recording. Between two events of one thread lies half of the
 * cost of either. Where hardly anything else lies between them, the time between them is the
 * cost of one. So the shortest holds, less the calls in them, tell what an event of the GIL
 * costs at most. The shortest calls that have no event of the GIL in them tell what half of a
 * call costs.
 *
 * Where threads contend, recording also causes hand-overs. A hold that is longer because of its
 * events makes threads wait that would have found the GIL free; and during a hand-over nobody
 * has the GIL, while a CPU works on waking the next thread. Hand-overs take about the same part
 * of the time however long all of it takes, so they are taken to be the same part of what
 * recording adds. For four threads that contend in a loop of takes and drops, this finds half
 * to nine tenths of the cost that is measured (scripts/bench overhead). In other programs it
 * may be more than what is measured, or far less: where holds are short, the scheduler decides
 * how often threads contend, and any recorder changes that.
 */
#ifndef GT_ANALYSIS_COST_H
#define GT_ANALYSIS_COST_H

#include "analysis/blockers.h"
#include "analysis/cost_measured.h"
#include "base/error.h"
#include "model/timeline.h"

struct gt_cost {
    uint64_t gil_events;               /* hits of probes, or events of the agent */
    int64_t gil_event_ns;              /* cost of each; -1: too few to tell */
    uint64_t calls;                    /* of functions, recorded one by one */
    int64_t call_ns;                   /* cost of each; -1: too few to tell */
    bool gil_measured, calls_measured; /* else they are estimated from the shortest */
    int64_t code_ns;                   /* by which Python code took longer, beside its calls */
    int64_t waiting_ns; /* hand-overs of the GIL that recording caused: an estimate */
    int64_t cpu_ns;     /* of all of the above that is known, in all threads; -1: nothing is */
    /* By how much longer the program ran; -1: not known. It is less than the CPU time where
     * threads did not need the GIL meanwhile, and where processes overlap. It is more where
     * CPUs were shared. */
    int64_t total_ns;
};

/* Of a finished timeline. `blockers` by GIL. 0 or negative. */
int gt_cost_estimate(const struct gt_timeline *timeline, const struct gt_blockers *blockers,
                     const struct gt_cost_measured *measured, struct gt_cost *cost,
                     struct gt_error *err);

#endif
