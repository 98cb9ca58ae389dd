#include "model/calls.h"

#include "event/event.h"
#include "model/tracker.h"

struct gt_calls *gt_calls_of(const struct gt_timeline *timeline, uint32_t thread)
{
    return thread < timeline->calls.count ? gt_chunks_at(&timeline->calls, thread) : NULL;
}

static struct gt_calls *get(struct gt_timeline *timeline, uint32_t thread)
{
    while (timeline->calls.count <= thread) {
        struct gt_calls *calls = gt_chunks_push(&timeline->calls);

        if (!calls)
            return NULL;
        gt_chunks_init(&calls->spans, sizeof(struct gt_call_span));
        gt_chunks_init(&calls->open, sizeof(uint32_t));
    }
    return gt_chunks_at(&timeline->calls, thread);
}

static struct gt_called *function_at(const struct gt_timeline *timeline, uint32_t index)
{
    return gt_chunks_at(&timeline->functions, index);
}

/* Our index of the source's function; GT_NO_INDEX: no memory. */
static uint32_t function_of(struct gt_timeline *timeline, const struct gt_function *function)
{
    uint32_t index = gt_hashmap_get(&timeline->tracker->function_of, function->id);
    struct gt_called *called;

    if (index != GT_HASHMAP_NONE)
        return index;
    index = (uint32_t)timeline->functions.count;
    called = gt_chunks_push(&timeline->functions);
    if (!called || gt_hashmap_put(&timeline->tracker->function_of, function->id, index))
        return GT_NO_INDEX;
    *called = (struct gt_called){
        .name = gt_intern_add(&timeline->names, function->name, function->name_length),
        .file = gt_intern_add(&timeline->names, function->file, function->file_length),
        .line = function->line,
        .flags = function->flags,
    };
    return called->name == UINT32_MAX || called->file == UINT32_MAX ? GT_NO_INDEX : index;
}

static struct gt_call_span *span_at(const struct gt_calls *calls, uint32_t index)
{
    return gt_chunks_at(&calls->spans, index);
}

static uint32_t open_at(const struct gt_calls *calls, size_t index)
{
    return *(uint32_t *)gt_chunks_at(&calls->open, index);
}

static int call(struct gt_timeline *timeline, struct gt_calls *calls, uint32_t function,
                const struct gt_event *event)
{
    uint32_t index = (uint32_t)calls->spans.count;
    size_t depth = calls->open.count;
    struct gt_call_span *span = gt_chunks_push(&calls->spans);
    uint32_t *open = gt_chunks_push(&calls->open);

    if (!span || !open)
        return -1;
    *span = (struct gt_call_span){
        .start_ns = event->time_ns,
        .end_ns = -1,
        .function = function,
        .depth = (uint16_t)(depth < UINT16_MAX ? depth : UINT16_MAX),
        .flags = event->flags & GT_CALL_RESUME ? GT_CALL_SPAN_RESUMED : 0,
    };
    *open = index;
    function_at(timeline, function)->calls++;
    return 0;
}

/* End the open calls from `keep` on. */
static void end_from(struct gt_calls *calls, size_t keep, int64_t time_ns, uint16_t flags)
{
    for (size_t i = calls->open.count; i-- > keep;) {
        struct gt_call_span *span = span_at(calls, open_at(calls, i));

        span->end_ns = time_ns;
        span->flags = (uint16_t)(span->flags | flags);
    }
    gt_chunks_truncate(&calls->open, keep);
}

/* A return closes the innermost open call of its function, and all inside it. */
static void leave(struct gt_calls *calls, uint32_t function, const struct gt_event *event)
{
    size_t at = calls->open.count;
    struct gt_call_span *span;

    while (at > 0 && span_at(calls, open_at(calls, at - 1))->function != function)
        at--;
    if (at == 0)
        return; /* called before the recording began */
    span = span_at(calls, open_at(calls, at - 1));
    end_from(calls, at, event->time_ns, GT_CALL_SPAN_CUT_END);
    span->end_ns = event->time_ns;
    if (event->flags & GT_RETURN_UNWIND)
        span->flags |= GT_CALL_SPAN_UNWOUND;
    if (event->flags & GT_RETURN_YIELD)
        span->flags |= GT_CALL_SPAN_YIELDED;
    gt_chunks_truncate(&calls->open, at - 1);
}

/* The function is not recorded any more: its open calls are closed now, everywhere. */
static void untraced(struct gt_timeline *timeline, uint32_t function,
                     const struct gt_event *event)
{
    function_at(timeline, function)->untraced_calls += event->value;
    for (uint32_t i = 0; i < timeline->calls.count; i++) {
        struct gt_calls *calls = gt_calls_of(timeline, i);

        if (gt_process_at(timeline, gt_thread_at(timeline, i)->process)->pid != event->pid)
            continue;
        for (size_t at = 0; at < calls->open.count; at++)
            if (span_at(calls, open_at(calls, at))->function == function) {
                end_from(calls, at, event->time_ns, GT_CALL_SPAN_CUT_END);
                break;
            }
    }
}

int gt_calls_feed(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event)
{
    struct gt_calls *calls = get(timeline, thread);
    uint32_t function;

    if (!calls)
        return -1;
    if (!event->function)
        return 0;
    function = function_of(timeline, event->function);
    if (function == GT_NO_INDEX)
        return -1;
    if (event->kind == GT_EVENT_CALL)
        return call(timeline, calls, function, event);
    if (event->kind == GT_EVENT_RETURN)
        leave(calls, function, event);
    else
        untraced(timeline, function, event);
    return 0;
}

void gt_calls_ended(struct gt_timeline *timeline, uint32_t thread, int64_t time_ns)
{
    struct gt_calls *calls = gt_calls_of(timeline, thread);

    if (calls)
        end_from(calls, 0, time_ns, GT_CALL_SPAN_CUT_END);
}

void gt_calls_finish(struct gt_timeline *timeline)
{
    for (uint32_t i = 0; i < timeline->calls.count; i++)
        gt_calls_ended(timeline, i, gt_thread_at(timeline, i)->end_ns);
}

void gt_calls_release(struct gt_timeline *timeline)
{
    for (uint32_t i = 0; i < timeline->calls.count; i++) {
        gt_chunks_release(&gt_calls_of(timeline, i)->spans);
        gt_chunks_release(&gt_calls_of(timeline, i)->open);
    }
    gt_chunks_release(&timeline->calls);
    gt_chunks_release(&timeline->functions);
}
