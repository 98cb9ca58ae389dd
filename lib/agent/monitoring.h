/* SPDX-License-Identifier: MIT */
/*
 * Functions through sys.monitoring, CPython 3.12 and later: one registration serves all threads
 * of the interpreter, and what is not wanted can be switched off at its place in the code.
 */
#ifndef GT_AGENT_MONITORING_H
#define GT_AGENT_MONITORING_H

#include <stdbool.h>

/* Trace the functions of this thread's interpreter. The GIL is held. False: it is not possible,
 * and a message says why. */
bool gt_agent_monitoring_start(void);

/* No more of this, in the interpreter where it was started first. Likewise. */
void gt_agent_monitoring_stop(void);

#endif
