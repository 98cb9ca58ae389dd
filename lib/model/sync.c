/* SPDX-License-Identifier: MIT */
#include "model/sync.h"

#include "event/event.h"
#include "model/builder.h"

const struct gt_chunks *gt_usages_of(const struct gt_timeline *timeline, uint32_t thread)
{
    return thread < timeline->usages.count ? gt_chunks_at(&timeline->usages, thread) : NULL;
}

const struct gt_chunks *gt_snapshots_of(const struct gt_timeline *timeline, uint32_t thread)
{
    return thread < timeline->snapshots.count ? gt_chunks_at(&timeline->snapshots, thread)
                                              : NULL;
}

void gt_sync_init(struct gt_timeline *timeline)
{
    gt_chunks_init(&timeline->snapshots, sizeof(struct gt_chunks));
    gt_chunks_init(&timeline->usages, sizeof(struct gt_chunks));
    gt_chunks_init(&timeline->sync_ops, sizeof(struct gt_sync_op));
}

/* A new element of the thread's list in `lists`, which grow as threads are named. NULL: no
 * memory.
 */
static void *push_of(struct gt_chunks *lists, uint32_t thread, size_t element_size)
{
    while (lists->count <= thread) {
        struct gt_chunks *list = gt_chunks_push(lists);

        if (!list)
            return NULL;
        gt_chunks_init(list, element_size);
    }
    return gt_chunks_push(gt_chunks_at(lists, thread));
}

int gt_snapshot_feed(struct gt_timeline *timeline, const struct gt_event *event)
{
    uint32_t thread =
        gt_hashmap_get(&gt_builder_of(timeline)->thread_of, (uint32_t)event->snapshot.tid);
    const struct gt_snapshot *last;
    struct gt_snapshot *snapshot;
    int64_t time_ns = event->time_ns;

    if (thread == GT_HASHMAP_NONE)
        return 0;
    last = thread < timeline->snapshots.count
               ? gt_chunks_last(gt_chunks_at(&timeline->snapshots, thread))
               : NULL;
    if (last && last->time_ns > time_ns)
        time_ns = last->time_ns;
    snapshot = push_of(&timeline->snapshots, thread, sizeof(*snapshot));
    if (!snapshot)
        return -1;
    *snapshot = (struct gt_snapshot){
        .time_ns = time_ns,
        .cpu_ns = event->snapshot.cpu_ns,
        .ready_ns = event->snapshot.ready_ns,
        .faults = event->snapshot.faults,
        .call = event->snapshot.call,
    };
    return 0;
}

int gt_usage_feed(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event)
{
    struct gt_usage *reading = push_of(&timeline->usages, thread, sizeof(*reading));

    if (!reading)
        return -1;
    *reading = (struct gt_usage){event->time_ns, event->usage.cpu_ns, event->usage.sleeps};
    return 0;
}

static int add(struct gt_timeline *timeline, struct gt_sync_op op)
{
    struct gt_sync_op *added = gt_chunks_push(&timeline->sync_ops);

    if (!added)
        return -1;
    *added = op;
    return 0;
}

static bool is_of_lock(enum gt_event_kind kind)
{
    return kind == GT_EVENT_SEM_TAKEN || kind == GT_EVENT_SEM_GAVE_UP ||
           kind == GT_EVENT_SEM_POST || kind == GT_EVENT_SEM_WAITS ||
           kind == GT_EVENT_SEM_NEW || kind == GT_EVENT_SEM_RETURN;
}

int gt_sync_feed(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event)
{
    static const uint16_t kinds[GT_EVENT_KINDS] = {
        [GT_EVENT_SEM_TAKEN] = GT_SYNC_SEM_TAKEN,
        [GT_EVENT_SEM_GAVE_UP] = GT_SYNC_SEM_GAVE_UP,
        [GT_EVENT_SEM_POST] = GT_SYNC_SEM_POST,
        [GT_EVENT_QUEUE_GET] = GT_SYNC_QUEUE_GET,
        [GT_EVENT_QUEUE_PUT] = GT_SYNC_QUEUE_PUT,
        [GT_EVENT_BARRIER] = GT_SYNC_BARRIER,
        [GT_EVENT_JOIN] = GT_SYNC_JOIN,
        [GT_EVENT_SYNC_EVENT_SET] = GT_SYNC_EVENT_SET,
        [GT_EVENT_SYNC_EVENT_SEEN] = GT_SYNC_EVENT_SEEN,
        [GT_EVENT_PERMIT_TAKEN] = GT_SYNC_PERMIT_TAKEN,
        [GT_EVENT_PERMIT_GIVEN] = GT_SYNC_PERMIT_GIVEN,
    };
    uint64_t lock = event->sync.object;
    struct gt_sync_op op = {
        .time_ns = event->time_ns,
        .since_ns = event->sync.since_ns,
        .subject = event->sync.object,
        .thread = thread,
        .kind = kinds[event->kind],
        .left = event->sync.left <= UINT16_MAX ? (uint16_t)event->sync.left : 0,
    };

    if (is_of_lock(event->kind)) {
        if (gt_lock_feed(timeline, thread, event, &lock))
            return -1;
        if (!lock || event->kind > GT_EVENT_PERMIT_GIVEN)
            return 0;
    }
    if (event->kind == GT_EVENT_JOIN) {
        op.subject = gt_hashmap_get(&gt_builder_of(timeline)->thread_of,
                                    (uint32_t)event->sync.joined_tid);
        if (op.subject == GT_HASHMAP_NONE)
            return 0;
    }
    return add(timeline, op);
}

int gt_sync_woke(struct gt_timeline *timeline, uint32_t waker, uint32_t woken, int64_t time_ns)
{
    if (waker == woken)
        return 0;
    return add(timeline, (struct gt_sync_op){.time_ns = time_ns,
                                             .subject = woken,
                                             .thread = waker,
                                             .kind = GT_SYNC_WAKE});
}

void gt_sync_release(struct gt_timeline *timeline)
{
    for (size_t i = 0; i < timeline->usages.count; i++)
        gt_chunks_release(gt_chunks_at(&timeline->usages, i));
    for (size_t i = 0; i < timeline->snapshots.count; i++)
        gt_chunks_release(gt_chunks_at(&timeline->snapshots, i));
    gt_chunks_release(&timeline->usages);
    gt_chunks_release(&timeline->snapshots);
    gt_chunks_release(&timeline->sync_ops);
}
