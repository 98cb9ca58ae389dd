/*
 * The sentry: a tiny process in giltracer's process group that answers whether a signal was
 * sent to the group or to giltracer alone. A terminal's Ctrl-C, and kill(-group), reach the
 * target by themselves; a kill of giltracer's pid must be passed on. The kernel does not
 * tell the two apart, but a bystander that holds the same signals blocked does.
 *
 * It speaks on a socket: one byte in, a signal's number; one byte out, 1 when the group got
 * it, else 0. It ends when the socket closes.
 */
#ifndef GT_LAUNCH_SENTRY_H
#define GT_LAUNCH_SENTRY_H

#include "base/error.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#define GT_SENTRY_NAME "giltracer-sentry" /* its argv[0] */

struct gt_sentry {
    int fd; /* -1: there is none */
    pid_t pid;
};

/* Start it, to watch `signals`. */
int gt_sentry_start(struct gt_sentry *sentry, const sigset_t *signals, struct gt_error *err);
void gt_sentry_stop(struct gt_sentry *sentry);

/* Whether the signal that we just got went to the whole group. Takes a few microseconds
 * when it did, 20 ms when not. False when the sentry is gone. */
bool gt_sentry_saw(struct gt_sentry *sentry, int number);

/* The sentry's own main. */
int gt_sentry_main(void);

#endif
