/*
 * Calls of functions, per thread: spans that nest. Made from GT_EVENT_CALL and _RETURN (the
 * agent, VizTracer). A call that never returned ends with its thread or with the recording.
 */
#ifndef GT_MODEL_CALLS_H
#define GT_MODEL_CALLS_H

#include "base/chunks.h"

#include <stdint.h>

/* A function, once per run. Names are the target's bytes: hostile. */
struct gt_function_info {
    uint32_t name; /* qualified; interned in gt_timeline.names */
    uint32_t file; /* of C functions: the module */
    uint32_t line;
    uint32_t flags;          /* enum gt_function_flags */
    uint64_t calls;          /* spans */
    uint64_t untraced_calls; /* calls seen, but not recorded one by one */
};

enum gt_call_span_flags {
    GT_CALL_SPAN_CUT_END = 1 << 0, /* its return was not recorded */
    GT_CALL_SPAN_RESUMED = 1 << 1, /* of a generator or coroutine that ran before */
    GT_CALL_SPAN_UNWOUND = 1 << 2, /* left by an exception */
    GT_CALL_SPAN_YIELDED = 1 << 3, /* left to be resumed */
};

/* 24 bytes. In the order of their starts; a span lies within the one that its depth is below.
 */
struct gt_call_span {
    int64_t start_ns;
    int64_t end_ns;
    uint32_t function; /* index in gt_timeline.functions */
    uint16_t depth;    /* 0: outermost that is known; saturates */
    uint16_t flags;
};

/* One thread's calls. */
struct gt_calls {
    struct gt_chunks spans; /* of struct gt_call_span */
};

struct gt_timeline;

/* The thread's calls, or NULL when none were recorded. */
const struct gt_calls *gt_calls_of(const struct gt_timeline *timeline, uint32_t thread);

#endif
