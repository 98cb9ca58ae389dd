/* SPDX-License-Identifier: MIT */
/*
 * How a program that has itself recorded (scripts/python) and giltracer, started by it, speak:
 * by a pair of connected stream sockets, of which giltracer inherits one (--control-fd).
 *
 *     giltracer: "call N\n" and N bytes, SYMBOL NUL LIBRARY NUL SETTINGS: load the agent, and
 * call this function of it; the program: "RESULT\n", or "-1 WHY\n". It ends the agent itself,
 *                before it ends the recording.
 *     giltracer: "recording\n" once everything that happens is recorded
 *     program:   closes or shuts down its end (or dies): the recording ends
 *     giltracer: "ended STATUS\n" when the reports are written, and closes
 *
 * Signals would not do: the program may ignore them, and giltracer would inherit that.
 */
#ifndef GILTRACER_CONTROL_H
#define GILTRACER_CONTROL_H

#include "base/error.h"
#include "launch/signals.h"

#include <stdbool.h>
#include <uv.h>

/* Starts as all zeros: nobody is spoken to. */
struct gt_control {
    int fd; /* borrowed; 0: none */
    struct gt_signals *signals;
    uv_poll_t poll;
    bool polling;
};

/*
 * Become a process of its own: no child of the program, which may wait for any child of its
 * own, and in no process group of a terminal. What called this process ends with status 0. No
 * threads may run yet.
 */
int gt_control_detach(int fd, struct gt_error *err);

/* Have the program call that. 0 with the result; GT_ERR_CHILD: it could not, or does not
 * answer. */
int gt_control_call(int fd, const char *symbol, const char *library, const char *settings,
                    int *result, struct gt_error *err);

/* From now on the end of the program's side counts as a SIGINT. `fd` 0: do nothing. */
int gt_control_start(struct gt_control *control, int fd, uv_loop_t *loop,
                     struct gt_signals *signals, struct gt_error *err);
void gt_control_tell_recording(const struct gt_control *control);
/* The loop must run once more before the struct may be released. */
void gt_control_stop(struct gt_control *control);

/* The last word. `fd` 0: do nothing. */
void gt_control_tell_end(int fd, int status);

#endif
