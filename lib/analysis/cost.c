#include "analysis/cost.h"

#include <stdlib.h>

enum {
    SAMPLES_MAX = 8192,   /* the shortest of these are hundreds */
    SAMPLES_MIN = 100,    /* fewer say nothing about the shortest */
    SHORTEST_SHARE = 20,  /* one in so many is as short as an event alone */
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
    }
    free(lengths->ns);
    return ns <= PLAUSIBLE_NS ? ns : -1;
}

/* Futex calls are seen of contended takes only: their holds have no shortest. */
static int estimate_gil(const struct gt_timeline *timeline, struct gt_cost *cost)
{
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

            if (span->flags == 0)
                add(&lengths, span->end_ns - span->start_ns);
        }
    }
    cost->gil_event_ns = shortest(&lengths);
    return 0;
}

static int estimate_calls(const struct gt_timeline *timeline, struct gt_cost *cost)
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

        for (size_t j = 0; calls && j < calls->spans.count; j += lengths.step) {
            const struct gt_call_span *span = gt_chunks_at(&calls->spans, j);

            add(&lengths, span->end_ns - span->start_ns);
        }
    }
    cost->call_ns = shortest(&lengths);
    if (cost->call_ns >= 0)
        cost->call_ns *= 2; /* a call is two events */
    return 0;
}

int gt_cost_estimate(const struct gt_timeline *timeline, struct gt_cost *cost,
                     struct gt_error *err)
{
    *cost = (struct gt_cost){.gil_events = timeline->quality.gil_events, .total_ns = -1};
    if (estimate_gil(timeline, cost) || estimate_calls(timeline, cost))
        return gt_error_memory(err);
    if (cost->gil_event_ns >= 0 || cost->call_ns >= 0)
        cost->total_ns = 0;
    if (cost->gil_event_ns >= 0)
        cost->total_ns += cost->gil_event_ns * (int64_t)cost->gil_events;
    if (cost->call_ns >= 0)
        cost->total_ns += cost->call_ns * (int64_t)cost->calls;
    return 0;
}
