/* SPDX-License-Identifier: MIT */
#include "agentlog/internal.h"

#include "base/nstime.h"
#include "base/order.h"

#include <stdlib.h>

/* How far from all anchors a time may be. An agent adds one at the first record that comes a
 * second (of a long run, a 1024th of it) after the last, and is not delayed for long as it
 * does. */
#define SLACK_NS INT64_C(10000000000)

/* Anchors closer than this say nothing about the rate. */
#define MIN_GAP_NS 900000

static int by_ticks(const void *left, const void *right)
{
    const struct gt_wire_anchor *a = left, *b = right;

    return gt_order_u64(a->ticks, b->ticks);
}

/* A rate that no counter has marks an anchor that was not written by an agent. */
static bool plausible(const struct gt_wire_anchor *from, const struct gt_wire_anchor *to)
{
    uint64_t ticks = to->ticks - from->ticks;
    uint64_t ns = to->time_ns - from->time_ns;

    return to->ticks > from->ticks && to->time_ns > from->time_ns && ticks / 100 <= ns &&
           ns / 1000 <= ticks;
}

/* Ticks are ns until two anchors tell another rate. */
static void bound(struct gt_agentlog_clock *clock)
{
    const struct gt_wire_anchor *first = clock->anchors, *last;
    uint64_t slack = SLACK_NS;

    clock->least = 1;
    clock->greatest = INT64_MAX / 2;
    if (!clock->count)
        return;
    last = &clock->anchors[clock->count - 1];
    if (clock->count > 1)
        slack = (uint64_t)((double)(last->ticks - first->ticks) /
                           (double)(last->time_ns - first->time_ns) *
                           (double)(SLACK_NS + (int64_t)(last->time_ns - first->time_ns) / 64));
    else if (!clock->monotonic)
        slack *= 10; /* no counter is faster than that */
    if (first->ticks > slack)
        clock->least = first->ticks - slack;
    if (last->ticks < clock->greatest - slack)
        clock->greatest = last->ticks + slack;
}

/* A damaged one is of no use. */
static int64_t shift_of(const struct gt_wire_control *control)
{
    int64_t shift_ns = control->version == GT_WIRE_VERSION ? control->shift_ns : 0;

    return shift_ns > -GT_TIME_MOST_NS && shift_ns < GT_TIME_MOST_NS ? shift_ns : 0;
}

int gt_agentlog_clock_init(struct gt_agentlog_clock *clock,
                           const struct gt_wire_control *control, struct gt_error *err)
{
    struct gt_wire_anchor *anchors = calloc(GT_WIRE_ANCHORS, sizeof(*anchors));
    size_t found = 0;
    size_t kept = 0;

    if (!anchors)
        return gt_error_memory(err);
    clock->shift_ns = shift_of(control);
    for (size_t i = 0; i < GT_WIRE_ANCHORS; i++) {
        anchors[found] = control->anchors[i];
        anchors[found].time_ns -= (uint64_t)clock->shift_ns;
        found += anchors[found].ticks && anchors[found].time_ns < INT64_MAX / 2;
    }
    qsort(anchors, found, sizeof(*anchors), by_ticks);
    for (size_t i = 0; i < found; i++) {
        bool last = i + 1 == found;

        if (!kept || (plausible(&anchors[kept - 1], &anchors[i]) &&
                      (anchors[i].time_ns - anchors[kept - 1].time_ns >= MIN_GAP_NS ||
                       (last && kept == 1))))
            anchors[kept++] = anchors[i];
    }
    clock->anchors = anchors;
    clock->count = kept;
    clock->last = 0;
    clock->monotonic = control->tick_source == GT_WIRE_TICKS_MONOTONIC;
    bound(clock);
    if (!kept && !clock->monotonic)
        return gt_error_set(err, GT_ERR_FORMAT,
                            "the agent's control file holds no clock readings: it is damaged, "
                            "or no target ran");
    return 0;
}

void gt_agentlog_clock_release(struct gt_agentlog_clock *clock)
{
    free(clock->anchors);
    clock->anchors = NULL;
    clock->count = 0;
}

/* On the line through two anchors, clamped to what a time can be. */
static int64_t on_line(const struct gt_wire_anchor *from, const struct gt_wire_anchor *to,
                       uint64_t ticks)
{
    __int128 distance = (__int128)ticks - from->ticks;
    __int128 rise = (__int128)(to->time_ns - from->time_ns);
    __int128 run = (__int128)(to->ticks - from->ticks);
    __int128 ns = from->time_ns + distance * rise / run;

    if (ns < 0)
        return 0;
    return ns > INT64_MAX / 2 ? INT64_MAX / 2 : (int64_t)ns;
}

/* The segment that holds `ticks`: 0 to count - 2. */
static size_t segment_of(struct gt_agentlog_clock *clock, uint64_t ticks)
{
    size_t low = 0, high = clock->count - 1;
    size_t last = clock->last;

    if (ticks >= clock->anchors[last].ticks && ticks < clock->anchors[last + 1].ticks)
        return last;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;

        if (clock->anchors[middle].ticks <= ticks)
            low = middle;
        else
            high = middle;
    }
    clock->last = low;
    return low;
}

int64_t gt_agentlog_ns(struct gt_agentlog_clock *clock, uint64_t ticks)
{
    const struct gt_wire_anchor *anchors = clock->anchors;
    size_t last = clock->count - 1;
    size_t segment;

    if (clock->monotonic && ticks <= INT64_MAX / 2)
        return (int64_t)ticks > clock->shift_ns ? (int64_t)ticks - clock->shift_ns : 0;
    if (clock->monotonic)
        return INT64_MAX / 2;
    if (clock->count == 1) /* killed within microseconds: any rate will do */
        return (int64_t)anchors[0].time_ns;
    if (ticks <= anchors[0].ticks)
        return on_line(&anchors[0], &anchors[last], ticks);
    if (ticks >= anchors[last].ticks) { /* the whole run's rate is the steadiest */
        struct gt_wire_anchor ahead = {
            .time_ns = anchors[last].time_ns + (anchors[last].time_ns - anchors[0].time_ns),
            .ticks = anchors[last].ticks + (anchors[last].ticks - anchors[0].ticks)};

        return on_line(&anchors[last], &ahead, ticks);
    }
    segment = segment_of(clock, ticks);
    return on_line(&anchors[segment], &anchors[segment + 1], ticks);
}

bool gt_agentlog_is_time(const struct gt_agentlog_clock *clock, uint64_t ticks)
{
    return ticks >= clock->least && ticks <= clock->greatest;
}

uint64_t gt_agentlog_ticks(struct gt_agentlog_clock *clock, int64_t ns)
{
    uint64_t low = 1, high = INT64_MAX / 2;

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;

        if (gt_agentlog_ns(clock, middle) < ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
