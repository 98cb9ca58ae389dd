/* SPDX-License-Identifier: MIT */
/* Ends of threads and of child processes that other threads may have waited for. */
#ifndef GT_WHATIF_EXITS_H
#define GT_WHATIF_EXITS_H

#include "model/timeline.h"

struct gt_exit {
    int64_t time_ns;
    uint32_t process; /* whose threads may have waited */
    uint32_t thread;  /* that ended */
    bool of_child;    /* it was the main thread of a child process */
};

struct gt_exits {
    struct gt_exit *list; /* by process and time */
    size_t count;
};

/* Of the threads that are in the workload: `replayed` as in dep_list.h. 0 or -1. */
int gt_exits_init(struct gt_exits *exits, const struct gt_timeline *timeline,
                  const uint32_t *replayed);
void gt_exits_release(struct gt_exits *exits);

/* `thread` slept in [from, until): the thread whose end it may have waited for, which is the
 * last one that ended just before or after that sleep. `children`: only ends of child
 * processes. GT_NO_INDEX: none. */
uint32_t gt_exits_find(const struct gt_exits *exits, const struct gt_timeline *timeline,
                       uint32_t thread, int64_t from_ns, int64_t until_ns, bool children);

#endif
