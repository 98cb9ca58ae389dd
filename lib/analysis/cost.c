#include "analysis/cost.h"

#include "base/nstime.h"

#include <stdbool.h>
#include <stdlib.h>

enum {
    SAMPLES_MAX = 8192,
    SAMPLES_MIN = 100,    /* fewer say nothing about the shortest */
    SHORTEST_SHARE = 20,  /* one in so many is as short as an event alone */
    NEIGHBOURS = 8,       /* calls beside a place that are looked at */
    NOMINAL_NS = 75,      /* of a call, where none of a run tells: lib/agent/trace.c */
    PLAUSIBLE_NS = 50000, /* a trap is never as dear as that: these have work in them */
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

static int compare(const void *a, const void *b)
{
    int64_t one = *(const int64_t *)a, two = *(const int64_t *)b;

    return one < two ? -1 : one > two;
}

/* How short the shortest are, -1 where that says nothing. Frees the samples. */
static int64_t shortest(struct lengths *lengths)
{
    int64_t ns = -1;

    if (lengths->count >= SAMPLES_MIN) {
        qsort(lengths->ns, lengths->count, sizeof(*lengths->ns), compare);
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

/* How many calls and returns a hold has in it; too many to matter: NEIGHBOURS or more. */
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

/* Futex calls are seen of contended takes only: their holds have no shortest. */
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
            const struct gt_member *member = gt_member_at(gil, j);

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

/* Did its thread hold the GIL all the while, so that no event of the GIL's is in it? */
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

static int estimate_calls(const struct gt_timeline *timeline, struct gt_cost *cost)
{
    uint32_t *gils = gils_of_threads(timeline);
    struct lengths lengths;

    for (uint32_t i = 0; i < timeline->threads.count; i++) {
        const struct gt_calls *calls = gt_calls_of(timeline, i);

        cost->calls += calls ? calls->spans.count : 0;
    }
    if (!gils || begin(&lengths, cost->calls)) {
        free(gils);
        return -1;
    }
    for (uint32_t i = 0; i < timeline->threads.count; i++) {
        const struct gt_calls *calls = gt_calls_of(timeline, i);
        const struct gt_gil *gil = gils[i] == GT_NO_INDEX ? NULL : gt_gil_at(timeline, gils[i]);

        for (size_t j = 0; calls && j < calls->spans.count; j += lengths.step) {
            const struct gt_call_span *span = call_at(calls, j);

            if (!gil || gil->source == GT_GIL_FROM_FUTEX || is_undisturbed(gil, i, span))
                add(&lengths, span->end_ns - span->start_ns);
        }
    }
    free(gils);
    cost->call_ns = shortest(&lengths);
    if (cost->call_ns >= 0)
        cost->call_ns = gt_times_ns(cost->call_ns, 2); /* a call is two events */
    return 0;
}

int gt_cost_estimate(const struct gt_timeline *timeline, int64_t hit_ns, struct gt_cost *cost,
                     struct gt_error *err)
{
    *cost = (struct gt_cost){.gil_events = timeline->quality.gil_events, .total_ns = -1};
    if (estimate_calls(timeline, cost) || estimate_gil(timeline, cost))
        return gt_error_memory(err);
    if (hit_ns > 0)
        cost->gil_event_ns = hit_ns;
    if (cost->gil_event_ns >= 0 || cost->call_ns >= 0)
        cost->total_ns = 0;
    if (cost->gil_event_ns >= 0)
        cost->total_ns = gt_times_ns(cost->gil_event_ns, cost->gil_events);
    if (cost->call_ns >= 0)
        cost->total_ns = gt_add_ns(cost->total_ns, gt_times_ns(cost->call_ns, cost->calls));
    return 0;
}
