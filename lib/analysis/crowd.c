/* SPDX-License-Identifier: MIT */
#include "analysis/crowd.h"

#include "base/nstime.h"

static void add_gil(struct gt_crowd *crowd, const struct gt_timeline *timeline,
                    const struct gt_gil *gil, const struct gt_blockers *blockers)
{
    crowd->known_ns = gt_add_ns(crowd->known_ns, blockers->cpu_known_ns);
    crowd->no_cpu_ns = gt_add_ns(crowd->no_cpu_ns, blockers->no_cpu_ns);
    for (uint32_t i = 0; i < gil->members.count; i++)
        crowd->waiting_ns = gt_add_ns(crowd->waiting_ns, gt_gil_thread_at(gil, i)->wait_ns);
    for (size_t i = 0; i < blockers->gaps.count; i++)
        for (int gap = 0; gap < GT_GAPS; gap++) {
            int64_t ns = gt_gaps_at(blockers, i)->ns[gap];

            if (gap != GT_GAP_UNKNOWN && timeline->saw_sched)
                crowd->known_ns = gt_add_ns(crowd->known_ns, ns);
            if (gap == GT_GAP_NO_CPU)
                crowd->no_cpu_ns = gt_add_ns(crowd->no_cpu_ns, ns);
        }
}

/* Of all threads; -1: why they were off their CPUs is not known. */
static void sum_states(struct gt_crowd *crowd, const struct gt_timeline *timeline)
{
    crowd->ready_ns = crowd->running_ns = timeline->saw_reasons ? 0 : -1;
    for (uint32_t i = 0; timeline->saw_reasons && i < timeline->scheds.count; i++) {
        const int64_t *ns = gt_sched_at(timeline, i)->state_ns;

        crowd->ready_ns = gt_add_ns(crowd->ready_ns, ns[GT_SCHED_PREEMPTED]);
        crowd->ready_ns = gt_add_ns(crowd->ready_ns, ns[GT_SCHED_WOKEN]);
        crowd->running_ns = gt_add_ns(crowd->running_ns, ns[GT_SCHED_RUNNING]);
    }
}

struct gt_crowd gt_crowd_find(const struct gt_timeline *timeline,
                              const struct gt_blockers *blockers)
{
    struct gt_crowd crowd = {0};

    sum_states(&crowd, timeline);
    for (uint32_t i = 0; i < timeline->gils.count; i++)
        add_gil(&crowd, timeline, gt_gil_at(timeline, i), &blockers[i]);
    return crowd;
}
