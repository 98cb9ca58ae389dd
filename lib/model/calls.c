#include "model/calls.h"

#include "event/event.h"
#include "model/builder.h"

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
        gt_hashmap_init(&calls->open_of);
        calls->counts_open = false;
    }
    return gt_chunks_at(&timeline->calls, thread);
}

static struct gt_function_info *function_at(const struct gt_timeline *timeline, uint32_t index)
{
    return gt_chunks_at(&timeline->functions, index);
}

/* Our index of the source's function; GT_NO_INDEX: no memory. */
static uint32_t function_of(struct gt_timeline *timeline, const struct gt_function *function)
{
    uint32_t index = gt_hashmap_get(&timeline->builder->function_of, function->id);
    struct gt_function_info *called;

    if (index != GT_HASHMAP_NONE)
        return index;
    index = (uint32_t)timeline->functions.count;
    called = gt_chunks_push(&timeline->functions);
    if (!called || gt_hashmap_put(&timeline->builder->function_of, function->id, index))
        return GT_NO_INDEX;
    *called = (struct gt_function_info){
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

static uint32_t open_count(const struct gt_calls *calls, uint32_t function)
{
    uint32_t count = gt_hashmap_get(&calls->open_of, function);

    return count == GT_HASHMAP_NONE ? 0 : count;
}

static bool is_among_open(const struct gt_calls *calls, uint32_t function)
{
    for (size_t i = calls->open.count; i-- > 0;)
        if (span_at(calls, open_at(calls, i))->function == function)
            return true;
    return false;
}

/*
 * Is the function open? Mostly it is the innermost. Calls whose returns were lost pile up: what
 * is open in a deep stack is counted from then on, so that returns whose calls were lost need
 * not search it again and again. 1, 0 or -1.
 */
static int is_open(struct gt_calls *calls, uint32_t function)
{
    enum { DEEP = 256 };

    if (!calls->counts_open && calls->open.count < DEEP)
        return is_among_open(calls, function);
    for (size_t i = 0; !calls->counts_open && i < calls->open.count; i++) {
        uint32_t opened = span_at(calls, open_at(calls, i))->function;

        if (gt_hashmap_put(&calls->open_of, opened, open_count(calls, opened) + 1))
            return -1;
    }
    calls->counts_open = true;
    return open_count(calls, function) > 0;
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
        .flags = event->call.flags & GT_CALL_RESUME ? GT_CALL_SPAN_RESUMED : 0,
    };
    *open = index;
    function_at(timeline, function)->calls++;
    return calls->counts_open
               ? gt_hashmap_put(&calls->open_of, function, open_count(calls, function) + 1)
               : 0;
}

/* End the innermost open call, of which there is one, and return it. */
static struct gt_call_span *end_innermost(struct gt_calls *calls, int64_t time_ns,
                                          uint16_t flags)
{
    struct gt_call_span *span = span_at(calls, open_at(calls, calls->open.count - 1));

    span->end_ns = time_ns;
    span->flags = (uint16_t)(span->flags | flags);
    gt_chunks_truncate(&calls->open, calls->open.count - 1);
    if (calls->counts_open) /* it is there already: that cannot fail */
        gt_hashmap_put(&calls->open_of, span->function, open_count(calls, span->function) - 1);
    return span;
}

/* A return closes the innermost open call of its function, and all inside it. 0 or -1. */
static int leave(struct gt_calls *calls, uint32_t function, const struct gt_event *event)
{
    const uint32_t *innermost = gt_chunks_last(&calls->open);
    bool is_innermost = innermost && span_at(calls, *innermost)->function == function;
    int open = is_innermost ? 1 : is_open(calls, function);
    struct gt_call_span *span;

    if (open <= 0)
        return open; /* called before the recording began */
    do
        span = end_innermost(calls, event->time_ns, GT_CALL_SPAN_CUT_END);
    while (span->function != function);
    span->flags = (uint16_t)(span->flags & ~GT_CALL_SPAN_CUT_END);
    if (event->call.flags & GT_RETURN_UNWIND)
        span->flags |= GT_CALL_SPAN_UNWOUND;
    if (event->call.flags & GT_RETURN_YIELD)
        span->flags |= GT_CALL_SPAN_YIELDED;
    return 0;
}

/* The function is not recorded any more: its open calls are closed now, everywhere. 0 or -1. */
static int untraced(struct gt_timeline *timeline, uint32_t function,
                    const struct gt_event *event)
{
    function_at(timeline, function)->untraced_calls += event->untraced.calls;
    for (uint32_t i = 0; i < timeline->calls.count; i++) {
        struct gt_calls *calls = gt_calls_of(timeline, i);
        int open;

        if (gt_process_at(timeline, gt_thread_at(timeline, i)->process)->pid != event->pid)
            continue;
        while ((open = is_open(calls, function)) > 0)
            end_innermost(calls, event->time_ns, GT_CALL_SPAN_CUT_END);
        if (open < 0)
            return -1;
    }
    return 0;
}

int gt_calls_feed(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event)
{
    const struct gt_function *named =
        event->kind == GT_EVENT_UNTRACED ? event->untraced.function : event->call.function;
    struct gt_calls *calls = get(timeline, thread);
    uint32_t function;

    if (!calls)
        return -1;
    if (!named)
        return 0;
    function = function_of(timeline, named);
    if (function == GT_NO_INDEX)
        return -1;
    if (event->kind == GT_EVENT_CALL)
        return call(timeline, calls, function, event);
    return event->kind == GT_EVENT_RETURN ? leave(calls, function, event)
                                          : untraced(timeline, function, event);
}

void gt_calls_ended(struct gt_timeline *timeline, uint32_t thread, int64_t time_ns)
{
    struct gt_calls *calls = gt_calls_of(timeline, thread);

    while (calls && calls->open.count)
        end_innermost(calls, time_ns, GT_CALL_SPAN_CUT_END);
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
        gt_hashmap_release(&gt_calls_of(timeline, i)->open_of);
    }
    gt_chunks_release(&timeline->calls);
    gt_chunks_release(&timeline->functions);
}
