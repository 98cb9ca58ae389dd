/* SPDX-License-Identifier: MIT */
/*
 * Several finished timelines become one: processes, threads, GILs and spans of one after the
 * other, with their times moved onto a common clock. Spans are moved, not copied: memory is
 * that of all spans, and of one more recording while it is read. What only estimates by replay
 * need (gt_timeline.sync_ops) is left out.
 */
#ifndef GT_MODEL_APPEND_H
#define GT_MODEL_APPEND_H

#include "base/error.h"
#include "base/hashmap.h"
#include "base/intern.h"

#include <stdbool.h>
#include <stdint.h>

/* time ↦ to_ns + (time - from_ns) × (1 + rate). All zeros: nothing changes. */
struct gt_clock_map {
    int64_t from_ns, to_ns;
    double rate; /* -0.0005 to 0.0005 */
};

static inline int64_t gt_clock_map_ns(const struct gt_clock_map *map, int64_t time_ns)
{
    int64_t since_ns = time_ns - map->from_ns;

    return map->to_ns + since_ns + (int64_t)((double)since_ns * map->rate);
}

struct gt_timeline;

/* What is known of all that was appended so far. */
struct gt_appended {
    struct gt_hashmap pids; /* that are given → 1 */
    int32_t next_pid;       /* for a process whose number another recording's has already */
    struct gt_intern functions;
};

void gt_appended_init(struct gt_appended *appended);
void gt_appended_release(struct gt_appended *appended);

/* Numbers from here on are no process's on Linux (PID_MAX_LIMIT is 2^22). */
enum { GT_FIRST_MADE_PID = (1 << 22) + 1 };

/* Move everything of `from`, which is finished and is empty then, behind what is in `to`, as
 * one more of gt_timeline.recordings, that is called `name`; `host` may be NULL. 0 or
 * GT_ERR_MEMORY: both can only be freed then. */
int gt_timeline_append(struct gt_timeline *to, struct gt_timeline *from,
                       struct gt_appended *appended, const struct gt_clock_map *map,
                       const char *name, const char *host, struct gt_error *err);

/* After the last one: lists that are in the order of time are again. 0 or GT_ERR_MEMORY. */
int gt_timeline_appended(struct gt_timeline *to, struct gt_error *err);

#endif
