/* SPDX-License-Identifier: MIT */
#include "analysis/perf_cost.h"

#include "base/nstime.h"
#include "event/run_info.h"
#include "model/recorded.h"

enum { SAMPLES_PER_SWITCH = 2 };

static bool is_dear(double percent, const struct gt_run_info *info)
{
    return info->budget_percent && percent > info->budget_percent;
}

struct gt_perf_cost gt_perf_cost_find(const struct gt_recorded *recorded,
                                      const struct gt_run_info *info, int64_t running_ns)
{
    struct gt_perf_cost cost = {.switch_ns = info->switch_ns > 0 ? info->switch_ns : -1};

    if (cost.switch_ns < 0)
        return cost;
    cost.states_ns = gt_times_ns(cost.switch_ns, recorded->switches);
    cost.counters_ns = gt_times_ns(cost.switch_ns, recorded->counted) / SAMPLES_PER_SWITCH;
    if (running_ns <= 0)
        return cost;
    cost.states_percent = gt_percent(cost.states_ns, running_ns);
    cost.counters_percent = gt_percent(cost.counters_ns, running_ns);
    cost.states_dear = is_dear(cost.states_percent, info);
    cost.counters_dear = is_dear(cost.counters_percent, info);
    return cost;
}
