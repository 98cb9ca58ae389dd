/* SPDX-License-Identifier: MIT */
#include "analysis/crowd.h"

#include "analysis/cpu.h"
#include "analysis/sweep.h"
#include "base/nstime.h"

#include <stdlib.h>

/* Private to a walk over one GIL. */
struct walk {
    struct gt_crowd *out;
    const struct gt_timeline *timeline;
    struct gt_sweep sweep;
    struct gt_cpu *cpus;   /* by thread */
    int64_t first_wait_ns; /* in the hold at hand; INT64_MAX: nobody waited yet */
    int64_t waiting_ns;    /* in it, of all */
};

static int note_waiting(void *context, int64_t from_ns, int64_t until_ns)
{
    struct walk *walk = context;

    if (walk->sweep.active_count && walk->first_wait_ns == INT64_MAX)
        walk->first_wait_ns = from_ns;
    walk->waiting_ns =
        gt_add_ns(walk->waiting_ns, gt_times_ns(until_ns - from_ns, walk->sweep.active_count));
    return 0;
}

/* What the holder did from the first wait to the hold's end holds for all that waited. */
static void judge(struct walk *walk, const struct gt_span *hold)
{
    struct gt_cpu_share share;
    int64_t length_ns;

    if (walk->first_wait_ns == INT64_MAX)
        return;
    length_ns = hold->end_ns - walk->first_wait_ns;
    if (length_ns <= 0)
        return;
    gt_cpu_between(&walk->cpus[hold->thread], walk->first_wait_ns, hold->end_ns, &share);
    /* Readings cannot tell sleep from what else was in the stretch once it slept at all. */
    if (!share.known || (!walk->cpus[hold->thread].sched && share.sleep_ns > length_ns / 10))
        return;
    walk->out->known_ns = gt_add_ns(walk->out->known_ns, walk->waiting_ns);
    walk->out->no_cpu_ns =
        gt_add_ns(walk->out->no_cpu_ns, gt_ns_of((double)walk->waiting_ns *
                                                 (double)share.ready_ns / (double)length_ns));
}

/* While nobody holds it, the blockers' gaps tell. */
static int walk_holds(struct walk *walk, const struct gt_gil *gil)
{
    for (size_t i = 0; i < gil->holds.count; i++) {
        const struct gt_span *hold = gt_span_at(&gil->holds, i);

        if (gt_sweep_is_empty(&walk->sweep, hold->end_ns))
            continue;
        walk->first_wait_ns = INT64_MAX;
        walk->waiting_ns = 0;
        if (gt_sweep_advance(&walk->sweep, hold->start_ns, hold->end_ns, note_waiting, walk))
            return -1;
        judge(walk, hold);
    }
    return 0;
}

static int add_gil(struct walk *walk, uint32_t index, const struct gt_blockers *blockers)
{
    const struct gt_gil *gil = gt_gil_at(walk->timeline, index);
    int failed = gt_sweep_init(&walk->sweep, gil, NULL, NULL);

    /* A thread may use several GILs: each walk begins at its beginning. */
    for (uint32_t i = 0; i < gil->members.count; i++) {
        uint32_t thread = gt_gil_thread_at(gil, i)->thread;

        gt_cpu_init(&walk->cpus[thread], walk->timeline, thread);
    }
    if (!failed)
        failed = walk_holds(walk, gil);
    gt_sweep_release(&walk->sweep);
    for (uint32_t i = 0; i < gil->members.count; i++)
        walk->out->waiting_ns =
            gt_add_ns(walk->out->waiting_ns, gt_gil_thread_at(gil, i)->wait_ns);
    for (size_t i = 0; i < blockers->gaps.count; i++)
        for (int gap = 0; gap < GT_GAPS; gap++) {
            int64_t ns = gt_gaps_at(blockers, i)->ns[gap];

            if (gap != GT_GAP_UNKNOWN && walk->timeline->saw_sched)
                walk->out->known_ns = gt_add_ns(walk->out->known_ns, ns);
            if (gap == GT_GAP_NO_CPU)
                walk->out->no_cpu_ns = gt_add_ns(walk->out->no_cpu_ns, ns);
        }
    return failed;
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

int gt_crowd_init(struct gt_crowd *crowd, const struct gt_timeline *timeline,
                  const struct gt_blockers *blockers, struct gt_error *err)
{
    size_t threads = timeline->threads.count;
    struct walk walk = {
        .out = crowd, .timeline = timeline, .cpus = calloc(threads + 1, sizeof(*walk.cpus))};
    int failed = walk.cpus ? 0 : -1;

    *crowd = (struct gt_crowd){0};
    sum_states(crowd, timeline);
    for (uint32_t i = 0; !failed && i < timeline->gils.count; i++)
        failed = add_gil(&walk, i, &blockers[i]);
    free(walk.cpus);
    return failed ? gt_error_memory(err) : 0;
}
