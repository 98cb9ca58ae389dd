/* SPDX-License-Identifier: MIT */
/*
 * Which sleeps end in step with a clock, as dependencies, and which loops over a clock that
 * explains.
 */
#ifndef GT_WHATIF_DEP_SLEEPS_H
#define GT_WHATIF_DEP_SLEEPS_H

#include "whatif/dep_list.h"

/* Looks at a clock in one call, or of a coroutine: in all parts of it. Or those in calls that
 * it made, if none of these looked twice. */
struct gt_clock_loop {
    int64_t first_ns, last_ns;
    uint32_t looks, works;  /* works: stretches of work between looks */
    int64_t between_ns[2];  /* from one look to the next, up to a bound: sums of every other
                               one */
    uint32_t thread, call;  /* as of a sleep; GT_NO_INDEX: it did not look itself */
    uint32_t callee, child; /* function that did, and its last call; GT_NO_INDEX */
    bool twice;
    bool explained; /* by its sleeps, which are known to be until a time */
};

struct gt_clock_sleep {
    int64_t start_ns, end_ns;
    uint32_t thread, process, function; /* that sleeps: a Python function */
    uint32_t call;                      /* of it; or as of a loop */
    bool timed_out;                     /* nothing else ended it */
};

/* `sleeps` (of struct gt_clock_sleep) each began just after its thread looked at a clock. Marks
 * the `loops` (of struct gt_clock_loop) that they explain. 0 or -1. */
int gt_deps_add_sleeps(struct gt_deps *deps, const struct gt_chunks *sleeps,
                       struct gt_chunks *loops);

#endif
