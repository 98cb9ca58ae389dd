/* SPDX-License-Identifier: MIT */
/* One event: to whom it belongs, and which part of the model it is for. */
#include "model/feed.h"

#include "base/nstime.h"
#include "event/pyruntime.h"
#include "model/builder.h"

#include <bsd/stdlib.h>
#include <string.h>

enum {
    CPU_MAX = 65536, /* a cpu number beyond this is not one */
};

static int64_t *cpu_slot(struct gt_builder *builder, int32_t cpu)
{
    if (cpu < 0 || cpu >= CPU_MAX)
        return NULL;
    if ((size_t)cpu >= builder->cpu_count) {
        size_t count = (size_t)cpu + 16;
        int64_t *slots = reallocarray(builder->cpu_last_ns, count, sizeof(*slots));

        if (!slots)
            return NULL;
        for (size_t i = builder->cpu_count; i < count; i++)
            slots[i] = -1;
        builder->cpu_last_ns = slots;
        builder->cpu_count = count;
    }
    return &builder->cpu_last_ns[cpu];
}

/* perf writes the record when there is room again: what is missing lies between the last event
 * of that CPU and the record. */
static int feed_lost(struct gt_timeline *timeline, const struct gt_event *event)
{
    int64_t *last = cpu_slot(gt_builder_of(timeline), event->cpu);
    int64_t from_ns = last && *last >= 0 ? *last : timeline->start_ns;
    struct gt_lost_range *range = gt_chunks_push(&timeline->lost);
    struct gt_loss *loss = gt_chunks_push(&timeline->losses);

    if (!range || !loss)
        return -1;
    if (event->lost.since_ns)
        from_ns = event->lost.since_ns == GT_SINCE_BEGINNING ? timeline->start_ns
                                                             : event->lost.since_ns;
    if (from_ns < 0 || from_ns > event->time_ns)
        from_ns = event->time_ns;
    *range = (struct gt_lost_range){from_ns, event->time_ns, event->lost.events};
    *loss = (struct gt_loss){from_ns, event->time_ns, event->lost.events, event->cpu};
    if (gt_builder_of(timeline)->lost_until_ns < event->time_ns)
        gt_builder_of(timeline)->lost_until_ns = event->time_ns;
    timeline->quality.lost_events += event->lost.events;
    return 0; /* GILs and threads catch up when they are seen again */
}

/* Of no thread, and of all, or of a process. */
static int feed_stopped(struct gt_timeline *timeline, const struct gt_event *event)
{
    uint32_t process;

    if (event->pid > 0) {
        process = gt_process_of_pid(timeline, event->pid, event->time_ns);
        return process == GT_NO_INDEX ? -1 : gt_holes_stopped(timeline, process, event);
    }
    if (timeline->stopped_ns < 0)
        timeline->stopped_ns = event->time_ns;
    timeline->stopped_gil |= event->stopped.gil;
    return 0;
}

static int feed_lost_of(struct gt_timeline *timeline, const struct gt_event *event)
{
    uint32_t process = gt_process_of_pid(timeline, event->pid, event->time_ns);

    return process == GT_NO_INDEX ? -1 : gt_holes_lost(timeline, process, event);
}

/* Mappings tell where the interpreter's _PyRuntime is, and which files are used, in a process
 * that lives. */
static int feed_mmap(struct gt_timeline *timeline, const struct gt_event *event)
{
    const struct gt_runtime *runtime = gt_builder_of(timeline)->runtime;
    uint32_t process =
        gt_hashmap_get(&gt_builder_of(timeline)->process_of, (uint32_t)event->pid);
    uint64_t start, end;

    if (process == GT_HASHMAP_NONE)
        return 0;
    if (runtime && event->mapping.path_length == strlen(runtime->path) &&
        memcmp(event->mapping.path, runtime->path, event->mapping.path_length) == 0 &&
        gt_runtime_locate(runtime, event->mapping.address, event->mapping.offset, &start, &end))
        gt_futex_runtime(timeline, process, start, end);
    return gt_mapped_feed(timeline, process, event);
}

/* Does the event show that its thread was on a CPU? Scheduling events say so themselves, and
 * what only the agent or VizTracer sees is not asked. */
static bool shows_running(const struct gt_event *event)
{
    switch (gt_event_group(event->kind)) {
    case GT_EVENTS_SCHED:
    case GT_EVENTS_FUNCTION:
    case GT_EVENTS_MARK:
    case GT_EVENTS_SYNC:
        return false;
    default:
        return true;
    }
}

static int feed_function(struct gt_timeline *timeline, uint32_t thread,
                         const struct gt_event *event)
{
    uint32_t process = gt_thread_at(timeline, thread)->process;

    if (gt_process_state_at(timeline, process)->function_gil == GT_NO_INDEX &&
        gt_builder_of(timeline)->gils.count >= GT_GILS_MAX)
        return gt_limits_no_gil(timeline, process, event->time_ns);
    return gt_gil_function(timeline, thread, event);
}

static int feed_thread_event(struct gt_timeline *timeline, const struct gt_event *event)
{
    uint32_t index = gt_thread_of_event(timeline, event);

    if (index == GT_NO_INDEX)
        return -1;
    if (timeline->holes.count &&
        gt_holes_hide(timeline, gt_thread_at(timeline, index)->process, event))
        return 0;
    if (timeline->saw_sched && shows_running(event) && gt_sched_seen(timeline, index, event))
        return -1;
    switch (event->kind) {
    case GT_EVENT_COND_WAIT:
        if (gt_gil_function_wait(timeline, index, event) ||
            gt_futex_deadline(timeline, index, event))
            return -1;
        return gt_gil_detect(timeline, index, event);
    case GT_EVENT_COND_SIGNAL:
        return gt_gil_detect(timeline, index, event);
    case GT_EVENT_TAKE_ENTER:
    case GT_EVENT_TAKE_RETURN:
    case GT_EVENT_DROP_ENTER:
    case GT_EVENT_DROP_RETURN:
        return feed_function(timeline, index, event);
    case GT_EVENT_FUTEX_ENTER:
    case GT_EVENT_FUTEX_EXIT:
    case GT_EVENT_BLOCK_ENTER:
    case GT_EVENT_BLOCK_EXIT:
        return gt_futex_feed(timeline, index, event);
    case GT_EVENT_CALL:
    case GT_EVENT_RETURN:
    case GT_EVENT_UNTRACED:
        return gt_calls_feed(timeline, index, event);
    case GT_EVENT_GIL_SWITCH:
        return gt_gil_switch_feed(timeline, index, event);
    case GT_EVENT_INSTANT:
    case GT_EVENT_SERIES:
        return gt_marks_feed(timeline, index, event);
    case GT_EVENT_COUNTER:
        return gt_counters_feed(timeline, index, event);
    case GT_EVENT_EXEC:
        return gt_task_exec(timeline, index, event);
    case GT_EVENT_COMM:
        return gt_name_from_event(timeline, index, event);
    case GT_EVENT_SWITCH_OUT:
        if (!(event->switched.state & GT_STATE_RUNNABLE) &&
            gt_lock_sleeps(timeline, index, event->time_ns))
            return -1;
        return gt_sched_feed(timeline, index, event);
    case GT_EVENT_SCHED_SWITCH:
    case GT_EVENT_SWITCH_IN:
        return gt_sched_feed(timeline, index, event);
    case GT_EVENT_USAGE:
        return gt_usage_feed(timeline, index, event);
    case GT_EVENT_SPUN:
        return gt_lock_spun(timeline, index, event);
    case GT_EVENT_SNAPSHOT:
        return gt_snapshot_feed(timeline, event);
    case GT_EVENT_ASLEEP:
        return gt_native_sleep_feed(timeline, event);
    default:
        if (gt_event_group(event->kind) == GT_EVENTS_SYNC)
            return gt_sync_feed(timeline, index, event);
        return 0;
    }
}

/* Times that go back, beyond what merging per-CPU buffers explains, are counted. */
static void note_time(struct gt_timeline *timeline, const struct gt_event *event)
{
    int64_t *last = cpu_slot(gt_builder_of(timeline), event->cpu);

    if (timeline->start_ns < 0 || event->time_ns < timeline->start_ns)
        timeline->start_ns = event->time_ns;
    if (event->time_ns < timeline->end_ns)
        timeline->quality.unordered++;
    else
        timeline->end_ns = event->time_ns;
    if (last)
        *last = event->time_ns;
}

/* An event of before the recording began. What is not recorded any more since then, is not now.
 */
static int feed_earlier(struct gt_timeline *timeline, const struct gt_event *event)
{
    struct gt_event copy = *event;

    if (event->kind == GT_EVENT_MMAP)
        return feed_mmap(timeline, event);
    if (event->kind != GT_EVENT_STOPPED)
        return gt_task_earlier(timeline, event);
    copy.time_ns = gt_builder_of(timeline)->since_ns;
    return gt_timeline_feed(timeline, &copy);
}

int gt_timeline_feed(struct gt_timeline *timeline, const struct gt_event *event)
{
    struct gt_builder *builder = gt_builder_of(timeline);
    int rc = 0;

    if (event->kind == GT_EVENT_SAMPLE) /* it tells nothing of the rest */
        return gt_native_feed(timeline, event);
    if (event->time_ns < builder->since_ns)
        return feed_earlier(timeline, event);
    if (event->time_ns > builder->until_ns || event->time_ns > GT_TIME_MOST_NS)
        return 0;
    timeline->quality.events++;
    if (event->time_ns <= 0) {
        /* Records that perf makes up for what ran before it began: names only. */
        if (event->kind != GT_EVENT_COMM || event->tid <= 0 ||
            gt_hashmap_get(&builder->thread_of, (uint32_t)event->tid) == GT_HASHMAP_NONE)
            return 0;
    }
    if (gt_task_is_too_many(timeline, event))
        rc = gt_limits_leave_out(timeline, event);
    else if (event->kind == GT_EVENT_LOST)
        rc =
            event->lost.of_process ? feed_lost_of(timeline, event) : feed_lost(timeline, event);
    else if (event->kind == GT_EVENT_FORK)
        rc = event->tid > 0 ? gt_task_fork(timeline, event) : 0;
    else if (event->kind == GT_EVENT_EXIT)
        rc = event->tid > 0 ? gt_task_exit(timeline, event) : 0;
    else if (event->kind == GT_EVENT_MMAP)
        rc = feed_mmap(timeline, event);
    else if (event->kind == GT_EVENT_STOPPED)
        rc = feed_stopped(timeline, event);
    else
        rc = event->tid > 0 ? feed_thread_event(timeline, event) : 0;
    if (rc == 0 &&
        (event->kind == GT_EVENT_SCHED_SWITCH || event->kind == GT_EVENT_SCHED_WAKEUP))
        rc = gt_sched_other(timeline, event);
    if (event->time_ns > 0)
        note_time(timeline, event);
    return rc;
}
