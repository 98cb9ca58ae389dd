/* SPDX-License-Identifier: MIT */
/*
 * Which code object is which function, in builds without a GIL. CPython neither writes nor
 * reads code objects' extra data in one piece there (3.13's PyUnstable_Code_SetExtra), so that
 * is only used to be told of the end of a code object, whose address may then be another one's;
 * functions are found by a map.
 */
#ifndef GT_AGENT_CODES_H
#define GT_AGENT_CODES_H

#include "agent/functions.h"

/* The function of a code object; NULL: it is not attached. */
struct gt_agent_function *gt_agent_code_function(const PyObject *code);

/* Attach a function. Where another thread does the same now, nothing is done: the function is
 * found by its text until the code is called again. */
void gt_agent_code_attach(PyObject *code, struct gt_agent_function *function);

/* The agent's index of extra data, from the interpreter, of any build; negative: there is none.
 */
ptrdiff_t gt_agent_code_request_extra(void);

/* The interpreter ends, and does not tell of code objects' ends any more. */
void gt_agent_codes_forget(void);

#endif
