/* SPDX-License-Identifier: MIT */
#include "report/page_cut.h"

#include "base/nstime.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/*
 * Lists are in the order of time, and names in that of their first use, so that the beginning
 * of each list is what there was until the cut. GILs are in the order of their processes.
 */

struct cutter {
    struct gt_page_cut *cut;
    const struct gt_timeline *whole;
    int64_t until_ns;
    uint32_t threads, processes, gils; /* that there were until then */
};

/* The list is released with the cut. 0 or -1 (no memory). */
static int own(struct gt_page_cut *cut, const struct gt_chunks *list)
{
    if (cut->view_count == cut->view_capacity) {
        size_t capacity = cut->view_capacity ? cut->view_capacity * 2 : 64;
        struct gt_chunks *views = reallocarray(cut->views, capacity, sizeof(*views));

        if (!views)
            return -1;
        cut->views = views;
        cut->view_capacity = capacity;
    }
    cut->views[cut->view_count++] = *list;
    return 0;
}

/* Replace `list` by a copy of its first `count` elements. */
static int copy(struct cutter *cutter, struct gt_chunks *list, size_t count)
{
    struct gt_chunks whole = *list;
    int failed = 0;

    gt_chunks_init(list, whole.element_size);
    for (size_t i = 0; !failed && i < count; i++) {
        void *element = gt_chunks_push(list);

        failed = !element;
        if (element)
            memcpy(element, gt_chunks_at(&whole, i), whole.element_size);
    }
    if (failed || own(cutter->cut, list)) {
        gt_chunks_release(list);
        return -1;
    }
    return 0;
}

/* A new element of the list that was copied last. NULL: no memory. */
static void *push(struct cutter *cutter, struct gt_chunks *list)
{
    void *element = gt_chunks_push(list);

    cutter->cut->views[cutter->cut->view_count - 1] = *list;
    return element;
}

static size_t before(const struct cutter *cutter, const struct gt_chunks *list, size_t offset)
{
    return gt_chunks_first_from(list, 0, offset, cutter->until_ns);
}

static void find_names(struct cutter *cutter)
{
    const struct gt_timeline *whole = cutter->whole;

    for (uint32_t i = 0; i < whole->threads.count; i++) {
        const struct gt_thread *thread = gt_thread_at(whole, i);

        if (thread->start_ns >= cutter->until_ns)
            continue;
        cutter->threads = i + 1;
        if (thread->process >= cutter->processes)
            cutter->processes = thread->process + 1;
    }
    for (uint32_t i = 0; i < cutter->threads; i++) /* also of those in between */
        if (gt_thread_at(whole, i)->process >= cutter->processes)
            cutter->processes = gt_thread_at(whole, i)->process + 1;
    while (cutter->gils < whole->gils.count &&
           gt_gil_at(whole, cutter->gils)->process < cutter->processes)
        cutter->gils++;
    /* A process may have had others later. */
    while (cutter->gils && gt_gil_at(whole, cutter->gils - 1)->start_ns >= cutter->until_ns)
        cutter->gils--;
}

/* Spans in the order of their ends: those that end later come after all others, one per thread.
 */
static int cut_by_end(struct cutter *cutter, struct gt_chunks *spans)
{
    struct gt_chunks whole = *spans;
    size_t count =
        gt_chunks_first_after(&whole, 0, offsetof(struct gt_span, end_ns), cutter->until_ns);

    if (copy(cutter, spans, count))
        return -1;
    for (size_t i = count; i < whole.count; i++) {
        struct gt_span span = *gt_span_at(&whole, i), *added;

        if (span.start_ns >= cutter->until_ns)
            continue;
        span.end_ns = cutter->until_ns;
        span.flags |= GT_SPAN_CUT_END;
        added = push(cutter, spans);
        if (!added)
            return -1;
        *added = span;
    }
    return 0;
}

static int cut_gil(struct cutter *cutter, struct gt_gil *gil)
{
    uint32_t members = 0;

    while (members < gil->members.count &&
           gt_gil_thread_at(gil, members)->thread < cutter->threads)
        members++;
    gil->members.count = members;
    gil->holds.count = before(cutter, &gil->holds, offsetof(struct gt_span, start_ns));
    return cut_by_end(cutter, &gil->waits) || cut_by_end(cutter, &gil->unknowns) ? -1 : 0;
}

static int cut_counter(struct cutter *cutter, struct gt_counter *counter)
{
    struct gt_chunks whole = counter->sums;

    counter->samples.count =
        before(cutter, &counter->samples, offsetof(struct gt_counter_sample, time_ns));
    if (copy(cutter, &counter->sums, 0))
        return -1;
    for (size_t i = 0; i < whole.count; i++) {
        const struct gt_counter_sum *sum = gt_chunks_at(&whole, i);
        struct gt_counter_sum *added;

        if (sum->thread >= cutter->threads)
            continue;
        added = push(cutter, &counter->sums);
        if (!added)
            return -1;
        *added = *sum;
    }
    return 0;
}

/* Pauses that were asked for until then. */
static void cut_stops(struct cutter *cutter, struct gt_chunks *stops)
{
    size_t count = before(cutter, stops, offsetof(struct gt_world_stop, start_ns)), kept = 0;

    while (kept < count &&
           ((struct gt_world_stop *)gt_chunks_at(stops, kept))->thread < cutter->threads)
        kept++;
    stops->count = kept;
}

/* Of what waits were for, those are left out that the page has not. */
static int cut_blocked(struct cutter *cutter)
{
    const struct gt_timeline *timeline = &cutter->cut->timeline;
    struct gt_chunks *threads = &cutter->cut->analysis.blocked.threads;

    if (copy(cutter, threads,
             threads->count < cutter->threads ? threads->count : cutter->threads))
        return -1;
    for (size_t i = 0; i < threads->count; i++) {
        struct gt_chunks *spans = gt_chunks_at(threads, i), whole = *spans;
        size_t count = before(cutter, spans, offsetof(struct gt_blocked_span, start_ns));

        if (copy(cutter, spans, 0))
            return -1;
        for (size_t k = 0; k < count; k++) {
            struct gt_blocked_span span = *gt_blocked_at(&whole, k), *added;

            if (span.kind != GT_BLOCKED_LOCK && span.what >= timeline->stops.count)
                continue;
            added = push(cutter, spans);
            if (!added)
                return -1;
            *added = span;
        }
    }
    return 0;
}

static int cut_locks(struct cutter *cutter)
{
    struct gt_timeline *timeline = &cutter->cut->timeline;

    if (copy(cutter, &timeline->locks, timeline->locks.count))
        return -1;
    for (size_t i = 0; i < timeline->locks.count; i++) {
        struct gt_chunks *holds =
            &((struct gt_lock *)gt_chunks_at(&timeline->locks, i))->as.holds;
        size_t count = before(cutter, holds, offsetof(struct gt_span, start_ns)), kept = 0;

        while (kept < count && gt_span_at(holds, kept)->thread < cutter->threads)
            kept++;
        holds->count = kept;
    }
    cut_stops(cutter, &timeline->stops);
    return cut_blocked(cutter);
}

static int cut_lists_of_lists(struct cutter *cutter)
{
    struct gt_timeline *timeline = &cutter->cut->timeline;

    if (copy(cutter, &timeline->gils, cutter->gils) ||
        copy(cutter, &timeline->counters, timeline->counters.count) ||
        copy(cutter, &timeline->scheds,
             timeline->scheds.count < cutter->threads ? timeline->scheds.count
                                                      : cutter->threads) ||
        copy(cutter, &timeline->calls,
             timeline->calls.count < cutter->threads ? timeline->calls.count : cutter->threads))
        return -1;
    for (size_t i = 0; i < timeline->gils.count; i++)
        if (cut_gil(cutter, gt_chunks_at(&timeline->gils, i)))
            return -1;
    for (size_t i = 0; i < timeline->counters.count; i++)
        if (cut_counter(cutter, gt_chunks_at(&timeline->counters, i)))
            return -1;
    for (size_t i = 0; i < timeline->scheds.count; i++) {
        struct gt_chunks *spans =
            &((struct gt_sched *)gt_chunks_at(&timeline->scheds, i))->spans;

        spans->count = before(cutter, spans, offsetof(struct gt_state_span, start_ns));
    }
    for (size_t i = 0; i < timeline->calls.count; i++) {
        struct gt_chunks *spans =
            &((struct gt_calls *)gt_chunks_at(&timeline->calls, i))->spans;

        spans->count = before(cutter, spans, offsetof(struct gt_call_span, start_ns));
    }
    return 0;
}

static void cut_native(struct cutter *cutter, struct gt_chunks *samples)
{
    size_t count = before(cutter, samples, offsetof(struct gt_native_sample, time_ns)),
           kept = 0;

    while (kept < count &&
           ((struct gt_native_sample *)gt_chunks_at(samples, kept))->thread < cutter->threads)
        kept++;
    samples->count = kept;
}

/* Functions that are called later are not named. */
static size_t functions_used(const struct gt_timeline *timeline)
{
    size_t used = 0;

    for (size_t i = 0; i < timeline->calls.count; i++) {
        const struct gt_chunks *spans = &gt_calls_of(timeline, (uint32_t)i)->spans;

        for (size_t k = 0; k < spans->count; k++) {
            uint32_t function = ((struct gt_call_span *)gt_chunks_at(spans, k))->function;

            used = function >= used ? (size_t)function + 1 : used;
        }
    }
    return used;
}

/* What is not in the page is lost to it. */
static int cut_losses(struct cutter *cutter)
{
    struct gt_timeline *timeline = &cutter->cut->timeline;
    struct gt_chunks holes = timeline->holes;
    struct gt_lost_range *rest;

    if (copy(cutter, &timeline->lost,
             before(cutter, &timeline->lost, offsetof(struct gt_lost_range, start_ns))))
        return -1;
    rest = push(cutter, &timeline->lost);
    if (!rest)
        return -1;
    *rest = (struct gt_lost_range){cutter->until_ns, timeline->end_ns, 0};
    if (copy(cutter, &timeline->holes, 0))
        return -1;
    for (size_t i = 0; i < holes.count; i++) {
        const struct gt_hole *hole = gt_hole_at(&holes, i);
        struct gt_hole *added;

        if (hole->process >= cutter->processes || hole->start_ns >= cutter->until_ns)
            continue;
        added = push(cutter, &timeline->holes);
        if (!added)
            return -1;
        *added = *hole;
    }
    return 0;
}

/* The first sentence of the page. */
static int say_cut(struct gt_page_cut *cut, const struct gt_report *report, int64_t until_ns)
{
    char duration[32];

    gt_strvec_init(&cut->report.findings);
    gt_duration_text(until_ns - gt_report_zero_ns(report), duration, sizeof(duration));
    if (gt_strvec_pushf(
            &cut->report.findings,
            "This page shows the first %s of the recording, with %zu of %zu threads "
            "and %zu of %zu GILs: with more it would be larger than browsers open. "
            "Figures of what is shown are of the whole run; the JSON (-o x.json) has "
            "all of it.",
            duration, cut->timeline.threads.count, report->timeline->threads.count,
            cut->timeline.gils.count, report->timeline->gils.count))
        return -1;
    return report->findings.count
               ? gt_strvec_push_all(&cut->report.findings, report->findings.items)
               : 0;
}

int gt_page_cut_init(struct gt_page_cut *cut, const struct gt_report *report, int64_t until_ns,
                     struct gt_error *err)
{
    struct cutter cutter = {.cut = cut, .whole = report->timeline, .until_ns = until_ns};
    struct gt_timeline *timeline = &cut->timeline;

    *cut = (struct gt_page_cut){
        .report = *report,
        .recorded = *report->recorded,
        .timeline = *report->timeline,
        .analysis = *report->analysis,
    };
    cut->recorded.timeline = cut->report.timeline = timeline;
    cut->report.analysis = &cut->analysis;
    cut->report.recorded = &cut->recorded;
    gt_strvec_init(&cut->report.findings);
    find_names(&cutter);
    timeline->threads.count = cutter.threads;
    timeline->processes.count = cutter.processes;
    timeline->losses.count =
        before(&cutter, &timeline->losses, offsetof(struct gt_loss, end_ns));
    timeline->marks.count =
        before(&cutter, &timeline->marks, offsetof(struct gt_mark, time_ns));
    cut_native(&cutter, &timeline->native);
    if (cut_lists_of_lists(&cutter) || cut_locks(&cutter) || cut_losses(&cutter))
        return gt_error_memory(err);
    timeline->functions.count = functions_used(timeline);
    return say_cut(cut, report, until_ns) ? gt_error_memory(err) : 0;
}

void gt_page_cut_release(struct gt_page_cut *cut)
{
    for (size_t i = 0; i < cut->view_count; i++)
        gt_chunks_release(&cut->views[i]);
    free(cut->views);
    gt_strvec_release(&cut->report.findings);
}
