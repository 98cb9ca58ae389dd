/* SPDX-License-Identifier: MIT */
/* Events are lost while perf's buffer is full: what would have prevented that? */
#ifndef GT_ANALYSIS_LOSS_REMEDY_H
#define GT_ANALYSIS_LOSS_REMEDY_H

#include "event/run_info.h"
#include "model/timeline.h"

#include <stdbool.h>
#include <stdint.h>

struct gt_loss_remedy {
    uint64_t used_bytes; /* the buffers' size, per CPU; 0: not known */
    uint64_t
        larger_bytes; /* one that would have held what was lost at once, or the largest that
                         the machine allows; 0: no larger one is allowed, or not known */
    bool agent;       /* the agent sees the GIL without a buffer, and did not */
};

/* Of a recording that lost events. */
struct gt_loss_remedy gt_loss_remedy(const struct gt_timeline *timeline,
                                     const struct gt_run_info *info);

#endif
