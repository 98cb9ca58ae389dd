/* SPDX-License-Identifier: MIT */
#include "analysis/cost_weight.h"

#include "base/nstime.h"
#include "model/recorded.h"

enum {
    TOLD_PERCENT = 5,   /* of the run */
    DEAR_PERCENT = 10,  /* the same */
    WAITING_SHARE = 10, /* one part in so many of it: hand-overs are told */
};

/* What of it the GIL's events cost, rather than calls. */
static double gil_ns(const struct gt_cost *cost)
{
    return cost->gil_event_ns > 0 ? (double)cost->gil_event_ns * (double)cost->gil_events : 0;
}

static double calls_ns(const struct gt_cost *cost)
{
    return cost->call_ns > 0 ? (double)cost->call_ns * (double)cost->calls : 0;
}

static enum gt_cheaper cheaper(const struct gt_cost *cost, const struct gt_recorded *recorded)
{
    double traced_ns = calls_ns(cost) + (double)cost->code_ns;

    if (traced_ns > gil_ns(cost))
        return recorded->viztracer ? GT_CHEAPER_NONE : GT_CHEAPER_NO_FUNCTIONS;
    if (recorded->agent_sees_gil && (!recorded->probe_hits || recorded->probes_out_ns))
        return GT_CHEAPER_FUTEX;
    return traced_ns > gil_ns(cost) / 4 ? GT_CHEAPER_AGENT_NO_FUNCTIONS : GT_CHEAPER_AGENT;
}

struct gt_cost_weight gt_cost_weigh(const struct gt_cost *cost,
                                    const struct gt_recorded *recorded, int64_t wall_ns)
{
    struct gt_cost_weight weight = {
        .percent = cost->total_ns > 0 ? gt_percent(cost->total_ns, wall_ns) : 0,
        .cheaper = cheaper(cost, recorded),
        .handovers_matter = cost->waiting_ns > cost->total_ns / WAITING_SHARE,
    };

    if (weight.percent >= DEAR_PERCENT)
        weight.level = GT_COST_DEAR;
    else if (weight.percent >= TOLD_PERCENT)
        weight.level = GT_COST_TOLD;
    return weight;
}
