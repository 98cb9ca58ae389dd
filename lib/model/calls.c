/* SPDX-License-Identifier: MIT */
#include "model/calls.h"

#include "event/event.h"
#include "model/builder.h"

#include <string.h>

const struct gt_calls *gt_calls_of(const struct gt_timeline *timeline, uint32_t thread)
{
    return thread < timeline->calls.count ? gt_chunks_at(&timeline->calls, thread) : NULL;
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), rest = strlen(end);

    return length >= rest && strcmp(text + length - rest, end) == 0;
}

/* The calls that a thread was in at a moment, from the innermost one outwards. */
struct outwards {
    const struct gt_calls *calls; /* NULL: none were recorded */
    size_t at;                    /* those before are left to look at; … */
    uint32_t depth;               /* … of these, those that are less deep */
    int64_t time_ns;
};

static struct outwards outwards_from(const struct gt_timeline *timeline, uint32_t thread,
                                     int64_t time_ns)
{
    const struct gt_calls *calls = gt_calls_of(timeline, thread);

    return (struct outwards){
        calls,
        calls ? gt_chunks_first_after(&calls->spans, 0, offsetof(struct gt_call_span, start_ns),
                                      time_ns)
              : 0,
        UINT32_MAX, time_ns};
}

/* Do all calls of the block that ends at the cursor lie too deep? */
static bool skips_block(const struct outwards *cursor)
{
    const struct gt_chunks *lowest = &cursor->calls->lowest;
    size_t block = cursor->at / GT_CALLS_BLOCK;

    return cursor->at % GT_CALLS_BLOCK == 0 && block <= lowest->count &&
           *(const uint32_t *)gt_chunks_at(lowest, block - 1) >= cursor->depth;
}

static const struct gt_call_span *next_outwards(struct outwards *cursor)
{
    enum { LOOKED_AT = 1 << 14 };

    for (size_t i = 0; i < LOOKED_AT && cursor->at > 0 && cursor->depth > 0; i++) {
        const struct gt_call_span *span;

        if (skips_block(cursor)) {
            cursor->at -= GT_CALLS_BLOCK;
            continue;
        }
        span = gt_chunks_at(&cursor->calls->spans, --cursor->at);
        if (span->depth >= cursor->depth)
            continue;
        cursor->depth = span->depth; /* no earlier call of that depth goes on any more */
        if (span->end_ns > cursor->time_ns)
            return span;
    }
    return NULL;
}

uint32_t gt_calls_innermost_at(const struct gt_timeline *timeline, uint32_t thread,
                               int64_t time_ns)
{
    struct outwards cursor = outwards_from(timeline, thread, time_ns);
    const struct gt_call_span *span = next_outwards(&cursor);

    return span ? span->function : UINT32_MAX;
}

int64_t gt_calls_in_c_since(const struct gt_timeline *timeline, uint32_t thread,
                            int64_t time_ns)
{
    struct outwards cursor = outwards_from(timeline, thread, time_ns);
    const struct gt_call_span *span = next_outwards(&cursor);
    const struct gt_function_info *called =
        span ? gt_chunks_at(&timeline->functions, span->function) : NULL;

    return called && called->flags & GT_FUNCTION_C ? span->start_ns : INT64_MAX;
}

bool gt_is_import_system(const struct gt_timeline *timeline,
                         const struct gt_function_info *called)
{
    static const char prefix[] = "<frozen importlib.";

    return strncmp(gt_intern_text(&timeline->names, called->file), prefix,
                   sizeof(prefix) - 1) == 0;
}

static bool is_for_threads(const struct gt_timeline *timeline,
                           const struct gt_function_info *called)
{
    const char *file = gt_intern_text(&timeline->names, called->file);

    return ends_with(file, "/threading.py") || ends_with(file, "/queue.py") ||
           gt_is_import_system(timeline, called);
}

uint32_t gt_calls_python_at(const struct gt_timeline *timeline, uint32_t thread,
                            int64_t time_ns, bool program)
{
    struct outwards cursor = outwards_from(timeline, thread, time_ns);
    const struct gt_call_span *span;
    uint32_t last = UINT32_MAX;

    while ((span = next_outwards(&cursor))) {
        const struct gt_function_info *called =
            gt_chunks_at(&timeline->functions, span->function);

        if (called->flags & (GT_FUNCTION_C | GT_FUNCTION_GC))
            continue;
        if (last == UINT32_MAX)
            last = span->function;
        if (!program || !is_for_threads(timeline, called))
            return span->function;
    }
    return last;
}

/* The least depth of each full block of a thread's calls. */
static int index_calls(struct gt_calls *calls)
{
    while (calls->lowest.count < calls->spans.count / GT_CALLS_BLOCK) {
        size_t first = calls->lowest.count * GT_CALLS_BLOCK;
        uint32_t *lowest = gt_chunks_push(&calls->lowest);

        if (!lowest)
            return -1;
        *lowest = UINT32_MAX;
        for (size_t i = first; i < first + GT_CALLS_BLOCK; i++) {
            const struct gt_call_span *span = gt_chunks_at(&calls->spans, i);

            if (span->depth < *lowest)
                *lowest = span->depth;
        }
    }
    return 0;
}

int gt_calls_index(struct gt_timeline *timeline)
{
    for (uint32_t i = 0; i < timeline->calls.count; i++)
        if (index_calls(gt_chunks_at(&timeline->calls, i)))
            return -1;
    return 0;
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
        gt_calls_state_init(state);
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

static int call(struct gt_calls_state *state, uint32_t function, const struct gt_event *event)
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

/* End the open calls of the function, and all inside them. 0 or -1. */
static int leave_all(struct gt_calls_state *state, uint32_t function, int64_t time_ns)
{
    int open;

    while ((open = is_open(state, function)) > 0)
        end_innermost(state, time_ns, GT_CALL_SPAN_CUT_END);
    return open;
}

/* The function is not recorded any more: its open calls are closed now, everywhere. 0 or -1. */
static int untraced(struct gt_timeline *timeline, uint32_t function,
                    const struct gt_event *event)
{
    function_at(timeline, function)->untraced_calls += event->untraced.calls;
    for (uint32_t i = 0; i < gt_builder_of(timeline)->calls.count; i++) {
        if (gt_process_at(timeline, gt_thread_at(timeline, i)->process)->pid == event->pid &&
            leave_all(state_of(timeline, i), function, event->time_ns))
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
    if (event->kind == GT_EVENT_UNTRACED)
        return untraced(timeline, function, event);
    if (event->kind == GT_EVENT_RETURN)
        return leave(state, function, event);
    function_at(timeline, function)->calls++;
    return call(state, function, event);
}

int gt_calls_feed_earlier(struct gt_timeline *timeline, struct gt_calls_state *state,
                          const struct gt_event *event)
{
    const struct gt_function *named =
        event->kind == GT_EVENT_UNTRACED ? event->untraced.function : event->call.function;
    uint32_t function = named ? function_of(timeline, named) : GT_NO_INDEX;
    int rc;

    if (function == GT_NO_INDEX)
        return named ? -1 : 0;
    if (event->kind == GT_EVENT_CALL)
        rc = call(state, function, event);
    else if (event->kind == GT_EVENT_RETURN)
        rc = leave(state, function, event);
    else
        rc = leave_all(state, function, event->time_ns);
    gt_chunks_truncate(&state->calls.spans, state->open.count);
    return rc;
}

int gt_calls_adopt(struct gt_timeline *timeline, uint32_t thread,
                   struct gt_calls_state *earlier)
{
    struct gt_calls_state *state = earlier->open.count ? get(timeline, thread) : NULL;
    struct gt_calls_state none;

    if (!state)
        return earlier->open.count ? -1 : 0;
    none = *state;
    *state = *earlier;
    *earlier = none;
    state->earlier_count = state->open.count;
    for (size_t i = 0; i < state->earlier_count; i++) {
        struct gt_call_span *span = gt_chunks_at(&state->calls.spans, i);

        span->start_ns = gt_thread_at(timeline, thread)->start_ns;
        function_at(timeline, span->function)->calls++;
    }
    return 0;
}

void gt_calls_ended(struct gt_timeline *timeline, uint32_t thread, int64_t time_ns)
{
    struct gt_calls_state *state = state_of(timeline, thread);

    while (state && state->open.count)
        end_innermost(state, time_ns, GT_CALL_SPAN_CUT_END);
}

void gt_calls_state_init(struct gt_calls_state *state)
{
    gt_chunks_init(&state->calls.spans, sizeof(struct gt_call_span));
    gt_chunks_init(&state->calls.lowest, sizeof(uint32_t));
    gt_chunks_init(&state->open, sizeof(uint32_t));
    gt_hashmap_init(&state->open_of);
    state->counts_open = false;
    state->earlier_count = 0;
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
        /* It may have turned out to be known for longer. */
        for (size_t j = 0; j < state->earlier_count; j++)
            span_at(state, (uint32_t)j)->start_ns = gt_thread_at(timeline, i)->start_ns;
        *calls = state->calls;
        gt_chunks_init(&state->calls.spans, sizeof(struct gt_call_span)); /* handed over */
    }
    return 0;
}

void gt_calls_release(struct gt_timeline *timeline)
{
    for (uint32_t i = 0; i < timeline->calls.count; i++) {
        struct gt_calls *calls = gt_chunks_at(&timeline->calls, i);

        gt_chunks_release(&calls->spans);
        gt_chunks_release(&calls->lowest);
    }
    gt_chunks_release(&timeline->calls);
    gt_chunks_release(&timeline->functions);
}
