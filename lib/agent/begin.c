/* SPDX-License-Identifier: MIT */
#include "agent/begin.h"

#include "agent/clock.h"
#include "agent/process.h"
#include "agent/threads.h"
#include "agent/units.h"

#include <errno.h>

void gt_agent_begin(void)
{
    int error = errno;

    if (!gt_agent_process_init())
        return;
    if (!gt_agent_threads_init()) {
        gt_agent_trouble("no thread key is free, or forks cannot be watched", 0);
    } else if (!gt_agent_units_init()) {
        gt_agent_trouble("cannot open the agent's log", errno);
    } else {
        gt_agent.process_ticks = gt_agent_ticks_ordered();
        gt_agent_clock_anchor(gt_agent.control);
        gt_agent_record(true);
    }
    errno = error;
}
