/* SPDX-License-Identifier: MIT */
/* Running perf and other programs as tools: in a plain environment, and for a limited time. */
#ifndef GT_LAUNCH_TOOLS_H
#define GT_LAUNCH_TOOLS_H

#include "base/error.h"
#include "base/strvec.h"
#include "launch/child.h"

/* The malloc'd path of the program `name`, which is searched on PATH unless it holds a slash.
 * NULL when there is no executable file of that name: errno is ENOENT, or says why that is not
 * known. */
char *gt_tool_find(const char *name);

/*
 * Append this process's environment, made plain for perf: C locale, no pager, no user
 * configuration (which may change formats), no look-ups on the network. It has the name of this
 * process in GT_OWNER_VARIABLE (owner.h). A privileged program has root's home, not that of a
 * user whose program is traced under sudo. Returns 0 or -1.
 */
int gt_tool_environment(bool privileged, struct gt_strvec *env);

/* Run argv to its end in that environment, in a session of its own, with stdout and stderr
 * captured. Returns as gt_child_run does, and GT_ERR_CHILD when it took longer than
 * `timeout_ms` or did not stop writing, or GT_ERR_CANCELLED after gt_child_interrupt: there is
 * nothing to release then. */
int gt_tool_run(struct gt_child *child, uv_loop_t *loop, char *const *argv, uint64_t timeout_ms,
                struct gt_error *err);

/* The same for perf, which may take gt_perf_timeout_ms(), and keeps root (gt_child_spec). */
int gt_perf_run(struct gt_child *child, uv_loop_t *loop, char *const *argv,
                struct gt_error *err);

/* How long perf may take to start, to end, or to give more text: GILTRACER_PERF_TIMEOUT, in
 * seconds up to 3600; 30 s without it. */
uint64_t gt_perf_timeout_ms(void);

/* uv_loop_init. GT_ERR_UNSUPPORTED: this process may not have as many files open as it takes to
 * run a tool. */
int gt_loop_init(uv_loop_t *loop, struct gt_error *err);

#endif
