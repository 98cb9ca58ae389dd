/*
 * Whose a C function is: the interpreter's own or its standard library's, an installed
 * package's, or the program's own extension's; and what that extension was made with. By the
 * loaded object that its machine code lies in.
 */
#ifndef GT_AGENT_OWNER_H
#define GT_AGENT_OWNER_H

#include <stdint.h>

/* Flags of a function's note: GT_WIRE_OWNER_*. The GIL is held. A walk over the loaded objects;
 * an extension's read-only data is searched once. */
uint32_t gt_agent_owner_of(const void *code);

#endif
