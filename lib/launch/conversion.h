/* SPDX-License-Identifier: MIT */
/*
 * What a session recorded, read one part after the other: probes that were recorded apart come
 * before all of the rest, native stacks after it. A part is handed on as it is where who takes
 * it can read it, else as the text that perf script makes of it.
 *
 *     gt_conversion_init → _next → on_done → _judge → _next … → _release
 */
#ifndef GT_LAUNCH_CONVERSION_H
#define GT_LAUNCH_CONVERSION_H

#include "base/error.h"
#include "base/strvec.h"
#include "launch/child.h"
#include "launch/filefeed.h"
#include "launch/plan.h"
#include "launch/recorders.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct gt_conversion {
    const struct gt_plan *plan; /* borrowed, like all pointers */
    const struct gt_caps *caps;
    const struct gt_recorders *recorders;
    const gt_child_data_fn *on_data; /* by part: what takes it, or its text */
    bool (*is_readable)(void *data_context, const char *path); /* by on_data, without text */
    void *data_context;
    void (*on_done)(void *context); /* a part was read */
    void *context;
    /* Private. */
    struct gt_child script;
    struct gt_filefeed file;
    bool spawned; /* perf script */
    bool opened;  /* the file itself */
    bool begun;
    enum gt_recorded_part part;
    uint64_t bytes; /* that were handed on of this part */
    bool interrupted;
};

/* Start with the next part that there is. 1: it is being read; 0: there is no other part to
 * read; negative: that could not be started, or perf record wrote nothing. */
int gt_conversion_next(struct gt_conversion *conversion, uv_loop_t *loop, struct gt_error *err);

/* A part was read. Negative when the part is of no use. Text that is not whole is, with a
 * line in `warnings`, the first of which is in `cut`; that on_data refused with GT_ERR_FORMAT,
 * too, which on_data knows more of. */
int gt_conversion_judge(const struct gt_conversion *conversion, struct gt_strvec *warnings,
                        struct gt_error *cut, struct gt_error *err);

/* Read no more, soon: what was read counts. */
void gt_conversion_interrupt(struct gt_conversion *conversion);

/* Read no more, at once. */
void gt_conversion_stop(struct gt_conversion *conversion);

/* Nothing may be read any more. Does nothing to a struct that had none. */
void gt_conversion_release(struct gt_conversion *conversion);

#endif
