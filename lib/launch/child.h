/* SPDX-License-Identifier: MIT */
/*
 * One child process on a libuv loop: perf, an interpreter that is asked for its facts, the
 * target.
 *
 * A child is done when it has exited *and* its pipes are at their end *and* libuv has closed
 * every handle; only then is `on_done` called and the struct may be released. Children are
 * started by their argument vectors, never by a shell.
 */
#ifndef GT_LAUNCH_CHILD_H
#define GT_LAUNCH_CHILD_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

enum {
    GT_CHILD_NULL = -1,    /* /dev/null for 0-2; left as it is above */
    GT_CHILD_CAPTURE = -2, /* 1 and 2 only: read through a pipe */
    /* A child that writes more on its stderr, or on a stdout that nobody takes, is stopped: no
       program that works has so much to say. */
    GT_CHILD_FLOOD_BYTES = 256 << 20,
};

struct gt_child;

/* Takes bytes of the child's stdout, which are valid during the call. When it returns a
 * negative number, the child is stopped and nothing more is delivered. */
typedef int (*gt_child_data_fn)(void *context, const char *data, size_t length);
typedef void (*gt_child_done_fn)(void *context, struct gt_child *child);

struct gt_child_spec {
    const char *file; /* path, or a name that is looked up on PATH */
    char *const *argv;
    char *const *env;         /* NULL: that of this process */
    const int *stdio;         /* fds, or GT_CHILD_… */
    int stdio_count;          /* at least 3 */
    bool privileged;          /* keeps root where giltracer holds it back (rights.h) */
    bool without_syslog;      /* and a privileged one has no CAP_SYSLOG (become.h) */
    bool own_session;         /* so that the terminal's signals do not reach it */
    uint64_t timeout_ms;      /* stop the child after that long; 0: never */
    bool renewed_by_output;   /* … after its stdout gave nothing for that long */
    gt_child_data_fn on_data; /* NULL: the first MiB of stdout is kept in out_text */
    gt_child_done_fn on_done; /* NULL: poll `done` */
    void *context;
};

struct gt_child {
    uv_process_t process;
    uv_pipe_t pipes[2]; /* stdout, stderr */
    uv_timer_t timer, pause;
    int open_handles; /* until their close callbacks ran */
    int pid;          /* 0 once it is reaped: from then on it must not be signalled */
    bool exited, done;
    bool timed_out;   /* it was stopped for its time-out */
    bool flooded;     /* … for what it wrote: GT_CHILD_FLOOD_BYTES */
    bool interrupted; /* … by gt_child_interrupt */
    bool killing, killed;
    unsigned ticks; /* parts of its time-out that passed */
    uint64_t out_bytes, err_bytes;
    bool own_session, renewed_by_output;
    bool in_batches; /* stdout gathers in the pipe before it is read */
    int exit_status; /* valid when exited and term_signal is 0 */
    int term_signal;
    int data_error;                   /* what on_data returned, when negative */
    struct gt_buf out_text, err_text; /* captured and not delivered otherwise; bounded */
    char *read_buffer;
    gt_child_data_fn on_data;
    gt_child_done_fn on_done;
    void *context;
};

/* Start the child. On failure nothing is left behind, and release need not be called. Must not
 * be called from inside a libuv callback, since a failure runs the loop to close handles. */
int gt_child_spawn(struct gt_child *child, uv_loop_t *loop, const struct gt_child_spec *spec,
                   struct gt_error *err);

/* Send TERM now, and KILL after `grace_ms`; where the child has a session of its own, to all
 * that it started. One that even KILL does not end is left alone after some seconds, and counts
 * as ended by it. Does nothing when the child is done. */
void gt_child_stop(struct gt_child *child, uint64_t grace_ms);

/* Free what is kept. The child must be done. */
void gt_child_release(struct gt_child *child);

/* Start the child and run the loop until it is done. 0 when it ran, whatever its exit status:
 * release it then. The loop's `data` is this function's, and NULL when it does not run. */
int gt_child_run(struct gt_child *child, uv_loop_t *loop, const struct gt_child_spec *spec,
                 struct gt_error *err);

/* Run the loop until this child, which was started on it, is done. The loop's `data` as above.
 */
void gt_child_wait(struct gt_child *child, uv_loop_t *loop);

/* Stop the child that gt_child_run or gt_child_wait waits for on this loop, if there is one:
 * for a handler of the loop that learns that the user wants to stop. */
void gt_child_interrupt(uv_loop_t *loop);

/* Did it exit with status 0? */
bool gt_child_succeeded(const struct gt_child *child);

/* Copy the line of its stderr that says most, for error messages: the first that starts with
 * "error", else the first that reads like an error, else the first. At most `size` - 1 bytes;
 * "" when it wrote nothing. Returns `line`. */
char *gt_child_complaint(const struct gt_child *child, char *line, size_t size);

#endif
