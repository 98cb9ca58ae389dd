/* SPDX-License-Identifier: MIT */
#include "whatif/dep_lives.h"

#include "base/nstime.h"

int gt_deps_add_births(struct gt_deps *deps)
{
    const struct gt_timeline *timeline = deps->timeline;

    for (uint32_t i = 0; i < timeline->threads.count; i++) {
        const struct gt_thread *thread = gt_thread_at(timeline, i);

        if (deps->replayed[i] == GT_WORKLOAD_NONE || thread->creator == GT_NO_INDEX ||
            thread->creator == i || deps->replayed[thread->creator] == GT_WORKLOAD_NONE)
            continue;
        deps->start_of[i] = gt_workload_add_event(deps->workload, 1);
        if (deps->start_of[i] == GT_WORKLOAD_NONE ||
            gt_deps_add(deps, GT_STEP_SIGNAL, thread->creator, thread->start_ns,
                        thread->start_ns, deps->start_of[i]))
            return -1;
    }
    return 0;
}

bool gt_deps_died_waiting(const struct gt_timeline *timeline, uint32_t thread)
{
    int64_t end_ns = gt_thread_at(timeline, thread)->end_ns;

    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        const struct gt_chunks *waits = &gt_gil_at(timeline, i)->waits;
        size_t at = gt_chunks_first_from(waits, 0, offsetof(struct gt_span, end_ns), end_ns);

        for (; at < waits->count && gt_span_at(waits, at)->end_ns == end_ns; at++)
            if (gt_span_at(waits, at)->thread == thread)
                return true;
    }
    return false;
}

/* Or at least in the middle of its work: in the first function that it ever called? */
static bool died_at_work(const struct gt_timeline *timeline, uint32_t thread)
{
    const struct gt_calls *calls = gt_calls_of(timeline, thread);
    const struct gt_call_span *first =
        calls && calls->spans.count ? gt_chunks_at(&calls->spans, 0) : NULL;

    return (first && first->flags & GT_CALL_SPAN_CUT_END &&
            first->end_ns >= gt_thread_at(timeline, thread)->end_ns) ||
           gt_deps_died_waiting(timeline, thread);
}

/* The interpreter's end, which the main thread works at, ends what still works. */
static int add_killing(struct gt_deps *deps, uint32_t thread, uint32_t main)
{
    int64_t end_ns = gt_thread_at(deps->timeline, thread)->end_ns;

    if (deps->replayed[main] == GT_WORKLOAD_NONE)
        return 0;
    deps->killed[thread] = gt_workload_add_event(deps->workload, 1);
    if (deps->killed[thread] == GT_WORKLOAD_NONE)
        return -1;
    return gt_deps_add(deps, GT_STEP_SIGNAL, main, end_ns, end_ns, deps->killed[thread]);
}

/* A process lives as long as its threads, but for those that its end takes along. */
int gt_deps_add_ends(struct gt_deps *deps)
{
    const struct gt_timeline *timeline = deps->timeline;

    for (uint32_t i = 0; i < timeline->threads.count; i++) {
        const struct gt_thread *thread = gt_thread_at(timeline, i);
        uint32_t main = gt_process_at(timeline, thread->process)->main_thread;
        int64_t end_ns;

        if (main == GT_NO_INDEX || main == i || deps->replayed[i] == GT_WORKLOAD_NONE)
            continue;
        if (died_at_work(timeline, i)) {
            if (add_killing(deps, i, main))
                return -1;
            continue;
        }
        end_ns = gt_thread_at(timeline, main)->end_ns;
        if (!(thread->flags & GT_THREAD_SAW_EXIT) || thread->end_ns > end_ns - GT_NS_PER_MS)
            continue;
        if (gt_deps_end_of(deps, i) == GT_WORKLOAD_NONE ||
            gt_deps_add(deps, GT_STEP_AWAIT, main, end_ns, end_ns, gt_deps_end_of(deps, i)))
            return -1;
    }
    return 0;
}

/* A thread that joins another one goes on when that gives the GIL up for the last time,
 * somewhat before its end; where it joined with a timeout, perhaps long before. */
int gt_deps_add_joins(struct gt_deps *deps)
{
    enum { LATE_NS = 20000000 };

    for (size_t i = 0; i < deps->timeline->sync_ops.count; i++) {
        const struct gt_sync_op *join = gt_deps_sync_op(deps, i);
        uint32_t joined = (uint32_t)join->subject;

        if (join->kind != GT_SYNC_JOIN || deps->replayed[joined] == GT_WORKLOAD_NONE ||
            joined == join->thread ||
            gt_thread_at(deps->timeline, joined)->end_ns > join->time_ns + LATE_NS)
            continue;
        if (gt_deps_end_of(deps, joined) == GT_WORKLOAD_NONE ||
            gt_deps_add(deps, GT_STEP_AWAIT, join->thread, join->since_ns, join->since_ns,
                        gt_deps_end_of(deps, joined)))
            return -1;
    }
    return 0;
}
