/* SPDX-License-Identifier: MIT */
/*
 * How an agent that is loaded late gets the calls that a preloaded one gets by interposing:
 * calls that are bound go through entries of the global offset tables (GOT) of the executable,
 * libpython and all other objects, so these entries are changed. Those of libc and of the agent
 * are not.
 *
 * An entry is changed only where it leads to the function that the agent calls in its turn, or
 * is not bound yet. Pages that the linker made read-only after relocation (RELRO) are writable
 * for the moment. Entries are stored as a whole: threads may be calling through them.
 */
#ifndef GT_AGENT_GOT_H
#define GT_AGENT_GOT_H

#include <stdbool.h>

/* A function that is replaced. */
struct gt_agent_replaced {
    const char *name;
    void *ours;
    void **next; /* the function that `ours` calls; points to NULL: there is none */
};

/* interpose.c; ends with a NULL name. */
extern const struct gt_agent_replaced gt_agent_replaced[];

/* What stands in for dlopen, and libc's own, which it goes on to. */
extern char gt_agent_dlopen[];
extern void *gt_agent_next_dlopen;

/* Was this library loaded after libc, and so does not interpose? `ours` is in the library,
 * `next` in libc. */
bool gt_agent_loaded_late(const void *ours, const void *next);
/* Is the address in the executable? There a function of libc's may have a second address,
 * through which the executable itself calls. */
bool gt_agent_in_executable(const void *address);

/* Change the entries of all objects. EBUSY: somebody else has changed the interpreter's
 * (nothing is changed then); ENOENT: the interpreter calls none of them by an entry; ENOMEM. */
int gt_agent_got_patch(void);

/* Was dlopen called since? Then change the entries of what is new. */
extern unsigned char gt_agent_got_due;
void gt_agent_got_patch_new(void);

/* Undo all that. */
void gt_agent_got_restore(void);

#endif
