/* SPDX-License-Identifier: MIT */
#include "model/sched.h"

#include "model/builder.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { SWITCH_TAIL_NS = 50000 };

static const char *const names[GT_SCHED_STATES] = {
    [GT_SCHED_NONE] = "unknown",
    [GT_SCHED_RUNNING] = "running",
    [GT_SCHED_PREEMPTED] = "runnable (preempted)",
    [GT_SCHED_WOKEN] = "runnable (woken)",
    [GT_SCHED_SLEEPING] = "S",
    [GT_SCHED_SLEEPING_GIL] = "S(GIL)",
    [GT_SCHED_UNINTERRUPTIBLE] = "D",
    [GT_SCHED_STOPPED] = "stopped",
    [GT_SCHED_OFF_CPU] = "off CPU",
    [GT_SCHED_OFF_CPU_GIL] = "off CPU (GIL)",
};

const char *gt_sched_state_name(enum gt_sched_state state)
{
    return names[state];
}

enum gt_sched_state gt_sched_state_of(const char *name)
{
    for (int i = GT_SCHED_RUNNING; i < GT_SCHED_STATES; i++)
        if (strcmp(names[i], name) == 0)
            return (enum gt_sched_state)i;
    return GT_SCHED_STATES;
}

const struct gt_sched *gt_sched_at(const struct gt_timeline *timeline, uint32_t thread)
{
    return gt_chunks_at(&timeline->scheds, thread);
}

const struct gt_sched *gt_sched_of(const struct gt_timeline *timeline, uint32_t thread)
{
    const struct gt_sched *sched =
        thread < timeline->scheds.count ? gt_chunks_at(&timeline->scheds, thread) : NULL;

    /* Of several recordings, some may have states, and others none. */
    return sched && (sched->spans.count || !timeline->recordings.count) ? sched : NULL;
}

void gt_sched_within(const struct gt_sched *sched, int64_t from_ns, int64_t until_ns,
                     int64_t state_ns[GT_SCHED_STATES])
{
    size_t at = gt_chunks_first_after(&sched->spans, 0,
                                      offsetof(struct gt_state_span, start_ns), from_ns);

    for (at = at ? at - 1 : 0; at < sched->spans.count; at++) {
        const struct gt_state_span *span = gt_chunks_at(&sched->spans, at);
        int64_t start_ns = span->start_ns > from_ns ? span->start_ns : from_ns;
        int64_t end_ns = span->end_ns < until_ns ? span->end_ns : until_ns;

        if (span->start_ns >= until_ns)
            break;
        if (end_ns > start_ns)
            state_ns[span->state] += end_ns - start_ns;
    }
}

/* End the current state at `time_ns` and begin the next one. */
static int enter(struct gt_scheduling *now, enum gt_sched_state state, int32_t cpu,
                 int64_t time_ns)
{
    struct gt_state_span *span;

    if (time_ns < now->current.start_ns)
        time_ns = now->current.start_ns; /* the order is the truth */
    if (now->current.state != GT_SCHED_NONE && time_ns > now->current.start_ns) {
        span = gt_chunks_push(&now->sched.spans);
        if (!span)
            return -1;
        *span = now->current;
        span->end_ns = time_ns;
    }
    now->current.start_ns = time_ns;
    now->current.state = (uint8_t)state;
    now->current.stack = 0;
    now->current.flags = 0;
    if (cpu >= 0)
        now->current.cpu = cpu < UINT16_MAX ? (uint16_t)cpu : UINT16_MAX;
    return 0;
}

/* Whatever it did when events were lost, it may do something else now. NULL: no memory. */
static struct gt_scheduling *catch_up(const struct gt_timeline *timeline,
                                      struct gt_scheduling *now)
{
    uint32_t seen = now->lost_seen;
    const struct gt_lost_range *first;

    now->lost_seen = (uint32_t)timeline->lost.count;
    if (seen == now->lost_seen)
        return now;
    first = gt_chunks_at(&timeline->lost, seen);
    return enter(now, GT_SCHED_NONE, -1, first->start_ns) ? NULL : now;
}

struct gt_scheduling *gt_scheduling_of(const struct gt_timeline *timeline, uint32_t thread)
{
    const struct gt_chunks *scheds = &gt_builder_of(timeline)->scheds;

    return thread < scheds->count ? gt_chunks_at(scheds, thread) : NULL;
}

static struct gt_scheduling *get(struct gt_timeline *timeline, uint32_t thread)
{
    struct gt_chunks *scheds = &gt_builder_of(timeline)->scheds;

    while (scheds->count <= thread) {
        struct gt_scheduling *now = gt_chunks_push(scheds);

        if (!now)
            return NULL;
        memset(now, 0, sizeof(*now));
        gt_chunks_init(&now->sched.spans, sizeof(struct gt_state_span));
        now->current.cpu = UINT16_MAX;
        now->lost_seen = (uint32_t)timeline->lost.count;
    }
    return catch_up(timeline, gt_chunks_at(scheds, thread));
}

/* The state bits of sched_switch say why a thread left its CPU. */
static enum gt_sched_state state_of(uint32_t flags)
{
    if (flags & GT_STATE_UNINTERRUPTIBLE)
        return GT_SCHED_UNINTERRUPTIBLE;
    if (flags & GT_STATE_STOPPED)
        return GT_SCHED_STOPPED;
    if (flags & (GT_STATE_SLEEPING | GT_STATE_IDLE))
        return GT_SCHED_SLEEPING;
    if (flags & GT_STATE_RUNNABLE)
        return GT_SCHED_PREEMPTED;
    return GT_SCHED_NONE; /* dead, or a letter that later kernels may add */
}

static bool is_ready(uint8_t state)
{
    return state == GT_SCHED_PREEMPTED || state == GT_SCHED_WOKEN;
}

static bool on_cpu_or_unknown(const struct gt_scheduling *now)
{
    return now->current.state == GT_SCHED_RUNNING || now->current.state == GT_SCHED_NONE;
}

/* The thread does what it can do on a CPU only: what it did since it left it is not known. */
static void came_back_unseen(struct gt_scheduling *now)
{
    if (!on_cpu_or_unknown(now))
        now->current.state = GT_SCHED_NONE;
}

static int switched_in(struct gt_timeline *timeline, uint32_t thread, int32_t cpu,
                       int64_t time_ns)
{
    struct gt_scheduling *now = get(timeline, thread);

    if (!now)
        return -1;
    if (now->current.state == GT_SCHED_RUNNING)
        return 0;
    return enter(now, GT_SCHED_RUNNING, cpu, time_ns);
}

static int switched_out(struct gt_timeline *timeline, struct gt_scheduling *now,
                        const struct gt_event *event)
{
    timeline->saw_reasons = true;
    came_back_unseen(now);
    if (enter(now, state_of(event->switched.state), event->cpu, event->time_ns))
        return -1;
    if (event->frame_count == 0)
        return 0;
    if (gt_stack_waits_for_gil(event->frames, event->frame_count))
        now->current.flags |= GT_STATE_SPAN_GIL_STACK;
    timeline->saw_stacks = true;
    now->current.stack = gt_stacks_add(&timeline->stacks, event->frames, event->frame_count);
    return now->current.stack == UINT32_MAX ? -1 : 0;
}

static int woken(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event)
{
    struct gt_scheduling *now = get(timeline, thread);
    uint32_t waker;

    if (!now)
        return -1;
    if (on_cpu_or_unknown(now) || is_ready(now->current.state))
        return 0; /* it had not left yet, or nothing is known */
    waker = gt_hashmap_get(&gt_builder_of(timeline)->thread_of, (uint32_t)event->tid);
    if (waker != GT_HASHMAP_NONE && gt_sync_woke(timeline, waker, thread, event->time_ns))
        return -1;
    return enter(now, GT_SCHED_WOKEN, -1, event->time_ns);
}

int gt_sched_feed(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event)
{
    struct gt_scheduling *now = get(timeline, thread);

    if (!now)
        return -1;
    timeline->saw_sched = true;
    switch (event->kind) {
    case GT_EVENT_SCHED_SWITCH:
        return switched_out(timeline, now, event);
    case GT_EVENT_SWITCH_IN:
        timeline->saw_switch_records = true;
        return switched_in(timeline, thread, event->cpu, event->time_ns);
    case GT_EVENT_SWITCH_OUT:
        if (!on_cpu_or_unknown(now))
            return 0; /* sched_switch said so already, and why */
        return enter(now,
                     event->switched.state & GT_STATE_RUNNABLE ? GT_SCHED_PREEMPTED
                                                               : GT_SCHED_OFF_CPU,
                     event->cpu, event->time_ns);
    default:
        return 0;
    }
}

int gt_sched_other(struct gt_timeline *timeline, const struct gt_event *event)
{
    bool is_switch = event->kind == GT_EVENT_SCHED_SWITCH;
    int32_t tid = is_switch ? event->switched.next_tid : event->woken_tid;
    uint32_t other = tid > 0
                         ? gt_hashmap_get(&gt_builder_of(timeline)->thread_of, (uint32_t)tid)
                         : GT_HASHMAP_NONE;

    if (other == GT_HASHMAP_NONE)
        return 0; /* not one of ours */
    if (is_switch)
        return switched_in(timeline, other, event->cpu, event->time_ns);
    return woken(timeline, other, event);
}

int gt_sched_seen(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event)
{
    struct gt_scheduling *now = get(timeline, thread);

    if (!now)
        return -1;
    if (event->time_ns >= timeline->states_until_ns)
        return 0;
    if (now->current.state == GT_SCHED_RUNNING)
        return 0;
    /* Without switch records nothing else tells that it came back. Events of the switch
     * itself (the counter context-switches) follow within microseconds and do not count. */
    if (now->current.state != GT_SCHED_NONE &&
        (timeline->saw_switch_records ||
         event->time_ns - now->current.start_ns < SWITCH_TAIL_NS))
        return 0;
    return enter(now, GT_SCHED_RUNNING, event->cpu, event->time_ns);
}

int gt_sched_started(struct gt_timeline *timeline, uint32_t thread, int64_t time_ns)
{
    struct gt_scheduling *now = get(timeline, thread);

    if (!now)
        return -1;
    return time_ns < timeline->states_until_ns ? enter(now, GT_SCHED_WOKEN, -1, time_ns) : 0;
}

void gt_sched_restart(struct gt_timeline *timeline, uint32_t thread)
{
    struct gt_scheduling *now = gt_scheduling_of(timeline, thread);

    if (!now)
        return;
    gt_chunks_truncate(&now->sched.spans, 0);
    now->current.start_ns = gt_thread_at(timeline, thread)->start_ns;
}

int gt_sched_ended(struct gt_timeline *timeline, uint32_t thread, int64_t time_ns)
{
    struct gt_scheduling *now = gt_scheduling_of(timeline, thread);

    if (!now)
        return 0;
    if (!catch_up(timeline, now))
        return -1;
    if (time_ns >= timeline->states_until_ns)
        return 0;
    came_back_unseen(now); /* who ends runs */
    return enter(now, GT_SCHED_NONE, -1, time_ns);
}

int gt_sched_catch_up(struct gt_timeline *timeline)
{
    for (uint32_t i = 0; i < gt_builder_of(timeline)->scheds.count; i++)
        if (!catch_up(timeline, gt_scheduling_of(timeline, i)))
            return -1;
    return 0;
}

/* The timeline's own, to be changed; NULL: there is none. */
static struct gt_sched *sched_mutable(struct gt_timeline *timeline, uint32_t thread)
{
    return thread < timeline->scheds.count ? gt_chunks_at(&timeline->scheds, thread) : NULL;
}

static const struct gt_state_span *state_at(const struct gt_sched *sched, size_t index)
{
    return gt_chunks_at(&sched->spans, index);
}

/* The first span that ends after `time_ns`. */
static size_t first_after(const struct gt_sched *sched, int64_t time_ns)
{
    return gt_chunks_first_after(&sched->spans, 0, offsetof(struct gt_state_span, end_ns),
                                 time_ns);
}

static void mark_gil(struct gt_state_span *span)
{
    if (span->state == GT_SCHED_SLEEPING)
        span->state = GT_SCHED_SLEEPING_GIL;
    else if (span->state == GT_SCHED_OFF_CPU)
        span->state = GT_SCHED_OFF_CPU_GIL;
}

/* A thread that goes to sleep while it waits for the GIL sleeps for the GIL. */
static void mark_waits(struct gt_timeline *timeline, const struct gt_gil *gil)
{
    for (size_t i = 0; i < gil->waits.count; i++) {
        const struct gt_span *wait = gt_span_at(&gil->waits, i);
        struct gt_sched *sched = sched_mutable(timeline, wait->thread);

        for (size_t at = sched ? first_after(sched, wait->start_ns) : 0;
             sched && at < sched->spans.count; at++) {
            struct gt_state_span *span = gt_chunks_at(&sched->spans, at);

            if (span->start_ns >= wait->end_ns)
                break;
            if (span->start_ns >= wait->start_ns)
                mark_gil(span);
        }
    }
}

/* How often and how long threads held the GIL, ready to run, without a CPU. */
static void count_ready_holding(struct gt_timeline *timeline, const struct gt_gil *gil)
{
    struct gt_sched *sched = NULL;
    uint32_t thread = GT_NO_INDEX;
    size_t first = 0; /* state that ends after the start of the hold */

    for (size_t i = 0; i < gil->holds.count; i++) {
        const struct gt_span *hold = gt_span_at(&gil->holds, i);

        if (hold->thread != thread) {
            thread = hold->thread;
            sched = sched_mutable(timeline, thread);
            first = sched ? first_after(sched, hold->start_ns) : 0;
        }
        while (sched && first < sched->spans.count &&
               state_at(sched, first)->end_ns <= hold->start_ns)
            first++;
        for (size_t at = first; sched && at < sched->spans.count; at++) {
            const struct gt_state_span *span = state_at(sched, at);
            int64_t from_ns = span->start_ns > hold->start_ns ? span->start_ns : hold->start_ns;
            int64_t until_ns = span->end_ns < hold->end_ns ? span->end_ns : hold->end_ns;

            if (span->start_ns >= hold->end_ns)
                break;
            if (!is_ready(span->state))
                continue;
            sched->ready_holding_count++;
            sched->ready_holding_ns += until_ns - from_ns;
        }
    }
}

static int cut_lost(const struct gt_timeline *timeline, struct gt_sched *sched)
{
    struct gt_chunks kept;

    if (timeline->lost.count == 0)
        return 0;
    gt_chunks_init(&kept, sizeof(struct gt_state_span));
    for (size_t i = 0; i < sched->spans.count; i++) {
        struct gt_state_span span = *(struct gt_state_span *)gt_chunks_at(&sched->spans, i);
        size_t at = gt_lost_after(&timeline->lost, span.start_ns);
        struct gt_state_span *copy;

        /* A state that lasted through a lost range may have been left and entered again. */
        for (; at < timeline->lost.count && span.start_ns < span.end_ns; at++) {
            const struct gt_lost_range *range = gt_chunks_at(&timeline->lost, at);

            if (range->start_ns >= span.end_ns)
                break;
            if (range->start_ns > span.start_ns) {
                copy = gt_chunks_push(&kept);
                if (!copy)
                    goto fail;
                *copy = span;
                copy->end_ns = range->start_ns;
            }
            span.start_ns = range->end_ns;
        }
        if (span.start_ns >= span.end_ns)
            continue;
        copy = gt_chunks_push(&kept);
        if (!copy)
            goto fail;
        *copy = span;
    }
    gt_chunks_release(&sched->spans);
    sched->spans = kept;
    return 0;
fail:
    gt_chunks_release(&kept);
    return -1;
}

static void sum_up(struct gt_sched *sched)
{
    for (size_t i = 0; i < sched->spans.count; i++) {
        struct gt_state_span *span = gt_chunks_at(&sched->spans, i);

        if (span->flags & GT_STATE_SPAN_GIL_STACK)
            mark_gil(span);
        sched->state_ns[span->state] += span->end_ns - span->start_ns;
        sched->state_count[span->state]++;
    }
}

/* 0 or -1. */
static int finish_thread(struct gt_timeline *timeline, uint32_t thread)
{
    struct gt_scheduling *now = gt_scheduling_of(timeline, thread);
    struct gt_sched *sched = gt_chunks_push(&timeline->scheds);
    int64_t end_ns = gt_thread_at(timeline, thread)->end_ns;
    int64_t until_ns = timeline->states_until_ns;

    if (!sched)
        return -1;
    gt_chunks_init(&sched->spans, sizeof(struct gt_state_span));
    /* Who was ready to run did run, whether that was seen or not. */
    if (!timeline->saw_switch_records && is_ready(now->current.state))
        now->current.state = GT_SCHED_NONE;
    if (enter(now, GT_SCHED_NONE, -1, end_ns < until_ns ? end_ns : until_ns))
        return -1;
    *sched = now->sched;
    gt_chunks_init(&now->sched.spans, sizeof(struct gt_state_span)); /* handed over */
    return cut_lost(timeline, sched);
}

int gt_sched_finish(struct gt_timeline *timeline)
{
    if (!timeline->saw_sched)
        return 0; /* forks alone say nothing about what the threads did then */
    for (uint32_t i = 0; i < gt_builder_of(timeline)->scheds.count; i++)
        if (finish_thread(timeline, i))
            return -1;
    for (uint32_t i = 0; i < timeline->gils.count; i++)
        mark_waits(timeline, gt_gil_at(timeline, i));
    for (uint32_t i = 0; i < timeline->scheds.count; i++)
        sum_up(sched_mutable(timeline, i));
    for (uint32_t i = 0; i < timeline->gils.count; i++)
        count_ready_holding(timeline, gt_gil_at(timeline, i));
    return 0;
}

void gt_sched_release(struct gt_timeline *timeline)
{
    for (uint32_t i = 0; i < timeline->scheds.count; i++)
        gt_chunks_release(&sched_mutable(timeline, i)->spans);
    gt_chunks_release(&timeline->scheds);
}
