/* SPDX-License-Identifier: MIT */
#include "attach/safe_point.h"

#if defined(__x86_64__)

#include "attach/gil.h"

#include <linux/futex.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

enum {
    STACK_SCAN = 256 * 1024,
    EPOLL_PWAIT2 = 441,   /* SYS_epoll_pwait2, which libc's header may lack */
    GET_RSEQ = 0x420f,    /* PTRACE_GET_RSEQ_CONFIGURATION (5.13), likewise */
    USER_CS = 0x33,       /* of 64-bit code */
    RESTARTSYS = -512,    /* the kernel's own (include/linux/errno.h): a call that */
    RESTARTNOHAND = -514, /* was interrupted */
    RESTART_BLOCK = -516,
};

/* What a thread calls to wait. All can take as long as they like, and are restarted by the
 * kernel where no signal was handled. */
static const short waits[] = {
    SYS_read,
    SYS_readv,
    SYS_pread64,
    SYS_recvfrom,
    SYS_recvmsg,
    SYS_recvmmsg,
    SYS_accept,
    SYS_accept4,
    SYS_connect,
    SYS_sendto,
    SYS_sendmsg,
    SYS_write,
    SYS_writev,
    SYS_poll,
    SYS_ppoll,
    SYS_select,
    SYS_pselect6,
    SYS_wait4,
    SYS_epoll_wait,
    SYS_epoll_pwait,
    SYS_nanosleep,
    SYS_clock_nanosleep,
    SYS_pause,
    SYS_waitid,
    SYS_rt_sigtimedwait,
    SYS_flock,
    SYS_fcntl,
    SYS_semop,
    SYS_semtimedop,
    SYS_msgrcv,
    SYS_msgsnd,
    SYS_mq_timedreceive,
    EPOLL_PWAIT2,
    SYS_restart_syscall,
};

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

/* Of the futex calls only those of condition variables, semaphores and joins: the others are
 * of locks, some of which are libc's own. */
static bool is_wait(const struct user_regs_struct *regs)
{
    if (regs->orig_rax == SYS_futex)
        return (regs->rsi & (uint64_t)FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET;
    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++)
        if (regs->orig_rax == (uint64_t)waits[i])
            return true;
    return false;
}

/* Does the call have a signal mask of its own? Older kernels do not tell the thread's then. */
static bool has_mask(const struct gt_running *running, const struct user_regs_struct *regs)
{
    uint64_t mask = 0;

    switch (regs->orig_rax) {
    case SYS_ppoll:
        return regs->r10 != 0;
    case SYS_epoll_pwait:
    case EPOLL_PWAIT2:
        return regs->r8 != 0;
    case SYS_pselect6: /* a struct of the mask's address and size */
        return regs->r9 && (!gt_running_read(running, regs->r9, &mask, sizeof(mask)) || mask);
    default:
        return false;
    }
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
    if (regs->cs != USER_CS || !is_of_libc(running, inner_tid, regs))
        return GT_POINT_NONE;
    if (!gt_point_interrupted(regs))
        return is_in_sequence(running, tid, regs->rip) ? GT_POINT_NONE : GT_POINT_RUNNING;
    if (!is_wait(regs) || has_mask(running, regs) ||
        is_in_handler(running, restorer, regs->rsp))
        return GT_POINT_NONE;
    return GT_POINT_BLOCKED;
}

#endif
