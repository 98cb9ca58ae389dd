/* SPDX-License-Identifier: MIT */
#include "report/short_calls.h"

#include "report/internal.h"

/* What records of chrome.c take, as a rule, beside the names of a function. */
enum { CALL_BYTES = 125, SPAN_BYTES = 130, SAMPLE_BYTES = 100 };

/* 10, 20, 50 ns, 100 ns, …: to be told, a limit must be a round number. */
enum { STEPS = 27 };

static int64_t limit_of(int step)
{
    static const int64_t digits[] = {1, 2, 5};
    int64_t limit_ns = 10;

    for (int i = 0; i < step / 3; i++)
        limit_ns *= 10;
    return limit_ns * digits[step % 3];
}

void gt_call_runs_init(struct gt_call_runs *runs, int64_t limit_ns)
{
    *runs = (struct gt_call_runs){.limit_ns = limit_ns};
    gt_chunks_init(&runs->open, sizeof(int64_t));
}

void gt_call_runs_release(struct gt_call_runs *runs)
{
    gt_chunks_release(&runs->open);
}

static bool complete(struct gt_call_runs *runs, struct gt_call_run *run)
{
    if (runs->run.calls == 0)
        return false;
    *run = runs->run;
    runs->run.calls = 0;
    return true;
}

static void add_to_run(struct gt_call_run *run, const struct gt_call_span *call)
{
    if (run->calls++ == 0)
        *run = (struct gt_call_run){call->start_ns, call->start_ns, 0, 1};
    if (call->start_ns >= run->end_ns) /* no other one called it */
        run->inside_ns += call->end_ns - call->start_ns;
    if (call->end_ns > run->end_ns)
        run->end_ns = call->end_ns;
}

int gt_call_runs_take(struct gt_call_runs *runs, const struct gt_call_span *call, bool *kept,
                      struct gt_call_run *before)
{
    size_t open = runs->open.count;
    int64_t *end_ns;
    int rc = 0;

    while (open > 0 && *(int64_t *)gt_chunks_at(&runs->open, open - 1) <= call->start_ns)
        open--;
    *kept = call->end_ns - call->start_ns >= runs->limit_ns;
    if (*kept || open < runs->open.count)
        rc = complete(runs, before);
    gt_chunks_truncate(&runs->open, open);
    if (!*kept) {
        add_to_run(&runs->run, call);
        return rc;
    }
    end_ns = gt_chunks_push(&runs->open);
    if (!end_ns)
        return -1;
    *end_ns = call->end_ns;
    return rc;
}

bool gt_call_runs_end(struct gt_call_runs *runs, struct gt_call_run *last)
{
    gt_chunks_truncate(&runs->open, 0);
    return complete(runs, last);
}

/* --- how much --- */

static uint64_t bytes_of(const struct gt_timeline *timeline, const struct gt_call_span *call)
{
    const struct gt_function_info *called = gt_chunks_at(&timeline->functions, call->function);

    return CALL_BYTES + gt_intern_length(&timeline->names, called->name) +
           gt_intern_length(&timeline->names, called->file);
}

/* All records but calls. */
static uint64_t other_bytes(const struct gt_timeline *timeline)
{
    uint64_t sum = timeline->marks.count * SPAN_BYTES;

    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        const struct gt_gil *gil = gt_gil_at(timeline, i);

        sum += (gil->holds.count + gil->waits.count + gil->unknowns.count) * SPAN_BYTES;
    }
    for (uint32_t i = 0; i < timeline->scheds.count; i++)
        sum += gt_sched_at(timeline, i)->spans.count * SPAN_BYTES;
    for (size_t i = 0; i < timeline->counters.count; i++) {
        const struct gt_counter *counter = gt_chunks_at(&timeline->counters, i);

        sum += counter->samples.count * SAMPLE_BYTES;
    }
    return sum;
}

/* Of all calls, and of those that a limit keeps. */
static uint64_t call_bytes(const struct gt_timeline *timeline, uint64_t *kept)
{
    uint64_t sum = 0, below[STEPS + 1] = {0};

    for (uint32_t i = 0; i < timeline->calls.count; i++) {
        const struct gt_calls *calls = gt_calls_of(timeline, i);

        for (size_t j = 0; calls && j < calls->spans.count; j++) {
            const struct gt_call_span *call = gt_chunks_at(&calls->spans, j);
            uint64_t bytes = bytes_of(timeline, call);
            int step = 0;

            while (step < STEPS && call->end_ns - call->start_ns >= limit_of(step))
                step++;
            below[step] += bytes;
            sum += bytes;
        }
    }
    kept[0] = sum - below[0];
    for (int step = 1; step < STEPS; step++)
        kept[step] = kept[step - 1] - below[step];
    return sum;
}

/* Put together by plan->limit_ns. 0 or -1. */
static int count_runs(const struct gt_timeline *timeline, struct gt_short_calls *plan)
{
    struct gt_call_runs runs;
    struct gt_call_run run;
    bool kept;
    int rc = 0;

    plan->calls = plan->runs = 0;
    gt_call_runs_init(&runs, plan->limit_ns);
    for (uint32_t i = 0; rc >= 0 && i < timeline->calls.count; i++) {
        const struct gt_calls *calls = gt_calls_of(timeline, i);

        for (size_t j = 0; rc >= 0 && calls && j < calls->spans.count; j++) {
            rc = gt_call_runs_take(&runs, gt_chunks_at(&calls->spans, j), &kept, &run);
            plan->runs += rc > 0;
            plan->calls += !kept;
        }
        plan->runs += gt_call_runs_end(&runs, &run);
    }
    gt_call_runs_release(&runs);
    return rc < 0 ? -1 : 0;
}

int gt_short_calls_plan(const struct gt_report *report, struct gt_short_calls *plan)
{
    const struct gt_timeline *timeline = report->timeline;
    uint64_t kept[STEPS], other = other_bytes(timeline), room;

    *plan = (struct gt_short_calls){.bytes = other + call_bytes(timeline, kept)};
    if (plan->bytes <= GT_TRACE_BYTES_MAX || report->options.keep_short_calls ||
        timeline->calls.count == 0)
        return 0;
    room = GT_TRACE_BYTES_MAX > other ? GT_TRACE_BYTES_MAX - other : 0;
    room = room > GT_TRACE_BYTES_MAX / 4 ? room : GT_TRACE_BYTES_MAX / 4;
    for (int step = 0; step < STEPS; step++) {
        if (kept[step] > room)
            continue;
        plan->limit_ns = limit_of(step);
        if (count_runs(timeline, plan))
            return -1;
        if (kept[step] + plan->runs * SPAN_BYTES <= room)
            break;
    }
    return 0;
}
