/* SPDX-License-Identifier: MIT */
/* What the program itself recorded with VizTracer: moments (log_instant) and series of numbers
 * (counters). From GT_EVENT_INSTANT and GT_EVENT_SERIES. */
#ifndef GT_MODEL_MARKS_H
#define GT_MODEL_MARKS_H

#include <stdint.h>

enum gt_mark_kind { GT_MARK_INSTANT, GT_MARK_SERIES };

/* In the order of time. 24 bytes. */
struct gt_mark {
    int64_t time_ns;
    uint32_t thread;
    uint32_t name;   /* interned; the target's bytes */
    uint32_t detail; /* interned: a JSON object in ASCII, of a series one of numbers; 0: none */
    enum gt_mark_kind kind;
};

#endif
