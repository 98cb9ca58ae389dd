/* SPDX-License-Identifier: MIT */
/*
 * How long a thread was on a CPU, ready for one, and asleep. The scheduler's events tell it
 * where they were recorded. Else readings of the thread's own CPU clock do (model/sync.h):
 * there is one near each end of every stretch that is longer than GT_CPU_SHORT_NS.
 */
#ifndef GT_ANALYSIS_CPU_H
#define GT_ANALYSIS_CPU_H

#include "model/timeline.h"

/* Shorter stretches are not looked into. */
#define GT_CPU_SHORT_NS ((int64_t)100000)

/* What a stretch consists of. */
struct gt_cpu_share {
    int64_t run_ns;
    int64_t ready_ns; /* it could have run, and had no CPU */
    int64_t sleep_ns;
    bool known;
};

/* Of one thread. Must be asked about stretches in the order of time. */
struct gt_cpu {
    const struct gt_sched *sched; /* NULL: not recorded */
    const struct gt_chunks *readings;
    int64_t start_ns; /* of the thread */
    size_t at;        /* private */
};

/* How busy the CPUs were with all threads of the recording. */
struct gt_cpu_load {
    int64_t start_ns, slice_ns;
    double *sums; /* CPU time from the beginning to the start of each slice */
    double cores;
};

void gt_cpu_init(struct gt_cpu *cpu, const struct gt_timeline *timeline, uint32_t thread);

/* What [from, until) consists of; it must not begin before the last one. By readings, time off
 * the CPU counts as asleep where there were voluntary context switches meanwhile, else as
 * ready. */
void gt_cpu_between(struct gt_cpu *cpu, int64_t from_ns, int64_t until_ns,
                    struct gt_cpu_share *share);

/* 0 or -1. */
int gt_cpu_load_init(struct gt_cpu_load *load, const struct gt_timeline *timeline,
                     double cores);
void gt_cpu_load_release(struct gt_cpu_load *load);

/* Were all CPUs in use then, or almost all? */
bool gt_cpu_load_is_full(const struct gt_cpu_load *load, int64_t from_ns, int64_t until_ns);

#endif
