/* SPDX-License-Identifier: MIT */
#include "agent/usage.h"

#include <sys/resource.h>

enum { AWAY_US = 20 };

/* Was it off its CPU since the last reading? */
static bool was_away(const struct gt_agent_thread *self, uint64_t ticks, uint64_t us)
{
    uint64_t passed_us =
        (ticks - self->usage.ticks) * GT_AGENT_SHORT_US / gt_agent_short_ticks();

    return !self->usage.ticks || us - self->usage.us + AWAY_US < passed_us;
}

/* getrusage gives both, but its CPU time may be that of the kernel's last tick, up to 4 ms ago.
 */
void gt_agent_usage_note(struct gt_agent_thread *self, uint64_t ticks)
{
    struct rusage usage;
    uint64_t us;

    if (!gt_agent_cpu_ns(&us)) {
        self->usage.ticks = ticks;
        return;
    }
    us /= 1000u;
    if (was_away(self, ticks, us) && !getrusage(RUSAGE_THREAD, &usage))
        self->usage.sleeps = (uint64_t)usage.ru_nvcsw;
    self->usage.ticks = ticks;
    self->usage.us = us;
    gt_agent_put(self, ticks,
                 GT_WIRE_WORD(GT_WIRE_USAGE, GT_WIRE_USAGE_VALUE(us, self->usage.sleeps)));
}
