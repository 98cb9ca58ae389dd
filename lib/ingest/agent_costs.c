/* SPDX-License-Identifier: MIT */
#include "ingest/agent_costs.h"

#include "model/timeline.h"

uint64_t gt_recorded_calls(const struct gt_timeline *timeline, bool c)
{
    uint64_t calls = 0;

    for (size_t i = 0; i < timeline->functions.count; i++) {
        const struct gt_function_info *info = gt_chunks_at(&timeline->functions, i);

        if (!(info->flags & GT_FUNCTION_C) != c)
            calls += info->calls;
    }
    return calls;
}

/* With each one's part of `copied_ns`; 0: not known. */
static int64_t with_copies(int64_t each_ps, int64_t copied_ns, uint64_t count)
{
    if (!each_ps || !count)
        return each_ps;
    return each_ps + (int64_t)((double)copied_ns * 1000 / (double)count);
}

void gt_take_agent_costs(struct gt_recorded *out, const struct gt_agentlog_quality *agent)
{
    uint64_t calls =
        gt_recorded_calls(out->timeline, false) + gt_recorded_calls(out->timeline, true);

    out->event_ps = with_copies(agent->event_ps, agent->gil_copied_ns, out->gil_hits);
    out->call_ps = with_copies(agent->call_ps, agent->calls_copied_ns, calls);
    out->c_call_ps = with_copies(agent->c_call_ps, agent->calls_copied_ns, calls);
    out->code_permille = agent->code_permille;
}
