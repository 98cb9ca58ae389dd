/* SPDX-License-Identifier: MIT */
/*
 * How much of the waiting for a GIL passed while the thread that had it, or was to get it next,
 * was ready to run and had no CPU, because of other programs, a quota, or too few CPUs. And how
 * long threads had no CPU in all. The scheduler's events tell it where they were recorded, else
 * readings of the threads' own clocks (cpu.h).
 */
#ifndef GT_ANALYSIS_CROWD_H
#define GT_ANALYSIS_CROWD_H

#include "analysis/blockers.h"
#include "model/timeline.h"

struct gt_crowd {
    int64_t waiting_ns; /* sum over all that waited for a GIL */
    int64_t known_ns;   /* of it, while it is known what the holder did, or that nobody held */
    int64_t no_cpu_ns;  /* of that, while the holder, or the next one, had no CPU */
    int64_t ready_ns; /* that threads were ready and had no CPU; -1: the scheduler's events were
                         not recorded */
    int64_t running_ns; /* that threads were on a CPU; likewise */
};

/* `blockers` by GIL. */
struct gt_crowd gt_crowd_find(const struct gt_timeline *timeline,
                              const struct gt_blockers *blockers);

#endif
