/*
 * How much of the CPUs this thread had so far, and its voluntary context switches: noted
 * beside what else is recorded, so that a reader can tell computing from sleeping in what lies
 * between. A reading is a system call of 0.3 µs, and another one where the thread was off its
 * CPU; the gaps bound what they cost to less than a percent.
 */
#ifndef GT_AGENT_USAGE_H
#define GT_AGENT_USAGE_H

#include "agent/log.h"

/* Of calls, fewer are noted than of uses of the GIL: there may be ten million in a second. */
enum { GT_AGENT_CALL_GAPS = 16 };

/* Note a reading, taken at `ticks`. */
void gt_agent_usage_note(struct gt_agent_thread *self, uint64_t ticks);

/* The same, when the last one is at least `gaps` short times ago. True when it took one. */
static inline bool gt_agent_usage_if_due(struct gt_agent_thread *self, uint64_t ticks,
                                         unsigned gaps)
{
    bool due = GT_AGENT_UNLIKELY(ticks - self->usage.ticks > gaps * gt_agent_short_ticks);

    if (due)
        gt_agent_usage_note(self, ticks);
    return due;
}

#endif
