/* SPDX-License-Identifier: MIT */
#include "control.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool is_stream_socket(int fd)
{
    int type = 0;
    socklen_t size = sizeof(type);

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

int gt_control_detach(int fd, struct gt_error *err)
{
    pid_t child;

    if (!is_stream_socket(fd) || fcntl(fd, F_SETFD, FD_CLOEXEC))
        return gt_error_set(err, GT_ERR_USAGE,
                            "--control-fd takes a stream socket that giltracer inherits: %d is "
                            "none",
                            fd);
    child = fork();
    if (child < 0)
        return gt_error_errno(err, "cannot make a process");
    if (child)
        _exit(0);
    setsid();
    return 0;
}

/* Whoever is not there any more need not be told. */
static void tell(int fd, const char *text)
{
    (void)!send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct gt_control *control = poll->data;
    char unused[64];

    (void)events;
    if (status == 0 && recv(control->fd, unused, sizeof(unused), MSG_DONTWAIT) > 0)
        return;
    uv_poll_stop(poll);
    gt_signals_take(control->signals, SIGINT);
}

int gt_control_start(struct gt_control *control, int fd, uv_loop_t *loop,
                     struct gt_signals *signals, struct gt_error *err)
{
    if (!fd)
        return 0;
    *control = (struct gt_control){.fd = fd, .signals = signals};
    if (uv_poll_init(loop, &control->poll, fd))
        return gt_error_set(err, GT_ERR_IO, "cannot wait for --control-fd %d", fd);
    control->polling = true;
    control->poll.data = control;
    uv_poll_start(&control->poll, UV_READABLE | UV_DISCONNECT, on_readable);
    uv_unref((uv_handle_t *)&control->poll);
    return 0;
}

void gt_control_tell_recording(const struct gt_control *control)
{
    if (control->fd)
        tell(control->fd, "recording\n");
}

void gt_control_stop(struct gt_control *control)
{
    if (control->polling)
        uv_close((uv_handle_t *)&control->poll, NULL);
    control->polling = false;
}

void gt_control_tell_end(int fd, int status)
{
    char text[32];

    if (!fd)
        return;
    snprintf(text, sizeof(text), "ended %d\n", status);
    tell(fd, text);
}
