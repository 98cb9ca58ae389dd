/* SPDX-License-Identifier: MIT */
#include "model/native.h"

#include "model/builder.h"

int gt_native_feed(struct gt_timeline *timeline, const struct gt_event *event)
{
    const struct gt_builder *builder = gt_builder_of(timeline);
    uint32_t thread = event->tid > 0 ? gt_hashmap_get(&builder->thread_of, (uint32_t)event->tid)
                                     : GT_HASHMAP_NONE;
    const struct gt_thread *known;
    struct gt_native_sample *sample;

    if (event->time_ns < builder->since_ns || event->time_ns > builder->until_ns)
        return 0;
    known = thread == GT_HASHMAP_NONE ? NULL : gt_thread_at(timeline, thread);
    if (!known || gt_process_at(timeline, known->process)->pid != event->pid ||
        event->time_ns < known->start_ns) {
        timeline->native_unplaced++;
        return 0;
    }
    sample = gt_chunks_push(&timeline->native);
    if (!sample)
        return -1;
    *sample = (struct gt_native_sample){.time_ns = event->time_ns,
                                        .weight_ns = event->sample.weight_ns,
                                        .thread = thread,
                                        .stack = event->sample.stack};
    return 0;
}

int gt_native_sleep_feed(struct gt_timeline *timeline, const struct gt_event *event)
{
    uint32_t thread =
        gt_hashmap_get(&gt_builder_of(timeline)->thread_of, (uint32_t)event->asleep.tid);
    struct gt_native_sleep *sleep;

    if (thread == GT_HASHMAP_NONE)
        return 0;
    sleep = gt_chunks_push(&timeline->native_sleeps);
    if (!sleep)
        return -1;
    *sleep = (struct gt_native_sleep){.time_ns = event->time_ns,
                                      .thread = thread,
                                      .stack = event->asleep.stack,
                                      .call = event->asleep.call};
    return 0;
}
