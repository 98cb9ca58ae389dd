/* SPDX-License-Identifier: MIT */
#include "launch/recorder.h"

#include "launch/tools.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void gt_recorder_init(struct gt_recorder *recorder, gt_recorder_fn on_ready,
                      gt_recorder_fn on_done, void *context)
{
    memset(recorder, 0, sizeof(*recorder));
    recorder->done = true;
    recorder->stream = -1;
    strcpy(recorder->enable_word, "enable");
    recorder->on_ready = on_ready;
    recorder->on_done = on_done;
    recorder->context = context;
}

static void on_ack(void *context)
{
    struct gt_recorder *recorder = context;

    if (recorder->ready)
        return;
    recorder->ready = true;
    /* Words that do nothing else: "ping" is as old as "stop". */
    gt_perfctl_keep_flushing(&recorder->control, recorder->stop_word ? "ping" : "snapshot");
    recorder->on_ready(recorder->context, recorder);
}

static void on_child_done(void *context, struct gt_child *child)
{
    struct gt_recorder *recorder = context;

    (void)child;
    recorder->done = true;
    recorder->on_done(recorder->context, recorder);
}

/* What an earlier run left there goes. */
static int open_data(const char *path, struct gt_error *err)
{
    int fd;

    if (unlink(path) && errno != ENOENT)
        return gt_error_errno(err, "cannot remove the old %s", path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd < 0 ? gt_error_errno(err, "cannot make %s", path) : fd;
}

static int spawn(struct gt_recorder *recorder, uv_loop_t *loop, char *const *argv, int data,
                 struct gt_error *err)
{
    const int stdio[] = {GT_CHILD_NULL, data, GT_CHILD_CAPTURE, recorder->control.child_ends[0],
                         recorder->control.child_ends[1]};
    struct gt_child_spec spec = {
        .file = argv[0],
        .argv = argv,
        .stdio = stdio,
        .stdio_count = 5,
        .privileged = true,
        .without_syslog = recorder->without_syslog,
        .own_session = true,
        .on_done = on_child_done,
        .context = recorder,
    };
    struct gt_strvec env;
    int rc;

    gt_strvec_init(&env);
    rc = gt_tool_environment(true, &env) ? gt_error_memory(err) : 0;
    spec.env = env.items;
    if (rc == 0)
        rc = gt_child_spawn(&recorder->child, loop, &spec, err);
    gt_strvec_release(&env);
    return rc;
}

int gt_recorder_start(struct gt_recorder *recorder, const struct gt_caps *caps, uv_loop_t *loop,
                      char *const *argv, const char *data_path, bool held, struct gt_error *err)
{
    bool streams = recorder->stream >= 0;
    int data = streams ? recorder->stream : open_data(data_path, err);
    int rc = data < 0 ? data : gt_perfctl_open(&recorder->control, loop, on_ack, recorder, err);

    if (rc < 0)
        goto out;
    recorder->stop_word =
        caps->perf_major > 5 || (caps->perf_major == 5 && caps->perf_minor >= 12);
    rc = spawn(recorder, loop, argv, data, err);
    gt_perfctl_started(&recorder->control);
    recorder->spawned = rc == 0;
    recorder->done = rc < 0;
    /* Waits in the pipe until perf listens. */
    if (rc == 0)
        gt_perfctl_say(&recorder->control, held ? "disable" : recorder->enable_word);
out:
    if (data >= 0 && !streams)
        close(data);
    return rc;
}

void gt_recorder_enable(struct gt_recorder *recorder)
{
    if (recorder->done || recorder->stopped)
        return;
    recorder->ready = false;
    gt_perfctl_stop_flushing(&recorder->control);
    gt_perfctl_say(&recorder->control, recorder->enable_word);
}

/* perf ends as well on TERM, and drains its buffers either way. */
void gt_recorder_stop(struct gt_recorder *recorder)
{
    if (recorder->done || recorder->stopped)
        return;
    recorder->stopped = true;
    gt_perfctl_stop_flushing(&recorder->control);
    if (recorder->stop_word)
        gt_perfctl_say(&recorder->control, "stop");
    else
        uv_process_kill(&recorder->child.process, SIGTERM);
}

void gt_recorder_kill(struct gt_recorder *recorder, uint64_t grace_ms)
{
    if (!recorder->done)
        gt_child_stop(&recorder->child, grace_ms);
}

bool gt_recorder_ended_well(const struct gt_recorder *recorder)
{
    return gt_child_succeeded(&recorder->child) ||
           (recorder->stopped && recorder->child.term_signal == SIGTERM);
}

int64_t gt_recorder_written_ns(const struct gt_recorder *recorder)
{
    return gt_recorder_ended_well(recorder) ? INT64_MAX : recorder->control.written_ns;
}

void gt_recorder_complaint(const struct gt_recorder *recorder, char *text, size_t size)
{
    gt_child_complaint(&recorder->child, text, size);
    if (recorder->child.term_signal)
        snprintf(text, size, "signal %d ended it", recorder->child.term_signal);
}

void gt_recorder_release(struct gt_recorder *recorder, uv_loop_t *loop)
{
    gt_perfctl_close(&recorder->control);
    while (recorder->control.open_handles)
        uv_run(loop, UV_RUN_ONCE);
    if (recorder->spawned)
        gt_child_release(&recorder->child);
    recorder->spawned = false;
}
