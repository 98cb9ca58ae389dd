/* What a program itself put on the record: moments and series of numbers, by VizTracer's
 * log_instant and counters. Made from GT_EVENT_INSTANT and GT_EVENT_SERIES. */
#ifndef GT_MODEL_MARKS_H
#define GT_MODEL_MARKS_H

#include <stdint.h>

enum gt_mark_kind { GT_MARK_INSTANT, GT_MARK_SERIES };

/* 24 bytes. In the order of time. */
struct gt_mark {
    int64_t time_ns;
    uint32_t thread;
    uint32_t name; /* interned in gt_timeline.names; the target's bytes */
    uint32_t
        detail; /* interned: a JSON object in ASCII, of a series of numbers only; 0: none */
    enum gt_mark_kind kind;
};

#endif
