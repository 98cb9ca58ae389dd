/* SPDX-License-Identifier: MIT */
/* The interpreters of this process, and in which of them functions are traced. */
#ifndef GT_AGENT_INTERPRETERS_H
#define GT_AGENT_INTERPRETERS_H

#include "agent/python.h"

/* What is known of a sub-interpreter. Lives as long as the process. */
struct gt_agent_interpreter {
    bool traced;
};

/* This is the main interpreter; its functions are traced. */
void gt_agent_interpreter_set_main(void *interpreter);
bool gt_agent_interpreter_is_main(const void *interpreter);

/* A sub-interpreter by its id, NULL: not known yet. */
struct gt_agent_interpreter *gt_agent_interpreter_find(int64_t id);
/* Add one that is not known yet. NULL: not possible now. */
struct gt_agent_interpreter *gt_agent_interpreter_add(int64_t id);

/* Does it have what gt_agent_function_of_code relies on? */
bool gt_agent_interpreter_is_traced(void *interpreter);

/* Is the interpreter that this thread is in past its own beginnings? The GIL is held. */
bool gt_agent_interpreter_is_ready(void);

#endif
