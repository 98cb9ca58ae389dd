/* SPDX-License-Identifier: MIT */
/*
 * Samples of hardware and software events (`-e page-faults`): how many each thread caused while
 * it held the GIL, waited for it, or did neither. A sample stands for the `period` events since
 * the sample before; all of them are charged to what the thread does at the time of the sample.
 */
#ifndef GT_MODEL_COUNTERS_H
#define GT_MODEL_COUNTERS_H

#include "base/chunks.h"

#include <stdbool.h>
#include <stdint.h>

struct gt_counter_sample {
    int64_t time_ns;
    uint64_t period;
    uint32_t thread;
    uint32_t stack; /* in gt_timeline.event_stacks; 0: none was recorded */
};

/* The sums of one counter over one thread. */
struct gt_counter_sum {
    uint32_t thread;
    uint32_t samples;
    uint64_t total;
    uint64_t holding; /* while it held a GIL */
    uint64_t waiting; /* while it waited for one */
};

struct gt_counter {
    uint32_t name;            /* interned in gt_timeline.names: "page-faults", "cycles:u" */
    struct gt_chunks samples; /* of struct gt_counter_sample, in the order of time */
    struct gt_chunks sums;    /* of struct gt_counter_sum, one per thread with a sample */
    bool stacked;             /* samples have stacks */
};

#endif
