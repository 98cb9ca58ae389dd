/* SPDX-License-Identifier: MIT */
#include "metrics.h"

#include "base/fs.h"
#include "base/nstime.h"
#include "common/console.h"
#include "metrics/exposition.h"
#include "metrics/registry.h"
#include "metrics/server.h"
#include "metrics/windows.h"
#include "report/process_label.h"
#include "script/perfdata.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    BLOCK_BYTES = 1 << 16,
    PIPE_BYTES = 1 << 20,
    TICK_MS = 500,
    QUIET_NS = 600 * 1000000, /* perf is asked 20 times a second to write what it has */
    FILE_TICKS = 4,           /* between writes of the file */
};

struct gt_metrics {
    uv_loop_t *loop;
    const char *where;
    bool is_file, quiet;
    struct gt_server server;
    uv_pipe_t pipe;
    uv_timer_t timer;
    int open_handles; /* of these two */
    int stream;       /* perf's end of the pipe, while it is ours */
    bool piped;
    bool begun, ended; /* perf records; it does not any more */
    bool end_expected, finished, told, write_failed;
    char why[256];       /* it ended, … */
    int64_t expected_ns; /* since when that is expected */
    int64_t ended_ns;    /* … and when */
    char *block;
    struct gt_perfdata *data;
    struct gt_windows windows;
    struct gt_registry registry;
    int64_t came_ns; /* when the newest bytes did */
    bool flushed;    /* none came since what waits was handed over */
    int perf_pid;
    int64_t perf_cpu_ns, until_ns;
    unsigned ticks;
};

/* --- the text --- */

static int64_t cpu_ns_of(clockid_t clock)
{
    struct timespec used;

    return clock_gettime(clock, &used) ? 0 : (int64_t)used.tv_sec * GT_NS_PER_S + used.tv_nsec;
}

/* Of perf, as long as it can be asked. */
static void look_at_perf(struct gt_metrics *metrics)
{
    clockid_t clock;
    int64_t used_ns = 0;

    if (metrics->perf_pid && !metrics->ended &&
        clock_getcpuclockid(metrics->perf_pid, &clock) == 0)
        used_ns = cpu_ns_of(clock);
    if (used_ns > metrics->perf_cpu_ns)
        metrics->perf_cpu_ns = used_ns;
}

static uint64_t resident_bytes(void)
{
    size_t bytes;

    return uv_resident_set_memory(&bytes) ? 0 : bytes;
}

static int add_text(void *context, struct gt_buf *text, bool open_metrics)
{
    struct gt_metrics *metrics = context;
    struct gt_metrics_self self = {
        .recording = metrics->begun && !metrics->ended,
        .own_cpu_ns = cpu_ns_of(CLOCK_PROCESS_CPUTIME_ID),
        .resident_bytes = resident_bytes(),
    };

    look_at_perf(metrics);
    self.perf_cpu_ns = metrics->perf_cpu_ns;
    if (metrics->until_ns)
        self.until_unix_ns = gt_realtime_ns() - gt_now_ns() + metrics->until_ns;
    return gt_exposition_text(text, &metrics->registry, &self, open_metrics);
}

/* A collector reads the file whenever it likes: it finds all of one moment. */
static int write_file(struct gt_metrics *metrics, struct gt_error *err)
{
    struct gt_output output;
    struct gt_buf text;
    struct gt_error why;
    int rc = gt_output_open(&output, metrics->where, &why);

    if (rc < 0) {
        why.message[strcspn(why.message, "(")] = '\0'; /* its remedy is for reports */
        return gt_error_set(err, rc, "%s(name another file, or an address, with --metrics)",
                            why.message);
    }
    gt_buf_init(&text);
    rc = add_text(metrics, &text, false)
             ? gt_error_memory(err)
             : gt_output_write(&output, text.data, text.length, err);
    gt_buf_release(&text);
    if (rc == 0)
        return gt_output_commit(&output, err);
    gt_output_abandon(&output);
    return rc;
}

static void update_file(struct gt_metrics *metrics)
{
    struct gt_error err;
    int rc = metrics->is_file ? write_file(metrics, &err) : 0;

    if (rc < 0 && !metrics->write_failed)
        gt_say("%s: the metrics there are old from now on, until it can be written",
               err.message);
    metrics->write_failed = rc < 0;
}

/* --- what is counted --- */

static int read_command(int32_t pid, struct gt_buf *command)
{
    enum { COMMAND_MAX = 2 << 20 }; /* as long as Linux lets one be */
    char path[32];

    snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
    return gt_fs_read(path, command, COMMAND_MAX, NULL);
}

/* By its command line: what it calls itself now, or what was read as it began. */
static void label_process(void *context, const struct gt_process_names *names, char *label,
                          size_t size)
{
    struct gt_buf command, text;

    (void)context;
    gt_buf_init(&command);
    gt_buf_init(&text);
    if (read_command(names->pid, &command) < 0 || !command.length) {
        gt_buf_reset(&command);
        gt_buf_add(&command, names->command, names->command_length);
    }
    if (command.length && gt_command_label(command.data, command.length, &text) == 0 &&
        text.length)
        snprintf(label, size, "%s", text.data);
    else
        snprintf(label, size, "%s", names->name);
    gt_buf_release(&command);
    gt_buf_release(&text);
}

/* It may have ended when its name is needed. */
static int note_command(struct gt_metrics *metrics, const struct gt_event *event)
{
    struct gt_event copy = *event;
    struct gt_buf command;
    int rc = 0;

    gt_buf_init(&command);
    if (read_command(event->pid, &command) == 0 && command.length) {
        copy.kind = GT_EVENT_COMM;
        copy.new_name.text = command.data;
        copy.new_name.length =
            (uint32_t)(command.length < GT_LIFE_COMMAND_MAX ? command.length
                                                            : GT_LIFE_COMMAND_MAX);
        copy.new_name.is_command = true;
        rc = gt_windows_take(&metrics->windows, &copy);
    }
    gt_buf_release(&command);
    return rc;
}

static int on_window(void *context, const struct gt_window *window, struct gt_error *err)
{
    struct gt_metrics *metrics = context;
    int rc = gt_registry_add(&metrics->registry, window, label_process, NULL, err);

    metrics->until_ns = window->until_ns;
    gt_registry_sweep(&metrics->registry, &metrics->windows.lives, gt_now_ns());
    gt_perfdata_forget_names(metrics->data);
    return rc;
}

/* Threads are named by records of their own. */
static int on_event(void *context, const struct gt_event *event)
{
    struct gt_metrics *metrics = context;
    struct gt_event copy = *event;
    int rc;

    copy.comm = NULL;
    copy.comm_length = 0;
    rc = gt_windows_take(&metrics->windows, &copy);
    /* A new program; or, of time 0, one that runs already. */
    if (rc == 0 && event->pid == event->tid &&
        (event->kind == GT_EVENT_EXEC || (event->kind == GT_EVENT_COMM && event->time_ns <= 0)))
        rc = note_command(metrics, &copy);
    return rc;
}

/* Nothing is counted any more, and why. The program runs on. */
static void end_counting(struct gt_metrics *metrics, const char *why)
{
    look_at_perf(metrics);
    if (!metrics->ended)
        snprintf(metrics->why, sizeof(metrics->why), "%s", why);
    metrics->ended = true;
    metrics->ended_ns = gt_now_ns();
}

/* Once, and only where that is not since the program has ended, which is known a bit later. */
static void tell_end(struct gt_metrics *metrics)
{
    if (!metrics->ended || metrics->end_expected || metrics->told ||
        gt_now_ns() - metrics->ended_ns < GT_NS_PER_S)
        return;
    gt_say(
        "%s: nothing is counted from here on, giltracer_recording is 0 (the program runs on; "
        "start giltracer anew to count again)",
        metrics->why);
    metrics->told = true;
}

static void close_pipe(struct gt_metrics *metrics);

static void take(struct gt_metrics *metrics, const char *bytes, size_t length)
{
    int rc = gt_perfdata_feed(metrics->data, bytes, length);

    metrics->came_ns = gt_now_ns();
    metrics->flushed = false;
    if (rc == 0)
        return;
    if (rc == GT_ERR_UNSUPPORTED)
        end_counting(metrics, "what this perf records cannot be read as it comes (giltracer "
                              "--doctor tells its version)");
    else
        end_counting(metrics, metrics->windows.error.code ? metrics->windows.error.message
                                                          : "out of memory");
    close_pipe(metrics);
}

/* --- the pipe and the clock --- */

static void on_closed(uv_handle_t *handle)
{
    ((struct gt_metrics *)handle->data)->open_handles--;
}

static void close_pipe(struct gt_metrics *metrics)
{
    if (metrics->piped && !uv_is_closing((uv_handle_t *)&metrics->pipe))
        uv_close((uv_handle_t *)&metrics->pipe, on_closed);
}

static void on_room(uv_handle_t *handle, size_t wanted, uv_buf_t *room)
{
    struct gt_metrics *metrics = handle->data;

    (void)wanted;
    *room = uv_buf_init(metrics->block, BLOCK_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *room)
{
    struct gt_metrics *metrics = stream->data;

    if (got > 0) {
        take(metrics, room->base, (size_t)got);
    } else if (got < 0) {
        end_counting(metrics, "perf record has ended before the program");
        close_pipe(metrics);
    }
}

/* What comes from here on is younger than `until_ns`, as far as perf keeps up. */
static void pass(struct gt_metrics *metrics)
{
    int64_t now_ns = gt_now_ns();
    int rc = 0;

    if (now_ns - metrics->came_ns < QUIET_NS)
        return;
    if (!metrics->flushed)
        rc = gt_perfdata_flush(metrics->data);
    metrics->flushed = true;
    if (rc == 0)
        rc = gt_windows_pass(&metrics->windows, now_ns - QUIET_NS);
    if (rc < 0)
        end_counting(metrics, metrics->windows.error.message);
}

static void on_tick(uv_timer_t *timer)
{
    struct gt_metrics *metrics = timer->data;

    look_at_perf(metrics);
    if (metrics->begun && !metrics->ended)
        pass(metrics);
    tell_end(metrics);
    if (++metrics->ticks % FILE_TICKS == 0)
        update_file(metrics);
}

static int open_pipe(struct gt_metrics *metrics, struct gt_error *err)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC))
        return gt_error_errno(err, "cannot make a pipe for perf");
    fcntl(ends[0], F_SETPIPE_SZ, PIPE_BYTES); /* a smaller one does, too */
    metrics->stream = ends[1];
    uv_pipe_init(metrics->loop, &metrics->pipe, 0);
    metrics->pipe.data = metrics;
    metrics->open_handles++;
    metrics->piped = true;
    if (uv_pipe_open(&metrics->pipe, ends[0])) {
        close(ends[0]);
        return gt_error_set(err, GT_ERR_IO, "cannot read from the pipe of perf");
    }
    return 0;
}

/* --- from start to end --- */

static int start(struct gt_metrics *metrics, struct gt_error *err)
{
    int rc = open_pipe(metrics, err);

    uv_timer_init(metrics->loop, &metrics->timer);
    metrics->timer.data = metrics;
    metrics->open_handles++;
    metrics->block = malloc(BLOCK_BYTES);
    metrics->data = gt_perfdata_new(on_event, metrics, true);
    if (rc == 0 && (!metrics->block || !metrics->data))
        rc = gt_error_memory(err);
    if (rc == 0 && metrics->is_file)
        rc = write_file(metrics, err);
    else if (rc == 0)
        rc = gt_server_start(&metrics->server, metrics->loop, metrics->where, add_text, metrics,
                             err);
    /* perf writes before it records, more than fits into a pipe perhaps. */
    if (rc == 0 && uv_read_start((uv_stream_t *)&metrics->pipe, on_room, on_read))
        rc = gt_error_set(err, GT_ERR_IO, "cannot read from the pipe of perf");
    if (rc == 0)
        uv_timer_start(&metrics->timer, on_tick, TICK_MS, TICK_MS);
    return rc;
}

static void say_where(const struct gt_metrics *metrics)
{
    int host = (int)(strrchr(metrics->where, ':') - metrics->where);

    gt_say("metrics at http://%.*s:%d/metrics", host ? host : 9,
           host ? metrics->where : "127.0.0.1", gt_server_port(&metrics->server));
}

struct gt_metrics *gt_metrics_start(uv_loop_t *loop, const char *where, bool quiet,
                                    const struct gt_windows_options *options,
                                    struct gt_error *err)
{
    struct gt_metrics *metrics = calloc(1, sizeof(*metrics));

    if (!metrics) {
        gt_error_memory(err);
        return NULL;
    }
    metrics->loop = loop;
    metrics->where = where;
    metrics->quiet = quiet;
    metrics->stream = -1;
    gt_windows_init(&metrics->windows, options, on_window, metrics);
    metrics->is_file = !gt_server_is_address(where);
    gt_registry_init(&metrics->registry);
    if (start(metrics, err) < 0) {
        gt_metrics_stop(metrics);
        return NULL;
    }
    if (!quiet && !metrics->is_file)
        say_where(metrics);
    return metrics;
}

const int *gt_metrics_stream(const struct gt_metrics *metrics)
{
    return metrics ? &metrics->stream : NULL;
}

void gt_metrics_begin(struct gt_metrics *metrics, int pid, int perf_pid, bool attached)
{
    if (metrics->stream >= 0)
        close(metrics->stream); /* perf has its own */
    metrics->stream = -1;
    metrics->perf_pid = perf_pid;
    metrics->registry.root_pid = pid;
    metrics->came_ns = metrics->until_ns = gt_now_ns();
    metrics->begun = true;
    if (gt_windows_begin(&metrics->windows, metrics->until_ns, attached) < 0) {
        end_counting(metrics, metrics->windows.error.message);
        close_pipe(metrics);
    }
}

void gt_metrics_expect_end(struct gt_metrics *metrics)
{
    metrics->end_expected = true;
    metrics->expected_ns = gt_now_ns();
}

void gt_metrics_finish(struct gt_metrics *metrics)
{
    int64_t until_ns;

    if (!metrics || !metrics->begun || metrics->finished)
        return;
    metrics->finished = true;
    if (!metrics->end_expected)
        gt_metrics_expect_end(metrics);
    /* perf is gone: what is left in the pipe ends soon. */
    while (!metrics->ended)
        uv_run(metrics->loop, UV_RUN_ONCE);
    until_ns =
        metrics->expected_ns < metrics->ended_ns ? metrics->expected_ns : metrics->ended_ns;
    if (gt_perfdata_finish(metrics->data) == 0)
        gt_windows_finish(&metrics->windows, until_ns);
    update_file(metrics);
}

void gt_metrics_stop(struct gt_metrics *metrics)
{
    if (!metrics)
        return;
    gt_server_stop(&metrics->server, metrics->loop);
    close_pipe(metrics);
    uv_close((uv_handle_t *)&metrics->timer, on_closed);
    while (metrics->open_handles)
        uv_run(metrics->loop, UV_RUN_ONCE);
    if (metrics->stream >= 0)
        close(metrics->stream);
    gt_perfdata_free(metrics->data);
    gt_windows_release(&metrics->windows);
    gt_registry_release(&metrics->registry);
    free(metrics->block);
    free(metrics);
}
