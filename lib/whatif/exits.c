/* SPDX-License-Identifier: MIT */
#include "whatif/exits.h"

#include "base/order.h"

#include <stdlib.h>

enum {
    CHILD_NS = 5000000,  /* from a child's end until its parent goes on */
    THREAD_NS = 1000000, /* a thread wakes who joins it shortly before it is gone, or after */
};

static int compare(const void *a, const void *b)
{
    const struct gt_exit *left = a, *right = b;

    if (left->process != right->process)
        return gt_order(left->process, right->process);
    return gt_order(left->time_ns, right->time_ns);
}

int gt_exits_init(struct gt_exits *exits, const struct gt_timeline *timeline,
                  const uint32_t *replayed)
{
    *exits = (struct gt_exits){
        .list = calloc(2 * timeline->threads.count + 1, sizeof(*exits->list))};
    if (!exits->list)
        return -1;
    for (uint32_t i = 0; i < timeline->threads.count; i++) {
        const struct gt_thread *thread = gt_thread_at(timeline, i);
        const struct gt_process *process = gt_process_at(timeline, thread->process);

        if (!(thread->flags & GT_THREAD_SAW_EXIT) || replayed[i] == GT_NO_INDEX)
            continue;
        exits->list[exits->count++] =
            (struct gt_exit){thread->end_ns, thread->process, i, false};
        if (thread->flags & GT_THREAD_MAIN && process->parent != GT_NO_INDEX)
            exits->list[exits->count++] =
                (struct gt_exit){thread->end_ns, process->parent, i, true};
    }
    qsort(exits->list, exits->count, sizeof(*exits->list), compare);
    return 0;
}

void gt_exits_release(struct gt_exits *exits)
{
    free(exits->list);
    exits->list = NULL;
}

/* The number of ends in the list before that of `process` which is later than `time_ns`. */
static size_t count_until(const struct gt_exits *exits, uint32_t process, int64_t time_ns)
{
    size_t low = 0, high = exits->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct gt_exit *end = &exits->list[middle];

        if (end->process > process || (end->process == process && end->time_ns > time_ns))
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

uint32_t gt_exits_find(const struct gt_exits *exits, const struct gt_timeline *timeline,
                       uint32_t thread, int64_t from_ns, int64_t until_ns, bool children)
{
    uint32_t process = gt_thread_at(timeline, thread)->process;
    size_t at = count_until(exits, process, until_ns + THREAD_NS);

    while (at-- > 0 && exits->list[at].process == process) {
        const struct gt_exit *end = &exits->list[at];
        int64_t least_ns = until_ns - (end->of_child ? CHILD_NS : THREAD_NS);

        if (end->time_ns < until_ns - CHILD_NS || end->time_ns < from_ns)
            break;
        if (end->thread == thread || end->time_ns < least_ns ||
            (end->of_child ? end->time_ns > until_ns : children))
            continue;
        return end->thread;
    }
    return GT_NO_INDEX;
}
