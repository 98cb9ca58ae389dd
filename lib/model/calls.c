/* SPDX-License-Identifier: MIT */
#include "model/calls.h"

#include "event/event.h"
#include "model/builder.h"

const struct gt_calls *gt_calls_of(const struct gt_timeline *timeline, uint32_t thread)
{
    return thread < timeline->calls.count ? gt_chunks_at(&timeline->calls, thread) : NULL;
}

static struct gt_calls_state *state_of(const struct gt_timeline *timeline, uint32_t thread)
{
    const struct gt_chunks *states = &gt_builder_of(timeline)->calls;

    return thread < states->count ? gt_chunks_at(states, thread) : NULL;
}

/* The thread's, made when new. */
static struct gt_calls_state *get(struct gt_timeline *timeline, uint32_t thread)
{
    struct gt_chunks *states = &gt_builder_of(timeline)->calls;

    while (states->count <= thread) {
        struct gt_calls_state *state = gt_chunks_push(states);

        if (!state)
            return NULL;
        gt_chunks_init(&state->calls.spans, sizeof(struct gt_call_span));
        gt_chunks_init(&state->open, sizeof(uint32_t));
        gt_hashmap_init(&state->open_of);
        state->counts_open = false;
    }
    return gt_chunks_at(states, thread);
}

static struct gt_function_info *function_at(const struct gt_timeline *timeline, uint32_t index)
{
    return gt_chunks_at(&timeline->functions, index);
}

/* Our index of the source's function; GT_NO_INDEX: no memory. */
static uint32_t function_of(struct gt_timeline *timeline, const struct gt_function *function)
{
    uint32_t index = gt_hashmap_get(&gt_builder_of(timeline)->function_of, function->id);
    struct gt_function_info *called;

    if (index != GT_HASHMAP_NONE)
        return index;
    index = (uint32_t)timeline->functions.count;
    called = gt_chunks_push(&timeline->functions);
    if (!called || gt_hashmap_put(&gt_builder_of(timeline)->function_of, function->id, index))
        return GT_NO_INDEX;
    *called = (struct gt_function_info){
        .name = gt_intern_add(&timeline->names, function->name, function->name_length),
        .file = gt_intern_add(&timeline->names, function->file, function->file_length),
        .line = function->line,
        .flags = function->flags,
    };
    return called->name == UINT32_MAX || called->file == UINT32_MAX ? GT_NO_INDEX : index;
}

static struct gt_call_span *span_at(const struct gt_calls_state *state, uint32_t index)
{
    return gt_chunks_at(&state->calls.spans, index);
}

static uint32_t open_at(const struct gt_calls_state *state, size_t index)
{
    return *(uint32_t *)gt_chunks_at(&state->open, index);
}

static uint32_t open_count(const struct gt_calls_state *state, uint32_t function)
{
    uint32_t count = gt_hashmap_get(&state->open_of, function);

    return count == GT_HASHMAP_NONE ? 0 : count;
}

static bool is_among_open(const struct gt_calls_state *state, uint32_t function)
{
    for (size_t i = state->open.count; i-- > 0;)
        if (span_at(state, open_at(state, i))->function == function)
            return true;
    return false;
}

/*
 * Is the function open? Mostly it is the innermost. Calls whose returns were lost pile up: what
 * is open in a deep stack is counted from then on, so that returns whose calls were lost need
 * not search it again and again. 1, 0 or -1.
 */
static int is_open(struct gt_calls_state *state, uint32_t function)
{
    enum { DEEP = 256 };

    if (!state->counts_open && state->open.count < DEEP)
        return is_among_open(state, function);
    for (size_t i = 0; !state->counts_open && i < state->open.count; i++) {
        uint32_t opened = span_at(state, open_at(state, i))->function;

        if (gt_hashmap_put(&state->open_of, opened, open_count(state, opened) + 1))
            return -1;
    }
    state->counts_open = true;
    return open_count(state, function) > 0;
}

static int call(struct gt_timeline *timeline, struct gt_calls_state *state, uint32_t function,
                const struct gt_event *event)
{
    uint32_t index = (uint32_t)state->calls.spans.count;
    size_t depth = state->open.count;
    struct gt_call_span *span = gt_chunks_push(&state->calls.spans);
    uint32_t *open = gt_chunks_push(&state->open);

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
    if (!state->counts_open)
        return 0;
    return gt_hashmap_put(&state->open_of, function, open_count(state, function) + 1);
}

/* End the innermost open call, of which there is one, and return it. */
static struct gt_call_span *end_innermost(struct gt_calls_state *state, int64_t time_ns,
                                          uint16_t flags)
{
    struct gt_call_span *span = span_at(state, open_at(state, state->open.count - 1));

    span->end_ns = time_ns;
    span->flags = (uint16_t)(span->flags | flags);
    gt_chunks_truncate(&state->open, state->open.count - 1);
    if (state->counts_open) /* it is there already: that cannot fail */
        gt_hashmap_put(&state->open_of, span->function, open_count(state, span->function) - 1);
    return span;
}

/* A return closes the innermost open call of its function, and all inside it. 0 or -1. */
static int leave(struct gt_calls_state *state, uint32_t function, const struct gt_event *event)
{
    const uint32_t *innermost = gt_chunks_last(&state->open);
    bool is_innermost = innermost && span_at(state, *innermost)->function == function;
    int open = is_innermost ? 1 : is_open(state, function);
    struct gt_call_span *span;

    if (open <= 0)
        return open; /* called before the recording began */
    do
        span = end_innermost(state, event->time_ns, GT_CALL_SPAN_CUT_END);
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
    for (uint32_t i = 0; i < gt_builder_of(timeline)->calls.count; i++) {
        struct gt_calls_state *state = state_of(timeline, i);
        int open;

        if (gt_process_at(timeline, gt_thread_at(timeline, i)->process)->pid != event->pid)
            continue;
        while ((open = is_open(state, function)) > 0)
            end_innermost(state, event->time_ns, GT_CALL_SPAN_CUT_END);
        if (open < 0)
            return -1;
    }
    return 0;
}

int gt_calls_feed(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event)
{
    const struct gt_function *named =
        event->kind == GT_EVENT_UNTRACED ? event->untraced.function : event->call.function;
    struct gt_calls_state *state = get(timeline, thread);
    uint32_t function;

    if (!state)
        return -1;
    if (!named)
        return 0;
    function = function_of(timeline, named);
    if (function == GT_NO_INDEX)
        return -1;
    if (event->kind == GT_EVENT_CALL)
        return call(timeline, state, function, event);
    if (event->kind == GT_EVENT_RETURN)
        return leave(state, function, event);
    return untraced(timeline, function, event);
}

void gt_calls_ended(struct gt_timeline *timeline, uint32_t thread, int64_t time_ns)
{
    struct gt_calls_state *state = state_of(timeline, thread);

    while (state && state->open.count)
        end_innermost(state, time_ns, GT_CALL_SPAN_CUT_END);
}

void gt_calls_state_release(struct gt_calls_state *state)
{
    gt_chunks_release(&state->calls.spans);
    gt_chunks_release(&state->open);
    gt_hashmap_release(&state->open_of);
}

int gt_calls_finish(struct gt_timeline *timeline)
{
    for (uint32_t i = 0; i < gt_builder_of(timeline)->calls.count; i++) {
        struct gt_calls *calls = gt_chunks_push(&timeline->calls);
        struct gt_calls_state *state = state_of(timeline, i);

        if (!calls)
            return -1;
        gt_calls_ended(timeline, i, gt_thread_at(timeline, i)->end_ns);
        *calls = state->calls;
        gt_chunks_init(&state->calls.spans, sizeof(struct gt_call_span)); /* handed over */
    }
    return 0;
}

void gt_calls_release(struct gt_timeline *timeline)
{
    for (uint32_t i = 0; i < timeline->calls.count; i++)
        gt_chunks_release(&((struct gt_calls *)gt_chunks_at(&timeline->calls, i))->spans);
    gt_chunks_release(&timeline->calls);
    gt_chunks_release(&timeline->functions);
}
