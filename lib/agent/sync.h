/* SPDX-License-Identifier: MIT */
/*
 * Synchronisation operations of Python's own library: which queue, barrier, event or thread it
 * was that a function marked GT_AGENT_SYNC worked on.
 */
#ifndef GT_AGENT_SYNC_H
#define GT_AGENT_SYNC_H

#include "agent/functions.h"

/* Such a function returns; call this before its return is recorded. `object` is the one whose
 * method it is, NULL: that of the running Python function. `result` is what it returns, NULL:
 * not known. The GIL is held. */
void gt_agent_sync_return(struct gt_agent_thread *self,
                          const struct gt_agent_function *function, PyObject *object,
                          const PyObject *result);

#endif
