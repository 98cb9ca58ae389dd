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
#include "agent/usage.h"

/* Limits from the environment; the clock has run for some milliseconds. */
void gt_agent_trace_init(void);

/* From the environment; see GT_AGENT_ENV_* in wire.h. */
struct gt_agent_limits {
    uint64_t min_ticks;
    uint32_t max_depth;
    bool budget;
};

extern struct gt_agent_limits gt_agent_limits;

/* Inlined into each hook: the calls would be a tenth of the cost. */
#define GT_AGENT_HOT static inline __attribute__((always_inline))

/* How often a function's share of the budget is looked at. */
enum { GT_AGENT_BUDGET_CALLS = 256 };

/* Is this function to be recorded no more? Then it is switched off, and noted. */
bool gt_agent_over_budget(struct gt_agent_thread *self, struct gt_agent_function *function,
                          uint64_t ticks);
/* A call that cannot be put on the stack: the first one, or one too deep. True when it can. */
bool gt_agent_make_room(struct gt_agent_thread *self);
/* Drop open calls that never returned, above the one of this id; false when there is none. */
bool gt_agent_unwind_to(struct gt_agent_thread *self, uint32_t id);

/* Record a call. False when the function is recorded no more: the hook may let go of it. */
GT_AGENT_HOT bool gt_agent_trace_call(struct gt_agent_thread *self,
                                      struct gt_agent_function *function,
                                      enum gt_wire_call_kind kind)
{
    uint64_t ticks = gt_agent_ticks();
    struct gt_agent_call *call;

    gt_agent_usage_if_due(self, ticks, GT_AGENT_CALL_GAPS);
    function->calls++;
    if (gt_agent_limits.budget &&
        GT_AGENT_UNLIKELY(function->calls % GT_AGENT_BUDGET_CALLS == 0) &&
        gt_agent_over_budget(self, function, ticks))
        return false;
    if (GT_AGENT_UNLIKELY(self->depth == self->room) && !gt_agent_make_room(self))
        return true;
    call = &self->stack[self->depth++];
    call->id = function->id;
    call->ticks = ticks;
    call->recorded = self->depth <= gt_agent_limits.max_depth &&
                     gt_agent_put_call(self, ticks, kind, function->id);
    call->end = self->streams[GT_WIRE_STREAM_CALLS].next;
    call->turn = self->turn;
    return true;
}

/* Record the ends of all open calls: their returns will not be seen. */
void gt_agent_close_calls(struct gt_agent_thread *self, uint64_t ticks);

/* Record a return. */
GT_AGENT_HOT void gt_agent_trace_return(struct gt_agent_thread *self,
                                        const struct gt_agent_function *function,
                                        enum gt_wire_call_kind kind)
{
    struct gt_agent_stream *calls = &self->streams[GT_WIRE_STREAM_CALLS];
    uint64_t ticks = gt_agent_ticks();
    const struct gt_agent_call *call;

    gt_agent_usage_if_due(self, ticks, GT_AGENT_CALL_GAPS);
    if (GT_AGENT_UNLIKELY(self->skipped)) {
        self->skipped--;
        return;
    }
    if (GT_AGENT_UNLIKELY(!self->depth || self->stack[self->depth - 1].id != function->id) &&
        !gt_agent_unwind_to(self, function->id))
        return;
    call = &self->stack[--self->depth];
    if (GT_AGENT_UNLIKELY(!call->recorded))
        return;
    if (GT_AGENT_UNLIKELY(ticks - call->ticks < gt_agent_limits.min_ticks) &&
        call->end == calls->next && call->turn == self->turn) {
        /* It was short, and so was all that it called: take it back. */
        calls->next -= sizeof(uint64_t);
        *(uint64_t *)(void *)calls->next = 0;
        return;
    }
    gt_agent_put_call(self, ticks, kind, function->id);
}

/* sync.c: a function where threads meet (GT_AGENT_SYNC) returns, before its return is recorded;
 * `object`: the one whose method it is, NULL: it is the running Python function's; `result`:
 * NULL when not known. The GIL is held. */
void gt_agent_sync_return(struct gt_agent_thread *self,
                          const struct gt_agent_function *function, PyObject *object,
                          const PyObject *result);

/* start.c: tracing of functions begins at the first moment when it is safe. */
void gt_agent_start_init(void);
extern bool gt_agent_start_due;
void gt_agent_start_again(void); /* not yet, or once more */
/* That moment may be now: called where CPython's code is on the stack. */
void gt_agent_start_try(void);

/* interpreters.c: trace functions in the main interpreter, which this thread is in, and in
 * those that come later. Of all that follow the GIL is held; they enter and leave by
 * themselves. */
void gt_agent_interpreters_start(void);
/* Is the interpreter that this thread is in past its own beginnings? */
bool gt_agent_interpreter_is_ready(void);
/* Does it have what gt_agent_function_of_code relies on? */
bool gt_agent_interpreter_is_traced(void *interpreter);
/* Audit events reach the agent, so they tell who sets or removes a profile hook: on 3.8 and
 * later, unless another audit hook refused the agent's. */
extern bool gt_agent_audits;

/* monitoring.c: sys.monitoring, for 3.12 and later; profile.c: PyEval_SetProfile, before. In
 * this thread's interpreter. False with a reason noted. */
bool gt_agent_monitoring_start(void);
bool gt_agent_profile_start(void);
/* gc.c: have runs of the garbage collector recorded. */
void gt_agent_gc_start(void);

/* profile.c: threads are hooked one by one, by whoever takes the GIL. */
extern bool gt_agent_profiling;
void gt_agent_profile_thread(struct gt_agent_thread *self);
/* Somebody is about to set or remove the profile hook of this thread state, the current one. */
void gt_agent_profile_changes(void *state);
/* The interpreter ends, and all thread states with it. */
void gt_agent_profile_end(void);

/* names.c: what threading calls its threads. The GIL is held. */
void gt_agent_names_look(struct gt_agent_thread *self);   /* for this thread's, when new */
void gt_agent_names_update(struct gt_agent_thread *self); /* for all, after a change */

/* Without a function hook, or where filters let go of threading's functions, a new thread has
 * the main thread look, by a pending call. On if the interpreter's API is there. */
extern bool gt_agent_names_wanted;
void gt_agent_names_due(void);

/* The thread of this pthread_self has a new name, says the target to the kernel; which keeps
 * GT_AGENT_COMM_BYTES of it. */
enum { GT_AGENT_COMM_BYTES = 15 };
void gt_agent_comm_changed(uint64_t ident, const char *name);

#endif
