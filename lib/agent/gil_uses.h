/* SPDX-License-Identifier: MIT */
/*
 * What CPython does with the condition variables of its GIL, as it is recorded: it signals one
 * as it gives the GIL up, and the other as it takes it (ceval_gil.h), and waits for a limited
 * time for the first. To be called where CPython's code calls libc's functions.
 */
#ifndef GT_AGENT_GIL_USES_H
#define GT_AGENT_GIL_USES_H

#include "agent/names.h"
#include "agent/threads.h"
#include "agent/usage.h"

/* Record a signal, and do what is due at one. */
void gt_agent_record_signal(uint64_t cond);

/* Record that the thread begins to wait, until `deadline` at the latest. */
void gt_agent_record_wait(uint64_t cond, const struct timespec *deadline);

static inline uint64_t gt_agent_signalled_ticks(const struct gt_agent_thread *self)
{
    return __atomic_load_n(&self->signalled.ticks, __ATOMIC_RELAXED);
}

static inline void gt_agent_note_signal(struct gt_agent_thread *self, uint64_t ticks,
                                        uint64_t cond)
{
    __atomic_store_n(&self->signalled.cond, cond, __ATOMIC_RELAXED);
    __atomic_store_n(&self->signalled.ticks, ticks, __ATOMIC_RELAXED);
    self->gil.calls++;
}

/* Is there room for a signal that goes on with the run, or can the run's next record begin? Of
 * every few of these one is counted. */
static inline bool gt_agent_makes_room(struct gt_agent_thread *self, bool brief)
{
    return gt_agent_has_room(&self->log.run, brief) ||
           (self->gil.calls - self->gil.counted < GT_WIRE_GIL_CALLS &&
            gt_agent_put_run_on(self));
}

/* Record a signal that goes on with a run, when nothing else is due: nearly all do, in a
 * program that uses the GIL much, and each instruction counts. False: it is not recorded. */
static inline bool gt_agent_record_simple_signal(uint64_t cond)
{
    struct gt_agent_thread *self = gt_agent_self;
    struct gt_agent_run *run;
    bool done = false;

    if (GT_AGENT_UNLIKELY(!self || self->life.busy))
        return false;
    self->life.busy = true;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    run = &self->log.run;
    if (GT_AGENT_LIKELY(run->next_cond == cond &&
                        __atomic_load_n(&gt_agent.guard->simple, __ATOMIC_RELAXED))) {
        uint64_t newest = gt_agent_newest_ticks();
        uint64_t ticks = gt_agent_after(newest, gt_agent_read_counter());
        bool brief = gt_agent_is_brief(run, ticks) && newest == gt_agent_signalled_ticks(self);

        if (GT_AGENT_LIKELY(ticks <=
                                __atomic_load_n(&self->asked.quiet_until, __ATOMIC_RELAXED) &&
                            gt_agent_is_near(run, ticks) && gt_agent_makes_room(self, brief))) {
            gt_agent_put_on(run, ticks, cond, brief);
            gt_agent_note_signal(self, ticks, cond);
            done = true;
        }
    }
    gt_agent_leave(self);
    return done;
}

#endif
