/* SPDX-License-Identifier: MIT */
/* What is there when the agent is attached: the threads of this interpreter, and the calls that
 * are open in them. */
#ifndef GT_AGENT_EXISTING_H
#define GT_AGENT_EXISTING_H

#include "agent/thread.h"

#include <stdbool.h>

/* Begin the logs of all threads that have run Python code, and note their names; with
 * `functions` also record their open calls. `self` is the calling thread, which holds the GIL,
 * is outside of gt_agent_enter and _leave, and is gt_agent.preparer. */
void gt_agent_existing_note(struct gt_agent_thread *self, bool functions);

#endif
