/* SPDX-License-Identifier: MIT */
#include "model/limits.h"

#include "model/builder.h"

static const char too_many_tasks[] =
    "the recording has more threads or processes than are kept (65536 of each)";
static const char too_many_gils[] = "the recording has more GILs than are kept (65536)";

/* From now on, the use of the GIL in `process` is not known. */
static int stop(struct gt_timeline *timeline, uint32_t process, int64_t time_ns,
                const char *why, size_t length)
{
    struct gt_event event = {
        .kind = GT_EVENT_STOPPED,
        .time_ns = time_ns,
        .pid = gt_process_at(timeline, process)->pid,
        .tid = -1,
        .cpu = -1,
        .stopped = {.why = why, .why_length = (uint32_t)length, .gil = true},
    };

    return gt_holes_stopped(timeline, process, &event);
}

int gt_limits_leave_out(struct gt_timeline *timeline, const struct gt_event *event)
{
    int32_t pid = event->kind == GT_EVENT_FORK && event->pid == event->tid ? 0 : event->pid;
    uint32_t process = pid > 0
                           ? gt_hashmap_get(&gt_builder_of(timeline)->process_of, (uint32_t)pid)
                           : GT_HASHMAP_NONE;

    timeline->left_out.events++;
    if (process != GT_HASHMAP_NONE)
        return stop(timeline, process, event->time_ns, too_many_tasks,
                    sizeof(too_many_tasks) - 1);
    /* Where the text names no pids, it may be of any process. */
    if (event->pid <= 0 && gt_builder_of(timeline)->left_out_ns < 0)
        gt_builder_of(timeline)->left_out_ns = event->time_ns;
    return 0;
}

int gt_limits_no_gil(struct gt_timeline *timeline, uint32_t process, int64_t time_ns)
{
    timeline->left_out.gils++;
    return stop(timeline, process, time_ns, too_many_gils, sizeof(too_many_gils) - 1);
}
