/* SPDX-License-Identifier: MIT */
/*
 * Without a GIL: how many threads ran at a time, what the others did meanwhile, and what kept
 * the program from using its CPUs. Of all processes that ran Python without a GIL, until one
 * came on.
 *
 * While there is one thread, nothing can run in parallel: figures are of the time in which
 * there were several, where there was such a time.
 */
#ifndef GT_ANALYSIS_PARALLEL_H
#define GT_ANALYSIS_PARALLEL_H

#include "analysis/attribution.h"
#include "event/run_info.h"
#include "model/timeline.h"

enum { GT_PARALLEL_SLICES = 60 };

enum gt_parallel_verdict {
    GT_PARALLEL_NONE,    /* nothing ran without a GIL */
    GT_PARALLEL_UNKNOWN, /* nothing tells when threads ran */
    GT_PARALLEL_ALONE,   /* there was never more than one thread */
    GT_PARALLEL_SCALES,  /* almost all CPUs were used, or all threads ran almost always */
    GT_PARALLEL_STOPPED, /* stops cost most */
    GT_PARALLEL_LOCKS,   /* waiting for locks did */
    GT_PARALLEL_NO_CPU,  /* threads were ready, and had no CPU, though not all were used */
    GT_PARALLEL_ASLEEP,  /* they slept for something else */
    GT_PARALLEL_MIXED,   /* nothing stands out */
};

/* Where a GIL came on. */
struct gt_gil_came {
    const struct gt_gil_switch *at; /* NULL: it did nowhere */
    uint32_t process;
    uint32_t others;       /* further processes in which one did */
    struct gt_doing doing; /* what the thread did that imported the module */
};

struct gt_parallel {
    enum gt_parallel_verdict verdict;
    struct gt_gil_came came;
    int64_t start_ns, end_ns; /* what is looked at */
    int64_t together_ns;      /* how much of it there were several threads; 0: never */
    double cpus;              /* that could be used; 0: not known */
    bool states;              /* the scheduler's events tell; else clocks of threads do, and of
                                 what did not run nothing is known */
    double running;           /* threads at a time, on average */
    /* Sums over threads, while there were several of them. */
    int64_t lives_ns, running_ns, ready_ns, asleep_ns;
    int64_t locked_ns;                 /* waiting for locks; -1: not recorded */
    int64_t stopped_ns;                /* likewise */
    double slices[GT_PARALLEL_SLICES]; /* running threads, on average, over time */
};

/* Did the process run Python without a GIL, at least for a time? */
bool gt_ran_without_gil(const struct gt_timeline *timeline, const struct gt_run_info *info,
                        uint32_t process);

/* 0 or -1 (no memory). */
int gt_parallel_find(struct gt_parallel *parallel, const struct gt_timeline *timeline,
                     const struct gt_run_info *info);

#endif
