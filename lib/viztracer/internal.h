/* SPDX-License-Identifier: MIT */
/* Private to viztracer/. */
#ifndef GT_VIZTRACER_INTERNAL_H
#define GT_VIZTRACER_INTERNAL_H

#include "base/chunks.h"
#include "base/hashmap.h"
#include "base/intern.h"
#include "viztracer/viztracer.h"

#include <stdbool.h>
#include <stddef.h>

enum gt_viztracer_kind { GT_VIZTRACER_CALL, GT_VIZTRACER_INSTANT, GT_VIZTRACER_COUNTER };

/* A call, an instant or a counter of a thread. 24 bytes. */
struct gt_viztracer_item {
    int64_t start_ns;
    union {
        int64_t end_ns;  /* of a call */
        uint32_t detail; /* of the others: interned */
    };
    uint32_t what;       /* of a call: index of the function; of the others: interned name */
    uint32_t kind : 2;   /* enum gt_viztracer_kind */
    uint32_t order : 30; /* in the file */
};

struct gt_viztracer_thread {
    int32_t pid, tid;
    uint32_t name;                   /* interned; 0: none */
    bool named;                      /* the event with its name was delivered */
    struct gt_viztracer_item *items; /* sorted before the first event is delivered */
    size_t count, capacity, next;
    uint32_t *open; /* calls that have not returned yet, the innermost last */
    size_t open_count, open_capacity;
    int64_t due_ns; /* time of its next event: the key of the heap */
};

struct gt_viztracer {
    struct gt_chunks threads;      /* of struct gt_viztracer_thread */
    struct gt_hashmap thread_of;   /* pid and tid → thread */
    struct gt_chunks functions;    /* of struct gt_function */
    struct gt_hashmap function_of; /* interned name → index of the function */
    struct gt_intern texts;
    struct gt_viztracer_quality quality;
    bool recognised; /* it has something that only VizTracer writes */
    uint32_t *heap;  /* of threads: the one whose next event is the earliest comes first */
    size_t heap_count;
};

static inline struct gt_viztracer_thread *
gt_viztracer_thread_at(const struct gt_viztracer *trace, size_t index)
{
    return gt_chunks_at(&trace->threads, index);
}

/* parse.c. Take a piece of the file (gt_split_fn; context: the trace). 0, or -1: memory is
 * exhausted. */
int gt_viztracer_take(void *context, const char *key, bool element, const char *text,
                      size_t length);

/* order.c. Sort what was read. 0, or -1: memory is exhausted. */
int gt_viztracer_order(struct gt_viztracer *trace);

#endif
