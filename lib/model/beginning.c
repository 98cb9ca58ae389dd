/* SPDX-License-Identifier: MIT */
/* After the last event: from when on the threads are known that ran before the recording began
 * (earlier.c). */
#include "base/nstime.h"
#include "model/builder.h"

/* The greatest switch interval that the process's GILs were seen to have; 0: not known. */
static int64_t interval_of(const struct gt_timeline *timeline, int32_t pid)
{
    uint32_t process = gt_hashmap_get(&gt_builder_of(timeline)->process_of, (uint32_t)pid);
    int64_t greatest_ns = 0;
    uint32_t at;

    if (gt_builder_of(timeline)->interval_ns)
        return gt_builder_of(timeline)->interval_ns;
    at = process == GT_HASHMAP_NONE ? GT_NO_INDEX
                                    : gt_process_state_at(timeline, process)->first_gil;
    for (; at != GT_NO_INDEX; at = gt_gil_state_at(timeline, at)->next) {
        const struct gt_intervals *known = &gt_gil_state_at(timeline, at)->intervals.intervals;

        for (size_t i = 0; i < known->list.count; i++) {
            const struct gt_interval *one = gt_chunks_at(&known->list, i);

            greatest_ns = one->interval_ns > greatest_ns ? one->interval_ns : greatest_ns;
        }
    }
    return greatest_ns;
}

/* The thread lived when the recording began; from when on is it known? */
static int finish(struct gt_timeline *timeline, struct gt_earlier *earlier)
{
    int64_t interval_ns = interval_of(timeline, earlier->pid);
    int64_t known_ns =
        interval_ns ? gt_add_ns(gt_builder_of(timeline)->since_ns, interval_ns) : INT64_MAX;
    struct gt_thread *thread;
    uint32_t added;

    if (earlier->thread == GT_NO_INDEX) {
        if (known_ns >= timeline->end_ns)
            return 0;
        added = gt_thread_earlier(timeline, earlier->pid, earlier->tid, known_ns);
        if (added == GT_NO_INDEX)
            return -1;
        if (gt_earlier_seen(timeline, added))
            return -1;
    }
    thread = gt_thread_mutable(timeline, earlier->thread);
    if (!thread->python_name)
        thread->python_name = earlier->python_name;
    if (thread->start_ns > known_ns)
        thread->start_ns = known_ns;
    return 0;
}

int gt_beginning_finish(struct gt_timeline *timeline)
{
    struct gt_builder *builder = gt_builder_of(timeline);

    if (builder->until_ns != INT64_MAX && timeline->end_ns < builder->until_ns)
        timeline->end_ns = builder->until_ns;
    for (size_t i = 0; i < builder->earlier.count; i++) {
        struct gt_earlier *earlier = gt_chunks_at(&builder->earlier, i);

        if (!earlier->ended && finish(timeline, earlier))
            return -1;
    }
    return 0;
}
