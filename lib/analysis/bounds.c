/* SPDX-License-Identifier: MIT */
#include "analysis/bounds.h"

#include "base/nstime.h"
#include "model/locks.h"

void gt_bounds_add(struct gt_bounds *sum, int64_t ns, int64_t more_ns)
{
    sum->ns = gt_add_ns(sum->ns, ns);
    sum->more_ns = gt_add_ns(sum->more_ns, more_ns);
}

static void take_longest(struct gt_bounds *longest, int64_t ns, int64_t may_be_ns)
{
    int64_t most_ns = longest->ns + longest->more_ns;

    if (may_be_ns > most_ns)
        most_ns = may_be_ns;
    if (ns > longest->ns)
        longest->ns = ns;
    longest->more_ns = most_ns > longest->ns ? most_ns - longest->ns : 0;
}

/* The longest that it may have been: a lost stretch and what it cut off on either side. */
static int64_t longest_with(const struct gt_timeline *timeline, const struct gt_gil *gil,
                            const struct gt_chunks *spans, uint32_t thread)
{
    const struct gt_chunks *lost = gt_lost_of(timeline, gil->process);
    int64_t before_ns = 0, after_ns = 0;

    for (size_t i = 0; i < spans->count; i++) {
        const struct gt_span *span = gt_span_at(spans, i);
        int64_t length_ns = span->end_ns - span->start_ns;

        if (span->thread != thread)
            continue;
        if (span->flags & GT_SPAN_CUT_END && length_ns > before_ns)
            before_ns = length_ns;
        if (span->flags & GT_SPAN_CUT_START && length_ns > after_ns)
            after_ns = length_ns;
    }
    return gt_add_ns(gt_add_ns(before_ns, after_ns),
                     gt_add_ns(gt_lost_longest(lost, gil->start_ns, gil->end_ns),
                               gt_unknown_longest(gil, thread)));
}

void gt_bounds_add_thread(struct gt_bounded_times *times, const struct gt_timeline *timeline,
                          const struct gt_gil *gil, const struct gt_gil_thread *member)
{
    int64_t unknown_ns = member->unknown_ns;
    int64_t wait_more_ns = unknown_ns, hold_more_ns = unknown_ns;
    int64_t wait_ns = member->longest_wait_ns, hold_ns = member->longest_hold_ns;

    if (gil->defects.returns_missing) { /* what looks like a hold began as a wait */
        wait_more_ns = gt_add_ns(wait_more_ns, member->hold_ns);
        wait_ns = gt_add_ns(wait_ns, hold_ns);
    }
    if (gil->source == GT_GIL_FROM_FUTEX) { /* holds that nobody waited for were not seen */
        hold_more_ns = member->lifetime_ns - member->wait_ns - member->hold_ns;
        hold_ns = member->lifetime_ns;
    }
    gt_bounds_add(&times->wait, member->wait_ns, wait_more_ns);
    gt_bounds_add(&times->hold, member->hold_ns, hold_more_ns);
    gt_bounds_add(&times->lock_wait, gt_lock_wait_of(timeline, member->thread), unknown_ns);
    gt_bounds_add(&times->stopped, gt_stopped_of(timeline, member->thread), unknown_ns);
    if (unknown_ns) {
        int64_t longest_ns = longest_with(timeline, gil, &gil->waits, member->thread);

        wait_ns = longest_ns > wait_ns ? longest_ns : wait_ns;
        longest_ns = longest_with(timeline, gil, &gil->holds, member->thread);
        hold_ns = longest_ns > hold_ns ? longest_ns : hold_ns;
    }
    take_longest(&times->longest_wait, member->longest_wait_ns, wait_ns);
    take_longest(&times->longest_hold, member->longest_hold_ns, hold_ns);
    times->lifetime_ns = gt_add_ns(times->lifetime_ns, member->lifetime_ns);
    times->unknown_ns = gt_add_ns(times->unknown_ns, unknown_ns);
}

bool gt_bounds_is_without_gil(const struct gt_timeline *timeline, uint32_t thread)
{
    uint32_t process = gt_thread_at(timeline, thread)->process;

    bool python = gt_calls_of(timeline, thread) != NULL;

    if (gt_gil_use(timeline, process) != GT_GIL_NEVER)
        return false;
    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        const struct gt_gil *gil = gt_gil_at(timeline, i);

        if (gil->process != process)
            continue;
        if (gt_hashmap_get(&gil->member_of, thread) != GT_HASHMAP_NONE)
            return false;
        python = true; /* other programs that it started are none */
    }
    return python;
}

void gt_bounds_add_without_gil(struct gt_bounded_times *times,
                               const struct gt_timeline *timeline, uint32_t thread)
{
    const struct gt_thread *life = gt_thread_at(timeline, thread);
    int64_t life_ns = life->end_ns - life->start_ns;
    int64_t unknown_ns =
        gt_lost_within(gt_lost_of(timeline, life->process), life->start_ns, life->end_ns);

    gt_bounds_add(&times->lock_wait, gt_lock_wait_of(timeline, thread), unknown_ns);
    gt_bounds_add(&times->stopped, gt_stopped_of(timeline, thread), unknown_ns);
    times->lifetime_ns = gt_add_ns(times->lifetime_ns, life_ns);
    times->unknown_ns = gt_add_ns(times->unknown_ns, unknown_ns);
}

static void add_process(struct gt_bounded_times *times, int64_t length_ns)
{
    gt_bounds_add(&times->wait, 0, length_ns);
    gt_bounds_add(&times->hold, 0, length_ns);
    gt_bounds_add(&times->lock_wait, 0, length_ns);
    gt_bounds_add(&times->stopped, 0, length_ns);
    take_longest(&times->longest_wait, 0, length_ns);
    take_longest(&times->longest_hold, 0, length_ns);
    times->lifetime_ns = gt_add_ns(times->lifetime_ns, length_ns);
    times->unknown_ns = gt_add_ns(times->unknown_ns, length_ns);
}

void gt_bounds_add_unseen(struct gt_bounded_times *times, const struct gt_timeline *timeline)
{
    if (gt_left_out_any(&timeline->left_out)) /* nobody knows how much that is */
        add_process(times, INT64_MAX / 4);
    for (size_t i = 0; i < timeline->holes.count; i++) {
        const struct gt_hole *hole = gt_hole_at(&timeline->holes, i);

        if (hole->gil && !gt_process_at(timeline, hole->process)->thread_count)
            add_process(times, hole->end_ns - hole->start_ns);
    }
    for (size_t i = 0; i < timeline->unseen.count; i++) {
        const struct gt_unseen *unseen = gt_chunks_at(&timeline->unseen, i);
        const struct gt_process *process = gt_process_at(timeline, unseen->process);

        add_process(times, process->end_ns - process->start_ns);
    }
}
