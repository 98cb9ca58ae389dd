/* SPDX-License-Identifier: MIT */
/* Private to tracejson/. Functions return 0, or -1 when memory is exhausted. */
#ifndef GT_TRACEJSON_INTERNAL_H
#define GT_TRACEJSON_INTERNAL_H

#include "base/hashmap.h"
#include "model/timeline.h"

#include <jansson.h>

/* A track of a GIL: 2^30 + n, counted over GILs and their threads. */
struct gt_tracejson_track {
    uint32_t gil, thread;
};

struct gt_tracejson {
    struct gt_timeline *timeline;
    int64_t zero_ns;
    struct gt_hashmap process_of;  /* pid → index */
    struct gt_hashmap thread_of;   /* tid → index of the first with it */
    uint32_t *next_of;             /* by thread: the next with the same tid; GT_NO_INDEX */
    struct gt_chunks tracks;       /* of struct gt_tracejson_track */
    struct gt_hashmap function_of; /* interned key → index */
    struct gt_intern function_keys;
    struct gt_chunks *open; /* by thread: ends (int64_t) of the calls that are open */
    unsigned long long nonsense;
    bool has_summary;
};

/* summary.c: the processes, threads and GILs of a summary. */
int gt_tracejson_take_summary(struct gt_tracejson *reader, const json_t *summary);

/* events.c: one element of "traceEvents". */
int gt_tracejson_take_event(struct gt_tracejson *reader, const json_t *event);
/* All were taken. */
int gt_tracejson_finish(struct gt_tracejson *reader);

/* check.c: does what was taken fit together? What does not is counted as nonsense. */
int gt_tracejson_check(struct gt_tracejson *reader);

static inline int64_t gt_tracejson_number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

#endif
