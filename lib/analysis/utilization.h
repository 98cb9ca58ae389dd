/* SPDX-License-Identifier: MIT */
/* How a GIL was used over time: shares per slice of its life, and how long hand-overs took. */
#ifndef GT_ANALYSIS_UTILIZATION_H
#define GT_ANALYSIS_UTILIZATION_H

#include "base/chunks.h"

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
    struct gt_utilization_slice total;
    size_t at;                  /* private: slice of the newest addition */
    struct gt_chunks latencies; /* of int64_t: from the release until a woken waiter had the
                                   GIL; sorted */
};

/* 0 or -1 (no memory); release it in either case. */
int gt_utilization_init(struct gt_utilization *utilization, int64_t start_ns, int64_t end_ns);
void gt_utilization_release(struct gt_utilization *utilization);
/* Forget the slices; the rest stays. */
void gt_utilization_forget(struct gt_utilization *utilization);

/* In [from, until) so many threads waited, and `held`: somebody had the GIL. */
void gt_utilization_add(struct gt_utilization *utilization, int64_t from_ns, int64_t until_ns,
                        size_t waiters, int held);
/* A waiter got the GIL, `latency_ns` after its release. 0 or -1. */
int gt_utilization_handover(struct gt_utilization *utilization, int64_t time_ns,
                            int64_t latency_ns);
/* Nothing more is added: sorts the latencies. 0 or -1. */
int gt_utilization_finish(struct gt_utilization *utilization);

/* The latency that `percent` of the hand-overs did not exceed; 0 when there were none. */
int64_t gt_utilization_percentile(const struct gt_utilization *utilization, double percent);

#endif
