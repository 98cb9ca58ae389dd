/* SPDX-License-Identifier: MIT */
/*
 * Qualified names of the functions that are there when the agent is attached. Before 3.11 a
 * code object knows its plain name only, and what defined it has run long ago; but each
 * function object knows both.
 */
#ifndef GT_AGENT_QUALIFIED_H
#define GT_AGENT_QUALIFIED_H

#include "agent/python.h"

/* Look at all function objects: some ms in a large program. The GIL is held. */
void gt_agent_qualified_learn(void);
/* Forget them. The GIL is held. */
void gt_agent_qualified_forget(void);

/* The __qualname__ of the function that had this code then, borrowed; NULL: there was none. The
 * code object may be another one by now. */
PyObject *gt_agent_qualified_of(const PyObject *code);

#endif
