/* SPDX-License-Identifier: MIT */
#include "analysis/interference.h"

#include "base/nstime.h"
#include "event/surroundings.h"
#include "model/gil_switch.h"

enum {
    STEAL_PERCENT = 2,     /* of the CPUs' time, from where it matters */
    READY_PERCENT = 10,    /* of the run's length */
    THROTTLED_PERCENT = 1, /* the same */
    HOLDING_PERCENT = 1,   /* the same, of holders that had no CPU */
    MUCH_PERCENT = 10,     /* of the run's length: enough waiting for a verdict to rest on it */
    WAITING_PERCENT = 20,  /* of the waiting: from here on it may be the machine's doing */
    THROTTLED_MATTERS = 10, /* of the run's length, where it is not known what holders did */
};

/* NULL: none of them stopped the program. */
static const struct gt_quota *most_throttled(const struct gt_surroundings *machine)
{
    const struct gt_quota *most = NULL;

    for (size_t i = 0; i < machine->quota_count; i++) {
        const struct gt_quota *quota = &machine->quotas[i];

        if (quota->throttled > 0 && (!most || quota->throttled_ns > most->throttled_ns))
            most = quota;
    }
    return most;
}

static void find_quota(struct gt_interference *found, const struct gt_surroundings *machine,
                       int64_t wall_ns)
{
    found->quota = most_throttled(machine);
    found->quota_matters =
        found->quota && gt_percent(found->quota->throttled_ns, wall_ns) >= THROTTLED_PERCENT;
}

static void find_steal(struct gt_interference *found, const struct gt_surroundings *machine,
                       int64_t wall_ns)
{
    found->steal_of_ns = gt_times_ns(wall_ns, machine->allowed);
    found->steal_matters = machine->steal_ns >= 0 &&
                           gt_percent(machine->steal_ns, found->steal_of_ns) >= STEAL_PERCENT;
}

/* By what is known best. */
static void find_ready(struct gt_interference *found, const struct gt_crowd *crowd,
                       const struct gt_surroundings *machine, int64_t wall_ns)
{
    found->ready_ns = -1;
    if (crowd->ready_ns >= 0) {
        found->ready_ns = crowd->ready_ns;
        found->ready_source = GT_READY_FROM_SCHEDULER;
    } else if (machine && machine->ready_ns >= 0) {
        found->ready_ns = machine->ready_ns;
        found->ready_source = GT_READY_FROM_SCHEDSTAT;
    }
    found->ready_matters =
        found->ready_ns >= 0 && gt_percent(found->ready_ns, wall_ns) >= READY_PERCENT;
}

static enum gt_waiting_by_machine judge_waiting(const struct gt_interference *found,
                                                const struct gt_crowd *crowd, int64_t wall_ns)
{
    if (gt_percent(crowd->waiting_ns, wall_ns) < MUCH_PERCENT)
        return GT_WAITING_NOT_BY_MACHINE;
    if (gt_percent(crowd->no_cpu_ns, crowd->waiting_ns) >= WAITING_PERCENT)
        return GT_WAITING_BY_MACHINE;
    if (gt_percent(crowd->known_ns, crowd->waiting_ns) >= 100 - WAITING_PERCENT)
        return GT_WAITING_NOT_BY_MACHINE;
    if (found->quota && gt_percent(found->quota->throttled_ns, wall_ns) >= THROTTLED_MATTERS)
        return GT_WAITING_BY_QUOTA;
    if (gt_percent(found->ready_ns, wall_ns) >= WAITING_PERCENT)
        return GT_WAITING_BY_READY;
    return GT_WAITING_NOT_BY_MACHINE;
}

/* Ready to run, with the GIL, and no CPU: everybody waits for the scheduler. */
static void sum_ready_holding(struct gt_interference *found, const struct gt_timeline *timeline,
                              int64_t wall_ns)
{
    if (timeline->gils.count && !gt_any_gil(timeline))
        return;
    for (uint32_t i = 0; i < timeline->scheds.count; i++) {
        const struct gt_sched *sched = gt_sched_at(timeline, i);

        found->ready_holding_count += sched->ready_holding_count;
        found->ready_holding_ns = gt_add_ns(found->ready_holding_ns, sched->ready_holding_ns);
    }
    found->ready_holding_matters =
        gt_percent(found->ready_holding_ns, wall_ns) >= HOLDING_PERCENT;
}

struct gt_interference gt_interference_find(const struct gt_timeline *timeline,
                                            const struct gt_crowd *crowd,
                                            const struct gt_surroundings *machine,
                                            int64_t wall_ns)
{
    struct gt_interference found = {0};

    if (machine) {
        find_quota(&found, machine, wall_ns);
        find_steal(&found, machine, wall_ns);
    }
    find_ready(&found, crowd, machine, wall_ns);
    found.waiting = judge_waiting(&found, crowd, wall_ns);
    sum_ready_holding(&found, timeline, wall_ns);
    return found;
}
