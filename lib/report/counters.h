/* SPDX-License-Identifier: MIT */
/* Private to report/: a counter (model/counters.h) in figures. */
#ifndef GT_REPORT_COUNTERS_H
#define GT_REPORT_COUNTERS_H

#include "model/timeline.h"

/* One thread's part in a counter: what it counted neither holding nor waiting, and how often
 * per second of each. */
struct gt_counter_rates {
    uint64_t free;
    double holding_per_s, waiting_per_s, free_per_s;
};

void gt_counter_rates(const struct gt_timeline *timeline, const struct gt_counter_sum *sum,
                      struct gt_counter_rates *rates);

#endif
