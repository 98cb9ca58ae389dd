/* SPDX-License-Identifier: MIT */
#include "counting.h"

#include "base/nstime.h"
#include "process_labels.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    BLOCK_BYTES = 1 << 16,
    PIPE_BYTES = 1 << 20,
    QUIET_NS = 600 * 1000000, /* perf is asked 20 times a second to write what it has */
};

int64_t gt_counting_perf_ns(struct gt_counting *counting)
{
    struct timespec used;
    clockid_t clock;
    int64_t used_ns = 0;

    if (counting->perf_pid && !counting->ended &&
        clock_getcpuclockid(counting->perf_pid, &clock) == 0 &&
        clock_gettime(clock, &used) == 0)
        used_ns = (int64_t)used.tv_sec * GT_NS_PER_S + used.tv_nsec;
    if (used_ns > counting->perf_cpu_ns)
        counting->perf_cpu_ns = used_ns;
    return counting->perf_cpu_ns;
}

/* --- what is counted --- */

/* It may have ended when its name is needed. */
static int note_command(struct gt_counting *counting, const struct gt_event *event)
{
    struct gt_event copy = *event;
    struct gt_buf command;
    int rc = 0;

    gt_buf_init(&command);
    if (gt_process_command(event->pid, &command) == 0 && command.length) {
        copy.kind = GT_EVENT_COMM;
        copy.new_name.text = command.data;
        copy.new_name.length =
            (uint32_t)(command.length < GT_LIFE_COMMAND_MAX ? command.length
                                                            : GT_LIFE_COMMAND_MAX);
        copy.new_name.is_command = true;
        rc = gt_windows_take(&counting->windows, &copy);
    }
    gt_buf_release(&command);
    return rc;
}

static int on_window(void *context, const struct gt_window *window, struct gt_error *err)
{
    struct gt_counting *counting = context;
    int rc = gt_registry_add(counting->registry, &counting->source, window, gt_process_label,
                             NULL, err);

    counting->until_ns = window->until_ns;
    gt_registry_sweep(counting->registry, &counting->source, &counting->windows.lives,
                      gt_now_ns());
    gt_perfdata_forget_names(counting->data);
    return rc;
}

/* Threads are named by records of their own. */
static int on_event(void *context, const struct gt_event *event)
{
    struct gt_counting *counting = context;
    struct gt_event copy = *event;
    int rc;

    copy.comm = NULL;
    copy.comm_length = 0;
    rc = gt_windows_take(&counting->windows, &copy);
    /* A new program; or, of time 0, one that runs already. */
    if (rc == 0 && event->pid == event->tid &&
        (event->kind == GT_EVENT_EXEC || (event->kind == GT_EVENT_COMM && event->time_ns <= 0)))
        rc = note_command(counting, &copy);
    return rc;
}

/* Nothing is counted any more, and why. The program runs on. */
static void end_counting(struct gt_counting *counting, const char *why)
{
    gt_counting_perf_ns(counting);
    if (!counting->ended)
        snprintf(counting->why, sizeof(counting->why), "%.*s", (int)sizeof(counting->why) - 1,
                 why);
    counting->ended = true;
    counting->ended_ns = gt_now_ns();
}

static void close_pipe(struct gt_counting *counting);

static void take(struct gt_counting *counting, const char *bytes, size_t length)
{
    int rc = gt_perfdata_feed(counting->data, bytes, length);

    counting->came_ns = gt_now_ns();
    counting->flushed = false;
    if (rc == 0)
        return;
    if (rc == GT_ERR_UNSUPPORTED)
        end_counting(counting, "what this perf records cannot be read as it comes (giltracer "
                               "--doctor tells its version)");
    else
        end_counting(counting, counting->windows.error.code ? counting->windows.error.message
                                                            : "out of memory");
    close_pipe(counting);
}

/* --- the pipe --- */

static void on_closed(uv_handle_t *handle)
{
    ((struct gt_counting *)handle->data)->open_handles--;
}

static void close_pipe(struct gt_counting *counting)
{
    if (counting->piped && !uv_is_closing((uv_handle_t *)&counting->pipe))
        uv_close((uv_handle_t *)&counting->pipe, on_closed);
}

static void on_room(uv_handle_t *handle, size_t wanted, uv_buf_t *room)
{
    struct gt_counting *counting = handle->data;

    (void)wanted;
    *room = uv_buf_init(counting->block, BLOCK_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *room)
{
    struct gt_counting *counting = stream->data;

    if (got > 0) {
        take(counting, room->base, (size_t)got);
    } else if (got < 0) {
        end_counting(counting, "perf record has ended before the program");
        close_pipe(counting);
    }
}

/* What comes from here on is younger than `until_ns`, as far as perf keeps up. */
void gt_counting_tick(struct gt_counting *counting)
{
    int64_t now_ns = gt_now_ns();
    int rc = 0;

    gt_counting_perf_ns(counting);
    if (!counting->begun || counting->ended || now_ns - counting->came_ns < QUIET_NS)
        return;
    if (!counting->flushed)
        rc = gt_perfdata_flush(counting->data);
    counting->flushed = true;
    if (rc == 0)
        rc = gt_windows_pass(&counting->windows, now_ns - QUIET_NS);
    if (rc < 0)
        end_counting(counting, counting->windows.error.message);
}

static int open_pipe(struct gt_counting *counting, struct gt_error *err)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC))
        return gt_error_errno(err, "cannot make a pipe for perf");
    fcntl(ends[0], F_SETPIPE_SZ, PIPE_BYTES); /* a smaller one does, too */
    counting->stream = ends[1];
    uv_pipe_init(counting->loop, &counting->pipe, 0);
    counting->pipe.data = counting;
    counting->open_handles++;
    counting->piped = true;
    if (uv_pipe_open(&counting->pipe, ends[0])) {
        close(ends[0]);
        return gt_error_set(err, GT_ERR_IO, "cannot read from the pipe of perf");
    }
    return 0;
}

/* --- from start to end --- */

int gt_counting_start(struct gt_counting *counting, uv_loop_t *loop,
                      struct gt_registry *registry, const struct gt_windows_options *options,
                      struct gt_error *err)
{
    int rc;

    counting->loop = loop;
    counting->registry = registry;
    counting->stream = -1;
    counting->started = true;
    gt_windows_init(&counting->windows, options, on_window, counting);
    counting->block = malloc(BLOCK_BYTES);
    counting->data = gt_perfdata_new(on_event, counting, true);
    rc = open_pipe(counting, err);
    if (rc == 0 && (!counting->block || !counting->data))
        rc = gt_error_memory(err);
    /* perf writes before it records, more than fits into a pipe perhaps. */
    if (rc == 0 && uv_read_start((uv_stream_t *)&counting->pipe, on_room, on_read))
        rc = gt_error_set(err, GT_ERR_IO, "cannot read from the pipe of perf");
    return rc;
}

static void close_stream(struct gt_counting *counting)
{
    if (counting->stream >= 0)
        close(counting->stream);
    counting->stream = -1;
}

void gt_counting_begin(struct gt_counting *counting, int pid, int perf_pid, bool attached)
{
    close_stream(counting); /* perf has its own */
    counting->perf_pid = perf_pid;
    counting->source.root_pid = pid;
    counting->came_ns = counting->until_ns = gt_now_ns();
    counting->begun = true;
    if (gt_windows_begin(&counting->windows, counting->until_ns, attached) < 0) {
        end_counting(counting, counting->windows.error.message);
        close_pipe(counting);
    }
}

void gt_counting_expect_end(struct gt_counting *counting)
{
    if (counting->end_expected)
        return;
    counting->end_expected = true;
    counting->expected_ns = gt_now_ns();
}

void gt_counting_finish(struct gt_counting *counting)
{
    int64_t until_ns;

    if (!counting->begun || counting->finished)
        return;
    counting->finished = true;
    gt_counting_expect_end(counting);
    /* perf is gone: what is left in the pipe ends soon. */
    while (!counting->ended)
        uv_run(counting->loop, UV_RUN_ONCE);
    until_ns =
        counting->expected_ns < counting->ended_ns ? counting->expected_ns : counting->ended_ns;
    if (gt_perfdata_finish(counting->data) == 0)
        gt_windows_finish(&counting->windows, until_ns);
}

bool gt_counting_has(const struct gt_counting *counting, int pid)
{
    return gt_lives_has(&counting->windows.lives, pid);
}

void gt_counting_release(struct gt_counting *counting)
{
    if (!counting->started)
        return;
    close_stream(counting);
    close_pipe(counting);
    while (counting->open_handles)
        uv_run(counting->loop, UV_RUN_ONCE);
    gt_registry_end_source(counting->registry, &counting->source, gt_now_ns());
    gt_perfdata_free(counting->data);
    gt_windows_release(&counting->windows);
    free(counting->block);
    *counting = (struct gt_counting){0};
}
