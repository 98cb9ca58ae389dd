/*
 * perf record's control pipes (`--control fd:CONTROL,ACK`, since perf 5.10): words go in,
 * "ack" comes back when perf has done as told.
 */
#ifndef GT_LAUNCH_PERFCTL_H
#define GT_LAUNCH_PERFCTL_H

#include "base/error.h"

#include <stdbool.h>
#include <uv.h>

typedef void (*gt_perfctl_fn)(void *context);

struct gt_perfctl {
    int control;       /* our end: words are written here; -1 closed */
    int child_ends[2]; /* perf's: where it reads words, where it writes acks; -1 closed */
    uv_pipe_t ack;
    int open_handles;
    char heard[8]; /* the last bytes that came */
    char buffer[64];
    gt_perfctl_fn on_ack;
    void *context;
};

int gt_perfctl_open(struct gt_perfctl *control, uv_loop_t *loop, gt_perfctl_fn on_ack,
                    void *context, struct gt_error *err);
/* perf has its ends now: close ours of them. */
void gt_perfctl_started(struct gt_perfctl *control);
/* Say "enable" or "stop". False when perf is gone. */
bool gt_perfctl_say(struct gt_perfctl *control, const char *word);
/* Close all. The struct may go when open_handles is 0, which the loop sees to. */
void gt_perfctl_close(struct gt_perfctl *control);

#endif
