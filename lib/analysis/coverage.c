/* SPDX-License-Identifier: MIT */
#include "analysis/coverage.h"

#include "base/nstime.h"
#include "event/probed_files.h"

#include <string.h>

/* --- no GIL was seen --- */

/* Without contention the futex source sees nothing, and there is nothing to see. */
static bool by_futex(const struct gt_recorded *recorded, const struct gt_run_info *info)
{
    const struct gt_timeline *timeline = recorded->timeline;

    if (info->gil_source)
        return strcmp(info->gil_source, "futex") == 0;
    return timeline->saw_futex && timeline->quality.gil_events == 0;
}

static enum gt_no_gil why_no_gil(const struct gt_recorded *recorded,
                                 const struct gt_run_info *info)
{
    static const char one_thread[] = "CPython 3.6.";
    const struct gt_timeline *timeline = recorded->timeline;
    bool futex = by_futex(recorded, info);

    if (!info->gil_enabled)
        return futex ? GT_NO_GIL_FREE_THREADED_FUTEX : GT_NO_GIL_FREE_THREADED;
    if (futex && (recorded->cut || timeline->is_part || !gt_is_whole(timeline)))
        return GT_NO_GIL_FUTEX_PARTLY;
    if (futex && recorded->probed && !timeline->unseen.count)
        return GT_NO_GIL_FUTEX_NO_WAIT;
    if (futex) /* of what files have probes nothing is known, or others are used */
        return GT_NO_GIL_FUTEX_SEEN;
    if (timeline->unseen.count)
        return GT_NO_GIL_UNSEEN;
    if (info->version && strncmp(info->version, one_thread, sizeof(one_thread) - 1) == 0)
        return GT_NO_GIL_ONE_THREAD;
    return GT_NO_GIL_TOO_SHORT;
}

/* What the states of threads tell of it. */
static void add_sleeps(struct gt_no_gil_found *found, const struct gt_timeline *timeline)
{
    for (uint32_t i = 0; i < timeline->scheds.count; i++) {
        const struct gt_sched *sched = gt_sched_of(timeline, i);
        const struct gt_thread *thread = gt_thread_at(timeline, i);
        int64_t ns;

        if (!sched)
            continue;
        ns = sched->state_ns[GT_SCHED_SLEEPING_GIL] + sched->state_ns[GT_SCHED_OFF_CPU_GIL];
        found->asleep_ns = gt_add_ns(found->asleep_ns, ns);
        found->lives_ns = gt_add_ns(found->lives_ns, thread->end_ns - thread->start_ns);
        if (ns > found->thread_ns) {
            found->thread_ns = ns;
            found->thread = i;
        }
    }
}

struct gt_no_gil_found gt_no_gil_find(const struct gt_recorded *recorded,
                                      const struct gt_run_info *info)
{
    const struct gt_timeline *timeline = recorded->timeline;
    bool told = timeline->saw_sched && (timeline->saw_stacks || timeline->saw_futex);
    struct gt_no_gil_found found = {.thread = GT_NO_INDEX};

    if (told)
        add_sleeps(&found, timeline);
    if (found.thread != GT_NO_INDEX)
        found.why = GT_NO_GIL_ASLEEP;
    else if (recorded->detect & GT_DETECT_GIL)
        found.why = why_no_gil(recorded, info);
    else if (told)
        found.why = GT_NO_GIL_AWAKE;
    return found;
}

/* --- the beginning --- */

struct gt_beginning gt_beginning_find(const struct gt_timeline *timeline)
{
    enum { LEAST_NS = GT_NS_PER_S / 10, PART = 10 /* one in so many of the run */ };
    int64_t start_ns = timeline->start_ns > 0 ? timeline->start_ns : 0;
    struct gt_beginning found = {GT_NO_INDEX, INT64_MAX};

    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        const struct gt_gil *gil = gt_gil_at(timeline, i);

        if (gil->start_ns - start_ns < found.ns)
            found = (struct gt_beginning){i, gil->start_ns - start_ns};
    }
    /* Where a GIL came on later, its program ran before: analysis/parallel tells of that. */
    if (found.gil != GT_NO_INDEX &&
        (found.ns < LEAST_NS || found.ns < (timeline->end_ns - start_ns) / PART ||
         gt_gil_switch_of(timeline, gt_gil_at(timeline, found.gil)->process)))
        found.gil = GT_NO_INDEX;
    return found;
}

/* --- scheduling --- */

enum gt_states_seen gt_states_seen(const struct gt_recorded *recorded)
{
    const struct gt_timeline *timeline = recorded->timeline;

    if (!(recorded->detect & GT_DETECT_SCHED))
        return GT_STATES_SEEN;
    if (!timeline->saw_sched)
        return GT_STATES_NONE;
    if (!timeline->saw_reasons)
        return GT_STATES_NO_REASONS;
    return timeline->saw_switch_records ? GT_STATES_SEEN : GT_STATES_NO_SWITCHES;
}

/* --- programs and events that were not seen --- */

enum gt_unseen_why gt_unseen_why(const struct gt_probed *probed, const struct gt_unseen *unseen)
{
    if (probed->interpreter)
        return GT_UNSEEN_INTERPRETER;
    if (!unseen->file)
        return GT_UNSEEN_STATIC;
    return probed->any_glibc ? GT_UNSEEN_NO_GLIBC : GT_UNSEEN_LIBC;
}

uint64_t gt_returns_missing(const struct gt_timeline *timeline, uint64_t *takes)
{
    uint64_t missing = 0;

    *takes = 0;
    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        missing += gt_gil_at(timeline, i)->defects.returns_missing;
        *takes += gt_gil_at(timeline, i)->takes;
    }
    return missing;
}

uint64_t gt_lost_by_all(const struct gt_timeline *timeline)
{
    uint64_t events = 0;

    for (size_t i = 0; i < timeline->lost.count; i++)
        events += ((const struct gt_lost_range *)gt_chunks_at(&timeline->lost, i))->events;
    return events;
}

bool gt_hole_matters(const struct gt_hole *hole)
{
    /* Where the source of the GIL goes on, calls end with their process. */
    return !hole->ended_it && (hole->gil || hole->why);
}

bool gt_may_lack_threads(const struct gt_timeline *timeline)
{
    for (size_t i = 0; i < timeline->holes.count; i++)
        if (gt_hole_at(&timeline->holes, i)->gil && !gt_hole_at(&timeline->holes, i)->ended_it)
            return true;
    return timeline->unseen.count > 0;
}

bool gt_may_lack_calls(const struct gt_timeline *timeline)
{
    for (size_t i = 0; i < timeline->holes.count; i++)
        if (!gt_hole_at(&timeline->holes, i)->ended_it)
            return true;
    return timeline->stopped_ns >= 0;
}
