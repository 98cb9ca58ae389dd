/* SPDX-License-Identifier: MIT */
/*
 * Threads' names: as Python's threading knows them, and as the target told the kernel.
 */
#ifndef GT_AGENT_NAMES_H
#define GT_AGENT_NAMES_H

#include "agent/likely.h"
#include "agent/python.h"
#include "agent/process.h"
#include "agent/thread.h"
#include "agent/title.h"

/* By so many uses of the GIL a thread has a name, or never gets one. */
enum { GT_AGENT_NAME_SIGNALS = 4096 };

/* Are the uses of the GIL counted? */
static inline bool gt_agent_name_wants_signals(const struct gt_agent_thread *self)
{
    return GT_AGENT_UNLIKELY(self->name.signals < GT_AGENT_NAME_SIGNALS);
}

/* threading knows a thread by the time when it first gives up the GIL of its own accord: that
 * is its second use of the GIL, or a later one when it was made to give it up before. So look
 * at the second, fourth, eighth … one, and at the title of the process, too. */
static inline bool gt_agent_name_wanted(struct gt_agent_thread *self)
{
    if (!gt_agent_name_wants_signals(self))
        return false;
    self->name.signals++;
    if (self->name.signals == 1 || self->name.signals & (self->name.signals - 1))
        return false;
    gt_agent_title_look(self);
    return self->listed.tid == gt_agent.pid || /* multiprocessing may have named the process */
           (!self->name.hash && self->name.looks != UINT32_MAX);
}

/* Look for this thread's name, and note it when it is new. The GIL is held, and the thread is
 * between gt_agent_enter and _leave. */
void gt_agent_names_look(struct gt_agent_thread *self);

/* Note the names of all threads that have changed. Likewise. */
void gt_agent_names_update(struct gt_agent_thread *self);

/* Without a function hook, or where filters let go of threading's functions, the main thread
 * looks at all names, by a pending call. */
void gt_agent_names_due(void);

/* The target has told the kernel a new name for the thread of this pthread_self. */
void gt_agent_comm_changed(uint64_t ident, const char *name);

#endif
