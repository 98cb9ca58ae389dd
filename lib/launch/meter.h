/* SPDX-License-Identifier: MIT */
/*
 * What the probes of a run, and what is recorded beside them, have cost so far, while it runs:
 * hits, and switches of threads, times what one was measured to cost. The agents count the
 * calls of libc that are the GIL's; where there is no agent, the hits are known from the growth
 * of perf's data, which comes later.
 */
#ifndef GT_LAUNCH_METER_H
#define GT_LAUNCH_METER_H

#include "launch/gatekeeper.h"

#include <stdbool.h>
#include <stdint.h>

/* The paths and the descriptor are borrowed. */
struct gt_meter {
    const char *probes_path; /* of perf's data */
    const char *rest_path;   /* of its other data, if that ends with the probes; may be NULL */
    unsigned percent;        /* that all of it may add to the run; 0: any */
    int64_t started_ns;      /* CLOCK_MONOTONIC as the program began */
    int control_fd;          /* of the agents' control file */
};

/* Do they cost more than they may, and do the agents record, so that they can be done without?
 * A cost that is negative is not known: of a hit, a typical one is taken then. */
bool gt_meter_too_dear(const struct gt_meter *meter, const struct gt_gate_report *costs,
                       int64_t now_ns);

/* The rule alone: of a run that took `elapsed_ns` so far, `cost_ns` of them for this. */
bool gt_cost_too_dear(double cost_ns, int64_t elapsed_ns, unsigned percent);

#endif
