/* SPDX-License-Identifier: MIT */
/* When and how tracing of functions begins: at the first moment when it is safe. */
#ifndef GT_AGENT_START_H
#define GT_AGENT_START_H

#include <stdbool.h>

/* The interpreter is found: load its API, and have tracing begin if the environment wants it.
 */
void gt_agent_start_init(void);

/* Tracing waits for that moment. */
extern bool gt_agent_start_due;

/* That moment may be now: called where CPython's code is on the stack, while it is due. */
void gt_agent_start_try(void);

#endif
