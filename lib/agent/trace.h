/* SPDX-License-Identifier: MIT */
/*
 * Calls and returns as they are recorded, whatever hook reports them. Here it is decided which
 * are left out: those that are too deep or too short, and those of functions that use up the
 * overhead budget.
 *
 * To add a hook: 1. write a file that turns its callbacks into gt_agent_trace_call and _return,
 * between gt_agent_enter and gt_agent_leave; 2. start it in audit.c for the versions it suits.
 */
#ifndef GT_AGENT_TRACE_H
#define GT_AGENT_TRACE_H

#include "agent/functions.h"
#include "agent/usage.h"

/* Read the limits from the environment. The clock has run for some milliseconds, so that its
 * rate is known. */
void gt_agent_trace_init(void);

/* See GT_AGENT_ENV_* in wire.h. */
struct gt_agent_limits {
    uint64_t min_ticks; /* calls shorter than this are left out */
    uint32_t max_depth; /* and those deeper than this */
    bool budget;        /* there is one */
    bool at_once;       /* threads call functions at the same time: there is no GIL */
};

extern struct gt_agent_limits gt_agent_limits;

/* Inlined into each hook: the calls would be a tenth of the cost. */
#define GT_AGENT_HOT static inline __attribute__((always_inline))

/* A function's share of the budget is looked at every so many calls. */
enum { GT_AGENT_BUDGET_CALLS = 256 };

/* Is this function to be recorded no more? Then its flag GT_AGENT_OFF is set, and a note says
 * so. */
bool gt_agent_over_budget(struct gt_agent_thread *self, struct gt_agent_function *function,
                          uint64_t ticks);
/* Make room on the stack for another call. False: it is too deep, and counted as skipped. */
bool gt_agent_make_room(struct gt_agent_thread *self);
/* Drop the open calls above the newest one of this id: they will never return. False when there
 * is none of this id. */
bool gt_agent_unwind_to(struct gt_agent_thread *self, uint32_t id);

/* gt_agent_count_call of a thread that counts the calls of another function there, or many. */
bool gt_agent_count_apart(struct gt_agent_thread *self, struct gt_agent_function *function,
                          uint64_t ticks);

/* Count a call. Is the function's share of the budget to be looked at? Threads that run at the
 * same time count apart: a counter of all would go from one CPU's cache to the other's at each
 * call. */
GT_AGENT_HOT bool gt_agent_count_call(struct gt_agent_thread *self,
                                      struct gt_agent_function *function, uint64_t ticks)
{
    struct gt_agent_counted *counted;

    if (GT_AGENT_LIKELY(!gt_agent_limits.at_once))
        return ++function->calls % GT_AGENT_BUDGET_CALLS == 0;
    counted = &self->counted[function->id % GT_AGENT_COUNTED];
    if (GT_AGENT_LIKELY(counted->function == function) &&
        GT_AGENT_LIKELY(++counted->calls < GT_AGENT_BUDGET_CALLS / 4))
        return false;
    return gt_agent_count_apart(self, function, ticks);
}

/* The time of a call or return. The usage is read first, where it is due: a thread whose time
 * slice is used up loses its CPU in that system call, which what it did until then is charged
 * with, and not the function that it is about to call. */
GT_AGENT_HOT uint64_t gt_agent_trace_ticks(struct gt_agent_thread *self)
{
    uint64_t ticks = gt_agent_ticks();

    return gt_agent_usage_if_due(self, ticks, GT_AGENT_CALL_GAPS) ? gt_agent_ticks() : ticks;
}

/* Record a call. False when the function is recorded no more: the hook need not report it. */
GT_AGENT_HOT bool gt_agent_trace_call(struct gt_agent_thread *self,
                                      struct gt_agent_function *function,
                                      enum gt_wire_call_kind kind)
{
    uint64_t ticks = gt_agent_trace_ticks(self);
    struct gt_agent_call *call;

    if (GT_AGENT_UNLIKELY(gt_agent_count_call(self, function, ticks)) &&
        gt_agent_limits.budget && gt_agent_over_budget(self, function, ticks))
        return false;
    if (GT_AGENT_UNLIKELY(self->calls.depth == self->calls.room) && !gt_agent_make_room(self))
        return true;
    call = &self->calls.stack[self->calls.depth++];
    call->id = function->id;
    call->ticks = ticks;
    call->recorded = self->calls.depth <= gt_agent_limits.max_depth &&
                     gt_agent_put_call(self, ticks, kind, function->id);
    call->end = self->log.streams[GT_WIRE_STREAM_CALLS].next;
    call->turn = self->log.turn;
    return true;
}

/* Record a call that began before the recording did, of any thread's that does not run. */
void gt_agent_trace_open(struct gt_agent_thread *thread,
                         const struct gt_agent_function *function, uint64_t ticks);

/* Record the ends of all open calls: their returns will not be seen. */
void gt_agent_close_calls(struct gt_agent_thread *self, uint64_t ticks);

/* Record a return. */
GT_AGENT_HOT void gt_agent_trace_return(struct gt_agent_thread *self,
                                        const struct gt_agent_function *function,
                                        enum gt_wire_call_kind kind)
{
    struct gt_agent_stream *calls = &self->log.streams[GT_WIRE_STREAM_CALLS];
    uint64_t ticks = gt_agent_trace_ticks(self);
    const struct gt_agent_call *call;

    if (GT_AGENT_UNLIKELY(self->calls.skipped)) {
        self->calls.skipped--;
        return;
    }
    if (GT_AGENT_UNLIKELY(!self->calls.depth ||
                          self->calls.stack[self->calls.depth - 1].id != function->id) &&
        !gt_agent_unwind_to(self, function->id))
        return;
    call = &self->calls.stack[--self->calls.depth];
    if (GT_AGENT_UNLIKELY(!call->recorded))
        return;
    if (GT_AGENT_UNLIKELY(ticks - call->ticks < gt_agent_limits.min_ticks) &&
        call->end == calls->next && call->turn == self->log.turn) {
        /* It was short, and so was all that it called: take it back. */
        calls->next -= sizeof(uint64_t);
        *(uint64_t *)(void *)calls->next = 0;
        return;
    }
    gt_agent_put_call(self, ticks, kind, function->id);
}

#endif
