/*
 * Was a thread on a CPU? From the scheduler's events where they were recorded, else from the
 * readings of the thread's own clock (model/sync.h), which lie near the ends of every stretch
 * that is longer than GT_CPU_SHORT_NS.
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

/* One thread's; asked about stretches in the order of time. */
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

/* [from, until), which does not begin before the last one. `ready` and `sleep` of readings are
 * told apart by whether the thread left its CPU of itself meanwhile. */
void gt_cpu_between(struct gt_cpu *cpu, int64_t from_ns, int64_t until_ns,
                    struct gt_cpu_share *share);

/* 0 or -1. */
int gt_cpu_load_init(struct gt_cpu_load *load, const struct gt_timeline *timeline,
                     double cores);
void gt_cpu_load_release(struct gt_cpu_load *load);

/* Were all CPUs in use then, as good as? */
bool gt_cpu_load_is_full(const struct gt_cpu_load *load, int64_t from_ns, int64_t until_ns);

#endif
