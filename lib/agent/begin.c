/* SPDX-License-Identifier: MIT */
#include "agent/begin.h"

#include "agent/clock.h"
#include "agent/process.h"
#include "agent/threads.h"
#include "agent/title.h"
#include "agent/units.h"
#include "agent/unwind.h"

#include <errno.h>

static int open_files(void)
{
    if (!gt_agent_threads_init()) {
        gt_agent_trouble("no thread key is free, or forks cannot be watched", 0);
        return EAGAIN;
    }
    if (!gt_agent_units_init()) {
        int error = errno;

        gt_agent_trouble("cannot open the agent's log", error);
        return error ? error : EIO;
    }
    gt_agent_title_init();
    gt_agent_unwind_init();
    gt_agent.process_ticks = gt_agent_ticks_ordered();
    gt_agent_clock_anchor(gt_agent.control);
    return 0;
}

int gt_agent_begin(void)
{
    int error = errno, rc = gt_agent_process_init();

    if (!rc)
        rc = open_files();
    if (!rc && !gt_agent.attached)
        gt_agent_record(true);
    errno = error;
    return rc;
}
