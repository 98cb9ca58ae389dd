#include "agent/usage.h"

#include <sys/resource.h>

void gt_agent_usage_note(struct gt_agent_thread *self, uint64_t ticks)
{
    struct rusage usage;
    uint64_t us;

    self->usage_ticks = ticks;
    if (getrusage(RUSAGE_THREAD, &usage))
        return;
    us = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000u +
         (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    gt_agent_put(
        self, ticks,
        GT_WIRE_WORD(GT_WIRE_USAGE, GT_WIRE_USAGE_VALUE(us, (uint64_t)usage.ru_nvcsw)));
}
