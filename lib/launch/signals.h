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

enum { GT_SIGNALS_WATCHED = 9, GT_SIGNALS_MAX = 64 };

/* `group`: every process of giltracer's process group got it, and so did the target. */
typedef void (*gt_signal_fn)(void *context, int number, bool group);

struct gt_signals {
    uv_signal_t handles[GT_SIGNALS_WATCHED];
    int handle_count;
    uv_async_t faults; /* brings those that also the kernel sends */
    bool takes_faults;
    struct gt_sentry sentry;
    int first;      /* number of the first signal that came; 0: none */
    int interrupts; /* SIGINTs so far */
    int endings;    /* signals so far that by default end a program, but for USR1 and USR2 */
    gt_signal_fn handler; /* called for each; NULL: signals are only counted */
    void *context;
    int kept; /* gt_signals_keep */
    void (*on_kept)(void *context);
    void *kept_context;
};

/*
 * Begin to watch what by default ends a process, except what was ignored when giltracer was
 * started: the target ignores that as well. What the kernel, or giltracer itself, sends for a
 * fault of giltracer's (ABRT, SEGV, XCPU, …) is nobody else's: it ends giltracer, as if it were
 * not watched, but for XFSZ, whose write fails. At most one struct watches at a time.
 */
int gt_signals_start(struct gt_signals *signals, uv_loop_t *loop,
                     const struct gt_inherited *inherited, struct gt_error *err);
void gt_signals_listen(struct gt_signals *signals, gt_signal_fn handler, void *context);
/* That signal is meant for giltracer itself from now on: it is neither counted nor handed to
 * the handler. 0: none is. */
void gt_signals_keep(struct gt_signals *signals, int number, void (*on_kept)(void *context),
                     void *context);
/* Receive what has come by now. Not to be called by a callback of the loop. */
void gt_signals_look(struct gt_signals *signals);
/* Something else asks for what this signal asks for, as if it had come to giltracer alone. */
void gt_signals_take(struct gt_signals *signals, int number);
/* Stop watching. The loop must run once more before the struct may be released. */
void gt_signals_stop(struct gt_signals *signals);

#endif
