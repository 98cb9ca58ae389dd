/* SPDX-License-Identifier: MIT */
/*
 * What the probes of a run have cost so far, while it runs: hits, times what one was measured
 * to cost. The agents count the calls of libc that are the GIL's; where there is no agent, the
 * hits are known from the growth of perf's data, which comes later.
 */
#ifndef GT_LAUNCH_METER_H
#define GT_LAUNCH_METER_H

#include <stdbool.h>
#include <stdint.h>

/* The path and the descriptor are borrowed. */
struct gt_meter {
    const char *probes_path; /* of perf's data */
    unsigned percent;        /* that the probes may add to the run; 0: any */
    int64_t started_ns;      /* CLOCK_MONOTONIC as the program began */
    int control_fd;          /* of the agents' control file */
};

/* Do they cost more than they may, and do the agents record, so that they can be done without?
 * `hit_ns`: the cost of a hit; negative: not known, then a typical one is taken. */
bool gt_meter_too_dear(const struct gt_meter *meter, int64_t hit_ns, int64_t now_ns);

/* The rule alone: of a run that took `elapsed_ns` so far. */
bool gt_probes_too_dear(uint64_t hits, int64_t hit_ns, int64_t elapsed_ns, unsigned percent);

#endif
