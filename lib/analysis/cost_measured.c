/* SPDX-License-Identifier: MIT */
#include "analysis/cost_measured.h"

#include "base/nstime.h"
#include "event/run_info.h"
#include "event/surroundings.h"

/* How long threads ran, and were ready without a CPU, as far as that is known. */
static void measure_cpus(const struct gt_crowd *crowd, const struct gt_surroundings *machine,
                         struct gt_cost_measured *measured)
{
    int64_t running_ns = crowd->running_ns, ready_ns = crowd->ready_ns;

    if (ready_ns < 0 && machine && machine->ready_ns >= 0) {
        running_ns = machine->cpu_ns;
        ready_ns = machine->ready_ns;
    }
    if (running_ns <= 0 || ready_ns < 0)
        return;
    measured->running_ns = running_ns;
    measured->ready_ratio = (double)ready_ns / (double)running_ns;
}

/* Of an event of the GIL, by all that recorded it; 0: not known. */
static int64_t event_ps(const struct gt_recorded *recorded, const struct gt_run_info *info)
{
    int64_t hit_ps = info->hit_ns > 0 ? gt_times_ns(info->hit_ns, 1000) : 0;

    if (!recorded->agent_sees_gil)
        return hit_ps ? hit_ps + recorded->event_ps : 0;
    if (!recorded->gil_hits)
        return recorded->event_ps;
    /* Where probes were hit as well, each event has its part of what all hits cost. */
    return recorded->event_ps + (int64_t)((double)hit_ps * (double)recorded->probe_hits /
                                          (double)recorded->gil_hits);
}

struct gt_cost_measured gt_cost_measure(const struct gt_recorded *recorded,
                                        const struct gt_run_info *info,
                                        const struct gt_crowd *crowd)
{
    struct gt_cost_measured measured = {.gil_events = recorded->gil_hits,
                                        .gil_event_ps = event_ps(recorded, info),
                                        .call_ps = recorded->call_ps,
                                        .c_call_ps = recorded->c_call_ps,
                                        .code_permille = recorded->code_permille};

    measure_cpus(crowd, info->surroundings, &measured);
    return measured;
}
