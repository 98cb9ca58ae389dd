/* SPDX-License-Identifier: MIT */
#include "launch/child.h"

#include "launch/become.h"
#include "launch/elf.h"
#include "launch/gate.h"
#include "launch/rights.h"

#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/param.h>
#include <unistd.h>

enum {
    READ_BYTES = 512 * 1024,  /* one read; perf script is read in few large parts */
    PIPE_BYTES = 1024 * 1024, /* the default limit of unprivileged users, too */
    OUT_LIMIT = 1024 * 1024,
    ERR_LIMIT = 64 * 1024,
    /* A writer that wakes a reader with every 4 KiB takes a tenth longer than one that does
       not. */
    PAUSE_MS = 1,
    ENOUGH_BYTES = PIPE_BYTES / 4, /* after so much there is no pause before the next read */
    LINGER_MS = 2000,              /* another process may hold a dead child's pipe open */
    GRACE_MS = 2000,
    LEAVE_MS = 3000, /* one that KILL does not end waits for the kernel, or is traced */
    MAX_STDIO = 256,
    /* A time-out is waited for in parts: while giltracer itself is stopped, or busy, one part
       passes at the most. */
    TICKS = 8,
};

static void finish_if_complete(struct gt_child *child)
{
    if (child->done || child->open_handles > 0)
        return;
    child->done = true;
    if (child->on_done)
        child->on_done(child->context, child);
}

static void on_closed(uv_handle_t *handle)
{
    struct gt_child *child = handle->data;

    child->open_handles--;
    finish_if_complete(child);
}

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, on_closed);
}

/* The timer lives as long as anything else does; it is closed last. */
static void close_timer_if_last(struct gt_child *child)
{
    if (child->exited && uv_is_closing((uv_handle_t *)&child->pipes[0]) &&
        uv_is_closing((uv_handle_t *)&child->pipes[1]))
        close_handle((uv_handle_t *)&child->timer);
}

/* A pipe, and stdout's pause with it. */
static void close_pipe(struct gt_child *child, uv_pipe_t *pipe)
{
    close_handle((uv_handle_t *)pipe);
    if (pipe == &child->pipes[0])
        close_handle((uv_handle_t *)&child->pause);
    close_timer_if_last(child);
}

/* A child with a session of its own is signalled with all that it started. */
static void signal_child(struct gt_child *child, int number)
{
    if (!child->own_session || child->pid <= 0 || kill(-child->pid, number))
        uv_process_kill(&child->process, number);
}

static void close_pipes(struct gt_child *child)
{
    close_pipe(child, &child->pipes[0]);
    close_pipe(child, &child->pipes[1]);
}

/* Nobody can end it: do as if it had ended. */
static void leave(struct gt_child *child)
{
    child->exited = true;
    child->pid = 0;
    child->term_signal = SIGKILL;
    close_handle((uv_handle_t *)&child->process);
    close_pipes(child);
}

static void on_timer(uv_timer_t *timer)
{
    struct gt_child *child = timer->data;

    if (child->exited) {
        close_pipes(child);
    } else if (child->killed) {
        leave(child);
    } else if (child->killing) {
        child->killed = true;
        signal_child(child, SIGKILL);
        uv_timer_start(timer, on_timer, LEAVE_MS, 0);
    } else if (++child->ticks >= TICKS) {
        child->timed_out = true;
        gt_child_stop(child, GRACE_MS);
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct gt_child *child = handle->data;

    (void)suggested;
    *buffer = uv_buf_init(child->read_buffer, READ_BYTES);
}

static void on_exit_status(uv_process_t *process, int64_t status, int term_signal)
{
    struct gt_child *child = process->data;

    /* What it started, and what did not heed TERM as it did. The number of a group is not given
       to another process before the group is empty, and then only after all other numbers. */
    if (child->killing && child->own_session && child->pid > 0)
        kill(-child->pid, SIGKILL);
    child->exited = true;
    child->pid = 0;
    child->exit_status = (int)status;
    child->term_signal = term_signal;
    close_handle((uv_handle_t *)process);
    uv_timer_start(&child->timer, on_timer, LINGER_MS, 0);
    close_timer_if_last(child);
}

static void keep(struct gt_child *child, struct gt_buf *text, const char *data, size_t length,
                 size_t limit)
{
    uint64_t *bytes = text == &child->out_text ? &child->out_bytes : &child->err_bytes;

    if (text->length < limit)
        gt_buf_add(text, data, MIN(length, limit - text->length));
    *bytes += length;
    if (*bytes <= GT_CHILD_FLOOD_BYTES || child->flooded)
        return;
    child->flooded = true;
    gt_child_stop(child, GRACE_MS);
}

static void take_data(struct gt_child *child, const char *data, size_t length)
{
    if (child->data_error)
        return;
    if (!child->on_data) {
        keep(child, &child->out_text, data, length, OUT_LIMIT);
        return;
    }
    child->data_error = MIN(child->on_data(child->context, data, length), 0);
    if (child->data_error)
        gt_child_stop(child, 0);
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer);

static void on_pause(uv_timer_t *pause)
{
    struct gt_child *child = pause->data;

    if (!uv_is_closing((uv_handle_t *)&child->pipes[0]))
        uv_read_start((uv_stream_t *)&child->pipes[0], on_alloc, on_read);
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
    struct gt_child *child = stream->data;

    if (length < 0) {
        close_pipe(child, (uv_pipe_t *)stream);
        return;
    }
    if (child->exited && (child->flooded || child->data_error)) {
        close_pipes(child);
        return;
    }
    if (child->exited)
        uv_timer_start(&child->timer, on_timer, LINGER_MS, 0);
    if (stream == (uv_stream_t *)&child->pipes[0]) {
        take_data(child, buffer->base, (size_t)length);
        if (child->renewed_by_output)
            child->ticks = 0;
        if (child->in_batches && length > 0 && length < ENOUGH_BYTES && !child->exited) {
            uv_read_stop(stream);
            uv_timer_start(&child->pause, on_pause, PAUSE_MS, 0);
        }
    } else {
        keep(child, &child->err_text, buffer->base, (size_t)length, ERR_LIMIT);
    }
}

/* A pipe of our own: libuv would make a socket pair, which is slower and cannot grow. */
static int open_capture(struct gt_child *child, int which, int *child_end)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC))
        return -errno;
    if (which == 0)
        child->in_batches = /* only faster: failure does not matter */
            fcntl(ends[0], F_SETPIPE_SZ, PIPE_BYTES) >= PIPE_BYTES && child->on_data;
    *child_end = ends[1];
    if (uv_pipe_open(&child->pipes[which], ends[0])) {
        close(ends[0]);
        return -EIO;
    }
    return uv_read_start((uv_stream_t *)&child->pipes[which], on_alloc, on_read);
}

static int fill_stdio(struct gt_child *child, const struct gt_child_spec *spec,
                      uv_stdio_container_t *stdio, int *ends)
{
    for (int i = 0; i < spec->stdio_count; i++) {
        int rc;

        stdio[i].flags = spec->stdio[i] == GT_CHILD_NULL ? UV_IGNORE : UV_INHERIT_FD;
        stdio[i].data.fd = spec->stdio[i];
        if (spec->stdio[i] != GT_CHILD_CAPTURE)
            continue;
        rc = open_capture(child, i - 1, &ends[i - 1]);
        if (rc)
            return rc;
        stdio[i].data.fd = ends[i - 1];
    }
    for (int i = 0; i < 2; i++)
        if (ends[i] < 0)
            close_pipe(child, &child->pipes[i]);
    return 0;
}

static void init_handles(struct gt_child *child, uv_loop_t *loop,
                         const struct gt_child_spec *spec)
{
    memset(child, 0, sizeof(*child));
    gt_buf_init(&child->out_text);
    gt_buf_init(&child->err_text);
    child->on_data = spec->on_data;
    child->on_done = spec->on_done;
    child->context = spec->context;
    child->renewed_by_output = spec->renewed_by_output;
    uv_timer_init(loop, &child->timer);
    uv_pipe_init(loop, &child->pipes[0], 0);
    uv_pipe_init(loop, &child->pipes[1], 0);
    uv_timer_init(loop, &child->pause);
    child->timer.data = child->pipes[0].data = child->pipes[1].data = child;
    child->process.data = child->pause.data = child;
    child->open_handles = 4;
}

/* Every handle, also that of a process that could not be started, must be closed by the loop
 * before its memory may go. */
static void undo_spawn(struct gt_child *child, uv_loop_t *loop)
{
    child->on_done = NULL;
    child->exited = true;
    close_pipes(child);
    while (child->open_handles > 0)
        uv_run(loop, UV_RUN_ONCE);
    gt_child_release(child);
}

static int cannot_run(const char *file, int error, struct gt_error *err)
{
    char loader[PATH_MAX];

    if (error == UV_ENOENT && gt_elf_lacks_loader(file, loader, sizeof(loader)))
        return gt_error_set(err, GT_ERR_NOT_FOUND, "cannot run %s: its loader %s is not here",
                            file, loader);
    return gt_error_set(err, error == UV_ENOENT ? GT_ERR_NOT_FOUND : GT_ERR_CHILD,
                        "cannot run %s: %s", file, uv_strerror(error));
}

/* Where root is held back, only the privileged get it: others are the user's from their first
 * instruction on. `command` keeps what `options` points to. 0 or libuv's error. */
static int choose_rights(const struct gt_child_spec *spec, uv_process_options_t *options,
                         struct gt_strvec *command, char *helper, size_t size)
{
    const char *identity = spec->privileged ? NULL : gt_rights_identity();

    if (spec->privileged && spec->without_syslog)
        identity = GT_BECOME_WITHOUT_SYSLOG;
    options->file = spec->file;
    options->args = (char **)spec->argv;
    if (!identity)
        return 0;
    gt_gate_find(helper, size);
    if (gt_strvec_push(command, GT_BECOME_NAME) || gt_strvec_push(command, identity) ||
        gt_strvec_push(command, spec->file) || gt_strvec_push_all(command, spec->argv))
        return UV_ENOMEM;
    options->file = helper;
    options->args = command->items;
    return 0;
}

static int spawn_process(struct gt_child *child, uv_loop_t *loop,
                         const struct gt_child_spec *spec, uv_stdio_container_t *stdio)
{
    uv_process_options_t options = {
        .env = (char **)spec->env,
        .stdio = stdio,
        .stdio_count = spec->stdio_count,
        .flags = spec->own_session ? UV_PROCESS_DETACHED : 0,
        .exit_cb = on_exit_status,
    };
    char helper[PATH_MAX];
    struct gt_strvec command;
    int rc;

    gt_strvec_init(&command);
    rc = choose_rights(spec, &options, &command, helper, sizeof(helper));
    if (rc == 0) {
        gt_rights_raise();
        rc = uv_spawn(loop, &child->process, &options);
        gt_rights_lower();
        child->open_handles++;
        if (rc)
            close_handle((uv_handle_t *)&child->process);
    }
    gt_strvec_release(&command);
    return rc;
}

int gt_child_spawn(struct gt_child *child, uv_loop_t *loop, const struct gt_child_spec *spec,
                   struct gt_error *err)
{
    uv_stdio_container_t stdio[MAX_STDIO];
    int ends[2] = {-1, -1};
    int rc;

    if (spec->stdio_count < 3 || spec->stdio_count > MAX_STDIO)
        return gt_error_set(err, GT_ERR_CHILD, "cannot run %s: too many files are open",
                            spec->file);
    init_handles(child, loop, spec);
    child->read_buffer = malloc(READ_BYTES);
    rc = child->read_buffer ? fill_stdio(child, spec, stdio, ends) : UV_ENOMEM;
    if (rc == 0)
        rc = spawn_process(child, loop, spec, stdio);
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0)
            close(ends[i]);
    if (rc) {
        undo_spawn(child, loop);
        return cannot_run(spec->file, rc, err);
    }
    child->pid = child->process.pid;
    child->own_session = spec->own_session;
    if (spec->timeout_ms)
        uv_timer_start(&child->timer, on_timer, MAX(spec->timeout_ms / TICKS, 1),
                       MAX(spec->timeout_ms / TICKS, 1));
    return 0;
}

void gt_child_stop(struct gt_child *child, uint64_t grace_ms)
{
    if (child->exited || child->done || child->killed)
        return;
    child->killing = true;
    signal_child(child, SIGTERM);
    uv_timer_start(&child->timer, on_timer, grace_ms, 0);
}

void gt_child_release(struct gt_child *child)
{
    gt_buf_release(&child->out_text);
    gt_buf_release(&child->err_text);
    free(child->read_buffer);
    child->read_buffer = NULL;
}

void gt_child_wait(struct gt_child *child, uv_loop_t *loop)
{
    loop->data = child;
    while (!child->done)
        uv_run(loop, UV_RUN_ONCE);
    loop->data = NULL;
}

int gt_child_run(struct gt_child *child, uv_loop_t *loop, const struct gt_child_spec *spec,
                 struct gt_error *err)
{
    int rc = gt_child_spawn(child, loop, spec, err);

    if (rc == 0)
        gt_child_wait(child, loop);
    return rc;
}

void gt_child_interrupt(uv_loop_t *loop)
{
    struct gt_child *child = loop->data;

    if (!child)
        return;
    child->interrupted = true;
    gt_child_stop(child, GRACE_MS);
}

bool gt_child_succeeded(const struct gt_child *child)
{
    return child->exited && child->exit_status == 0 && child->term_signal == 0;
}

/* Of perf's paragraph on names of the kernel's functions, which are not recorded: a warning,
 * also where perf ends for another reason that it does not tell. */
static bool is_of_kernel_names(const char *line)
{
    static const char *const parts[] = {
        "kernel map",       "kernel address maps",
        "kptr_restrict",    "Samples in kernel",
        "vmlinux",          "relocation was applied",
        "kernel reference", "Symbol resolution may be skewed",
        "/proc/kallsyms",
    };

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (strcasestr(line, parts[i]))
            return true;
    return false;
}

/* How much a line of perf's stderr says: from 0, nothing, to 3. "Error:" alone stands before
 * the line that says most; "Error: Failed to add events." comes after it. */
static int weight_of(const char *line)
{
    static const char *const hints[] = {"error", "fail", "cannot", "denied", "incompatible"};

    /* "[ perf record: Woken up … ]", "'trace' not valid for hardware events. Ignoring." */
    if (!*line || line[0] == '[' || strstr(line, "Ignoring.") || strcmp(line, "Error:") == 0 ||
        is_of_kernel_names(line))
        return 0;
    if (strstr(line, "Failed to add events"))
        return 1;
    if (strncasecmp(line, "error", 5) == 0)
        return 3;
    for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
        if (strcasestr(line, hints[i]))
            return 2;
    return 1;
}

char *gt_child_complaint(const struct gt_child *child, char *line, size_t size)
{
    const char *at = child->err_text.data;
    int best = 0;

    line[0] = '\0';
    while (*at) {
        char candidate[512];
        size_t length;
        int weight;

        at += strspn(at, " \t\r\n");
        length = strcspn(at, "\r\n");
        snprintf(candidate, sizeof(candidate), "%.*s", (int)MIN(length, sizeof(candidate) - 1),
                 at);
        weight = weight_of(candidate);
        if (weight > best) {
            best = weight;
            strlcpy(line, candidate, size);
        }
        at += length;
    }
    return line;
}
