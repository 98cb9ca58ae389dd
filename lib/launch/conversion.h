/* SPDX-License-Identifier: MIT */
/*
 * perf script over what a session recorded, one part after the other: probes that were recorded
 * apart come before all of the rest.
 *
 *     gt_conversion_init → _next → on_done → _judge → _next … → _release
 */
#ifndef GT_LAUNCH_CONVERSION_H
#define GT_LAUNCH_CONVERSION_H

#include "base/error.h"
#include "base/strvec.h"
#include "launch/child.h"
#include "launch/plan.h"
#include "launch/recorders.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct gt_conversion {
    const struct gt_plan *plan; /* borrowed, like all pointers */
    const struct gt_caps *caps;
    const struct gt_recorders *recorders;
    gt_child_data_fn on_data[GT_RECORDED_PARTS]; /* each part's text */
    void *data_context;
    gt_child_done_fn on_done; /* a perf script is gone */
    void *context;
    /* Private. */
    struct gt_child script;
    bool spawned;
    enum gt_recorded_part part;
    uint64_t text_bytes; /* that perf script gave of this part */
    bool interrupted;
};

/* Start with the next part that there is. 1: perf script runs; 0: there is no other part to
 * read; negative: it could not be started, or perf record wrote nothing. */
int gt_conversion_next(struct gt_conversion *conversion, uv_loop_t *loop, struct gt_error *err);

/* perf script is gone. Negative when the part is of no use. Text that is not whole is, with a
 * line in `warnings`, the first of which is in `cut`; that on_data refused with GT_ERR_FORMAT,
 * too, which on_data knows more of. */
int gt_conversion_judge(const struct gt_conversion *conversion, struct gt_strvec *warnings,
                        struct gt_error *cut, struct gt_error *err);

/* Read no more, soon: perf script is ended, and what it gave counts. */
void gt_conversion_interrupt(struct gt_conversion *conversion);

/* End perf script at once. */
void gt_conversion_stop(struct gt_conversion *conversion);

/* perf script must be gone. Does nothing to a struct that had none. */
void gt_conversion_release(struct gt_conversion *conversion);

#endif
