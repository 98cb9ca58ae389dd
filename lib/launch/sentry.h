/* SPDX-License-Identifier: MIT */
/*
 * The sentry: a small process in giltracer's process group that tells whether a signal was sent
 * to the group or to giltracer alone. A terminal's Ctrl-C, and kill(-group), reach the target
 * by themselves; a signal to giltracer's pid must be passed on to it. The kernel does not say
 * which of the two it was, but a second process of the group, which blocks the same signals,
 * sees only those of the first kind.
 *
 * It is asked on a socket: giltracer sends one byte, a signal's number, and the sentry answers
 * with one byte, 1 when the group got that signal, else 0. It ends when the socket closes.
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

/* Start the sentry, to watch `signals`. */
int gt_sentry_start(struct gt_sentry *sentry, const sigset_t *signals, struct gt_error *err);
void gt_sentry_stop(struct gt_sentry *sentry);

/* Did the signal that this process just got go to the whole group? Takes a few microseconds
 * when it did, 20 ms when not. False when the sentry is gone. */
bool gt_sentry_saw(struct gt_sentry *sentry, int number);

/* The sentry's own main. */
int gt_sentry_main(void);

#endif
