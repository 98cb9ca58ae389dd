/* SPDX-License-Identifier: MIT */
#include "analysis/parallel.h"

#include "base/nstime.h"
#include "model/locks.h"

#include <stdlib.h>
#include <string.h>

enum {
    FINE = GT_PARALLEL_SLICES * 16,
    SCALES_PERCENT = 85,    /* of the CPUs, or of the threads' lives */
    ASLEEP_PERCENT = 50,    /* of the threads' lives */
    READY_PERCENT = 25,     /* likewise */
    COSTS_PERCENT = 5,      /* of the threads' lives: stops, or waits for locks, matter */
    TOGETHER_PERCENT = 150, /* of a slice: threads' lives in it; then there were several */
};

/* Threads' time by slices. */
struct fine {
    int64_t start_ns, slice_ns;
    int64_t alive_ns[FINE];
    int64_t running_ns[FINE];
};

static bool has_gil_seen(const struct gt_timeline *timeline, uint32_t process)
{
    for (uint32_t i = 0; i < timeline->gils.count; i++)
        if (gt_gil_at(timeline, i)->process == process)
            return true;
    return false;
}

static bool has_calls(const struct gt_timeline *timeline, uint32_t process)
{
    for (uint32_t i = 0; i < timeline->calls.count; i++)
        if (gt_thread_at(timeline, i)->process == process && gt_calls_of(timeline, i))
            return true;
    return false;
}

bool gt_ran_without_gil(const struct gt_timeline *timeline, const struct gt_run_info *info,
                        uint32_t process)
{
    const struct gt_gil_switch *came = gt_gil_switch_of(timeline, process);

    if (gt_gil_use(timeline, process) == GT_GIL_ALWAYS)
        return false;
    if (came && came->time_ns <= gt_process_at(timeline, process)->start_ns)
        return false;
    /* Other programs, which it started, are no Python. */
    return gt_process_at(timeline, process)->pid == info->root_pid ||
           has_gil_seen(timeline, process) || has_calls(timeline, process);
}

/* Until when the thread can have run without a GIL. */
static int64_t end_of(const struct gt_timeline *timeline, uint32_t thread)
{
    const struct gt_thread *life = gt_thread_at(timeline, thread);
    const struct gt_gil_switch *came = gt_gil_switch_of(timeline, life->process);

    return came && came->time_ns < life->end_ns ? came->time_ns : life->end_ns;
}

static void add(struct fine *fine, int64_t *sums, int64_t from_ns, int64_t until_ns,
                double rate)
{
    if (from_ns < fine->start_ns)
        from_ns = fine->start_ns;
    while (from_ns < until_ns) {
        int64_t slice = (from_ns - fine->start_ns) / fine->slice_ns;
        int64_t end_ns = fine->start_ns + (slice + 1) * fine->slice_ns;

        if (slice >= FINE)
            return;
        if (end_ns > until_ns)
            end_ns = until_ns;
        sums[slice] += gt_ns_of((double)(end_ns - from_ns) * rate);
        from_ns = end_ns;
    }
}

/* By readings of the thread's clock; nothing is known before the first one. */
static void add_readings(struct fine *fine, const struct gt_chunks *readings, int64_t end_ns)
{
    for (size_t i = 1; i < readings->count; i++) {
        const struct gt_usage *left = gt_chunks_at(readings, i - 1);
        const struct gt_usage *right = gt_chunks_at(readings, i);
        int64_t length_ns = right->time_ns - left->time_ns;
        double rate =
            length_ns > 0 ? (double)(right->cpu_ns - left->cpu_ns) / (double)length_ns : 0;

        if (rate > 0 && left->time_ns < end_ns)
            add(fine, fine->running_ns, left->time_ns,
                right->time_ns < end_ns ? right->time_ns : end_ns, rate < 1 ? rate : 1);
    }
}

static void add_thread(struct fine *fine, const struct gt_timeline *timeline, uint32_t thread)
{
    const struct gt_sched *sched = timeline->saw_sched ? gt_sched_of(timeline, thread) : NULL;
    const struct gt_chunks *readings = gt_usages_of(timeline, thread);
    int64_t end_ns = end_of(timeline, thread);

    add(fine, fine->alive_ns, gt_thread_at(timeline, thread)->start_ns, end_ns, 1);
    if (!sched && readings)
        add_readings(fine, readings, end_ns);
    for (size_t i = 0; sched && i < sched->spans.count; i++) {
        const struct gt_state_span *span = gt_chunks_at(&sched->spans, i);

        if (span->state == GT_SCHED_RUNNING && span->start_ns < end_ns)
            add(fine, fine->running_ns, span->start_ns,
                span->end_ns < end_ns ? span->end_ns : end_ns, 1);
    }
}

static bool is_together(const struct fine *fine, size_t slice)
{
    return gt_percent(fine->alive_ns[slice], fine->slice_ns) >= TOGETHER_PERCENT;
}

/* What a thread did in one stretch, beside running. */
static void add_states(struct gt_parallel *parallel, const struct gt_timeline *timeline,
                       uint32_t thread, int64_t from_ns, int64_t until_ns)
{
    const struct gt_sched *sched = gt_sched_of(timeline, thread);
    int64_t state_ns[GT_SCHED_STATES] = {0};

    if (!sched || from_ns >= until_ns)
        return;
    gt_sched_within(sched, from_ns, until_ns, state_ns);
    parallel->ready_ns =
        gt_add_ns(parallel->ready_ns, state_ns[GT_SCHED_PREEMPTED] + state_ns[GT_SCHED_WOKEN]);
    for (int i = GT_SCHED_SLEEPING; i < GT_SCHED_STATES; i++)
        parallel->asleep_ns = gt_add_ns(parallel->asleep_ns, state_ns[i]);
}

/* Neighbouring slices with several threads are one stretch. */
static void add_stretches(struct gt_parallel *parallel, const struct fine *fine,
                          const struct gt_timeline *timeline, uint32_t thread)
{
    const struct gt_thread *life = gt_thread_at(timeline, thread);
    int64_t end_ns = end_of(timeline, thread);

    for (size_t i = 0; i < FINE;) {
        size_t first = i;
        int64_t from_ns, until_ns;

        while (i < FINE && is_together(fine, i) == is_together(fine, first))
            i++;
        if (!is_together(fine, first) && parallel->together_ns)
            continue;
        from_ns = fine->start_ns + (int64_t)first * fine->slice_ns;
        until_ns = fine->start_ns + (int64_t)i * fine->slice_ns;
        add_states(parallel, timeline, thread,
                   from_ns > life->start_ns ? from_ns : life->start_ns,
                   until_ns < end_ns ? until_ns : end_ns);
    }
}

static void sum_up(struct gt_parallel *parallel, const struct fine *fine)
{
    int64_t length_ns = 0;

    for (size_t i = 0; i < FINE; i++)
        parallel->together_ns += is_together(fine, i) ? fine->slice_ns : 0;
    for (size_t i = 0; i < FINE; i++) {
        parallel->slices[i * GT_PARALLEL_SLICES / FINE] +=
            (double)fine->running_ns[i] * GT_PARALLEL_SLICES / FINE / (double)fine->slice_ns;
        if (parallel->together_ns && !is_together(fine, i))
            continue;
        length_ns += fine->slice_ns;
        parallel->lives_ns = gt_add_ns(parallel->lives_ns, fine->alive_ns[i]);
        parallel->running_ns = gt_add_ns(parallel->running_ns, fine->running_ns[i]);
    }
    if (length_ns > parallel->end_ns - parallel->start_ns)
        length_ns = parallel->end_ns - parallel->start_ns;
    if (length_ns > 0)
        parallel->running = (double)parallel->running_ns / (double)length_ns;
}

static enum gt_parallel_verdict judge(const struct gt_parallel *parallel)
{
    int64_t lives_ns = parallel->lives_ns;
    int64_t locked_ns = parallel->locked_ns > 0 ? parallel->locked_ns : 0;
    int64_t stopped_ns = parallel->stopped_ns > 0 ? parallel->stopped_ns : 0;
    bool matter = gt_percent(locked_ns + stopped_ns, lives_ns) >= COSTS_PERCENT;

    if (parallel->running_ns <= 0)
        return GT_PARALLEL_UNKNOWN;
    if (!parallel->together_ns)
        return GT_PARALLEL_ALONE;
    if (matter && (stopped_ns > locked_ns || parallel->running < 0.85 * parallel->cpus))
        return stopped_ns > locked_ns ? GT_PARALLEL_STOPPED : GT_PARALLEL_LOCKS;
    if ((parallel->cpus > 0 && 100 * parallel->running >= SCALES_PERCENT * parallel->cpus) ||
        gt_percent(parallel->running_ns, lives_ns) >= SCALES_PERCENT)
        return GT_PARALLEL_SCALES;
    if (!parallel->states)
        return GT_PARALLEL_UNKNOWN;
    if (gt_percent(parallel->asleep_ns, lives_ns) >= ASLEEP_PERCENT)
        return GT_PARALLEL_ASLEEP;
    return gt_percent(parallel->ready_ns, lives_ns) >= READY_PERCENT ? GT_PARALLEL_NO_CPU
                                                                     : GT_PARALLEL_MIXED;
}

/* --- where a GIL came on --- */

static int find_doing(struct gt_gil_came *came, const struct gt_timeline *timeline)
{
    struct gt_attribution attribution;
    const struct gt_doing *doing;
    int64_t until_ns;

    gt_attribution_init(&attribution, timeline, came->at->thread);
    doing = gt_attribution_at(&attribution, came->at->loaded_ns, &until_ns);
    if (doing)
        came->doing = *doing;
    gt_attribution_release(&attribution);
    return doing ? 0 : -1;
}

static int find_came(struct gt_gil_came *came, const struct gt_timeline *timeline)
{
    for (size_t i = 0; i < timeline->gil_switches.count; i++) {
        const struct gt_gil_switch *at = gt_chunks_at(&timeline->gil_switches, i);

        if (at->on && came->at)
            came->others++;
        else if (at->on)
            *came = (struct gt_gil_came){
                .at = at, .process = gt_thread_at(timeline, at->thread)->process};
    }
    return came->at ? find_doing(came, timeline) : 0;
}

/* --- all of it --- */

static double usable(const struct gt_timeline *timeline, const struct gt_run_info *info)
{
    if (info->usable_cpus > 0 && !info->usable_cpus_changed)
        return info->usable_cpus;
    return info->cpus ? info->cpus : timeline->cpu_count;
}

/* Which threads are looked at; true: there are any. */
static bool choose(struct gt_parallel *parallel, const struct gt_timeline *timeline,
                   const struct gt_run_info *info, bool *chosen)
{
    bool any = false;

    parallel->start_ns = INT64_MAX;
    for (uint32_t i = 0; i < timeline->threads.count; i++) {
        const struct gt_thread *thread = gt_thread_at(timeline, i);

        chosen[i] = gt_ran_without_gil(timeline, info, thread->process) &&
                    end_of(timeline, i) > thread->start_ns;
        if (!chosen[i])
            continue;
        any = true;
        if (thread->start_ns < parallel->start_ns)
            parallel->start_ns = thread->start_ns;
        if (end_of(timeline, i) > parallel->end_ns)
            parallel->end_ns = end_of(timeline, i);
    }
    return any;
}

static int measure(struct gt_parallel *parallel, const struct gt_timeline *timeline,
                   const bool *chosen)
{
    struct fine *fine = calloc(1, sizeof(*fine));

    if (!fine)
        return -1;
    fine->start_ns = parallel->start_ns;
    fine->slice_ns = (parallel->end_ns - parallel->start_ns) / FINE + 1;
    parallel->states = timeline->saw_sched;
    for (uint32_t i = 0; i < timeline->threads.count; i++)
        if (chosen[i])
            add_thread(fine, timeline, i);
    sum_up(parallel, fine);
    for (uint32_t i = 0; i < timeline->threads.count; i++)
        if (chosen[i])
            add_stretches(parallel, fine, timeline, i);
    free(fine);
    return 0;
}

/* The agent records waits for locks and stops, and always usage, too; probes record waits for
 * locks. They are of whole lives: where a GIL came on, it is not known how much of them was
 * before. */
static void add_waits(struct gt_parallel *parallel, const struct gt_timeline *timeline,
                      const bool *chosen)
{
    if (!timeline->usages.count && !timeline->probed_locks)
        return;
    for (size_t i = 0; i < timeline->gil_switches.count; i++)
        if (((const struct gt_gil_switch *)gt_chunks_at(&timeline->gil_switches, i))->on)
            return;
    parallel->locked_ns = 0;
    parallel->stopped_ns = timeline->usages.count ? 0 : -1;
    for (uint32_t i = 0; i < timeline->threads.count; i++)
        if (chosen[i]) {
            parallel->locked_ns = gt_add_ns(parallel->locked_ns, gt_lock_wait_of(timeline, i));
            if (parallel->stopped_ns >= 0)
                parallel->stopped_ns =
                    gt_add_ns(parallel->stopped_ns, gt_stopped_of(timeline, i));
        }
}

int gt_parallel_find(struct gt_parallel *parallel, const struct gt_timeline *timeline,
                     const struct gt_run_info *info)
{
    bool *chosen = calloc(timeline->threads.count + 1, sizeof(*chosen));
    int rc = chosen ? 0 : -1;

    *parallel = (struct gt_parallel){.locked_ns = -1, .stopped_ns = -1};
    if (rc == 0 && choose(parallel, timeline, info, chosen)) {
        parallel->cpus = usable(timeline, info);
        rc = measure(parallel, timeline, chosen);
        add_waits(parallel, timeline, chosen);
        if (rc == 0)
            parallel->verdict = judge(parallel);
    }
    free(chosen);
    return rc ? -1 : find_came(&parallel->came, timeline);
}
