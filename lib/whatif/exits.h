/* Which end of a thread, or of a child process, somebody may have waited for. */
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

/* Of the threads that are replayed (dependencies.h). 0 or -1. */
int gt_exits_init(struct gt_exits *exits, const struct gt_timeline *timeline,
                  const uint32_t *replayed);
void gt_exits_release(struct gt_exits *exits);

/* The thread whose end a sleep of `thread` in [from, until) may have waited for: the last one
 * just before or after its end. GT_NO_INDEX: none. `children`: of child processes only. */
uint32_t gt_exits_find(const struct gt_exits *exits, const struct gt_timeline *timeline,
                       uint32_t thread, int64_t from_ns, int64_t until_ns, bool children);

#endif
