/* SPDX-License-Identifier: MIT */
/*
 * Functions through the profile hook, CPython before 3.12.
 *
 * The hook belongs to a thread, and PyEval_SetProfile sets that of the calling thread only.
 * Other threads get theirs when they use the GIL: whoever signals the GIL's condition variables
 * owns it, so that thread's own state can be written, by plain stores and without running
 * anything. That needs the layout of PyThreadState, which these versions will never change any
 * more; it is nevertheless checked against what PyEval_SetProfile does in the main thread.
 */
#ifndef GT_AGENT_PROFILE_HOOK_H
#define GT_AGENT_PROFILE_HOOK_H

#include "agent/thread.h"

/* Threads are hooked one by one, by gt_agent_profile_thread. */
extern bool gt_agent_profiling;

/* Audit events tell the agent who sets or removes a profile hook (gt_agent_profile_changes), so
 * it need not guess. audit.c sets it. */
extern bool gt_agent_profile_announced;

/* Trace the functions of this thread's interpreter. The GIL is held. False: it is not possible,
 * and a message says why. */
bool gt_agent_profile_start(void);

/* This thread uses the GIL: hook it if it is not, and see who else did. */
void gt_agent_profile_thread(struct gt_agent_thread *self);

/* Somebody is about to set or remove the profile hook of this thread state, the current one. */
void gt_agent_profile_changes(void *state);

/* The interpreter ends, and all thread states with it. */
void gt_agent_profile_end(void);

/* Take the hook away from all threads that have it. The GIL is held. */
void gt_agent_profile_stop(void);

#endif
