/* SPDX-License-Identifier: MIT */
#include "model/builder.h"

#include "base/order.h"
#include "model/gil_switch.h"

#include <stdlib.h>
#include <string.h>

/*
 * After the last event: close what is open, drop what turned out to be no GIL, cut lost
 * ranges out of every span, sum up per thread, and check the two invariants.
 */

static void end_lives(struct gt_timeline *timeline)
{
    for (uint32_t i = 0; i < timeline->threads.count; i++) {
        struct gt_thread *thread = gt_thread_mutable(timeline, i);
        struct gt_process *process = gt_process_mutable(timeline, thread->process);

        if (!(thread->flags & GT_THREAD_SAW_EXIT))
            thread->end_ns = timeline->end_ns;
        if (thread->end_ns < thread->start_ns)
            thread->end_ns = thread->start_ns;
        if (process->end_ns < thread->end_ns)
            process->end_ns = thread->end_ns;
    }
}

/* The timeline begins with the first thread, not with the gate, which ran before; or with the
 * first process that could not be recorded from its start on, and so has no threads; or with a
 * loss before them, which may have been of the program, too. */
static void begin_with_life(struct gt_timeline *timeline)
{
    int64_t start_ns = INT64_MAX;

    for (uint32_t i = 0; i < timeline->threads.count; i++)
        if (gt_thread_at(timeline, i)->start_ns < start_ns)
            start_ns = gt_thread_at(timeline, i)->start_ns;
    for (size_t i = 0; i < timeline->holes.count; i++)
        if (gt_hole_at(&timeline->holes, i)->start_ns < start_ns)
            start_ns = gt_hole_at(&timeline->holes, i)->start_ns;
    for (size_t i = 0; i < timeline->lost.count; i++) {
        const struct gt_lost_range *range = gt_chunks_at(&timeline->lost, i);

        if (range->start_ns < start_ns)
            start_ns = range->start_ns;
    }
    if (start_ns != INT64_MAX && !gt_builder_of(timeline)->since_ns)
        timeline->start_ns = start_ns;
}

static void count_cpus(struct gt_timeline *timeline)
{
    const struct gt_builder *builder = gt_builder_of(timeline);

    for (size_t i = 0; i < builder->cpu_count; i++)
        if (builder->cpu_last_ns[i] >= 0)
            timeline->cpu_count = (uint32_t)i + 1;
}

/* Recording stopped before the end. What was open then must not last until the end: the rest is
 * a lost range. */
static int lose_from(struct gt_timeline *timeline, int64_t start_ns)
{
    struct gt_lost_range *range;

    if (start_ns < 0 || start_ns >= timeline->end_ns)
        return 0;
    range = gt_chunks_push(&timeline->lost);
    if (!range)
        return -1;
    *range = (struct gt_lost_range){start_ns, timeline->end_ns, 1};
    timeline->quality.lost_events++; /* at least one: they were not counted */
    return 0;
}

static int finish_lost(struct gt_timeline *timeline)
{
    if (lose_from(timeline, timeline->stopped_gil ? timeline->stopped_ns : -1) ||
        lose_from(timeline, timeline->recorded_until_ns) ||
        lose_from(timeline, gt_builder_of(timeline)->left_out_ns) ||
        gt_lost_merge(&timeline->lost))
        return -1;
    gt_lost_join(timeline, &timeline->lost, GT_LOST_RANGES_MAX);
    for (size_t i = 0; i < timeline->lost.count; i++) {
        const struct gt_lost_range *range = gt_chunks_at(&timeline->lost, i);

        timeline->quality.lost_ns += range->end_ns - range->start_ns;
    }
    return gt_holes_finish(timeline);
}

static int push_cut(struct gt_chunks *into, struct gt_span span)
{
    struct gt_span *copy;

    if (span.end_ns <= span.start_ns)
        return 0;
    copy = gt_chunks_push(into);
    if (!copy)
        return -1;
    *copy = span;
    return 0;
}

/* Spans lie in the order of their ends. Three things break it: waits that a loss ended are
 * noted when their thread is seen again; a lost range cuts a long wait in two; and what reached
 * beyond a life was cut. */
static int compare_ends(const void *a, const void *b)
{
    const struct gt_span *left = a, *right = b;

    return gt_order(left->end_ns, right->end_ns);
}

/*
 * Append what remains of `span` outside the lost ranges. That a hold began earlier than
 * anything known of it was inferred from its end: of a loss that was told only later, it says
 * nothing about the time before.
 */
static int cut_span(const struct gt_chunks *lost, struct gt_span span, struct gt_chunks *into)
{
    bool inferred = span.flags & (GT_SPAN_CUT_START | GT_SPAN_INFERRED);

    for (size_t i = gt_lost_after(lost, span.start_ns); i < lost->count; i++) {
        const struct gt_lost_range *range = gt_chunks_at(lost, i);
        struct gt_span before = span;

        if (range->start_ns >= span.end_ns)
            break;
        before.end_ns = range->start_ns;
        before.flags |= GT_SPAN_CUT_END;
        if (!inferred && push_cut(into, before))
            return -1;
        span.start_ns = range->end_ns;
        span.flags |= GT_SPAN_CUT_START;
    }
    return push_cut(into, span);
}

static int cut_spans(const struct gt_chunks *lost, struct gt_chunks *spans)
{
    struct gt_chunks kept;

    if (lost->count == 0)
        return 0;
    gt_chunks_init(&kept, sizeof(struct gt_span));
    for (size_t i = 0; i < spans->count; i++)
        if (cut_span(lost, *gt_span_at(spans, i), &kept)) {
            gt_chunks_release(&kept);
            return -1;
        }
    gt_chunks_release(spans);
    *spans = kept;
    return 0;
}

/* A span lies within the lives of its thread and of the program whose GIL it is. */
static void clip_to_life(const struct gt_timeline *timeline, const struct gt_gil *gil,
                         struct gt_span *span)
{
    const struct gt_thread *thread = gt_thread_at(timeline, span->thread);
    int64_t start_ns = thread->start_ns > gil->start_ns ? thread->start_ns : gil->start_ns;
    int64_t end_ns = thread->end_ns < gil->end_ns ? thread->end_ns : gil->end_ns;

    if (start_ns < span->start_ns)
        start_ns = span->start_ns;
    if (end_ns > span->end_ns)
        end_ns = span->end_ns;
    if (start_ns > end_ns) {
        span->end_ns = span->start_ns; /* nothing of it lies within the lives */
        return;
    }
    span->start_ns = start_ns;
    span->end_ns = end_ns;
}

static void clip_spans(const struct gt_timeline *timeline, const struct gt_gil *gil,
                       struct gt_chunks *spans)
{
    for (size_t i = 0; i < spans->count; i++)
        clip_to_life(timeline, gil, gt_span_mutable(spans, i));
}

static struct gt_gil_thread *member_mutable(struct gt_gil *gil, uint32_t index)
{
    return gt_chunks_at(&gil->members, index);
}

static void sum_spans(struct gt_gil *gil, bool waits)
{
    struct gt_chunks *spans = waits ? &gil->waits : &gil->holds;
    uint32_t thread = GT_NO_INDEX;
    struct gt_gil_thread *member = NULL;

    for (size_t i = 0; i < spans->count; i++) {
        struct gt_span *span = gt_span_mutable(spans, i);
        int64_t length_ns = span->end_ns - span->start_ns;

        span->flags &= ~(uint32_t)(GT_SPAN_INFERRED | GT_SPAN_END_INFERRED);
        if (span->thread != thread) {
            thread = span->thread;
            member = member_mutable(gil, gt_hashmap_get(&gil->member_of, thread));
        }
        if (waits) {
            member->waits++;
            member->wait_ns += length_ns;
            if (length_ns > member->longest_wait_ns)
                member->longest_wait_ns = length_ns;
        } else {
            member->holds++;
            member->hold_ns += length_ns;
            if (length_ns > member->longest_hold_ns)
                member->longest_hold_ns = length_ns;
        }
    }
}

/* After losses; what is lost within is added for every member. */
static void sum_unknowns(struct gt_gil *gil, const struct gt_chunks *lost)
{
    for (size_t i = 0; i < gil->unknowns.count; i++) {
        const struct gt_span *span = gt_span_at(&gil->unknowns, i);

        member_mutable(gil, gt_hashmap_get(&gil->member_of, span->thread))->unknown_ns +=
            span->end_ns - span->start_ns - gt_lost_within(lost, span->start_ns, span->end_ns);
    }
}

/* The first invariant, checked on the result itself. */
static uint64_t count_overlaps(const struct gt_gil *gil)
{
    int64_t end_ns = INT64_MIN;
    uint64_t overlaps = 0;

    for (size_t i = 0; i < gil->holds.count; i++) {
        const struct gt_span *span = gt_span_at(&gil->holds, i);

        overlaps += span->start_ns < end_ns;
        if (span->end_ns > end_ns)
            end_ns = span->end_ns;
    }
    return overlaps;
}

/* Two holders at once count as an overlap, unless events were lost that could explain it. */
static void judge_suspects(struct gt_timeline *timeline)
{
    const struct gt_chunks *suspects = &gt_builder_of(timeline)->suspects;

    for (size_t i = 0; i < suspects->count; i++) {
        const struct gt_suspect *suspect = gt_chunks_at(suspects, i);
        struct gt_gil *gil = &gt_gil_state_at(timeline, suspect->gil)->gil;
        const struct gt_chunks *lost = gt_lost_of(timeline, gil->process);
        size_t first = gt_lost_after(lost, suspect->since_ns - 1);
        const struct gt_lost_range *range =
            first < lost->count ? gt_chunks_at(lost, first) : NULL;

        if (!range || range->start_ns > suspect->time_ns)
            gil->defects.overlaps++;
    }
}

static void add_defects(struct gt_quality *quality, const struct gt_gil_defects *defects)
{
    quality->duplicates += defects->duplicates;
    quality->passed_signals += defects->passed_signals;
    quality->takes_without_return += defects->takes_without_return;
    quality->returns_missing += defects->returns_missing;
    quality->unmatched_releases += defects->unmatched_releases;
    quality->unmatched_takes += defects->unmatched_takes;
    quality->overlaps += defects->overlaps;
}

/* No deadlines were recorded: find the switch interval out from the times between two waits. 0
 * or -1. */
static int learn_interval(struct gt_gil *gil)
{
    enum { LEAST_NS = 10000 }; /* sooner, it was a spurious wake-up */
    int64_t *gaps_ns;
    size_t count = 0;
    int rc;

    if (gil->intervals.source == GT_INTERVAL_FROM_DEADLINES || !gil->asks.count)
        return 0;
    gaps_ns = calloc(gil->asks.count, sizeof(*gaps_ns));
    if (!gaps_ns)
        return -1;
    for (size_t i = 0; i < gil->asks.count; i++) {
        const struct gt_ask *ask = gt_chunks_at(&gil->asks, i);

        if (ask->time_ns - ask->since_ns >= LEAST_NS)
            gaps_ns[count++] = ask->time_ns - ask->since_ns;
    }
    rc = gt_intervals_from_gaps(&gil->intervals, gaps_ns, count);
    free(gaps_ns);
    return rc;
}

static int finish_gil(struct gt_timeline *timeline, struct gt_gil *gil)
{
    const struct gt_chunks *lost = gt_lost_of(timeline, gil->process);

    if (gt_gil_switch_cut(timeline, gil) || cut_spans(lost, &gil->holds) ||
        cut_spans(lost, &gil->waits))
        return -1;
    clip_spans(timeline, gil, &gil->holds);
    clip_spans(timeline, gil, &gil->waits);
    if (gt_chunks_sort(&gil->waits, compare_ends) || learn_interval(gil) ||
        gt_unknown_find(timeline, gil))
        return -1;
    clip_spans(timeline, gil, &gil->unknowns);
    if (gt_chunks_sort(&gil->unknowns, compare_ends))
        return -1;
    sum_spans(gil, false);
    sum_spans(gil, true);
    gil->unknown_ns = gt_lost_within(lost, gil->start_ns, gil->end_ns);
    gil->unsure_ns = gt_unknown_unwaited(gil, lost);
    sum_unknowns(gil, lost);
    gil->defects.overlaps += count_overlaps(gil);
    /* A GIL that is switched on and off for a moment is had by who never took it. */
    if (!gt_gil_is_momentary(timeline, gil))
        add_defects(&timeline->quality, &gil->defects);
    for (uint32_t i = 0; i < gil->members.count; i++) {
        struct gt_gil_thread *member = member_mutable(gil, i);
        const struct gt_thread *thread = gt_thread_at(timeline, member->thread);
        int64_t start_ns = thread->start_ns, end_ns = thread->end_ns;

        if (start_ns < gil->start_ns)
            start_ns = gil->start_ns;
        if (end_ns > gil->end_ns)
            end_ns = gil->end_ns;
        member->lifetime_ns = end_ns > start_ns ? end_ns - start_ns : 0;
        member->unknown_ns += gt_lost_within(lost, start_ns, end_ns);
        if (member->hold_ns + member->wait_ns + member->unknown_ns > member->lifetime_ns)
            timeline->quality.accounting_errors++;
    }
    return 0;
}

/* Mark the GILs to drop: those that are none, and those of function probes if condition
 * variables tell of the same program's GIL, since these are exact. 0 or -1. */
static int judge_gils(const struct gt_timeline *timeline, bool *drop)
{
    const struct gt_builder *builder = gt_builder_of(timeline);
    bool *exact = calloc((size_t)builder->images + 1, sizeof(*exact));

    if (!exact)
        return -1;
    for (uint32_t i = 0; i < builder->gils.count; i++) {
        const struct gt_gil_state *state = gt_gil_state_at(timeline, i);

        drop[i] = gt_gil_is_impostor(timeline, state);
        if (state->gil.source == GT_GIL_FROM_COND && !drop[i])
            exact[state->gil.image] = true;
    }
    for (uint32_t i = 0; i < builder->gils.count; i++) {
        const struct gt_gil *gil = &gt_gil_state_at(timeline, i)->gil;

        if (gil->source == GT_GIL_FROM_FUNCTIONS && exact[gil->image])
            drop[i] = true;
    }
    free(exact);
    return 0;
}

static int compare_gils(const void *a, const void *b)
{
    const struct gt_gil *left = &(*(struct gt_gil_state *const *)a)->gil;
    const struct gt_gil *right = &(*(struct gt_gil_state *const *)b)->gil;

    if (left->process != right->process)
        return gt_order(left->process, right->process);
    return gt_order(left->number, right->number);
}

/* From the builder's list to the timeline's. 0 or -1. */
static int move_gil(struct gt_timeline *timeline, struct gt_gil_state *state)
{
    const struct gt_gil *before = gt_chunks_last(&timeline->gils);
    uint32_t number = before && before->process == state->gil.process ? before->number + 1 : 0;
    struct gt_gil *gil = gt_chunks_push(&timeline->gils);

    if (!gil)
        return -1;
    *gil = state->gil;
    gil->number = number;
    gil->intervals = gt_intervals_take(&state->intervals);
    memset(&state->gil, 0, sizeof(state->gil));
    for (uint32_t i = 0; i < state->members.count; i++) {
        struct gt_gil_thread *member = gt_chunks_push(&gil->members);

        if (!member)
            return -1;
        *member = (struct gt_gil_thread){.thread = gt_gil_thread_state_at(state, i)->thread};
    }
    return 0;
}

/* Keep the real ones, by process and in the order of appearance. */
static int keep_gils(struct gt_timeline *timeline)
{
    size_t count = gt_builder_of(timeline)->gils.count, kept = 0;
    struct gt_gil_state **states = calloc(count ? count : 1, sizeof(struct gt_gil_state *));
    bool *drop = calloc(count ? count : 1, sizeof(*drop));
    int rc = states && drop ? judge_gils(timeline, drop) : -1;

    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        struct gt_gil_state *state = gt_gil_state_at(timeline, i);

        state->gil.number = i;
        if (drop[i])
            timeline->quality.dropped_gils += state->gil.source == GT_GIL_FROM_COND;
        else
            states[kept++] = state;
    }
    if (rc == 0)
        qsort(states, kept, sizeof(struct gt_gil_state *), compare_gils);
    for (size_t i = 0; rc == 0 && i < kept; i++)
        rc = move_gil(timeline, states[i]);
    free(states);
    free(drop);
    return rc;
}

/* A process is called like its program whose GIL is shown, not like one that it executed later.
 */
static void name_processes(struct gt_timeline *timeline)
{
    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        const struct gt_gil *gil = gt_gil_at(timeline, i);

        if (gil->name)
            gt_process_mutable(timeline, gil->process)->name = gil->name;
    }
}

int gt_finalize(struct gt_timeline *timeline)
{
    if (gt_beginning_finish(timeline))
        return -1;
    end_lives(timeline);
    begin_with_life(timeline);
    count_cpus(timeline);
    if (gt_futex_finish(timeline))
        return -1;
    gt_gil_detect_end(timeline);
    for (uint32_t i = 0; i < gt_builder_of(timeline)->gils.count; i++) {
        struct gt_gil_state *state = gt_gil_state_at(timeline, i);

        if (gt_gil_close(timeline, state, gt_process_at(timeline, state->gil.process)->end_ns))
            return -1;
    }
    if (gt_sched_catch_up(timeline) || finish_lost(timeline))
        return -1;
    judge_suspects(timeline);
    if (keep_gils(timeline))
        return -1;
    for (uint32_t i = 0; i < timeline->gils.count; i++)
        if (finish_gil(timeline, gt_chunks_at(&timeline->gils, i)))
            return -1;
    name_processes(timeline);
    if (gt_mapped_finish(timeline))
        return -1;
    if (gt_calls_finish(timeline) || gt_names_finish(timeline) || gt_sched_finish(timeline))
        return -1;
    return gt_locks_finish(timeline) || gt_stops_finish(timeline)
               ? -1
               : gt_counters_finish(timeline);
}
