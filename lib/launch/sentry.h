/* SPDX-License-Identifier: MIT */
/*
 * The sentry: a small process in giltracer's process group, with two duties.
 *
 * It tells whether a signal was sent to the group or to giltracer alone. A terminal's Ctrl-C,
 * and kill(-group), reach the target by themselves; a signal to giltracer's pid must be passed
 * on to it. The kernel does not say which of the two it was, but a second process of the group,
 * which blocks the same signals, sees only those of the first kind.
 *
 * And it outlives giltracer, whatever ends that: then it ends the tools that giltracer started,
 * removes its probes and the folder of its recording (cleanup.h). The target is left alone.
 * What kills the sentry as well leaves these to the next run.
 *
 * It is told on a socket, by messages of one byte: a signal's number, which it answers with one
 * byte, 1 when the group got that signal, else 0; GT_SENTRY_FOLDER, which brings the
 * descriptors of the folder and its parent, and the folder's name; GT_SENTRY_NO_FOLDER;
 * GT_SENTRY_DISMISSED: there is nothing to clean up. It ends when the socket closes.
 */
#ifndef GT_LAUNCH_SENTRY_H
#define GT_LAUNCH_SENTRY_H

#include "base/error.h"
#include "launch/claim.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#define GT_SENTRY_NAME "giltracer-sentry" /* its argv[0] */

enum gt_sentry_message { /* signals have the numbers below */
                         GT_SENTRY_FOLDER = 128,
                         GT_SENTRY_NO_FOLDER,
                         GT_SENTRY_DISMISSED,
};

struct gt_sentry {
    int fd; /* -1: there is none */
    pid_t pid;
};

/* Start the sentry, to watch `signals`. */
int gt_sentry_start(struct gt_sentry *sentry, const sigset_t *signals, struct gt_error *err);
/* Dismiss it: everything is cleaned up. */
void gt_sentry_stop(struct gt_sentry *sentry);

/* From now on, should giltracer die, the sentry removes this folder, and no other; NULL: none.
 */
void gt_sentry_entrust(struct gt_sentry *sentry, const struct gt_claim *claim);

/* Did the signal that this process just got go to the whole group? Takes a few microseconds
 * when it did, 20 ms when not. False when the sentry is gone. */
bool gt_sentry_saw(struct gt_sentry *sentry, int number);

/* The sentry's own main. `owner` is giltracer's name (owner.h); "": it has none. */
int gt_sentry_main(const char *owner);

#endif
