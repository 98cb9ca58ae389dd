/*
 * Samples of hardware and software events (`-e page-faults`), per thread: what was counted
 * while the thread held the GIL, waited for it, or did neither. A sample stands for `period`
 * events that happened since the one before it, and is charged to what the thread does when
 * it is taken.
 */
#ifndef GT_MODEL_COUNTERS_H
#define GT_MODEL_COUNTERS_H

#include "base/chunks.h"

#include <stdint.h>

struct gt_counter_sample {
    int64_t time_ns;
    uint64_t period;
    uint32_t thread;
};

/* One thread's sums of one counter. */
struct gt_counter_sum {
    uint32_t thread;
    uint32_t samples;
    uint64_t total;
    uint64_t holding; /* any GIL */
    uint64_t waiting;
};

struct gt_counter {
    uint32_t name;            /* interned in gt_timeline.names: "page-faults", "cycles:u" */
    struct gt_chunks samples; /* of struct gt_counter_sample, in the order of time */
    struct gt_chunks sums;    /* of struct gt_counter_sum, by thread; after _finish */
};

#endif
