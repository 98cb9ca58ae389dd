/* SPDX-License-Identifier: MIT */
/* From calls in the order of their ends to events in the order of time. */
#include "viztracer/internal.h"

#include <stdlib.h>
#include <string.h>

/* Equal starts: the longer call is the outer one, and VizTracer wrote it later; what is no
 * call stays in its order. */
static int by_start(const void *left, const void *right)
{
    const struct gt_viztracer_item *a = left, *b = right;
    int64_t a_end_ns = a->kind == GT_VIZTRACER_CALL ? a->end_ns : a->start_ns;
    int64_t b_end_ns = b->kind == GT_VIZTRACER_CALL ? b->end_ns : b->start_ns;

    if (a->start_ns != b->start_ns)
        return a->start_ns < b->start_ns ? -1 : 1;
    if (a_end_ns != b_end_ns)
        return a_end_ns > b_end_ns ? -1 : 1;
    if (a->kind != b->kind && (a->kind == GT_VIZTRACER_CALL || b->kind == GT_VIZTRACER_CALL))
        return a->kind == GT_VIZTRACER_CALL ? -1 : 1;
    if ((a->kind == GT_VIZTRACER_CALL) == (a->order > b->order))
        return -1;
    return 1;
}

static struct gt_viztracer_item *innermost(const struct gt_viztracer_thread *thread)
{
    return thread->open_count ? &thread->items[thread->open[thread->open_count - 1]] : NULL;
}

/*
 * Times are rounded, so a call may seem to begin just before its predecessor's end, or to end
 * just after its caller's: whichever it is, the shorter overlap goes.
 */
static void make_nest(struct gt_viztracer_thread *thread)
{
    struct gt_viztracer_item *inner = &thread->items[thread->next];
    struct gt_viztracer_item *outer = innermost(thread);

    if (inner->kind != GT_VIZTRACER_CALL || !outer || inner->start_ns >= outer->end_ns ||
        inner->end_ns <= outer->end_ns)
        return;
    if (outer->end_ns - inner->start_ns <= inner->end_ns - outer->end_ns)
        outer->end_ns = inner->start_ns;
    else
        inner->end_ns = outer->end_ns;
}

/* Does the innermost open call return before the next item begins? */
static bool returns_first(const struct gt_viztracer_thread *thread)
{
    const struct gt_viztracer_item *open = innermost(thread);

    return open && (thread->next == thread->count ||
                    open->end_ns <= thread->items[thread->next].start_ns);
}

/* Find the time of the thread's next event; false at its end. */
static bool look_ahead(struct gt_viztracer_thread *thread)
{
    if (thread->next == thread->count && !thread->open_count)
        return false;
    if (thread->next < thread->count)
        make_nest(thread);
    thread->due_ns = returns_first(thread) ? innermost(thread)->end_ns
                                           : thread->items[thread->next].start_ns;
    return true;
}

static int64_t due_ns(const struct gt_viztracer *trace, size_t at)
{
    return gt_viztracer_thread_at(trace, trace->heap[at])->due_ns;
}

static void sift_down(struct gt_viztracer *trace, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;
        uint32_t swap = trace->heap[at];

        if (child + 1 < trace->heap_count && due_ns(trace, child + 1) < due_ns(trace, child))
            child++;
        if (child >= trace->heap_count || due_ns(trace, at) <= due_ns(trace, child))
            return;
        trace->heap[at] = trace->heap[child];
        trace->heap[child] = swap;
        at = child;
    }
}

int gt_viztracer_order(struct gt_viztracer *trace)
{
    trace->heap = calloc(trace->threads.count + 1, sizeof(*trace->heap));
    if (!trace->heap)
        return -1;
    for (uint32_t i = 0; i < trace->threads.count; i++) {
        struct gt_viztracer_thread *thread = gt_viztracer_thread_at(trace, i);

        if (thread->count)
            qsort(thread->items, thread->count, sizeof(*thread->items), by_start);
        if (look_ahead(thread))
            trace->heap[trace->heap_count++] = i;
    }
    for (size_t i = trace->heap_count / 2; i-- > 0;)
        sift_down(trace, i);
    return 0;
}

static int open_call(struct gt_viztracer_thread *thread)
{
    if (thread->open_count == thread->open_capacity) {
        size_t room = thread->open_capacity ? thread->open_capacity * 2 : 2;
        void *grown = reallocarray(thread->open, room, sizeof(*thread->open));

        if (!grown)
            return -1;
        thread->open = grown;
        thread->open_capacity = room;
    }
    thread->open[thread->open_count++] = (uint32_t)thread->next;
    return 0;
}

static const char *text_of(const struct gt_viztracer *trace, uint32_t text, uint32_t *length)
{
    *length = (uint32_t)gt_intern_length(&trace->texts, text);
    return gt_intern_text(&trace->texts, text);
}

/* The thread's event that is due. 0 or -1. */
static int deliver(struct gt_viztracer *trace, struct gt_viztracer_thread *thread,
                   struct gt_event *event)
{
    const struct gt_viztracer_item *item;

    if (thread->name && !thread->named) {
        thread->named = true;
        event->kind = GT_EVENT_COMM;
        event->new_name.text = text_of(trace, thread->name, &event->new_name.length);
        event->new_name.by_threading = true;
        return 0;
    }
    if (returns_first(thread)) {
        event->kind = GT_EVENT_RETURN;
        event->call.function = gt_chunks_at(&trace->functions, innermost(thread)->what);
        thread->open_count--;
        return 0;
    }
    item = &thread->items[thread->next];
    if (item->kind == GT_VIZTRACER_CALL) {
        event->kind = GT_EVENT_CALL;
        event->call.function = gt_chunks_at(&trace->functions, item->what);
        if (open_call(thread))
            return -1;
    } else {
        event->kind = item->kind == GT_VIZTRACER_COUNTER ? GT_EVENT_SERIES : GT_EVENT_INSTANT;
        event->mark.name = text_of(trace, item->what, &event->mark.name_length);
        event->mark.detail = text_of(trace, item->detail, &event->mark.detail_length);
    }
    thread->next++;
    return 0;
}

int gt_viztracer_next(struct gt_viztracer *trace, struct gt_event *event, struct gt_error *err)
{
    struct gt_viztracer_thread *thread;

    if (!trace->heap_count)
        return 0;
    thread = gt_viztracer_thread_at(trace, trace->heap[0]);
    *event = (struct gt_event){.time_ns = thread->due_ns,
                               .pid = thread->pid,
                               .tid = thread->tid,
                               .cpu = -1,
                               .comm = ""};
    if (deliver(trace, thread, event))
        return gt_error_memory(err);
    if (!look_ahead(thread))
        trace->heap[0] = trace->heap[--trace->heap_count];
    sift_down(trace, 0);
    return 1;
}
