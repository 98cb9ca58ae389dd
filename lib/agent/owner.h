/* SPDX-License-Identifier: MIT */
/*
 * To whom a C function belongs: to the interpreter or its standard library, to an installed
 * package, or to the program's own extension; and what that extension was made with. The loaded
 * object that contains its machine code tells.
 */
#ifndef GT_AGENT_OWNER_H
#define GT_AGENT_OWNER_H

#include <stdint.h>

/* GT_WIRE_OWNER_* and GT_WIRE_MADE_BY_*, for a function's note. The GIL is held. Walks over the
 * loaded objects; searches an extension's read-only data once. */
uint32_t gt_agent_owner_of(const void *code);

#endif
