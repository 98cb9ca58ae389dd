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

#if defined(__x86_64__)

enum gt_point {
    GT_POINT_NONE, /* nothing can be called: it is not of libc's, or something is odd */
    GT_POINT_BLOCKED,
    GT_POINT_RUNNING,
};

/* `restorer`: where libc's signal handlers return to; 0: not known. */
enum gt_point gt_point_of(const struct gt_running *running, int tid, int inner_tid,
                          uint64_t restorer, const struct user_regs_struct *regs);

/* Did the stop interrupt a system call, which the kernel will restart? */
bool gt_point_interrupted(const struct user_regs_struct *regs);
/* … by the system call restart_syscall, rather than by the same one anew? */
bool gt_point_restarts_block(const struct user_regs_struct *regs);

#endif

#endif
