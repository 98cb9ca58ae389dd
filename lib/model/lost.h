/*
 * Stretches of time in which events were lost: of everybody (gt_timeline.lost), and, with what
 * is not known of it alone (holes.h), of one process (gt_lost_of).
 */
#ifndef GT_MODEL_LOST_H
#define GT_MODEL_LOST_H

#include "base/chunks.h"

#include <stddef.h>
#include <stdint.h>

struct gt_timeline;

/* In the order of time, and none touches another, after _finish. */
struct gt_lost_range {
    int64_t start_ns;
    int64_t end_ns;
    uint64_t events;
};

/* After _finish: the stretches (of struct gt_lost_range, merged, in the order of time) in which
 * nobody knows about the GILs of a process: what all lost, and what it lost. */
const struct gt_chunks *gt_lost_of(const struct gt_timeline *timeline, uint32_t process);
/* How much of [start, end] that is, and the index of the first that ends after `time_ns`. */
int64_t gt_lost_within(const struct gt_chunks *lost, int64_t start_ns, int64_t end_ns);
size_t gt_lost_after(const struct gt_chunks *lost, int64_t time_ns);
/* The longest of them within [start, end]. */
int64_t gt_lost_longest(const struct gt_chunks *lost, int64_t start_ns, int64_t end_ns);

#endif
