/* SPDX-License-Identifier: MIT */
#include "analysis/blocked.h"

#include "base/order.h"

#include <stddef.h>

/* NULL: no memory. */
static struct gt_blocked_span *push(struct gt_blocked *blocked, uint32_t thread)
{
    while (blocked->threads.count <= thread) {
        struct gt_chunks *spans = gt_chunks_push(&blocked->threads);

        if (!spans)
            return NULL;
        gt_chunks_init(spans, sizeof(struct gt_blocked_span));
    }
    return gt_chunks_push(gt_chunks_at(&blocked->threads, thread));
}

/* The hold that lasted for the most of a wait, which another thread had. Holds do not overlap.
 */
static uint32_t main_hold(const struct gt_chunks *holds, const struct gt_span *wait)
{
    enum { LOOKED_AT = 1 << 12 };
    size_t first =
        gt_chunks_first_after(holds, 0, offsetof(struct gt_span, end_ns), wait->start_ns);
    uint32_t best = GT_NO_INDEX;
    int64_t most_ns = 0;

    for (size_t i = first; i < holds->count && i < first + LOOKED_AT; i++) {
        const struct gt_span *hold = gt_span_at(holds, i);
        int64_t from_ns = hold->start_ns > wait->start_ns ? hold->start_ns : wait->start_ns;
        int64_t until_ns = hold->end_ns < wait->end_ns ? hold->end_ns : wait->end_ns;

        if (hold->start_ns >= wait->end_ns)
            break;
        if (hold->thread == wait->thread || until_ns - from_ns <= most_ns)
            continue;
        most_ns = until_ns - from_ns;
        best = (uint32_t)i;
    }
    return best;
}

static int add_waits(struct gt_blocked *blocked, const struct gt_lock *lock, uint32_t index)
{
    for (size_t i = 0; i < lock->as.waits.count; i++) {
        const struct gt_span *wait = gt_span_at(&lock->as.waits, i);
        struct gt_blocked_span *span = push(blocked, wait->thread);
        uint32_t hold = main_hold(&lock->as.holds, wait);

        if (!span)
            return -1;
        *span = (struct gt_blocked_span){
            .start_ns = wait->start_ns,
            .end_ns = wait->end_ns,
            .what = index,
            .hold = hold,
            .by = hold == GT_NO_INDEX ? GT_NO_INDEX : gt_span_at(&lock->as.holds, hold)->thread,
            .kind = GT_BLOCKED_LOCK,
            .flags = (uint16_t)wait->flags,
        };
    }
    return 0;
}

static int add_stop(struct gt_blocked *blocked, const struct gt_timeline *timeline,
                    uint32_t index)
{
    const struct gt_world_stop *stop = gt_chunks_at(&timeline->stops, index);
    struct gt_blocked_span *asked = push(blocked, stop->thread);

    if (!asked)
        return -1;
    *asked = (struct gt_blocked_span){.start_ns = stop->start_ns,
                                      .end_ns = stop->end_ns,
                                      .what = index,
                                      .hold = GT_NO_INDEX,
                                      .by = stop->thread,
                                      .kind = GT_BLOCKED_STOPS};
    for (uint32_t i = 0; i < stop->count; i++) {
        const struct gt_span *stopped = gt_span_at(&timeline->stopped, stop->first + i);
        struct gt_blocked_span *span = push(blocked, stopped->thread);

        if (!span)
            return -1;
        *span = (struct gt_blocked_span){.start_ns = stopped->start_ns,
                                         .end_ns = stopped->end_ns,
                                         .what = index,
                                         .hold = GT_NO_INDEX,
                                         .by = stop->thread,
                                         .kind = GT_BLOCKED_STOPPED};
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct gt_blocked_span *left = a, *right = b;

    return left->start_ns != right->start_ns ? gt_order(left->start_ns, right->start_ns)
                                             : gt_order(left->end_ns, right->end_ns);
}

/* In the order of time, without overlaps. */
static int arrange(struct gt_chunks *spans)
{
    int64_t until_ns = INT64_MIN;
    size_t kept = 0;

    if (gt_chunks_sort(spans, compare))
        return -1;
    for (size_t i = 0; i < spans->count; i++) {
        struct gt_blocked_span span = *gt_blocked_at(spans, i);

        if (span.start_ns < until_ns)
            span.start_ns = until_ns;
        if (span.start_ns >= span.end_ns)
            continue;
        until_ns = span.end_ns;
        *(struct gt_blocked_span *)gt_chunks_at(spans, kept++) = span;
    }
    gt_chunks_truncate(spans, kept);
    return 0;
}

int gt_blocked_find(struct gt_blocked *blocked, const struct gt_timeline *timeline,
                    struct gt_error *err)
{
    int rc = 0;

    gt_chunks_init(&blocked->threads, sizeof(struct gt_chunks));
    for (uint32_t i = 0; rc == 0 && i < timeline->locks.count; i++)
        rc = add_waits(blocked, gt_lock_at(timeline, i), i);
    for (uint32_t i = 0; rc == 0 && i < timeline->stops.count; i++)
        rc = add_stop(blocked, timeline, i);
    for (size_t i = 0; rc == 0 && i < blocked->threads.count; i++)
        rc = arrange(gt_chunks_at(&blocked->threads, i));
    return rc == 0 ? 0 : gt_error_memory(err);
}

void gt_blocked_release(struct gt_blocked *blocked)
{
    for (size_t i = 0; i < blocked->threads.count; i++)
        gt_chunks_release(gt_chunks_at(&blocked->threads, i));
    gt_chunks_release(&blocked->threads);
}
