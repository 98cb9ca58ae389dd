/*
 * What recording cost the program: how often each thing was recorded, times what it costs once.
 * That is measured in the run itself where it can be: of a probe's hit by the gate
 * (launch/hitcost.h), of the agent's events and calls by the agent (agent/measure.h).
 *
 * Else it is estimated from the recording. Between two events of one thread lies the cost of
 * one of them, half before and half after: where hardly anything else lies between them, the
 * time is the cost. So the shortest holds tell what an event of the GIL's costs at most, and
 * the shortest calls what half a call does: of calls that have no event of the GIL's in them,
 * and of holds less the calls in them.
 *
 * Where threads contend, a hold that is longer by its events has others wait that would have
 * found the GIL free: hand-overs, in which nobody has it, and a CPU is at work on waking the
 * next one. Their part of the time hardly depends on how long all of it takes; so that part of
 * what recording adds is hand-overs, too. Of four threads that
 * contend in a loop of takes and drops, half to nine tenths of what is measured is told so
 * (scripts/bench overhead). In other programs it may be more than that, or far less: where
 * holds are short, the scheduler decides how often threads meet, and any recorder changes that.
 */
#ifndef GT_ANALYSIS_COST_H
#define GT_ANALYSIS_COST_H

#include "analysis/blockers.h"
#include "base/error.h"
#include "model/timeline.h"

/* What was measured, and counted; 0: it was not. */
struct gt_cost_measured {
    uint64_t gil_events;    /* of all conditions: libraries use them, too */
    int64_t gil_event_ps;   /* of all that records an event of the GIL's */
    int64_t call_ps;        /* of a call of a Python function, and its return */
    int64_t c_call_ps;      /* of one of C; 0: as one of Python */
    uint32_t code_permille; /* by which Python code was slower for being traced: CPython 3.11
                               then does without its faster instructions */
    double
        ready_ratio; /* time that threads were ready and had no CPU, to time that they had
                        one:   where CPUs had to be shared, recording takes that much longer */
};

struct gt_cost {
    uint64_t gil_events;               /* hits of the probes, or events of the agent's */
    int64_t gil_event_ns;              /* cost of each; -1: too few to tell */
    uint64_t calls;                    /* of functions, recorded one by one */
    int64_t call_ns;                   /* cost of each; -1: too few to tell */
    bool gil_measured, calls_measured; /* not estimated from the shortest */
    int64_t code_ns;                   /* by which Python code took longer, beside calls */
    int64_t waiting_ns; /* hand-overs of the GIL that recording caused: an estimate */
    int64_t cpu_ns;     /* of what is known, in all threads; -1: nothing is */
    int64_t total_ns;   /* by how much longer the program ran; -1: not known. Less than the CPU
                           time where threads had no need of the GIL meanwhile, and of processes,
                           which overlap; more where it had to share the CPUs */
};

/* Of a finished timeline. `blockers` by GIL. 0 or negative. */
int gt_cost_estimate(const struct gt_timeline *timeline, const struct gt_blockers *blockers,
                     const struct gt_cost_measured *measured, struct gt_cost *cost,
                     struct gt_error *err);

#endif
