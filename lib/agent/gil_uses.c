/* SPDX-License-Identifier: MIT */
#include "agent/gil_uses.h"

#include "agent/ending.h"
#include "agent/gil_switch.h"
#include "agent/got.h"
#include "agent/holder.h"
#include "agent/profile_hook.h"
#include "agent/start.h"

#include <time.h>

/* The launcher looks at the sum while the program runs: each of them may be a probe's hit. */
static void count_calls(struct gt_agent_thread *self)
{
    uint32_t more = self->gil.calls - self->gil.counted;

    if (GT_AGENT_LIKELY(more < GT_WIRE_GIL_CALLS))
        return;
    self->gil.counted = self->gil.calls;
    __atomic_fetch_add(&gt_agent.control->gil_calls, more, __ATOMIC_RELAXED);
    gt_agent_ending_look();
}

/* From here on only what is done below for each signal is due at them, unless something has
 * come up meanwhile: whoever makes it so says so after that (gt_agent_not_simple). */
static void expect_simple(void)
{
    struct gt_agent_guard *guard = gt_agent.guard;

    if (guard->simple || gt_agent.late || !gt_agent_counter)
        return;
    __atomic_exchange_n(&guard->simple, 1, __ATOMIC_ACQ_REL);
    if (!gt_agent_is_recording() || gt_agent_profiling || gt_agent_api.free_threaded ||
        gt_agent_start_due)
        __atomic_store_n(&guard->simple, 0, __ATOMIC_RELAXED);
}

/* Until its usage is due, or somebody asks it for the GIL (gt_agent_holder_asked), there is
 * nothing to do for this thread but to record. */
static void expect_quiet(struct gt_agent_thread *self)
{
    uint64_t until =
        gt_agent_name_wants_signals(self) ? 0 : self->usage.ticks + gt_agent_short_ticks();

    if (until == __atomic_load_n(&self->asked.quiet_until, __ATOMIC_RELAXED))
        return;
    __atomic_store_n(&self->asked.quiet_until, until, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&self->asked.ticks, __ATOMIC_SEQ_CST))
        __atomic_store_n(&self->asked.quiet_until, 0, __ATOMIC_SEQ_CST);
}

void gt_agent_record_signal(uint64_t cond)
{
    struct gt_agent_thread *self = gt_agent_enter();
    bool name_due = false;

    if (self) {
        uint64_t ticks = gt_agent_ticks_in_order();

        /* The usage is read first: a thread whose time slice is used up loses its CPU in that
         * system call, and the signal has not happened yet then. So read the time again. */
        if (gt_agent_usage_if_due(self, ticks, 1))
            ticks = gt_agent_ticks_in_order();
        if (GT_AGENT_UNLIKELY(__atomic_load_n(&self->asked.ticks, __ATOMIC_RELAXED))) {
            gt_agent_holder_gives_up(self);
            ticks = gt_agent_ticks_in_order();
        }
        gt_agent_put_signal(self, ticks, cond);
        gt_agent_note_signal(self, ticks, cond);
        count_calls(self);
        if (gt_agent_profiling)
            gt_agent_profile_thread(self);
        if (GT_AGENT_UNLIKELY(gt_agent_api.free_threaded))
            gt_agent_gil_signalled(self, cond);
        name_due = gt_agent_name_wanted(self);
        expect_quiet(self);
        gt_agent_leave(self);
        expect_simple();
    }
    if (GT_AGENT_UNLIKELY(name_due))
        gt_agent_names_due();
    if (GT_AGENT_UNLIKELY(gt_agent_start_due))
        gt_agent_start_try();
    if (GT_AGENT_UNLIKELY(gt_agent_got_due))
        gt_agent_got_patch_new();
}

static uint64_t ns_of(const struct timespec *time)
{
    return (uint64_t)time->tv_sec * 1000000000u + (uint64_t)time->tv_nsec;
}

/* How long it is until the deadline. CPython waits by CLOCK_MONOTONIC since 3.8, and by
 * CLOCK_REALTIME before: a deadline that is more than a day away is of the latter. */
static uint64_t left_until(const struct timespec *deadline)
{
    enum { DAY_S = 86400 };
    struct timespec now;
    uint64_t end = ns_of(deadline);

    clock_gettime(CLOCK_MONOTONIC, &now);
    if (deadline->tv_sec - DAY_S > now.tv_sec)
        clock_gettime(CLOCK_REALTIME, &now);
    return end > ns_of(&now) ? end - ns_of(&now) : 0;
}

void gt_agent_record_wait(uint64_t cond, const struct timespec *deadline)
{
    struct gt_agent_thread *self = gt_agent_enter();
    uint64_t ticks;

    if (!self)
        return;
    ticks = gt_agent_ticks_in_order();
    if (gt_agent_usage_if_due(self, ticks, 1))
        ticks = gt_agent_ticks_in_order();
    gt_agent_put(self, ticks, GT_WIRE_WORD(GT_WIRE_DEADLINE, left_until(deadline)));
    gt_agent_put(self, ticks, GT_WIRE_WORD(GT_WIRE_WAIT, cond));
    self->gil.calls++;
    count_calls(self);
    gt_agent_leave(self);
}
