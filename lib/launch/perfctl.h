/* SPDX-License-Identifier: MIT */
/*
 * perf record's control pipes (`--control fd:CONTROL,ACK`, since perf 5.10): giltracer writes a
 * command, and perf answers "ack" when it has carried it out.
 */
#ifndef GT_LAUNCH_PERFCTL_H
#define GT_LAUNCH_PERFCTL_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

typedef void (*gt_perfctl_fn)(void *context);

enum { GT_PERFCTL_FLUSH_MS = 50 };

struct gt_perfctl {
    int control;       /* our end, where commands are written; -1: closed */
    int child_ends[2]; /* perf's ends: for commands, for acks; -1: closed */
    uv_pipe_t ack;
    uv_timer_t flusher;
    int open_handles;
    const char *flush_word;
    unsigned unanswered; /* how often it was not told, since it had not answered */
    int64_t asked_ns;    /* when it was told to flush, and has not answered; 0: it has */
    int64_t answered_ns; /* of what it has answered to, when that was asked */
    int64_t written_ns;  /* what perf recorded until then is in its file; 0: not known */
    char heard[8];       /* the last bytes of the answer */
    char buffer[64];
    gt_perfctl_fn on_ack;
    void *context;
};

int gt_perfctl_open(struct gt_perfctl *control, uv_loop_t *loop, gt_perfctl_fn on_ack,
                    void *context, struct gt_error *err);
/* perf has been started and has its ends: close them here. */
void gt_perfctl_started(struct gt_perfctl *control);
/* Write the command "enable" or "stop". False when perf is gone, or has not read for long. */
bool gt_perfctl_say(struct gt_perfctl *control, const char *word);
/*
 * From now on wake perf every 50 ms, so that it writes what its buffers hold, which it does by
 * itself only when one of them is half full. `word` is a command that it acknowledges and that
 * does nothing else. These acknowledgements are not passed on.
 */
void gt_perfctl_keep_flushing(struct gt_perfctl *control, const char *word);
void gt_perfctl_stop_flushing(struct gt_perfctl *control);
/* Close all. The struct must live until the loop has brought open_handles to 0. */
void gt_perfctl_close(struct gt_perfctl *control);

#endif
