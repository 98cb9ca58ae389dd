/* SPDX-License-Identifier: MIT */
/*
 * perf record's control pipes (`--control fd:CONTROL,ACK`, since perf 5.10): giltracer writes a
 * command, and perf answers "ack" when it has carried it out.
 */
#ifndef GT_LAUNCH_PERFCTL_H
#define GT_LAUNCH_PERFCTL_H

#include "base/error.h"

#include <stdbool.h>
#include <uv.h>

typedef void (*gt_perfctl_fn)(void *context);

struct gt_perfctl {
    int control;       /* our end, where commands are written; -1: closed */
    int child_ends[2]; /* perf's ends: for commands, for acks; -1: closed */
    uv_pipe_t ack;
    int open_handles;
    char heard[8]; /* the last bytes of the answer */
    char buffer[64];
    gt_perfctl_fn on_ack;
    void *context;
};

int gt_perfctl_open(struct gt_perfctl *control, uv_loop_t *loop, gt_perfctl_fn on_ack,
                    void *context, struct gt_error *err);
/* perf has been started and has its ends: close them here. */
void gt_perfctl_started(struct gt_perfctl *control);
/* Write the command "enable" or "stop". False when perf is gone. */
bool gt_perfctl_say(struct gt_perfctl *control, const char *word);
/* Close all. The struct must live until the loop has brought open_handles to 0. */
void gt_perfctl_close(struct gt_perfctl *control);

#endif
