/* SPDX-License-Identifier: MIT */
#include "analysis/cost.h"

#include "base/nstime.h"
#include "base/order.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/param.h>

enum {
    SAMPLES_MAX = 8192,
    SAMPLES_MIN = 100,    /* fewer spans say nothing about the shortest */
    SHORTEST_SHARE = 20,  /* one span in so many is as short as an event alone */
    NEIGHBOURS = 8,       /* so many calls around a place are looked at */
    NOMINAL_NS = 75,      /* cost of a call where the run does not tell it: lib/agent/trace.c */
    LEAST_PERMILLE = 80,  /* code that is slower by less counts as not slower */
    PLAUSIBLE_NS = 50000, /* a trap never costs as much as that: such spans have work in them */
};

/* Lengths of spans, every `step`th of each list. */
struct lengths {
    int64_t *ns;
    size_t count, room, step;
};

static int begin(struct lengths *lengths, size_t total)
{
    *lengths = (struct lengths){.room = total < SAMPLES_MAX ? total + 1 : SAMPLES_MAX,
                                .step = total / SAMPLES_MAX + 1};
    lengths->ns = calloc(lengths->room, sizeof(*lengths->ns));
    return lengths->ns ? 0 : -1;
}

static void add(struct lengths *lengths, int64_t ns)
{
    if (lengths->count < lengths->room)
        lengths->ns[lengths->count++] = ns;
}

/* The length of the shortest spans; -1: that says nothing. Frees the samples. */
static int64_t shortest(struct lengths *lengths)
{
    int64_t ns = -1;

    if (lengths->count >= SAMPLES_MIN) {
        qsort(lengths->ns, lengths->count, sizeof(*lengths->ns), gt_order_of_ns);
        ns = lengths->ns[lengths->count / SHORTEST_SHARE];
        ns = ns < 0 ? 0 : ns;
    }
    free(lengths->ns);
    return ns <= PLAUSIBLE_NS ? ns : -1;
}

static const struct gt_call_span *call_at(const struct gt_calls *calls, size_t index)
{
    return gt_chunks_at(&calls->spans, index);
}

static bool is_within(const struct gt_span *span, int64_t time_ns)
{
    return time_ns >= span->start_ns && time_ns <= span->end_ns;
}

/* How many calls and returns there are within a hold; NEIGHBOURS or more: too many to matter.
 */
static int events_within(const struct gt_calls *calls, const struct gt_span *hold)
{
    size_t first = gt_chunks_first_from(
        &calls->spans, 0, offsetof(struct gt_call_span, start_ns), hold->start_ns);
    int events = 0;

    for (size_t i = first; i < calls->spans.count && i < first + NEIGHBOURS; i++) {
        if (!is_within(hold, call_at(calls, i)->start_ns))
            break;
        events += 1 + is_within(hold, call_at(calls, i)->end_ns);
    }
    for (size_t i = first; i > 0 && first - i < NEIGHBOURS; i--)
        events += is_within(hold, call_at(calls, i - 1)->end_ns);
    return events;
}

/* Futex calls are seen of contended takes only: the shortest holds are not among them. */
static int estimate_gil(const struct gt_timeline *timeline, struct gt_cost *cost)
{
    int64_t half_ns = (cost->call_ns >= 0 ? cost->call_ns : NOMINAL_NS) / 2;
    struct lengths lengths;
    size_t total = 0;

    for (uint32_t i = 0; i < timeline->gils.count; i++)
        total += gt_gil_at(timeline, i)->holds.count;
    if (begin(&lengths, total))
        return -1;
    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        const struct gt_gil *gil = gt_gil_at(timeline, i);

        if (gil->source == GT_GIL_FROM_FUTEX)
            continue;
        for (size_t j = 0; j < gil->holds.count; j += lengths.step) {
            const struct gt_span *span = gt_span_at(&gil->holds, j);
            const struct gt_calls *calls = gt_calls_of(timeline, span->thread);
            int events = calls ? events_within(calls, span) : 0;

            if (span->flags == 0 && events < NEIGHBOURS)
                add(&lengths, span->end_ns - span->start_ns - events * half_ns);
        }
    }
    cost->gil_event_ns = shortest(&lengths);
    return 0;
}

/* By thread: the GIL that it held most often, GT_NO_INDEX where it held none. */
static uint32_t *gils_of_threads(const struct gt_timeline *timeline)
{
    size_t count = timeline->threads.count;
    uint32_t *gils = calloc(count + 1, sizeof(*gils));
    uint64_t *holds = calloc(count + 1, sizeof(*holds));

    for (size_t i = 0; gils && i < count; i++)
        gils[i] = GT_NO_INDEX;
    for (uint32_t i = 0; gils && holds && i < timeline->gils.count; i++) {
        const struct gt_gil *gil = gt_gil_at(timeline, i);

        for (uint32_t j = 0; j < gil->members.count; j++) {
            const struct gt_gil_thread *member = gt_gil_thread_at(gil, j);

            if (member->holds > holds[member->thread]) {
                holds[member->thread] = member->holds;
                gils[member->thread] = i;
            }
        }
    }
    if (!holds) {
        free(gils);
        gils = NULL;
    }
    free(holds);
    return gils;
}

/* Did its thread hold the GIL all the time, so that no event of the GIL is in it? */
static bool is_undisturbed(const struct gt_gil *gil, uint32_t thread,
                           const struct gt_call_span *call)
{
    size_t next = gt_chunks_first_after(&gil->holds, 0, offsetof(struct gt_span, start_ns),
                                        call->start_ns);
    const struct gt_span *hold;

    if (next == 0)
        return false;
    hold = gt_span_at(&gil->holds, next - 1);
    return hold->thread == thread && hold->end_ns >= call->end_ns;
}

static int estimate_calls(const struct gt_timeline *timeline, const uint32_t *gils,
                          struct gt_cost *cost)
{
    struct lengths lengths;

    for (uint32_t i = 0; i < timeline->threads.count; i++) {
        const struct gt_calls *calls = gt_calls_of(timeline, i);

        cost->calls += calls ? calls->spans.count : 0;
    }
    if (begin(&lengths, cost->calls))
        return -1;
    for (uint32_t i = 0; i < timeline->threads.count; i++) {
        const struct gt_calls *calls = gt_calls_of(timeline, i);
        const struct gt_gil *gil = gils[i] == GT_NO_INDEX ? NULL : gt_gil_at(timeline, gils[i]);

        for (size_t j = 0; calls && j < calls->spans.count; j += lengths.step) {
            const struct gt_call_span *span = call_at(calls, j);

            if (!gil || gil->source == GT_GIL_FROM_FUTEX || is_undisturbed(gil, i, span))
                add(&lengths, span->end_ns - span->start_ns);
        }
    }
    cost->call_ns = shortest(&lengths);
    if (cost->call_ns >= 0)
        cost->call_ns = gt_times_ns(cost->call_ns, 2); /* a call is two events */
    return 0;
}

/* --- by how much longer the program ran --- */

/* What each thing costs once. */
struct units {
    double event_ns, call_ns;
    double slowdown; /* of code, beside calls */
    double ready_ratio;
    double running_ns; /* CPU time of the program's threads; 0: not known */
};

/* What recording cost in one process. */
struct share {
    double gil_ns;      /* by events of the GIL's, in all threads */
    double gil_most_ns; /* in the thread with the most */
    double calls_ns;
    double held_ns;    /* the GIL */
    double c_ns;       /* of that, C functions had it */
    double read_ns;    /* of CPU time, by its threads' own readings; 0: there are none */
    double waiting_ns; /* hand-overs because of it */
    double busy;       /* how much of the time the GIL is in use while threads contend for it */
};

/* Holds and waits tell how the events were spread. */
static double weight_of(const struct gt_gil_thread *member)
{
    return 2.0 * (double)member->holds + (double)member->waits;
}

/* For how much of a slice some thread held the GIL, or waited for it. */
static double use_of(const struct gt_utilization *utilization,
                     const struct gt_utilization_slice *slice)
{
    return MIN((double)MAX(slice->held_ns, slice->contended_ns) / (double)utilization->slice_ns,
               1);
}

/* The mean over the slices, weighted by how long some thread waited in each. 0 without
 * contention, else up to 1. */
static double busy_of(const struct gt_utilization *utilization)
{
    double sum_ns = 0;

    if (utilization->total.contended_ns <= 0)
        return 0;
    for (int i = 0; i < GT_UTILIZATION_SLICES; i++)
        sum_ns += (double)utilization->slices[i].contended_ns *
                  use_of(utilization, &utilization->slices[i]);
    return MIN(sum_ns / (double)utilization->total.contended_ns, 1);
}

static void add_gil(struct share *share, const struct gt_gil *gil,
                    const struct gt_blockers *blockers, double weight_ns)
{
    double busy = busy_of(&blockers->utilization);

    for (uint32_t i = 0; i < gil->members.count; i++) {
        double ns = weight_of(gt_gil_thread_at(gil, i)) * weight_ns;

        share->gil_ns += ns;
        if (ns > share->gil_most_ns)
            share->gil_most_ns = ns;
    }
    share->held_ns += (double)blockers->utilization.total.held_ns;
    if (busy > share->busy)
        share->busy = busy;
}

/* Over how many threads the events are spread: so many are ready at once where they contend,
 * and the program waits for one of them. */
static double threads_of(const struct share *share)
{
    return share->gil_most_ns > 0 ? share->gil_ns / share->gil_most_ns : 1;
}

/* How many times as long something takes that needs a CPU, where CPUs are shared. */
static double stretch_of(const struct share *share, double ready_ratio)
{
    return 1 + ready_ratio / threads_of(share);
}

/* By events of the GIL: one after another, as far as threads need the GIL at once. */
static double serial_gil_ns(const struct share *share)
{
    return share->gil_most_ns + (share->gil_ns - share->gil_most_ns) * share->busy;
}

/* How many holds begin before a slice of the GIL's life does. */
static size_t holds_before(const struct gt_gil *gil, const struct gt_utilization *utilization,
                           int slice)
{
    return gt_chunks_first_from(&gil->holds, 0, offsetof(struct gt_span, start_ns),
                                utilization->start_ns + slice * utilization->slice_ns);
}

/* See cost.h: a shorter slice would have had the same part of hand-overs. Gaps that are longer
 * than the holds are not hand-overs: the thread that gave the GIL up is at work. */
static double waiting_of(const struct share *share, const struct gt_gil *gil,
                         const struct gt_utilization *utilization, double ready_ratio)
{
    double sum_ns = 0, stretch = stretch_of(share, ready_ratio);
    double gil_ns = serial_gil_ns(share) * stretch, calls_ns = share->calls_ns * stretch;
    size_t first = 0;

    if (utilization->total.idle_ns <= 0)
        return 0;
    for (int i = 0; i < GT_UTILIZATION_SLICES; i++) {
        size_t next = i + 1 < GT_UTILIZATION_SLICES ? holds_before(gil, utilization, i + 1)
                                                    : gil->holds.count;
        const struct gt_utilization_slice *slice = &utilization->slices[i];
        double idle_ns = (double)slice->idle_ns,
               used_ns = (double)utilization->slice_ns - idle_ns;
        double more_ns =
            gil->holds.count ? gil_ns * (double)(next - first) / (double)gil->holds.count : 0;

        if (share->held_ns > 0)
            more_ns += calls_ns * (double)slice->held_ns / share->held_ns;
        if (idle_ns > 0) /* where the GIL is free at times, there was room for the cost */
            sum_ns += MIN(idle_ns, (double)slice->held_ns) * use_of(utilization, slice) *
                      (used_ns > more_ns ? more_ns / used_ns : 1);
        first = next;
    }
    return sum_ns;
}

/* The process whose own part is the largest: others ran beside it. */
static void find_longest(const struct share *shares, size_t count, const struct units *units,
                         int64_t run_ns, struct gt_cost *cost)
{
    double longest_ns = 0, plain_ns = 0;
    double part = units->running_ns > 0 ? (double)cost->cpu_ns / units->running_ns : 1;

    for (size_t i = 0; i < count; i++) {
        const struct share *share = &shares[i];
        double serial_ns = serial_gil_ns(share) + share->calls_ns;
        double ns = serial_ns * stretch_of(share, units->ready_ratio) + share->waiting_ns;

        cost->waiting_ns = gt_add_ns(cost->waiting_ns, gt_ns_of(share->waiting_ns));
        longest_ns = MAX(longest_ns, ns);
        plain_ns = MAX(plain_ns, serial_ns + share->waiting_ns);
    }
    /* Where CPUs were short, all of the program's work took longer alike: recording has no
     * larger part of the run than of the CPU time. */
    longest_ns = MIN(longest_ns, MAX(plain_ns, part * (double)run_ns));
    cost->cpu_ns = gt_add_ns(cost->cpu_ns, cost->waiting_ns);
    cost->total_ns = MIN(gt_ns_of(longest_ns), run_ns);
}

/* For how long a thread had the GIL during a call: the hold that the call began in, and the one
 * that it ended in, are looked at. */
static int64_t held_within(const struct gt_gil *gil, uint32_t thread,
                           const struct gt_call_span *call)
{
    const size_t offset = offsetof(struct gt_span, start_ns);
    size_t first = gt_chunks_first_after(&gil->holds, 0, offset, call->start_ns);
    size_t last = gt_chunks_first_after(&gil->holds, first, offset, call->end_ns);
    int64_t sum_ns = 0;

    for (int i = 0; i < (first == last ? 1 : 2); i++) {
        size_t at = i ? last : first;
        const struct gt_span *hold = at ? gt_span_at(&gil->holds, at - 1) : NULL;

        if (hold && hold->thread == thread && hold->end_ns > call->start_ns)
            sum_ns += MIN(hold->end_ns, call->end_ns) - MAX(hold->start_ns, call->start_ns);
    }
    return sum_ns;
}

/* Calls of C functions that called nothing that was traced: no Python code ran in them. */
static double c_time_of(const struct gt_timeline *timeline, const struct gt_gil *gil,
                        uint32_t thread)
{
    const struct gt_calls *calls = gt_calls_of(timeline, thread);
    int64_t sum_ns = 0;

    for (size_t i = 0; i < calls->spans.count; i++) {
        const struct gt_call_span *span = call_at(calls, i);
        const struct gt_function_info *function =
            gt_chunks_at(&timeline->functions, span->function);
        bool calls_none =
            i + 1 == calls->spans.count || call_at(calls, i + 1)->start_ns >= span->end_ns;

        if (function->flags & GT_FUNCTION_C && calls_none)
            sum_ns = gt_add_ns(sum_ns, held_within(gil, thread, span));
    }
    return (double)sum_ns;
}

/* CPU time of the thread, by its last reading. */
static double read_of(const struct gt_timeline *timeline, uint32_t thread)
{
    const struct gt_chunks *usages = gt_usages_of(timeline, thread);
    const struct gt_usage *last = usages ? gt_chunks_last(usages) : NULL;

    return last ? (double)last->cpu_ns : 0;
}

static void add_calls(struct share *shares, const struct gt_timeline *timeline,
                      const uint32_t *gils, const struct units *units)
{
    for (uint32_t i = 0; i < timeline->threads.count; i++) {
        const struct gt_calls *calls = gt_calls_of(timeline, i);
        struct share *share = &shares[gt_thread_at(timeline, i)->process];

        if (!calls)
            continue;
        share->calls_ns += (double)calls->spans.count * units->call_ns;
        if (units->slowdown > 0 && gils[i] != GT_NO_INDEX) {
            share->c_ns += c_time_of(timeline, gt_gil_at(timeline, gils[i]), i);
            share->read_ns += read_of(timeline, i);
        }
    }
}

/* By how much longer Python code took because it was slower, of the time that it was on a CPU.
 */
static void add_code(struct share *shares, size_t count, const struct units *units,
                     struct gt_cost *cost)
{
    for (size_t i = 0; units->slowdown > 0 && i < count; i++) {
        struct share *share = &shares[i];
        double held_ns = share->held_ns - share->c_ns;
        double code_ns = held_ns / stretch_of(share, units->ready_ratio);

        if (share->read_ns > 0)
            code_ns = MIN(held_ns, share->read_ns);
        code_ns -= share->calls_ns + share->gil_ns / 2;
        if (code_ns <= 0)
            continue;
        code_ns *= units->slowdown / (1 + units->slowdown);
        share->calls_ns += code_ns;
        cost->code_ns = gt_add_ns(cost->code_ns, gt_ns_of(code_ns));
    }
    cost->cpu_ns = gt_add_ns(cost->cpu_ns, cost->code_ns);
}

static int spread(const struct gt_timeline *timeline, const struct gt_blockers *blockers,
                  const uint32_t *gils, const struct units *units, struct gt_cost *cost)
{
    struct share *shares = calloc(timeline->processes.count + 1, sizeof(*shares));
    double weights = 0, weight_ns;

    if (!shares)
        return -1;
    for (uint32_t i = 0; i < timeline->gils.count; i++)
        for (uint32_t j = 0; j < gt_gil_at(timeline, i)->members.count; j++)
            weights += weight_of(gt_gil_thread_at(gt_gil_at(timeline, i), j));
    weight_ns = weights > 0 ? (double)cost->gil_events * units->event_ns / weights : 0;
    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        const struct gt_gil *gil = gt_gil_at(timeline, i);

        add_gil(&shares[gil->process], gil, &blockers[i], weight_ns);
    }
    add_calls(shares, timeline, gils, units);
    add_code(shares, timeline->processes.count, units, cost);
    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        const struct gt_gil *gil = gt_gil_at(timeline, i);
        struct share *share = &shares[gil->process];

        share->waiting_ns +=
            waiting_of(share, gil, &blockers[i].utilization, units->ready_ratio);
    }
    find_longest(shares, timeline->processes.count, units,
                 timeline->end_ns - timeline->start_ns, cost);
    free(shares);
    return 0;
}

/* --- all of it --- */

/*
 * What was measured takes the place of what was estimated: a unit in ns, rounded. It was
 * measured once, and the machine may have been busy just then. The recording bounds it: a hold
 * is never shorter than an event; and a call, part of whose cost lies outside of it, is hardly
 * ever shorter than a fifth of that cost.
 */
static double choose(int64_t measured_ps, int64_t bound_ns, int64_t *ns, bool *is_measured)
{
    double unit_ns = (double)measured_ps / 1000;

    *is_measured = measured_ps > 0;
    if (!*is_measured)
        return *ns >= 0 ? (double)*ns : 0;
    if (bound_ns > 0 && unit_ns > (double)bound_ns)
        unit_ns = (double)bound_ns;
    *ns = gt_ns_of(unit_ns + 0.5);
    return unit_ns;
}

/* How many of the calls are of C functions. */
static uint64_t count_c_calls(const struct gt_timeline *timeline)
{
    uint64_t count = 0;

    for (size_t i = 0; i < timeline->functions.count; i++) {
        const struct gt_function_info *function = gt_chunks_at(&timeline->functions, i);

        if (function->flags & GT_FUNCTION_C)
            count += function->calls;
    }
    return count;
}

/* The cost of a call, by the numbers of calls of both kinds; they cost about the same. */
static int64_t mixed_ps(const struct gt_timeline *timeline,
                        const struct gt_cost_measured *measured, uint64_t calls)
{
    double share, c_call_ps = (double)MIN(measured->c_call_ps, measured->call_ps > INT64_MAX / 2
                                                                   ? INT64_MAX
                                                                   : measured->call_ps * 2);

    if (measured->call_ps <= 0 || measured->c_call_ps <= 0 || calls == 0)
        return measured->call_ps;
    share = (double)count_c_calls(timeline) / (double)calls;
    return gt_ns_of((double)measured->call_ps * (1 - share) + c_call_ps * share);
}

/* `gils` by thread. 0 or -1. */
static int estimate(const struct gt_timeline *timeline, const struct gt_blockers *blockers,
                    const uint32_t *gils, const struct gt_cost_measured *measured,
                    struct gt_cost *cost)
{
    struct units units = {.ready_ratio = measured->ready_ratio,
                          .running_ns = (double)measured->running_ns};

    if (estimate_calls(timeline, gils, cost) || estimate_gil(timeline, cost))
        return -1;
    units.event_ns = choose(measured->gil_event_ps, cost->gil_event_ns, &cost->gil_event_ns,
                            &cost->gil_measured);
    units.call_ns = choose(mixed_ps(timeline, measured, cost->calls),
                           cost->call_ns > 0 ? 5 * cost->call_ns / 2 : -1, &cost->call_ns,
                           &cost->calls_measured);
    if (cost->gil_event_ns < 0 && cost->call_ns < 0)
        return 0;
    if (measured->code_permille >= LEAST_PERMILLE)
        units.slowdown = (double)measured->code_permille / 1000;
    cost->cpu_ns = gt_ns_of((double)cost->gil_events * units.event_ns +
                            (double)cost->calls * units.call_ns);
    return spread(timeline, blockers, gils, &units, cost);
}

int gt_cost_estimate(const struct gt_timeline *timeline, const struct gt_blockers *blockers,
                     const struct gt_cost_measured *measured, struct gt_cost *cost,
                     struct gt_error *err)
{
    uint32_t *gils = gils_of_threads(timeline);
    int rc;

    *cost = (struct gt_cost){
        .gil_events =
            measured->gil_events ? measured->gil_events : timeline->quality.gil_events,
        .cpu_ns = -1,
        .total_ns = -1,
    };
    rc = gils ? estimate(timeline, blockers, gils, measured, cost) : -1;
    free(gils);
    return rc ? gt_error_memory(err) : 0;
}
