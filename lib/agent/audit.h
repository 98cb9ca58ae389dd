/* SPDX-License-Identifier: MIT */
/*
 * Tracing of functions in all interpreters of the process. Audit events (CPython 3.8 and later)
 * tell the agent that there is another interpreter, and that a profile hook comes or goes.
 *
 * Tools, callbacks of the collector and data of code objects belong to an interpreter, so each
 * sub-interpreter is prepared when it first imports or executes something: as that may be at
 * any place of its own beginnings, not before it has a __main__.
 */
#ifndef GT_AGENT_AUDIT_H
#define GT_AGENT_AUDIT_H

#include <stdbool.h>

/* Trace functions in the interpreter that this thread is in, and nothing else: a hook for audit
 * events could not be taken away. The GIL is held; the thread is outside of gt_agent_enter and
 * _leave. False: it is not possible, and a message says why. */
bool gt_agent_audit_here(void);
/* No more of that. False: this thread is in another interpreter. */
bool gt_agent_audit_stop(void);

/* Trace functions in the main interpreter, which this thread is in, and in those that come
 * later. The GIL is held; the thread is outside of gt_agent_enter and _leave. `ended` is called
 * when the interpreter ends: a program that embeds Python may initialise it again. */
void gt_agent_audit_start(void (*ended)(void));

#endif
