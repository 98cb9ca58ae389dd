/* SPDX-License-Identifier: MIT */
/* A file that is read on a libuv loop, piece by piece, so that signals and timers are heard
 * meanwhile. */
#ifndef GT_LAUNCH_FILEFEED_H
#define GT_LAUNCH_FILEFEED_H

#include "base/error.h"
#include "launch/child.h"

#include <stdbool.h>
#include <uv.h>

struct gt_filefeed {
    uv_idle_t idle;
    int fd;
    char *block;
    bool done;      /* everything was read, or given up: the struct may be released */
    int data_error; /* what on_data returned, when negative */
    int read_errno; /* why reading failed; 0: it did not */
    gt_child_data_fn on_data;
    void (*on_done)(void *context); /* from the loop */
    void *data_context, *context;
};

/* Start to read. On failure nothing is left behind. */
int gt_filefeed_start(struct gt_filefeed *feed, uv_loop_t *loop, const char *path,
                      struct gt_error *err);

/* Read no more; on_done follows. Does nothing when it is done. */
void gt_filefeed_stop(struct gt_filefeed *feed);

void gt_filefeed_release(struct gt_filefeed *feed);

#endif
