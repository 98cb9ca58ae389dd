/* SPDX-License-Identifier: MIT */
/* Puts the records of a recording in the order of time, as perf does (its ordered-events.c). */
#ifndef GT_SCRIPT_ROUNDS_H
#define GT_SCRIPT_ROUNDS_H

#include <stddef.h>
#include <stdint.h>

struct gt_queued {
    uint64_t time_ns;
    uint64_t offset; /* of the record in the recording */
};

/* Records that wait for their time. */
struct gt_rounds {
    struct gt_queued *queue, *spare; /* in the order in which they came; `spare` is scratch */
    size_t count, capacity;
    uint64_t newest_ns; /* of all so far */
    uint64_t limit_ns;  /* nothing older comes any more after the next round */
};

void gt_rounds_release(struct gt_rounds *rounds);

/* 0 or -1. */
int gt_rounds_add(struct gt_rounds *rounds, uint64_t time_ns, uint64_t offset);

/* A round ends, or (`final`) the recording: sort, and return how many, from the first on, may
 * go. Those of one time stay in the order in which they came. */
size_t gt_rounds_end(struct gt_rounds *rounds, int final);

/* The first `count` are gone. */
void gt_rounds_drop(struct gt_rounds *rounds, size_t count);

#endif
