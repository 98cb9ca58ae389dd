/* SPDX-License-Identifier: MIT */
/*
 * This thread's CPU time and voluntary context switches so far. They are recorded beside other
 * records, so that a reader can tell computing from sleeping in the time between two of them. A
 * reading is a system call of 0.3 µs, and a second one where the thread was off its CPU. There
 * is at most one in a gap, so that all cost less than a percent of the time.
 */
#ifndef GT_AGENT_USAGE_H
#define GT_AGENT_USAGE_H

#include "agent/log.h"

/* The gap beside calls, of which there may be ten million in a second, in short times
 * (clock.h). */
enum { GT_AGENT_CALL_GAPS = 16 };

/* Take a reading at `ticks`, and record it. */
void gt_agent_usage_note(struct gt_agent_thread *self, uint64_t ticks);

/* Is the last one at least `gaps` short times ago? */
static inline bool gt_agent_usage_is_due(const struct gt_agent_thread *self, uint64_t ticks,
                                         unsigned gaps)
{
    return GT_AGENT_UNLIKELY(ticks - self->usage.ticks > gaps * gt_agent_short_ticks());
}

/* Take a reading if it is due. True when it took one. */
static inline bool gt_agent_usage_if_due(struct gt_agent_thread *self, uint64_t ticks,
                                         unsigned gaps)
{
    bool due = gt_agent_usage_is_due(self, ticks, gaps);

    if (due)
        gt_agent_usage_note(self, ticks);
    return due;
}

#endif
