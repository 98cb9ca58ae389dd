/* SPDX-License-Identifier: MIT */
/* Private to script/: the records of a recording that are no samples (the kernel's perf_event.h
 * has their forms). */
#ifndef GT_SCRIPT_SIDEBAND_H
#define GT_SCRIPT_SIDEBAND_H

#include "event/event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* One record: what follows its header, without what all records end with. */
struct gt_record {
    uint32_t type;
    uint16_t misc;
    const unsigned char *body;
    size_t length;
    struct gt_event event; /* kind and what depends on it are not filled */
};

/* Fill the event. 1: it is one; 0: perf script prints nothing of the record;
 * GT_ERR_UNSUPPORTED: it is shorter than its form, or names no task. */
int gt_sideband_read(struct gt_record *record);

static inline uint64_t gt_u64_at(const unsigned char *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

static inline uint32_t gt_u32_at(const unsigned char *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

static inline int32_t gt_i32_at(const unsigned char *at)
{
    return (int32_t)gt_u32_at(at);
}

/* Of a process or a thread; -1 is one that is gone. */
static inline bool gt_is_task_id(int32_t id)
{
    return id >= -1;
}

#endif
