/* SPDX-License-Identifier: MIT */
/*
 * Whose lock is it? A mutex of one byte is, in builds without a GIL, the lock of an object
 * (`ob_mutex` in its head), or the whole of one of threading's locks (3.14 and later). Nothing
 * tells: the memory around it is read like an object, and believed only if its type's type is a
 * type and the type's name is an identifier. What is not mapped is not touched, and no code of
 * the interpreter runs: the thread that asks may have no thread state.
 */
#ifndef GT_AGENT_LOCK_TYPES_H
#define GT_AGENT_LOCK_TYPES_H

#include "agent/thread.h"

/* The id of the type's name, which is noted when it is new; 0: not known, or no object's. */
uint32_t gt_agent_lock_type(struct gt_agent_thread *self, uint64_t ticks, uintptr_t lock);

/* Is there memory at this address? Takes a system call. */
bool gt_agent_is_mapped(uintptr_t address);

/* Another log begins: note all names anew. */
void gt_agent_lock_types_forget(void);

/* Private, for tests: write the type's name, as "list" or "module.Class", with its end. False:
 * it is no object's lock. */
bool gt_agent_lock_type_name(uintptr_t lock, char *name, size_t size);

#endif
