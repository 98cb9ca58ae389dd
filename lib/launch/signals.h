/*
 * Signals that people send to giltracer, on its loop, each with the answer whether the target
 * got it by itself (sentry.h).
 */
#ifndef GT_LAUNCH_SIGNALS_H
#define GT_LAUNCH_SIGNALS_H

#include "base/error.h"
#include "launch/gate.h"
#include "launch/sentry.h"

#include <stdbool.h>
#include <uv.h>

enum { GT_SIGNALS_WATCHED = 6 };

/* `group`: every process of our process group got it, the target too. */
typedef void (*gt_signal_fn)(void *context, int number, bool group);

struct gt_signals {
    uv_signal_t handles[GT_SIGNALS_WATCHED];
    int handle_count;
    struct gt_sentry sentry;
    int first;            /* number of the first signal that came; 0: none */
    int interrupts;       /* SIGINTs so far */
    gt_signal_fn handler; /* who listens now; NULL: it is only noted */
    void *context;
};

/* Begin to watch INT, TERM, HUP, QUIT, USR1 and USR2, except those that were ignored when we
 * were started: the target ignores them as well. */
int gt_signals_start(struct gt_signals *signals, uv_loop_t *loop,
                     const struct gt_inherited *inherited, struct gt_error *err);
void gt_signals_listen(struct gt_signals *signals, gt_signal_fn handler, void *context);
/* Stop watching; the loop must run once more before the struct may go. */
void gt_signals_stop(struct gt_signals *signals);

#endif
