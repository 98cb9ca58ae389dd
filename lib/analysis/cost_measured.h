/* SPDX-License-Identifier: MIT */
/*
 * What was measured in the run itself of the cost of recording it. The gate measured a hit of a
 * probe (launch/hitcost.h), the agent its own events and calls (agent/measure.h).
 */
#ifndef GT_ANALYSIS_COST_MEASURED_H
#define GT_ANALYSIS_COST_MEASURED_H

#include "analysis/crowd.h"
#include "model/recorded.h"

struct gt_run_info; /* event/run_info.h */

/* What was measured and counted; 0: it was not. */
struct gt_cost_measured {
    uint64_t gil_events;    /* of all condition variables: libraries use them, too */
    int64_t gil_event_ps;   /* cost of recording one of them, by all that records it */
    int64_t call_ps;        /* cost of a call of a Python function, with its return */
    int64_t c_call_ps;      /* the same of a C function; 0: as of a Python function */
    uint32_t code_permille; /* by how many thousandths Python code was slower while it was
                               traced: CPython 3.11 then does without its faster instructions */
    int64_t running_ns;     /* CPU time of the program's threads */
    double ready_ratio; /* time that threads were ready and had no CPU, to the time that they
                           had one. Where CPUs were shared, recording took longer by that */
};

/* Each event of the GIL has its part of what all that recorded it costs. */
struct gt_cost_measured gt_cost_measure(const struct gt_recorded *recorded,
                                        const struct gt_run_info *info,
                                        const struct gt_crowd *crowd);

#endif
