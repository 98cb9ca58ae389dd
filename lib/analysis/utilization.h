/* SPDX-License-Identifier: MIT */
/* How a GIL was used over time: shares per slice of its life, and how long hand-overs took. */
#ifndef GT_ANALYSIS_UTILIZATION_H
#define GT_ANALYSIS_UTILIZATION_H

#include "base/chunks.h"
#include "base/nstime.h"

#include <stdint.h>

enum { GT_UTILIZATION_SLICES = 60 };

struct gt_utilization_slice {
    int64_t held_ns;
    int64_t contended_ns; /* somebody waited */
    int64_t waiting_ns;   /* of all waiters; divided by slice_ns, how many waited on average */
    int64_t idle_ns;      /* somebody waited, and nobody held */
    uint64_t handovers;
};

struct gt_utilization {
    int64_t start_ns, slice_ns; /* slice i is [start + i × slice, start + (i + 1) × slice) */
    struct gt_utilization_slice *slices; /* GT_UTILIZATION_SLICES; NULL: forgotten */
    struct gt_utilization_slice total;   /* of all slices, when it is finished */
    /* Private: the slice of the newest addition, and the times that belong to it. */
    size_t at;
    int64_t at_start_ns, at_end_ns;
    struct gt_chunks latencies; /* of int64_t: from the release until a woken waiter had the
                                   GIL; sorted */
};

/* 0 or -1 (no memory); release it in either case. */
int gt_utilization_init(struct gt_utilization *utilization, int64_t start_ns, int64_t end_ns);
void gt_utilization_release(struct gt_utilization *utilization);
/* Forget the slices; the rest stays. */
void gt_utilization_forget(struct gt_utilization *utilization);

/* Private: let `at` be the slice of this time. */
void gt_utilization_go_to(struct gt_utilization *utilization, int64_t time_ns);

static inline struct gt_utilization_slice *gt_utilization_at(struct gt_utilization *utilization,
                                                             int64_t time_ns)
{
    if (time_ns < utilization->at_start_ns || time_ns >= utilization->at_end_ns)
        gt_utilization_go_to(utilization, time_ns);
    return &utilization->slices[utilization->at];
}

/* In [from, until) so many threads waited, and `held`: somebody had the GIL. Inline, since it
 * is called for each hold and for each gap. */
static inline void gt_utilization_add(struct gt_utilization *utilization, int64_t from_ns,
                                      int64_t until_ns, size_t waiters, int held)
{
    while (from_ns < until_ns) {
        struct gt_utilization_slice *slice = gt_utilization_at(utilization, from_ns);
        int64_t stop_ns = until_ns < utilization->at_end_ns ? until_ns : utilization->at_end_ns;
        int64_t ns = stop_ns - from_ns;

        slice->held_ns += held ? ns : 0;
        slice->contended_ns += waiters ? ns : 0;
        slice->waiting_ns = gt_add_ns(slice->waiting_ns, gt_times_ns(ns, waiters));
        slice->idle_ns += waiters && !held ? ns : 0;
        from_ns = stop_ns;
    }
}

/* A waiter got the GIL, `latency_ns` after its release. 0 or -1. */
int gt_utilization_handover(struct gt_utilization *utilization, int64_t time_ns,
                            int64_t latency_ns);
/* Nothing more is added: sums up the slices, and sorts the latencies. 0 or -1. */
int gt_utilization_finish(struct gt_utilization *utilization);

/* The latency that `percent` of the hand-overs did not exceed; 0 when there were none. */
int64_t gt_utilization_percentile(const struct gt_utilization *utilization, double percent);

#endif
