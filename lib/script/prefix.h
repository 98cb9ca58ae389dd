/* SPDX-License-Identifier: MIT */
/*
 * What a line of perf script's begins with: comm, process, thread, CPU, time.
 * Lines of one thread on one CPU begin alike for a second: what such a beginning says is
 * remembered, which makes reading a line a quarter faster than reading each number again.
 */
#ifndef GT_SCRIPT_PREFIX_H
#define GT_SCRIPT_PREFIX_H

#include "event/event.h"

/* perf pads a comm to "%16s"; the kernel's names have at most 15 bytes. */
enum { GT_COMM_WIDTH = 16 };

enum { GT_PREFIX_TEXT = 56, GT_PREFIX_BITS = 6, GT_PREFIXES = 1 << GT_PREFIX_BITS };

/* Up to the point of the time; length 0: none. */
struct gt_prefix {
    char text[GT_PREFIX_TEXT];
    uint32_t length;
    uint32_t comm_at; /* where in it the comm begins; it ends at GT_COMM_WIDTH */
    int32_t pid, tid, cpu;
    int64_t second_ns; /* the time up to the point */
};

/* All zero: none is known. */
struct gt_prefixes {
    struct gt_prefix list[GT_PREFIXES]; /* by what their ids and CPU hash to */
};

/* Fill comm, pid, tid, cpu and time_ns of the event. Returns what follows the time, or NULL: no
 * event begins so. */
const char *gt_prefix_read(struct gt_prefixes *known, const char *line, const char *end,
                           struct gt_event *event);

#endif
