/* SPDX-License-Identifier: MIT */
#include "model/holes.h"

#include "model/builder.h"

#include <string.h>

void gt_holes_init(struct gt_timeline *timeline)
{
    gt_chunks_init(&timeline->losses, sizeof(struct gt_loss));
    gt_chunks_init(&timeline->holes, sizeof(struct gt_hole));
    gt_chunks_init(&timeline->lost_of, sizeof(struct gt_chunks));
}

void gt_holes_release(struct gt_timeline *timeline)
{
    for (size_t i = 0; i < timeline->lost_of.count; i++)
        gt_chunks_release(gt_chunks_at(&timeline->lost_of, i));
    gt_chunks_release(&timeline->lost_of);
    gt_chunks_release(&timeline->losses);
    gt_chunks_release(&timeline->holes);
}

static struct gt_hole *hole_mutable(struct gt_timeline *timeline, size_t index)
{
    return gt_chunks_at(&timeline->holes, index);
}

/* It is not known what holders and waiters do between these times. */
static int lose_gils(struct gt_timeline *timeline, uint32_t process, int64_t start_ns,
                     int64_t end_ns)
{
    uint32_t at = gt_process_state_at(timeline, process)->first_gil;

    while (at != GT_NO_INDEX) {
        struct gt_gil_state *state = gt_gil_state_at(timeline, at);

        if (!state->closed && gt_gil_lose(timeline, state, start_ns, end_ns))
            return -1;
        at = state->next;
    }
    return 0;
}

static void end_calls(struct gt_timeline *timeline, uint32_t process, int64_t time_ns)
{
    for (uint32_t i = 0; i < gt_builder_of(timeline)->calls.count; i++)
        if (gt_thread_at(timeline, i)->process == process)
            gt_calls_ended(timeline, i, time_ns);
}

int gt_holes_lost(struct gt_timeline *timeline, uint32_t process, const struct gt_event *event)
{
    int64_t start_ns = event->lost.since_ns;
    struct gt_hole *hole = gt_chunks_push(&timeline->holes);

    if (!hole)
        return -1;
    if (start_ns <= 0 || start_ns > event->time_ns)
        start_ns = event->time_ns;
    *hole = (struct gt_hole){.start_ns = start_ns,
                             .end_ns = event->time_ns,
                             .events = event->lost.events,
                             .process = process,
                             .gil = true};
    timeline->quality.lost_events += event->lost.events;
    return lose_gils(timeline, process, start_ns, event->time_ns);
}

int gt_holes_stopped(struct gt_timeline *timeline, uint32_t process,
                     const struct gt_event *event)
{
    struct gt_process_state *state = gt_process_state_at(timeline, process);
    struct gt_hole *hole;

    if (state->hole != GT_NO_INDEX)
        return 0;
    state->hole = (uint32_t)timeline->holes.count;
    hole = gt_chunks_push(&timeline->holes);
    if (!hole)
        return -1;
    *hole = (struct gt_hole){
        .start_ns = event->time_ns,
        .end_ns = -1,
        .process = process,
        .why = gt_intern_add(&timeline->names, event->stopped.why, event->stopped.why_length),
        .gil = event->stopped.gil,
        .ended_it = event->stopped.by_end,
    };
    if (hole->why == UINT32_MAX)
        return -1;
    end_calls(timeline, process, event->time_ns);
    return hole->gil ? lose_gils(timeline, process, event->time_ns, event->time_ns) : 0;
}

void gt_holes_resume(struct gt_timeline *timeline, uint32_t process, int64_t time_ns)
{
    struct gt_process_state *state = gt_process_state_at(timeline, process);

    if (state->hole != GT_NO_INDEX)
        hole_mutable(timeline, state->hole)->end_ns = time_ns;
    state->hole = GT_NO_INDEX;
}

bool gt_holes_hide(const struct gt_timeline *timeline, uint32_t process,
                   const struct gt_event *event)
{
    uint32_t index = gt_process_state_at(timeline, process)->hole;

    if (index == GT_NO_INDEX)
        return false;
    switch (event->kind) {
    case GT_EVENT_COND_SIGNAL:
    case GT_EVENT_COND_WAIT:
        return gt_hole_at(&timeline->holes, index)->gil;
    case GT_EVENT_CALL:
    case GT_EVENT_RETURN:
        return true;
    default:
        return gt_event_group(event->kind) == GT_EVENTS_SYNC;
    }
}

enum { COPIES_MAX = 256 };

/* The list of lost ranges of a process with holes. It begins with those of all processes. NULL:
 * memory is exhausted. */
static struct gt_chunks *own_list(struct gt_timeline *timeline, struct gt_process *process)
{
    struct gt_chunks *list;

    if (process->lost_list)
        return gt_chunks_at(&timeline->lost_of, process->lost_list - 1);
    list = gt_chunks_push(&timeline->lost_of);
    if (!list)
        return NULL;
    gt_chunks_init(list, sizeof(struct gt_lost_range));
    process->lost_list = (uint32_t)timeline->lost_of.count;
    for (size_t i = 0; i < timeline->lost.count; i++) {
        struct gt_lost_range *copy = gt_chunks_push(list);

        if (!copy)
            return NULL;
        *copy = *(struct gt_lost_range *)gt_chunks_at(&timeline->lost, i);
    }
    /* Of so many processes that copies of all would be too much: from the first to the last. */
    if (timeline->lost_of.count > COPIES_MAX && list->count > 1)
        gt_lost_join(timeline, list, 1);
    return list;
}

/* If its end is not known, the hole ends with the process. */
static int finish_hole(struct gt_timeline *timeline, struct gt_hole *hole)
{
    struct gt_process *process = gt_process_mutable(timeline, hole->process);
    struct gt_lost_range *range;
    struct gt_chunks *list;

    if (process->end_ns < hole->start_ns) /* no thread of it was seen */
        process->end_ns = hole->ended_it ? hole->start_ns : timeline->end_ns;
    if (hole->end_ns < 0 || hole->end_ns > process->end_ns)
        hole->end_ns = process->end_ns;
    if (hole->end_ns < hole->start_ns)
        hole->end_ns = hole->start_ns;
    if (!hole->gil)
        return 0;
    if (hole->events == 0 &&
        hole->end_ns > hole->start_ns) { /* at least one: they were not counted */
        hole->events = 1;
        timeline->quality.lost_events++;
    }
    list = own_list(timeline, process);
    range = list ? gt_chunks_push(list) : NULL;
    if (!range)
        return -1;
    *range = (struct gt_lost_range){hole->start_ns, hole->end_ns, hole->events};
    return 0;
}

int gt_holes_finish(struct gt_timeline *timeline)
{
    for (size_t i = 0; i < timeline->holes.count; i++)
        if (finish_hole(timeline, hole_mutable(timeline, i)))
            return -1;
    for (size_t i = 0; i < timeline->lost_of.count; i++)
        if (gt_lost_merge(gt_chunks_at(&timeline->lost_of, i)))
            return -1;
    return 0;
}

bool gt_is_whole(const struct gt_timeline *timeline)
{
    for (size_t i = 0; i < timeline->holes.count; i++)
        if (gt_hole_at(&timeline->holes, i)->gil)
            return false;
    return timeline->lost.count == 0 && !gt_left_out_any(&timeline->left_out);
}
