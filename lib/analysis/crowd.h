/*
 * How much of the waiting for a GIL is the machine's doing: the thread that had it, or was to
 * get it next, was ready to run and had no CPU (other programs, a quota, too few CPUs). And how
 * long threads had none in all. From the scheduler's events where they were recorded, else
 * from the readings of the threads' own clocks (analysis/cpu.h).
 */
#ifndef GT_ANALYSIS_CROWD_H
#define GT_ANALYSIS_CROWD_H

#include "analysis/blockers.h"
#include "base/error.h"
#include "model/timeline.h"

struct gt_crowd {
    int64_t waiting_ns; /* sum over all that waited for a GIL */
    int64_t known_ns;   /* of it, while it is known what the holder did, or nobody held */
    int64_t no_cpu_ns;  /* of that, while the holder, or who got it next, had no CPU */
    int64_t ready_ns; /* that threads were ready and had no CPU; -1: the scheduler's events were
                         not recorded */
    int64_t running_ns; /* that they were on one; likewise */
};

/* `blockers` by GIL. 0 or negative. */
int gt_crowd_init(struct gt_crowd *crowd, const struct gt_timeline *timeline,
                  const struct gt_blockers *blockers, struct gt_error *err);

#endif
