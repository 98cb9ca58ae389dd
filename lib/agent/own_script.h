/* SPDX-License-Identifier: MIT */
/* Python code of giltracer's own in the target: the scripts by which the agent is loaded
 * (module.c), and the package by which a program has itself recorded. */
#ifndef GT_AGENT_OWN_SCRIPT_H
#define GT_AGENT_OWN_SCRIPT_H

#include "agent/python.h"

#include <stdbool.h>

/* Is this the code of one? The thread may use Python, and an exception may be set. */
bool gt_agent_own_script(PyObject *code);

#endif
