/* SPDX-License-Identifier: MIT */
#include "launch/perfctl.h"

#include "base/nstime.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void on_closed(uv_handle_t *handle)
{
    struct gt_perfctl *control = handle->data;

    control->open_handles--;
}

static void close_ack(struct gt_perfctl *control)
{
    if (!uv_is_closing((uv_handle_t *)&control->ack))
        uv_close((uv_handle_t *)&control->ack, on_closed);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct gt_perfctl *control = handle->data;

    (void)suggested;
    *buffer = uv_buf_init(control->buffer, sizeof(control->buffer));
}

/*
 * perf acknowledges a command, then reads its buffers, then waits for the next command. So what
 * was recorded before a command was given has been written when the next one is acknowledged.
 */
static void take_ack(struct gt_perfctl *control)
{
    if (!control->asked_ns) {
        control->on_ack(control->context);
        return;
    }
    control->written_ns = control->answered_ns;
    control->answered_ns = control->asked_ns;
    control->asked_ns = 0;
}

/* "ack\n" may come in parts, and some versions of perf send its NUL too. */
static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
    struct gt_perfctl *control = stream->data;
    const char *base = buffer->base;

    if (length < 0) {
        close_ack(control);
        return;
    }
    for (ssize_t i = 0; i < length; i++) {
        memmove(control->heard, control->heard + 1, 3);
        control->heard[3] = base[i];
        if (memcmp(control->heard, "ack\n", 4) == 0)
            take_ack(control);
    }
}

int gt_perfctl_open(struct gt_perfctl *control, uv_loop_t *loop, gt_perfctl_fn on_ack,
                    void *context, struct gt_error *err)
{
    int words[2], acks[2];

    memset(control, 0, sizeof(*control));
    control->control = control->child_ends[0] = control->child_ends[1] = -1;
    if (pipe2(words, O_CLOEXEC))
        return gt_error_errno(err, "cannot make a pipe");
    if (pipe2(acks, O_CLOEXEC)) {
        close(words[0]);
        close(words[1]);
        return gt_error_errno(err, "cannot make a pipe");
    }
    /* Nothing here may wait for a perf that does not read. */
    fcntl(words[1], F_SETFL, O_NONBLOCK);
    control->control = words[1];
    control->child_ends[0] = words[0];
    control->child_ends[1] = acks[1];
    control->on_ack = on_ack;
    control->context = context;
    uv_pipe_init(loop, &control->ack, 0);
    uv_timer_init(loop, &control->flusher);
    control->ack.data = control->flusher.data = control;
    control->open_handles = 2;
    uv_pipe_open(&control->ack, acks[0]);
    uv_read_start((uv_stream_t *)&control->ack, on_alloc, on_read);
    return 0;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void gt_perfctl_started(struct gt_perfctl *control)
{
    close_fd(&control->child_ends[0]);
    close_fd(&control->child_ends[1]);
}

bool gt_perfctl_say(struct gt_perfctl *control, const char *word)
{
    char line[32];
    int length = snprintf(line, sizeof(line), "%s\n", word);
    ssize_t done;

    if (control->control < 0)
        return false;
    do
        done = write(control->control, line, (size_t)length);
    while (done < 0 && errno == EINTR);
    return done == length;
}

static void on_flush(uv_timer_t *flusher)
{
    enum { PATIENCE = 20 }; /* perf is busy, or does not know the word: it wakes all the same */
    struct gt_perfctl *control = flusher->data;
    int64_t now_ns = gt_now_ns();

    if (control->asked_ns && ++control->unanswered % PATIENCE)
        return;
    if (!gt_perfctl_say(control, control->flush_word))
        uv_timer_stop(flusher);
    else if (!control->asked_ns)
        control->asked_ns = now_ns;
}

void gt_perfctl_keep_flushing(struct gt_perfctl *control, const char *word)
{
    control->flush_word = word;
    uv_timer_start(&control->flusher, on_flush, GT_PERFCTL_FLUSH_MS, GT_PERFCTL_FLUSH_MS);
}

void gt_perfctl_stop_flushing(struct gt_perfctl *control)
{
    uv_timer_stop(&control->flusher);
}

void gt_perfctl_close(struct gt_perfctl *control)
{
    if (!control->open_handles)
        return;
    if (!uv_is_closing((uv_handle_t *)&control->flusher))
        uv_close((uv_handle_t *)&control->flusher, on_closed);
    gt_perfctl_started(control);
    close_fd(&control->control);
    close_ack(control);
}
