/*
 * Calls and returns as they are recorded, whatever hook reports them: depth, duration, and the
 * overhead budget are judged here.
 *
 * To add a hook: 1. a file that turns its callbacks into gt_agent_trace_call and _return,
 * between gt_agent_enter and gt_agent_leave; 2. start it in start.c for the versions it suits.
 */
#ifndef GT_AGENT_TRACE_H
#define GT_AGENT_TRACE_H

#include "agent/functions.h"

/* Limits from the environment; the clock has run for some milliseconds. */
void gt_agent_trace_init(void);

/* Both return false when the function is recorded no more (the hook may let go of it). */
bool gt_agent_trace_call(struct gt_agent_thread *self, struct gt_agent_function *function,
                         enum gt_wire_call_kind kind);
void gt_agent_trace_return(struct gt_agent_thread *self, struct gt_agent_function *function,
                           enum gt_wire_call_kind kind);

/* start.c: tracing of functions begins at the first moment when it is safe. */
void gt_agent_start_init(void);
extern bool gt_agent_start_due;
/* That moment may be now: called where CPython's code is on the stack. */
void gt_agent_start_try(void);

/* monitoring.c: sys.monitoring, for 3.12 and later; profile.c: PyEval_SetProfile, before.
 * Called once, in the main thread, with the GIL held. Return 0, or -1 with a reason noted. */
int gt_agent_monitoring_start(struct gt_agent_thread *self);
int gt_agent_profile_start(struct gt_agent_thread *self);

/* profile.c: threads are hooked one by one, by whoever takes the GIL. */
extern bool gt_agent_profiling;
void gt_agent_profile_thread(struct gt_agent_thread *self);

/* names.c: what threading calls its threads. The GIL is held. */
void gt_agent_names_look(struct gt_agent_thread *self);   /* for this thread's, when new */
void gt_agent_names_update(struct gt_agent_thread *self); /* for all, after a change */

/* gc.c: have runs of the garbage collector recorded. The GIL is held. */
void gt_agent_gc_start(struct gt_agent_thread *self);

#endif
