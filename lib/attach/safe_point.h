/* SPDX-License-Identifier: MIT */
/*
 * Where a thread that was stopped by ptrace can be made to call something.
 *
 * Blocked in a system call that a program makes of itself, a thread has no lock of malloc's, of
 * the loader's, or of the thread library's, unless it is in a signal handler: a thread can be
 * made there. Running, it can be anywhere, inside malloc as well.
 */
#ifndef GT_ATTACH_SAFE_POINT_H
#define GT_ATTACH_SAFE_POINT_H

#include "attach/running.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/user.h>

/* What becomes of a call in which a thread waits, if the thread is stopped there for a moment.
 */
enum gt_wait {
    GT_WAIT_NONE,     /* not known, or it might return less than it was asked for */
    GT_WAIT_RESTARTS, /* it waits on, as if nothing had been */
    GT_WAIT_ENDS,     /* with EINTR, as after kill -STOP and -CONT: it has a timeout */
};

/* Of a call that a thread of the process is in, by /proc. Elsewhere than on x86-64: RESTARTS.
 */
enum gt_wait gt_point_wait(const struct gt_running *running,
                           const struct gt_running_thread *thread);

#if defined(__x86_64__)

enum gt_point {
    GT_POINT_NONE, /* nothing can be called: it is not of libc's, or something is odd */
    GT_POINT_BLOCKED,
    GT_POINT_RUNNING,
};

/*
 * Some calls end with EINTR when the thread is stopped, where others are restarted by the
 * kernel (man 7 signal). Have this one restarted, too, if that is as if nothing had been.
 * `ends`: it was known to be a GT_WAIT_ENDS; else one with a timeout has only just begun. True:
 * `regs` was changed, and must be the thread's before it goes on.
 */
bool gt_point_mend(const struct gt_running *running, bool ends, struct user_regs_struct *regs);

/* `restorer`: where libc's signal handlers return to; 0: not known. After gt_point_mend. */
enum gt_point gt_point_of(const struct gt_running *running, int tid, int inner_tid,
                          uint64_t restorer, const struct user_regs_struct *regs);

/* Did the stop interrupt a system call, which the kernel will restart? */
bool gt_point_interrupted(const struct user_regs_struct *regs);
/* … by the system call restart_syscall, rather than by the same one anew? */
bool gt_point_restarts_block(const struct user_regs_struct *regs);

#endif

#endif
