/* SPDX-License-Identifier: MIT */
#include "launch/sentry.h"

#include "base/nstime.h"
#include "launch/cleanup.h"
#include "launch/owner.h"
#include "launch/rights.h"

#include <bsd/string.h>
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
#include <sys/uio.h>
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
    char owner[GT_OWNER_SIZE] = "";
    char *argv[] = {GT_SENTRY_NAME, owner, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int ends[2], rc;

    sentry->fd = -1;
    gt_owner_self(owner, sizeof(owner), NULL);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
        return gt_error_errno(err, "cannot make a socket pair");
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, signals);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    /* A helper without its end of the pair would wait for ever. */
    rc = posix_spawn_file_actions_adddup2(&actions, ends[1], SENTRY_FD);
    for (int fd = 0; fd < 3 && rc == 0; fd++)
        rc = posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
    /* dup2 onto itself would keep close-on-exec: socketpair's ends are never 3 by luck
     * alone, so clear it there. */
    if (ends[1] == SENTRY_FD)
        fcntl(ends[1], F_SETFD, 0);
    gt_rights_raise(); /* or it would be neither root nor the user */
    if (rc == 0)
        rc = posix_spawn(&sentry->pid, "/proc/self/exe", &actions, &attributes, argv, environ);
    gt_rights_lower();
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

/* Send a message, with two descriptors if `fds` is not NULL. The sentry may be gone. */
static void tell(struct gt_sentry *sentry, enum gt_sentry_message message, const char *name,
                 const int *fds)
{
    unsigned char what = (unsigned char)message;
    struct iovec parts[] = {{&what, 1}, {(char *)name, strlen(name)}};
    union {
        struct cmsghdr header; /* aligns it */
        char space[CMSG_SPACE(2 * sizeof(int))];
    } control = {0};
    struct msghdr packet = {.msg_iov = parts, .msg_iovlen = 2};

    if (fds) {
        packet.msg_control = control.space;
        packet.msg_controllen = sizeof(control.space);
        control.header = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                                          .cmsg_type = SCM_RIGHTS,
                                          .cmsg_len = CMSG_LEN(2 * sizeof(int))};
        memcpy(CMSG_DATA(&control.header), fds, 2 * sizeof(int));
    }
    (void)!sendmsg(sentry->fd, &packet, MSG_NOSIGNAL);
}

void gt_sentry_entrust(struct gt_sentry *sentry, const struct gt_claim *claim)
{
    const int fds[] = {claim ? claim->folder : -1, claim ? claim->parent : -1};

    if (sentry->fd < 0)
        return;
    if (claim && claim->folder >= 0)
        tell(sentry, GT_SENTRY_FOLDER, claim->name, fds);
    else
        tell(sentry, GT_SENTRY_NO_FOLDER, "", NULL);
}

void gt_sentry_stop(struct gt_sentry *sentry)
{
    if (sentry->fd < 0)
        return;
    tell(sentry, GT_SENTRY_DISMISSED, "", NULL);
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

static void answer(int signals, struct sightings *seen, unsigned char number)
{
    struct pollfd poller = {signals, POLLIN, 0};
    int64_t until_ns = gt_now_ns() + LATE_MS * INT64_C(1000000);
    unsigned char yes;

    if (number > SIGNALS)
        number = 0;
    do {
        drain(signals, seen);
        yes = take_sighting(seen, number);
    } while (!yes && gt_now_ns() < until_ns && poll(&poller, 1, LATE_MS) > 0);
    (void)!send(SENTRY_FD, &yes, 1, MSG_NOSIGNAL);
}

/* Receive a message. Its first byte, or 0 at the end of file. Descriptors that come with it
 * replace those of the claim. */
static unsigned char hear(struct gt_claim *claim)
{
    unsigned char what = 0;
    char name[sizeof(claim->name)] = "";
    struct iovec parts[] = {{&what, 1}, {name, sizeof(name) - 1}};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(2 * sizeof(int))];
    } control = {0};
    struct msghdr packet = {.msg_iov = parts,
                            .msg_iovlen = 2,
                            .msg_control = control.space,
                            .msg_controllen = sizeof(control.space)};
    ssize_t got;

    do
        got = recvmsg(SENTRY_FD, &packet, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got < 1)
        return 0;
    if (what == GT_SENTRY_FOLDER || what == GT_SENTRY_NO_FOLDER)
        gt_claim_close(claim);
    if (what == GT_SENTRY_FOLDER && packet.msg_controllen >= sizeof(control.header) &&
        control.header.cmsg_len == CMSG_LEN(2 * sizeof(int))) {
        memcpy(&claim->folder, CMSG_DATA(&control.header), sizeof(int));
        memcpy(&claim->parent, CMSG_DATA(&control.header) + sizeof(int), sizeof(int));
        strlcpy(claim->name, name, sizeof(claim->name));
    }
    return what;
}

int gt_sentry_main(const char *owner)
{
    struct sightings seen = {0};
    struct pollfd pollers[2];
    struct gt_claim claim;
    unsigned char what = 1;
    sigset_t signals;

    prctl(PR_SET_NAME, GT_SENTRY_NAME);
    closefrom(SENTRY_FD + 1);
    sigprocmask(SIG_BLOCK, NULL, &signals);
    gt_claim_init(&claim);
    pollers[0] = (struct pollfd){SENTRY_FD, POLLIN, 0};
    pollers[1] = (struct pollfd){signalfd(-1, &signals, SFD_NONBLOCK), POLLIN, 0};
    while (what && what != GT_SENTRY_DISMISSED) {
        if (poll(pollers, 2, -1) < 0 && errno != EINTR)
            return 1;
        drain(pollers[1].fd, &seen);
        if (!pollers[0].revents)
            continue;
        what = hear(&claim);
        if (what && what <= SIGNALS)
            answer(pollers[1].fd, &seen, what);
    }
    if (!what)
        gt_cleanup(owner, &claim);
    return 0;
}
