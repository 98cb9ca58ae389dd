/* SPDX-License-Identifier: MIT */
/* When and how tracing of functions begins: at the first moment when it is safe. */
#ifndef GT_AGENT_START_H
#define GT_AGENT_START_H

#include <stdbool.h>

/* The interpreter is found: load its API, and have tracing begin if the environment wants it.
 */
void gt_agent_start_init(void);

/* Begin now, where the agent is attached to a program that runs already. The GIL is held.
 * False: functions are not wanted, or cannot be traced. */
bool gt_agent_start_late(void);
/* What tracing costs is known then; the exception of a signal handler that ran meanwhile is
 * raised in the main thread. */
void gt_agent_start_measured(void);

/* Tracing waits for that moment. */
extern bool gt_agent_start_due;

/* That moment may be now: called where CPython's code is on the stack, while it is due. */
void gt_agent_start_try(void);

#endif
