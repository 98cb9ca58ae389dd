/* SPDX-License-Identifier: MIT */
/*
 * Having a running CPython process load a library and call a function of it, with the GIL held,
 * in a thread that is made for that and ends after it.
 *
 * The process is watched until one of its threads is where it can be used: blocked in a system
 * call, in which it has no lock of libc's; or, where none is, running, to ask the interpreter
 * for a pending call, which the main thread makes between two bytecodes. That thread is stopped
 * for a millisecond (inject.h); no system call of the program ends early because of it.
 */
#ifndef GT_ATTACH_LATE_H
#define GT_ATTACH_LATE_H

#include "attach/python.h"
#include "attach/running.h"

#include <stdbool.h>
#include <stdint.h>

enum { GT_LATE_WAIT_MS = 2000 }; /* for a thread to be where it can be used */

struct gt_late_call {
    /* Of the library, as the process names it; absolute, or the DT_SONAME of one that it has.
     */
    const char *path;
    const char *symbol;   /* int symbol(const char *settings) */
    const char *settings; /* "" or lines */
    /* Load a copy of the file that the process makes in memory (memfd_create), as nothing can
     * be loaded from the file's folder. Each time, that is a further library. */
    bool in_memory;
};

struct gt_late_told {
    int result;         /* what the function returned */
    int64_t stopped_ns; /* the longest time that a thread was stopped */
    unsigned stops;     /* how often one was */
    bool pending;       /* it was a pending call that made the thread */
};

/*
 * May it be done at all? GT_ERR_PERMISSION: ptrace is not allowed, or somebody traces the
 * process already; GT_ERR_UNSUPPORTED: the process is stopped, or filters its system calls (by
 * seccomp: it might be ended for one that the library makes; `insist`: try).
 */
int gt_late_check(const struct gt_running *running, bool insist, struct gt_error *err);

/*
 * Do it. 0 when the function was called, whatever it returned. GT_ERR_NOT_FOUND: no thread was
 * where it could be used in time; GT_ERR_CHILD: the library could not be loaded, or something
 * was not as expected: the process is as it was.
 */
int gt_late_do(struct gt_late_told *told, const struct gt_late_call *call,
               const struct gt_running *running, const struct gt_python *python,
               struct gt_error *err);

#endif
