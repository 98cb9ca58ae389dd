/* SPDX-License-Identifier: MIT */
#include "whatif/build.h"

#include "base/nstime.h"
#include "whatif/build_steps.h"
#include "whatif/dep_lives.h"

#include <stdlib.h>
#include <string.h>

enum {
    HOLDS_MAX = 16384,   /* beyond, short ones are put together */
    SWITCH_NS = 1000000, /* from when the next owner has the GIL until the thread that gave it
                            up is awake */
    LEAST_REPEATED_NS = 10000000, /* a thread that computed for less at its end is not taken to
                                     go on for ever */
    LEAST_REPEATED_PART = 32,     /* … and of the run: one in so many */
    GOES_ON_TIMES = 8,            /* the length of the run, at most */
    WAKE_NS = 50000, /* from a signal until a thread runs; as hand-overs, if measured */
};

/* --- a hold, and what was before it --- */

static bool has_dependency(const struct gt_step_builder *builder,
                           const struct gt_thread_cursor *cursor, int64_t until_ns)
{
    return cursor->dep < builder->deps.first[cursor->thread + 1] &&
           builder->deps.sorted[cursor->dep].at_ns < until_ns;
}

/* Was the hold ended by the request of who had the GIL next? Then since when that one had it,
 * else 0. */
static int64_t taken_over_ns(const struct gt_span *hold, const struct gt_span *next,
                             int64_t next_waits_since_ns, int64_t interval_ns)
{
    int64_t asked_ns = interval_ns - interval_ns / 5;

    if (!next || next->thread == hold->thread || hold->end_ns - hold->start_ns < asked_ns ||
        hold->end_ns - next_waits_since_ns < asked_ns)
        return 0;
    return next->start_ns;
}

/* Is the thread in a C function then? Only its last call is looked at: a C function that called
 * Python in turn is not found. */
static bool is_in_c(const struct gt_timeline *timeline, uint32_t thread, int64_t time_ns)
{
    const struct gt_calls *calls = gt_calls_of(timeline, thread);
    size_t next = calls
                      ? gt_chunks_first_after(&calls->spans, 0,
                                              offsetof(struct gt_call_span, start_ns), time_ns)
                      : 0;
    const struct gt_call_span *span;
    const struct gt_function_info *called;

    if (next == 0)
        return false;
    span = gt_chunks_at(&calls->spans, next - 1);
    called = gt_chunks_at(&timeline->functions, span->function);
    return span->end_ns > time_ns && called->flags & GT_FUNCTION_C;
}

/* Was the thread made to give the GIL up, so that it only waited for the other one to take it,
 * and for a CPU? Where calls are not recorded, a short time without the GIL is taken for that.
 */
static bool was_interrupted(const struct gt_step_builder *builder,
                            const struct gt_thread_cursor *cursor, int64_t until_ns)
{
    const struct gt_timeline *timeline = builder->timeline;
    const struct gt_calls *calls = gt_calls_of(timeline, cursor->thread);

    if (!cursor->taken_over_ns || has_dependency(builder, cursor, until_ns))
        return false;
    if (!calls || !calls->spans.count)
        return until_ns < cursor->taken_over_ns + SWITCH_NS;
    return !is_in_c(timeline, cursor->thread, cursor->now_ns);
}

static int build_hold(struct gt_step_builder *builder, uint32_t gil, const struct gt_span *hold,
                      int64_t waits_since_ns)
{
    struct gt_thread_cursor *cursor = &builder->cursors[hold->thread];

    if (was_interrupted(builder, cursor, waits_since_ns)) {
        cursor->now_ns = waits_since_ns > cursor->now_ns ? waits_since_ns : cursor->now_ns;
    } else {
        int64_t before_ns = cursor->now_ns;

        if (gt_build_until(builder, cursor, GT_WITHOUT_GIL, 0, waits_since_ns))
            return -1;
        /* However short it was without the GIL, others might have got it. */
        if (cursor->now_ns == before_ns &&
            gt_build_step(builder, cursor,
                          (struct gt_step){.kind = GT_STEP_RUN, .what = GT_WORKLOAD_NONE}))
            return -1;
    }
    if (gt_build_until(builder, cursor, GT_WAITING_FOR_GIL, gil, hold->start_ns))
        return -1;
    if (cursor->now_ns < hold->start_ns)
        cursor->now_ns = hold->start_ns;
    return gt_build_until(builder, cursor, GT_WITH_GIL, gil, hold->end_ns);
}

/* --- all holds, in the order of time --- */

/* Goes through the holds of one GIL, and knows since when each was waited for. */
struct gil_cursor {
    const struct gt_gil *gil;
    uint32_t index;
    size_t hold, wait;
    int64_t since_ns; /* of the hold at hand */
};

/* Waits come in the order of their ends. */
static int64_t waited_since(struct gil_cursor *cursor)
{
    const struct gt_span *hold;

    if (cursor->hold >= cursor->gil->holds.count)
        return 0;
    hold = gt_span_at(&cursor->gil->holds, cursor->hold);
    for (; cursor->wait < cursor->gil->waits.count; cursor->wait++) {
        const struct gt_span *wait = gt_span_at(&cursor->gil->waits, cursor->wait);

        if (wait->end_ns > hold->start_ns)
            break;
        if (wait->end_ns == hold->start_ns && wait->thread == hold->thread)
            return wait->start_ns;
    }
    return hold->start_ns;
}

static int build_next_hold(struct gt_step_builder *builder, struct gil_cursor *cursor)
{
    const struct gt_chunks *holds = &cursor->gil->holds;
    const struct gt_span *hold = gt_span_at(holds, cursor->hold), *next = NULL;
    int64_t since_ns = cursor->since_ns;

    if (build_hold(builder, cursor->index, hold, since_ns))
        return -1;
    cursor->hold++;
    cursor->since_ns = waited_since(cursor);
    if (cursor->hold < holds->count)
        next = gt_span_at(holds, cursor->hold);
    builder->cursors[hold->thread].taken_over_ns = taken_over_ns(
        hold, next, cursor->since_ns, builder->blockers[cursor->index].interval_ns);
    return 0;
}

static int64_t hold_start_ns(const struct gil_cursor *cursor)
{
    return cursor->hold < cursor->gil->holds.count
               ? gt_span_at(&cursor->gil->holds, cursor->hold)->start_ns
               : INT64_MAX;
}

/* The GILs of one process, which are few, together: its threads may use more than one. */
static int build_process(struct gt_step_builder *builder, uint32_t first_gil, size_t count)
{
    struct gil_cursor *cursors = calloc(count + 1, sizeof(*cursors));
    int rc = cursors ? 0 : -1;

    for (size_t i = 0; rc == 0 && i < count; i++) {
        cursors[i] =
            (struct gil_cursor){.gil = gt_gil_at(builder->timeline, first_gil + (uint32_t)i),
                                .index = first_gil + (uint32_t)i};
        cursors[i].since_ns = waited_since(&cursors[i]);
    }
    while (rc == 0) {
        struct gil_cursor *first = &cursors[0];

        for (size_t i = 1; i < count; i++)
            if (hold_start_ns(&cursors[i]) < hold_start_ns(first))
                first = &cursors[i];
        if (hold_start_ns(first) == INT64_MAX)
            break;
        rc = build_next_hold(builder, first);
    }
    free(cursors);
    return rc;
}

static int build_holds(struct gt_step_builder *builder)
{
    const struct gt_chunks *gils = &builder->timeline->gils;

    for (uint32_t i = 0, next; i < gils->count; i = next) {
        uint32_t process = gt_gil_at(builder->timeline, i)->process;

        for (next = i + 1;
             next < gils->count && gt_gil_at(builder->timeline, next)->process == process;
             next++)
            ;
        if (build_process(builder, i, next - i))
            return -1;
    }
    return 0;
}

/* --- beginnings and ends --- */

static int build_start(struct gt_step_builder *builder, struct gt_thread_cursor *cursor)
{
    const struct gt_thread *thread = gt_thread_at(builder->timeline, cursor->thread);
    uint32_t event = builder->deps.start_of[cursor->thread];

    cursor->now_ns = thread->start_ns;
    cursor->dep = builder->deps.first[cursor->thread];
    cursor->nonyielding = builder->nonyielding.first[cursor->thread];
    cursor->gil = GT_WORKLOAD_NONE;
    gt_cpu_init(&cursor->cpu, builder->timeline, cursor->thread);
    if (event != GT_WORKLOAD_NONE)
        return gt_build_step_now(builder, cursor,
                                 (struct gt_step){.kind = GT_STEP_AWAIT, .what = event});
    return gt_build_step_now(
        builder, cursor,
        (struct gt_step){.kind = GT_STEP_SLEEP,
                         .what = GT_WORKLOAD_NONE,
                         .ns = thread->start_ns - builder->timeline->start_ns});
}

static int build_end(struct gt_step_builder *builder, struct gt_thread_cursor *cursor)
{
    int64_t end_ns = gt_thread_at(builder->timeline, cursor->thread)->end_ns;

    bool counts = gt_workload_thread_at(builder->workload, cursor->index)->counts;

    cursor->ending = true;
    /* A thread that joins it did not wait for that. */
    if (!counts && (end_ns - cursor->now_ns < GT_EXIT_NS ||
                    gt_deps_died_waiting(builder->timeline, cursor->thread)))
        cursor->now_ns = end_ns;
    if (gt_build_until(builder, cursor, GT_WITHOUT_GIL, 0, end_ns))
        return -1;
    /* Dependencies at the very end belong to the end. */
    if (gt_build_until(builder, cursor, GT_WAITING_FOR_GIL, 0, INT64_MAX))
        return -1;
    return gt_build_pending(builder, cursor);
}

/* A thread that works to the very end and that nobody waits for (a daemon thread that computes)
 * does more in a longer run. Not one that sleeps most of that time: it waits for something that
 * never came. */
static void find_out_whether_it_goes_on(struct gt_step_builder *builder,
                                        const struct gt_thread_cursor *cursor)
{
    const struct gt_timeline *timeline = builder->timeline;
    struct gt_workload_thread *thread = gt_workload_thread_at(builder->workload, cursor->index);
    int64_t run_ns = 0, sleep_ns = 0;
    bool began = false;

    if (thread->counts || thread->works_for != GT_WORKLOAD_NONE ||
        builder->deps.end_of[cursor->thread] != GT_WORKLOAD_NONE ||
        builder->deps.killed[cursor->thread] == GT_WORKLOAD_NONE)
        return;
    for (size_t i = cursor->after_dep; i < thread->steps.count; i++) {
        const struct gt_step *step = gt_chunks_at(&thread->steps, i);

        if (!began) { /* it begins with its first hold: before that it was getting there */
            thread->repeats = i;
            run_ns = sleep_ns = 0;
        }
        began = began || (step->kind == GT_STEP_RUN && step->what != GT_WORKLOAD_NONE);
        if (step->kind == GT_STEP_RUN)
            run_ns = gt_add_ns(run_ns, step->ns);
        else if (step->kind == GT_STEP_SLEEP)
            sleep_ns = gt_add_ns(sleep_ns, step->ns);
    }
    if (run_ns > LEAST_REPEATED_NS && run_ns > sleep_ns &&
        run_ns > (timeline->end_ns - timeline->start_ns) / LEAST_REPEATED_PART)
        thread->goes_on_until = builder->deps.killed[cursor->thread];
}

/* *last_ns: when the last thread that counts ended. */
static int build_ends(struct gt_step_builder *builder, int64_t *last_ns)
{
    const struct gt_timeline *timeline = builder->timeline;

    *last_ns = timeline->start_ns;

    for (uint32_t i = 0; i < timeline->threads.count; i++) {
        const struct gt_thread *thread = gt_thread_at(timeline, i);

        if (builder->replayed[i] == GT_WORKLOAD_NONE)
            continue;
        if (build_end(builder, &builder->cursors[i]))
            return -1;
        find_out_whether_it_goes_on(builder, &builder->cursors[i]);
        if (gt_workload_thread_at(builder->workload, builder->replayed[i])->counts &&
            thread->end_ns > *last_ns)
            *last_ns = thread->end_ns;
    }
    for (uint32_t i = 0; i < timeline->threads.count; i++)
        if (builder->deps.end_of[i] != GT_WORKLOAD_NONE &&
            gt_build_step_now(
                builder, &builder->cursors[i],
                (struct gt_step){.kind = GT_STEP_SIGNAL, .what = builder->deps.end_of[i]}))
            return -1;
    builder->workload->goes_on_ns =
        gt_times_ns(timeline->end_ns - timeline->start_ns, GOES_ON_TIMES);
    return 0;
}

/* --- all of it --- */

/* Threads that ever had a GIL are replayed. The run lasts as long as the processes' first
 * threads; where one is not known, as long as any. */
static int add_threads(struct gt_step_builder *builder)
{
    const struct gt_timeline *timeline = builder->timeline;

    memset(builder->replayed, 0xff, (timeline->threads.count + 1) * sizeof(uint32_t));
    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        const struct gt_gil *gil = gt_gil_at(timeline, i);
        uint32_t main = gt_process_at(timeline, gil->process)->main_thread;

        for (uint32_t m = 0; m < gil->members.count; m++) {
            uint32_t thread = gt_gil_thread_at(gil, m)->thread;

            if (builder->replayed[thread] != GT_WORKLOAD_NONE)
                continue;
            builder->replayed[thread] = gt_workload_add_thread(
                builder->workload, main == GT_NO_INDEX || main == thread);
            if (builder->replayed[thread] == GT_WORKLOAD_NONE)
                return -1;
            builder->cursors[thread].thread = thread;
            builder->cursors[thread].index = builder->replayed[thread];
        }
    }
    return 0;
}

/* How long nobody has the GIL before a waiter gets it, on average: until the waiter is awake
 * and has a CPU. */
static int64_t handover_of(const struct gt_gil *gil, const struct gt_blockers *blockers)
{
    int64_t waits = (int64_t)gil->waits.count;

    return waits ? blockers->utilization.total.idle_ns / waits : WAKE_NS;
}

static int add_gils(struct gt_step_builder *builder)
{
    struct gt_workload *workload = builder->workload;

    workload->wake_ns = WAKE_NS;
    for (uint32_t i = 0; i < builder->timeline->gils.count; i++) {
        const struct gt_blockers *blockers = &builder->blockers[i];
        const struct gt_gil *gil = gt_gil_at(builder->timeline, i);

        if (gt_workload_add_gil(workload, blockers->interval_ns, handover_of(gil, blockers)) ==
            GT_WORKLOAD_NONE)
            return -1;
    }
    return 0;
}

/* Holds that are shorter are put together, so that there are not more steps than can be
 * replayed again and again. */
static int64_t grain_of(const struct gt_timeline *timeline)
{
    uint64_t holds = 0;
    int64_t sum_ns = 0;

    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        const struct gt_gil *gil = gt_gil_at(timeline, i);

        holds += gil->holds.count;
        for (uint32_t m = 0; m < gil->members.count; m++)
            sum_ns = gt_add_ns(sum_ns, gt_gil_thread_at(gil, m)->hold_ns);
    }
    return holds > HOLDS_MAX ? sum_ns / (HOLDS_MAX / 2) : 0;
}

static int build_all(struct gt_step_builder *builder, int64_t *last_ns)
{
    const struct gt_timeline *timeline = builder->timeline;

    for (uint32_t i = 0; i < timeline->threads.count; i++)
        if (builder->replayed[i] != GT_WORKLOAD_NONE &&
            build_start(builder, &builder->cursors[i]))
            return -1;
    if (build_holds(builder))
        return -1;
    return build_ends(builder, last_ns);
}

/* What the steps are built from. */
static int prepare(struct gt_step_builder *builder, const struct gt_tag *tags,
                   const struct gt_chunks *native, double cores)
{
    const struct gt_timeline *timeline = builder->timeline;
    size_t threads = timeline->threads.count;

    builder->cursors = calloc(threads + 1, sizeof(*builder->cursors));
    builder->replayed = calloc(threads + 1, sizeof(*builder->replayed));
    if (!builder->cursors || !builder->replayed)
        return -1;
    if (add_threads(builder) || add_gils(builder))
        return -1;
    if (gt_nonyielding_init(&builder->nonyielding, timeline, builder->blockers, tags, native) ||
        gt_cpu_load_init(&builder->cpu_load, timeline, cores) ||
        gt_exits_init(&builder->exits, timeline, builder->replayed))
        return -1;
    return gt_deps_init(&builder->deps, timeline, builder->workload, builder->replayed);
}

static void cleanup(struct gt_step_builder *builder)
{
    gt_deps_release(&builder->deps);
    gt_nonyielding_release(&builder->nonyielding);
    gt_cpu_load_release(&builder->cpu_load);
    gt_exits_release(&builder->exits);
    free(builder->cursors);
    free(builder->replayed);
}

int gt_build_init(struct gt_build *build, const struct gt_timeline *timeline,
                  const struct gt_blockers *blockers, const struct gt_tag *tags,
                  const struct gt_chunks *native, double cores, struct gt_error *err)
{
    struct gt_step_builder builder = {.workload = &build->workload,
                                      .grain_ns = grain_of(timeline),
                                      .timeline = timeline,
                                      .blockers = blockers};
    int64_t last_ns = timeline->end_ns;
    int rc;

    gt_workload_init(&build->workload);
    rc = prepare(&builder, tags, native, cores);
    if (rc == 0)
        rc = build_all(&builder, &last_ns);
    build->after_ns = timeline->end_ns - last_ns;
    build->unknown_ns = builder.unknown_ns;
    build->grain_ns = builder.grain_ns;
    build->guesses_order = builder.deps.guesses_order;
    build->guesses_jobs = builder.deps.guesses_jobs;
    build->guesses_clocks = builder.deps.guesses_clocks;
    build->misses_clocks = builder.deps.misses_clocks;
    cleanup(&builder);
    if (rc == 0)
        return 0;
    gt_build_release(build);
    return gt_error_memory(err);
}

void gt_build_release(struct gt_build *build)
{
    gt_workload_release(&build->workload);
}
