/* SPDX-License-Identifier: MIT */
/*
 * Private to script/: what a tracepoint or probe recorded, by its format (tracefs'
 * events/GROUP/NAME/format, of which each recording holds those of its events).
 */
#ifndef GT_SCRIPT_TRACEPOINT_H
#define GT_SCRIPT_TRACEPOINT_H

#include "base/chunks.h"
#include "script/parse.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GT_TRACEPOINT_VALUES = GT_LOCK_VALUES, GT_TASK_STATES = 16 };

struct gt_tracepoint {
    uint64_t id;   /* attr.config */
    char name[64]; /* "group:name" */
    uint32_t name_length;
    uint32_t bytes;  /* that a record has at least, for its values */
    bool understood; /* else only perf script can print it */
    enum gt_event_class event_class;
    struct gt_tracepoint_value {
        uint16_t offset;
        uint8_t size; /* 1, 2, 4 or 8; 0: it has no such value */
        bool is_signed;
    } values[GT_TRACEPOINT_VALUES]; /* by class: tracepoint.c */
    struct {
        uint64_t bit;
        uint32_t state;       /* enum gt_event_state */
    } states[GT_TASK_STATES]; /* of sched_switch */
    uint32_t state_count;
};

/* Read the tracing data of a recording: appends a struct gt_tracepoint for each event of its
 * groups. 0, GT_ERR_MEMORY; GT_ERR_FORMAT: it has another form. */
int gt_tracepoints_read(struct gt_chunks *tracepoints, const char *data, size_t length);

/* Fill the event's kind, name and values from what was recorded; what an event of a lock points
 * at is in `lock`. False: what was recorded is too short. */
bool gt_tracepoint_take(const struct gt_tracepoint *tracepoint, const unsigned char *raw,
                        size_t length, struct gt_lock_hit *lock, struct gt_event *event);

#endif
