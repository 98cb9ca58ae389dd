#include "model/sync.h"

#include "event/event.h"
#include "model/tracker.h"

const struct gt_chunks *gt_usages_of(const struct gt_timeline *timeline, uint32_t thread)
{
    return thread < timeline->usages.count ? gt_chunks_at(&timeline->usages, thread) : NULL;
}

void gt_sync_init(struct gt_timeline *timeline)
{
    gt_chunks_init(&timeline->usages, sizeof(struct gt_chunks));
    gt_chunks_init(&timeline->meetings, sizeof(struct gt_meeting));
}

static int feed_usage(struct gt_timeline *timeline, uint32_t thread,
                      const struct gt_event *event)
{
    struct gt_chunks *readings;
    struct gt_usage *reading;

    while (timeline->usages.count <= thread) {
        readings = gt_chunks_push(&timeline->usages);
        if (!readings)
            return -1;
        gt_chunks_init(readings, sizeof(struct gt_usage));
    }
    readings = gt_chunks_at(&timeline->usages, thread);
    reading = gt_chunks_push(readings);
    if (!reading)
        return -1;
    *reading = (struct gt_usage){event->time_ns, (int64_t)event->value, event->other_value};
    return 0;
}

static int add(struct gt_timeline *timeline, struct gt_meeting meeting)
{
    struct gt_meeting *added = gt_chunks_push(&timeline->meetings);

    if (!added)
        return -1;
    *added = meeting;
    return 0;
}

int gt_sync_feed(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event)
{
    struct gt_meeting meeting = {
        .time_ns = event->time_ns,
        .since_ns = (int64_t)event->other_value,
        .subject = event->value,
        .thread = thread,
        .kind = (uint16_t)(GT_MEETING_SEM_TAKEN + (event->kind - GT_EVENT_SEM_TAKEN)),
        .left = event->flags <= UINT16_MAX ? (uint16_t)event->flags : 0,
    };

    if (event->kind == GT_EVENT_USAGE)
        return feed_usage(timeline, thread, event);
    if (event->kind == GT_EVENT_JOIN) {
        meeting.subject =
            gt_hashmap_get(&timeline->tracker->thread_of, (uint32_t)event->other_tid);
        if (meeting.subject == GT_HASHMAP_NONE)
            return 0;
    }
    return add(timeline, meeting);
}

int gt_sync_woke(struct gt_timeline *timeline, uint32_t waker, uint32_t woken, int64_t time_ns)
{
    if (waker == woken)
        return 0;
    return add(timeline, (struct gt_meeting){.time_ns = time_ns,
                                             .subject = woken,
                                             .thread = waker,
                                             .kind = GT_MEETING_WAKE});
}

void gt_sync_release(struct gt_timeline *timeline)
{
    for (size_t i = 0; i < timeline->usages.count; i++)
        gt_chunks_release(gt_chunks_at(&timeline->usages, i));
    gt_chunks_release(&timeline->usages);
    gt_chunks_release(&timeline->meetings);
}
