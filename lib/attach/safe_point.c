/* SPDX-License-Identifier: MIT */
#include "attach/safe_point.h"

#if defined(__x86_64__)

#include "attach/gil.h"

#include <errno.h>
#include <linux/futex.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

enum {
    STACK_SCAN = 256 * 1024,
    PIDFD_GETFD = 438,    /* SYS_pidfd_getfd (5.6), … */
    EPOLL_PWAIT2 = 441,   /* … SYS_epoll_pwait2, which libc's header may lack */
    GET_RSEQ = 0x420f,    /* PTRACE_GET_RSEQ_CONFIGURATION (5.13), likewise */
    USER_CS = 0x33,       /* of 64-bit code */
    RESTARTSYS = -512,    /* the kernel's own (include/linux/errno.h): a call that */
    RESTARTNOHAND = -514, /* was interrupted */
    RESTART_BLOCK = -516,
};

/* A system call and its arguments. */
struct call {
    long number;
    uint64_t arguments[6];
};

/*
 * What a thread calls to wait. All can take as long as they like. The kernel restarts them
 * where no signal was handled; those of ends_with_eintr are restarted by gt_point_mend. Not
 * those that write: a part may have been written, and they return its size.
 */
static const short waits[] = {
    SYS_read,      SYS_readv,           SYS_pread64,
    SYS_recvfrom,  SYS_recvmsg,         SYS_accept,
    SYS_accept4,   SYS_connect,         SYS_poll,
    SYS_ppoll,     SYS_select,          SYS_pselect6,
    SYS_wait4,     SYS_epoll_wait,      SYS_epoll_pwait,
    SYS_nanosleep, SYS_clock_nanosleep, SYS_pause,
    SYS_waitid,    SYS_rt_sigtimedwait, SYS_flock,
    SYS_fcntl,     SYS_semop,           SYS_semtimedop,
    SYS_msgrcv,    SYS_msgsnd,          SYS_mq_timedreceive,
    EPOLL_PWAIT2,  SYS_restart_syscall,
};

/* Of the futex calls only those of condition variables, semaphores and joins: the others are
 * of locks, some of which are libc's own. */
static bool is_wait(const struct call *call)
{
    if (call->number == SYS_futex)
        return ((int)call->arguments[1] & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET;
    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++)
        if (call->number == waits[i])
            return true;
    return false;
}

/* Does the call have a signal mask of its own? Older kernels do not tell the thread's then. */
static bool has_mask(const struct gt_running *running, const struct call *call)
{
    uint64_t mask = 0;

    switch (call->number) {
    case SYS_ppoll:
        return call->arguments[3] != 0;
    case SYS_epoll_pwait:
    case EPOLL_PWAIT2:
        return call->arguments[4] != 0;
    case SYS_pselect6: /* a struct of the mask's address and size */
        return call->arguments[5] &&
               (!gt_running_read(running, call->arguments[5], &mask, sizeof(mask)) || mask);
    default:
        return false;
    }
}

/* Does it wait for all that it was asked for, and might have a part? */
static bool wants_all(const struct call *call)
{
    if (call->number == SYS_recvfrom)
        return call->arguments[3] & MSG_WAITALL;
    return call->number == SYS_recvmsg && call->arguments[2] & MSG_WAITALL;
}

/* Was the socket given a timeout (SO_RCVTIMEO)? Then what waits for it is not restarted. */
static bool socket_has_timeout(const struct gt_running *running, int fd, int option)
{
    struct timeval limit = {0};
    socklen_t size = sizeof(limit);
    char path[64], name[16] = "";
    int copy;

    snprintf(path, sizeof(path), "/proc/%d/fd/%d", running->pid, fd);
    if (readlink(path, name, sizeof(name) - 1) < 0 || strncmp(name, "socket:", 7) != 0)
        return false;
    copy = (int)syscall(PIDFD_GETFD, running->pidfd, fd, 0);
    if (copy < 0)
        return false;
    if (getsockopt(copy, SOL_SOCKET, option, &limit, &size))
        limit = (struct timeval){0};
    close(copy);
    return limit.tv_sec || limit.tv_usec;
}

static bool has_timeout(const struct gt_running *running, const struct call *call)
{
    switch (call->number) {
    case SYS_epoll_wait:
    case SYS_epoll_pwait:
        return (int)call->arguments[3] >= 0;
    case EPOLL_PWAIT2:
    case SYS_semtimedop:
        return call->arguments[3] != 0;
    case SYS_rt_sigtimedwait:
        return call->arguments[2] != 0;
    case SYS_read:
    case SYS_readv:
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_accept:
    case SYS_accept4:
        return socket_has_timeout(running, (int)call->arguments[0], SO_RCVTIMEO);
    case SYS_connect:
        return socket_has_timeout(running, (int)call->arguments[0], SO_SNDTIMEO);
    default:
        return false; /* or the kernel keeps when it ends */
    }
}

static enum gt_wait wait_of(const struct gt_running *running, const struct call *call)
{
    if (!is_wait(call) || has_mask(running, call) || wants_all(call))
        return GT_WAIT_NONE;
    return has_timeout(running, call) ? GT_WAIT_ENDS : GT_WAIT_RESTARTS;
}

enum gt_wait gt_point_wait(const struct gt_running *running,
                           const struct gt_running_thread *thread)
{
    struct call call = {.number = thread->call};

    if (call.number == -2) /* the kernel does not tell */
        return GT_WAIT_RESTARTS;
    memcpy(call.arguments, thread->arguments, sizeof(call.arguments));
    return wait_of(running, &call);
}

static struct call call_of(const struct user_regs_struct *regs)
{
    return (struct call){(long)regs->orig_rax,
                         {regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8, regs->r9}};
}

/* The kernel's choice for these (man 7 signal): they are never restarted. */
static bool ends_with_eintr(const struct user_regs_struct *regs)
{
    return (long)regs->orig_rax >= 0 && (long)regs->rax == -EINTR;
}

bool gt_point_mend(const struct gt_running *running, bool ends, struct user_regs_struct *regs)
{
    const struct call call = call_of(regs);
    enum gt_wait wait = ends_with_eintr(regs) ? wait_of(running, &call) : GT_WAIT_NONE;

    if (wait == GT_WAIT_NONE || (wait == GT_WAIT_ENDS && ends))
        return false;
    regs->rax = (uint64_t)RESTARTNOHAND; /* by the kernel, unless a signal's handler runs */
    return true;
}

bool gt_point_interrupted(const struct user_regs_struct *regs)
{
    long result = (long)regs->rax;

    return (long)regs->orig_rax >= 0 &&
           (result == RESTART_BLOCK || (result <= RESTARTSYS && result >= RESTARTNOHAND));
}

bool gt_point_restarts_block(const struct user_regs_struct *regs)
{
    return (long)regs->rax == RESTART_BLOCK;
}

/* A handler's frame begins with where it returns to. */
static bool is_in_handler(const struct gt_running *running, uint64_t restorer, uint64_t stack)
{
    uint64_t words[512];

    for (uint64_t at = stack & ~UINT64_C(7); restorer && at < stack + STACK_SCAN;
         at += sizeof(words)) {
        if (!gt_running_read(running, at, words, sizeof(words)))
            return false; /* the stack's end, but for less than a page */
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
            if (words[i] == restorer)
                return true;
    }
    return false;
}

/* Would the kernel have it begin a restartable sequence anew, as it does with one that is
 * interrupted? */
static bool is_in_sequence(const struct gt_running *running, int tid, uint64_t pc)
{
    struct {
        uint64_t pointer;
        uint32_t bytes, signature, flags, pad;
    } config = {0};                    /* struct ptrace_rseq_configuration */
    uint64_t descriptor = 0, range[3]; /* struct rseq_cs: start_ip, post_commit_offset */
    const size_t rseq_cs = 8;          /* in struct rseq */

    return ptrace((enum __ptrace_request)GET_RSEQ, tid, (void *)sizeof(config), &config) ==
               (long)sizeof(config) &&
           gt_running_read(running, config.pointer + rseq_cs, &descriptor,
                           sizeof(descriptor)) &&
           descriptor && gt_running_read(running, descriptor, range, sizeof(range)) &&
           pc - range[1] < range[2];
}

/* Did libc make this thread? Then it knows itself (errno). */
static bool is_of_libc(const struct gt_running *running, int inner_tid,
                       const struct user_regs_struct *regs)
{
    int tid = 0;

    return gt_running_read(running, regs->fs_base + GT_PTHREAD_TID, &tid, sizeof(tid)) &&
           tid == inner_tid;
}

enum gt_point gt_point_of(const struct gt_running *running, int tid, int inner_tid,
                          uint64_t restorer, const struct user_regs_struct *regs)
{
    const struct call call = call_of(regs);

    if (regs->cs != USER_CS || !is_of_libc(running, inner_tid, regs))
        return GT_POINT_NONE;
    if (!gt_point_interrupted(regs) &&
        !(ends_with_eintr(regs) && wait_of(running, &call) == GT_WAIT_ENDS))
        return is_in_sequence(running, tid, regs->rip) ? GT_POINT_NONE : GT_POINT_RUNNING;
    if (wait_of(running, &call) == GT_WAIT_NONE || is_in_handler(running, restorer, regs->rsp))
        return GT_POINT_NONE;
    return GT_POINT_BLOCKED;
}

#else

enum gt_wait gt_point_wait(const struct gt_running *running,
                           const struct gt_running_thread *thread)
{
    (void)running;
    (void)thread;
    return GT_WAIT_RESTARTS;
}

#endif
