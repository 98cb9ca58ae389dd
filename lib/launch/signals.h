/* SPDX-License-Identifier: MIT */
/*
 * Signals that users send to giltracer, received on its loop. For each it is known whether the
 * target got it as well (sentry.h).
 */
#ifndef GT_LAUNCH_SIGNALS_H
#define GT_LAUNCH_SIGNALS_H

#include "base/error.h"
#include "launch/gate.h"
#include "launch/sentry.h"

#include <stdbool.h>
#include <uv.h>

enum { GT_SIGNALS_WATCHED = 6 };

/* `group`: every process of giltracer's process group got it, and so did the target. */
typedef void (*gt_signal_fn)(void *context, int number, bool group);

struct gt_signals {
    uv_signal_t handles[GT_SIGNALS_WATCHED];
    int handle_count;
    struct gt_sentry sentry;
    int first;      /* number of the first signal that came; 0: none */
    int interrupts; /* SIGINTs so far */
    int endings;    /* signals so far that by default end a program, but for USR1 and USR2 */
    gt_signal_fn handler; /* called for each; NULL: signals are only counted */
    void *context;
};

/* Begin to watch INT, TERM, HUP, QUIT, USR1 and USR2, except those that were ignored when
 * giltracer was started: the target ignores these as well. */
int gt_signals_start(struct gt_signals *signals, uv_loop_t *loop,
                     const struct gt_inherited *inherited, struct gt_error *err);
void gt_signals_listen(struct gt_signals *signals, gt_signal_fn handler, void *context);
/* Receive what has come by now. Not to be called by a callback of the loop. */
void gt_signals_look(struct gt_signals *signals);
/* Stop watching. The loop must run once more before the struct may be released. */
void gt_signals_stop(struct gt_signals *signals);

#endif
