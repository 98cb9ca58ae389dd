/*
 * One child process on a libuv loop: perf, an interpreter that is asked, the target.
 *
 * A child is done when it has exited *and* its pipes are at their end *and* libuv has closed
 * every handle; only then is `on_done` called and the struct may be released. Argument
 * vectors only; no shell.
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
};

struct gt_child;

/* Bytes of the child's stdout, valid during the call. Negative: the child is stopped and
 * nothing more is delivered. */
typedef int (*gt_child_data_fn)(void *context, const char *data, size_t length);
typedef void (*gt_child_done_fn)(void *context, struct gt_child *child);

struct gt_child_spec {
    const char *file; /* path, or a name that is looked up on PATH */
    char *const *argv;
    char *const *env;         /* NULL: ours */
    const int *stdio;         /* fds, or GT_CHILD_… */
    int stdio_count;          /* at least 3 */
    bool own_session;         /* the terminal's signals do not reach it */
    uint64_t timeout_ms;      /* stop it after that long; 0: never */
    gt_child_data_fn on_data; /* NULL: stdout is kept in out_text, its first MiB */
    gt_child_done_fn on_done; /* NULL: poll `done` */
    void *context;
};

struct gt_child {
    uv_process_t process;
    uv_pipe_t pipes[2]; /* stdout, stderr */
    uv_timer_t timer, pause;
    int open_handles; /* until their close callbacks ran */
    int pid;          /* 0 once it is reaped: it must not be signalled any more */
    bool exited, done, timed_out, killing;
    bool own_session;
    bool in_batches; /* stdout is let gather before it is read */
    int exit_status; /* valid when exited and term_signal is 0 */
    int term_signal;
    int data_error;                   /* what on_data returned, when negative */
    uint64_t grace_ms;                /* between TERM and KILL */
    struct gt_buf out_text, err_text; /* captured and not delivered otherwise; bounded */
    char *read_buffer;
    gt_child_data_fn on_data;
    gt_child_done_fn on_done;
    void *context;
};

/* Start it. On failure nothing is left behind and release need not be called. Must not be
 * called from inside a libuv callback (a failure runs the loop to close handles). */
int gt_child_spawn(struct gt_child *child, uv_loop_t *loop, const struct gt_child_spec *spec,
                   struct gt_error *err);

/* Ask it to end: TERM now, KILL after `grace_ms`. Harmless when it is done. */
void gt_child_stop(struct gt_child *child, uint64_t grace_ms);

/* Free what is kept. The child must be done. */
void gt_child_release(struct gt_child *child);

/* Spawn, run the loop until it is done. 0 when it ran, whatever its exit status; release it
 * after success. */
int gt_child_run(struct gt_child *child, uv_loop_t *loop, const struct gt_child_spec *spec,
                 struct gt_error *err);

/* Exited with status 0. */
bool gt_child_succeeded(const struct gt_child *child);

/* The line of its stderr that says most, for error messages: the first that starts with
 * "error", else the first that sounds like one, else the first. At most `size` - 1 bytes; ""
 * when it said nothing. Returns `line`. */
char *gt_child_complaint(const struct gt_child *child, char *line, size_t size);

#endif
