/* SPDX-License-Identifier: MIT */
#include "launch/sentry.h"

#include "base/nstime.h"

#include <bsd/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum {
    SENTRY_FD = 3,
    SIGNALS = 64,
    /* The kernel signals a group's processes one after the other: the sentry may be a moment
       late. */
    LATE_MS = 20,
    ANSWER_MS = 1000,
    /* A signal that giltracer did not ask about, as when two became one, is forgotten. */
    STALE_NS = 1000000000,
};

/*
 * posix_spawn rather than libuv: the signals must be blocked from its first instruction, or
 * one could end it, and libuv unblocks all.
 */
int gt_sentry_start(struct gt_sentry *sentry, const sigset_t *signals, struct gt_error *err)
{
    char *argv[] = {GT_SENTRY_NAME, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int ends[2], rc;

    sentry->fd = -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
        return gt_error_errno(err, "cannot make a socket pair");
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, signals);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    posix_spawn_file_actions_adddup2(&actions, ends[1], SENTRY_FD);
    for (int fd = 0; fd < 3; fd++)
        posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
    /* dup2 onto itself would keep close-on-exec: socketpair's ends are never 3 by luck
     * alone, so clear it there. */
    if (ends[1] == SENTRY_FD)
        fcntl(ends[1], F_SETFD, 0);
    rc = posix_spawn(&sentry->pid, "/proc/self/exe", &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    close(ends[1]);
    if (rc) {
        close(ends[0]);
        return gt_error_set(err, GT_ERR_CHILD, "cannot start a helper process: %s",
                            strerror(rc));
    }
    sentry->fd = ends[0];
    return 0;
}

void gt_sentry_stop(struct gt_sentry *sentry)
{
    if (sentry->fd < 0)
        return;
    close(sentry->fd);
    sentry->fd = -1;
    while (waitpid(sentry->pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

bool gt_sentry_saw(struct gt_sentry *sentry, int number)
{
    struct pollfd poller = {sentry->fd, POLLIN, 0};
    unsigned char byte = (unsigned char)number;

    if (sentry->fd < 0 || send(sentry->fd, &byte, 1, MSG_NOSIGNAL) != 1)
        return false;
    if (poll(&poller, 1, ANSWER_MS) != 1)
        return false;
    return recv(sentry->fd, &byte, 1, 0) == 1 && byte == 1;
}

struct sightings {
    unsigned count[SIGNALS + 1];
    int64_t last_ns[SIGNALS + 1];
};

static void drain(int fd, struct sightings *seen)
{
    struct signalfd_siginfo info;

    while (read(fd, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo > SIGNALS)
            continue;
        seen->count[info.ssi_signo]++;
        seen->last_ns[info.ssi_signo] = gt_now_ns();
    }
}

static bool take_sighting(struct sightings *seen, int number)
{
    bool fresh = seen->count[number] && gt_now_ns() - seen->last_ns[number] < STALE_NS;

    seen->count[number] = fresh ? seen->count[number] - 1 : 0;
    return fresh;
}

static void answer(int signals, struct sightings *seen)
{
    struct pollfd poller = {signals, POLLIN, 0};
    unsigned char byte;
    int64_t until_ns = gt_now_ns() + LATE_MS * INT64_C(1000000);
    int number;

    if (recv(SENTRY_FD, &byte, 1, 0) != 1)
        _exit(0);
    number = byte <= SIGNALS ? byte : 0;
    do {
        drain(signals, seen);
        byte = take_sighting(seen, number);
    } while (!byte && gt_now_ns() < until_ns && poll(&poller, 1, LATE_MS) > 0);
    (void)!send(SENTRY_FD, &byte, 1, MSG_NOSIGNAL);
}

int gt_sentry_main(void)
{
    struct sightings seen = {0};
    struct pollfd pollers[2];
    sigset_t signals;

    prctl(PR_SET_NAME, GT_SENTRY_NAME);
    closefrom(SENTRY_FD + 1);
    sigprocmask(SIG_BLOCK, NULL, &signals);
    pollers[0] = (struct pollfd){SENTRY_FD, POLLIN, 0};
    pollers[1] = (struct pollfd){signalfd(-1, &signals, SFD_NONBLOCK), POLLIN, 0};
    while (true) {
        if (poll(pollers, 2, -1) < 0 && errno != EINTR)
            return 1;
        drain(pollers[1].fd, &seen);
        if (pollers[0].revents)
            answer(pollers[1].fd, &seen);
    }
}
