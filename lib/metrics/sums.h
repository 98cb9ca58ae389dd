/* SPDX-License-Identifier: MIT */
/*
 * What happened in one stretch of time, by process and group of threads: what counters grow by.
 * A function of a timeline, which may begin earlier and end later than the stretch, so that
 * what goes on over its borders is known: each part of it counts in its own stretch.
 */
#ifndef GT_METRICS_SUMS_H
#define GT_METRICS_SUMS_H

#include "base/error.h"
#include "model/timeline.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GT_GROUP_NAME_SIZE = 65 };

/* Threads of one kind (analysis/thread_kinds.h) of one process. */
struct gt_group_sums {
    char name[GT_GROUP_NAME_SIZE]; /* the target's bytes: any */
    uint64_t waits;                /* that began */
    int64_t wait_ns;
    int64_t longest_wait_ns; /* of those that ended, or go on, from their beginning */
    int64_t held_ns;         /* it had the GIL while another thread waited */
};

/* A process that has a GIL. */
struct gt_process_sums {
    int32_t pid;
    uint32_t name, command; /* interned in the timeline, as in struct gt_gil */
    uint64_t handovers;     /* acquisitions by threads that had waited */
    int64_t contended_ns;   /* at least one thread waited */
    int64_t unknown_ns;     /* nothing is known of it: events were lost */
    /* Who held at a border is told by the release, perhaps many stretches later. */
    int64_t first_ns; /* contended until the first hold that is known; all, without one */
    int64_t last_ns;  /* contended after the last one; 0 without one */
    size_t
        first_holder; /* group of that hold, if it was there at the beginning; else SIZE_MAX */
    struct gt_group_sums *groups;
    size_t group_count;
    bool holds_known; /* there was a hold at all */
};

/* A wait that goes on when the stretch ends. */
struct gt_open_wait {
    int32_t tid;
    int64_t start_ns;
};

struct gt_sums {
    struct gt_process_sums *processes;
    size_t count;
    struct gt_open_wait *open;
    size_t open_count;
    int64_t lost_ns; /* nothing is known of any process */
};

/* Of [since_ns, until_ns) of a finished timeline. `before`: of the stretch that ended there, or
 * NULL. Release it, also after a failure. 0 or negative. */
int gt_sums_make(struct gt_sums *sums, const struct gt_timeline *timeline, int64_t since_ns,
                 int64_t until_ns, const struct gt_sums *before, struct gt_error *err);
void gt_sums_release(struct gt_sums *sums);

#endif
