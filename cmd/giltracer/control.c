/* SPDX-License-Identifier: MIT */
#include "control.h"

#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
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

static bool send_all(int fd, const char *data, size_t length)
{
    while (length) {
        ssize_t sent = send(fd, data, length, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        data += sent;
        length -= (size_t)sent;
    }
    return true;
}

/* A line without its end; false: there is none within some seconds. */
static bool receive_line(int fd, char *line, size_t size)
{
    enum { ANSWER_MS = 20000 };
    size_t length = 0;

    while (length < size - 1) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};

        if (poll(&wait, 1, ANSWER_MS) <= 0 || recv(fd, line + length, 1, 0) != 1)
            return false;
        if (line[length] == '\n')
            break;
        length++;
    }
    line[length] = '\0';
    return true;
}

int gt_control_call(int fd, const char *symbol, const char *library, const char *settings,
                    int *result, struct gt_error *err)
{
    char line[1024], *why;
    struct gt_buf text;
    bool sent;

    gt_buf_init(&text);
    sent = !gt_buf_addf(&text, "call %zu\n%s%c%s%c%s",
                        strlen(symbol) + strlen(library) + strlen(settings) + 2, symbol, 0,
                        library, 0, settings) &&
           send_all(fd, text.data, text.length);
    gt_buf_release(&text);
    if (!sent || !receive_line(fd, line, sizeof(line)))
        return gt_error_set(err, GT_ERR_CHILD, "the program does not load the agent");
    *result = (int)strtol(line, &why, 10);
    if (*result >= 0)
        return 0;
    return gt_error_set(err, GT_ERR_CHILD, "the program cannot load the agent:%s", why);
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
