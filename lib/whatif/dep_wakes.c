/* SPDX-License-Identifier: MIT */
#include "whatif/dep_wakes.h"

#include "base/nstime.h"
#include "whatif/call_end.h"

static bool is_asleep(const struct gt_state_span *span)
{
    return span->state == GT_SCHED_SLEEPING || span->state == GT_SCHED_OFF_CPU;
}

/* The sleep that ended by being woken then; NULL: it was none, or it was for the GIL. */
static const struct gt_state_span *sleep_until(const struct gt_sched *sched, int64_t time_ns)
{
    size_t at =
        gt_chunks_first_from(&sched->spans, 0, offsetof(struct gt_state_span, end_ns), time_ns);
    const struct gt_state_span *span =
        at < sched->spans.count ? gt_chunks_at(&sched->spans, at) : NULL;

    return span && span->end_ns == time_ns && is_asleep(span) ? span : NULL;
}

/* A thread that was made to give the GIL up waits until another one has it, and is woken then.
 */
static bool is_switch(const struct gt_chunks *holds, size_t at, uint32_t woken, int64_t time_ns)
{
    const struct gt_span *before = at ? gt_span_at(holds, at - 1) : NULL;

    return before && before->thread == woken &&
           before->end_ns - before->start_ns > GT_NS_PER_MS / 2 &&
           time_ns - gt_span_at(holds, at)->start_ns < GT_NS_PER_MS / 2;
}

/* Did the waker have the GIL then, and not only since the woken thread gave it up? */
static bool gives_at(const struct gt_timeline *timeline, const struct gt_sync_op *wake)
{
    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        const struct gt_chunks *holds = &gt_gil_at(timeline, i)->holds;
        size_t at = gt_hold_after(holds, wake->time_ns);

        if (at < holds->count && gt_span_at(holds, at)->start_ns <= wake->time_ns &&
            gt_span_at(holds, at)->thread == wake->thread)
            return !is_switch(holds, at, (uint32_t)wake->subject, wake->time_ns);
    }
    return false;
}

/* Where there was no agent: CPython gives its locks while it has the GIL. So a thread that woke
 * another one of its process, and had the GIL, gave it what it slept for. Timers expire in any
 * thread that is on the CPU: nothing follows from other wake-ups. */
int gt_deps_add_wakes(struct gt_deps *deps)
{
    const struct gt_timeline *timeline = deps->timeline;

    for (size_t i = 0; i < timeline->sync_ops.count; i++) {
        const struct gt_sync_op *wake = gt_deps_sync_op(deps, i);
        uint32_t woken = (uint32_t)wake->subject, event;
        const struct gt_state_span *span;

        if (wake->kind != GT_SYNC_WAKE || deps->replayed[woken] == GT_WORKLOAD_NONE ||
            deps->replayed[wake->thread] == GT_WORKLOAD_NONE || gt_usages_of(timeline, woken) ||
            gt_thread_at(timeline, woken)->process !=
                gt_thread_at(timeline, wake->thread)->process ||
            !gt_sched_of(timeline, woken))
            continue;
        span = sleep_until(gt_sched_of(timeline, woken), wake->time_ns);
        if (!span || !gives_at(timeline, wake))
            continue;
        event = gt_workload_add_event(deps->workload, 1);
        if (event == GT_WORKLOAD_NONE ||
            gt_deps_add(deps, GT_STEP_SIGNAL, wake->thread, wake->time_ns, wake->time_ns,
                        event) ||
            gt_deps_add(deps, GT_STEP_AWAIT, woken, span->start_ns, span->end_ns, event))
            return -1;
    }
    return 0;
}
