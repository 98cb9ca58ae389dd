/* SPDX-License-Identifier: MIT */
/*
 * Having a running CPython load the agent by its own remote-debugging protocol (CPython 3.14
 * and later; "Remote debugging attachment protocol" of its manual): the path of a script is
 * written into a thread's state, and the thread runs the script at its next safe point. Nothing
 * is stopped, and no code of ours is put into the process.
 *
 * It can be switched off in the process (PYTHON_DISABLE_REMOTE_DEBUG, -X disable-remote-debug,
 * or when it is built), and a thread that is blocked has no safe point: then late.h remains.
 */
#ifndef GT_ATTACH_REMOTE_H
#define GT_ATTACH_REMOTE_H

#include "attach/late.h"
#include "attach/python.h"
#include "attach/running.h"
#include "base/error.h"

#include <stdbool.h>

enum {
    GT_REMOTE_BLOCKED_MS = 600, /* all threads are blocked for so long: none will come */
};

/* Is this CPython one that has the protocol, switched off or not? */
static inline bool gt_remote_is_there(const struct gt_python *python)
{
    return python->minor >= 14;
}

/*
 * Do what `call` says, as gt_late_do does, but in a thread of the program's. `folder` is a
 * descriptor of the log's folder, which the process names `inside`: a script and an answer are
 * there meanwhile. The library is the agent: it exports PyInit_giltracer_agent.
 *
 * 0 when the function was called, whatever it returned. GT_ERR_UNSUPPORTED: this CPython has no
 * such protocol, or it is switched off there; GT_ERR_NOT_FOUND: no thread came to a safe point
 * within GT_LATE_WAIT_MS, or all are blocked; GT_ERR_PERMISSION: the process may not be
 * written; GT_ERR_CHILD: the library could not be loaded. The process is as it was then.
 */
int gt_remote_do(struct gt_late_told *told, const struct gt_late_call *call, int folder,
                 const char *inside, const struct gt_running *running,
                 const struct gt_python *python, struct gt_error *err);

#endif
