/* SPDX-License-Identifier: MIT */
/*
 * The calls of functions that each thread made: spans that nest, from GT_EVENT_CALL and
 * GT_EVENT_RETURN (the agent, VizTracer). A call whose return was not recorded ends with the
 * thread, or with the recording.
 */
#ifndef GT_MODEL_CALLS_H
#define GT_MODEL_CALLS_H

#include "base/chunks.h"

#include <stdbool.h>
#include <stdint.h>

/* A function. Its names are the target's: any bytes. */
struct gt_function_info {
    uint32_t name; /* qualified; interned in gt_timeline.names */
    uint32_t file; /* interned; of a C function: its module */
    uint32_t line;
    uint32_t flags;          /* enum gt_function_flags */
    uint64_t calls;          /* that have a span */
    uint64_t untraced_calls; /* that were only counted */
};

enum gt_call_span_flags {
    GT_CALL_SPAN_CUT_END = 1 << 0, /* its return was not recorded */
    GT_CALL_SPAN_RESUMED = 1 << 1, /* a generator or coroutine went on */
    GT_CALL_SPAN_UNWOUND = 1 << 2, /* an exception ended it */
    GT_CALL_SPAN_YIELDED = 1 << 3, /* a generator or coroutine yielded: it may go on later */
};

/* One call. Calls are in the order of their starts; the caller of a call is the last one before
 * it whose depth is less by one. 24 bytes. */
struct gt_call_span {
    int64_t start_ns;
    int64_t end_ns;
    uint32_t function; /* index in gt_timeline.functions */
    uint16_t depth;    /* 0: no caller is known; saturates */
    uint16_t flags;
};

enum { GT_CALLS_BLOCK = 1024 };

/* One thread's calls. */
struct gt_calls {
    struct gt_chunks spans;  /* of struct gt_call_span */
    struct gt_chunks lowest; /* of uint32_t: the least depth in each GT_CALLS_BLOCK calls; may
                                be empty */
};

struct gt_timeline;

/* The calls of a thread; NULL: none were recorded. */
const struct gt_calls *gt_calls_of(const struct gt_timeline *timeline, uint32_t thread);

/* The innermost function, as an index, that the thread was in at that time. UINT32_MAX: none is
 * known. */
uint32_t gt_calls_innermost_at(const struct gt_timeline *timeline, uint32_t thread,
                               int64_t time_ns);

/* Since when the thread was in the C function that it was in at that time; INT64_MAX: it was in
 * none, or that is not known. */
int64_t gt_calls_in_c_since(const struct gt_timeline *timeline, uint32_t thread,
                            int64_t time_ns);

/* Is it a Python function of what carries out import statements? */
bool gt_is_import_system(const struct gt_timeline *timeline,
                         const struct gt_function_info *called);

/* The innermost Python function, as an index, that the thread was in at that time; `program`:
 * that is no part of threading, queue or the import system. UINT32_MAX: none is known. */
uint32_t gt_calls_python_at(const struct gt_timeline *timeline, uint32_t thread,
                            int64_t time_ns, bool program);

#endif
