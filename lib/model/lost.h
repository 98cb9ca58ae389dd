/* SPDX-License-Identifier: MIT */
/*
 * Ranges of time in which events were lost: of all processes (gt_timeline.lost), or, together
 * with the holes in the recording of this process (holes.h), of one process (gt_lost_of).
 */
#ifndef GT_MODEL_LOST_H
#define GT_MODEL_LOST_H

#include "base/chunks.h"

#include <stddef.h>
#include <stdint.h>

struct gt_timeline;

/* One loss, as perf told of it. */
struct gt_loss {
    int64_t start_ns, end_ns;
    uint64_t events;
    int32_t cpu; /* -1: not known */
};

/* Lists of these are in the order of time, and no two of a list touch. */
struct gt_lost_range {
    int64_t start_ns;
    int64_t end_ns;
    uint64_t events;
};

/* The ranges in which nothing is known of the GILs of a process. */
const struct gt_chunks *gt_lost_of(const struct gt_timeline *timeline, uint32_t process);
/* How much of [start_ns, end_ns] is lost; and the first range that ends after `time_ns`. */
int64_t gt_lost_within(const struct gt_chunks *lost, int64_t start_ns, int64_t end_ns);
size_t gt_lost_after(const struct gt_chunks *lost, int64_t time_ns);
/* The longest part of [start_ns, end_ns] that is lost as a whole. */
int64_t gt_lost_longest(const struct gt_chunks *lost, int64_t start_ns, int64_t end_ns);

/* Sort lost ranges and merge those that touch. 0, or -1 when memory is exhausted. */
int gt_lost_merge(struct gt_chunks *lost);

#endif
