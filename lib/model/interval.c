/* SPDX-License-Identifier: MIT */
#include "model/builder.h"

#include "base/order.h"

#include <stdbool.h>
#include <stdlib.h>

enum {
    AGREE_NS = 30000,    /* what a probe and an interrupt take differs by as much */
    AGREE_SHARE = 50,    /* … and a fiftieth, where that is more */
    ESTABLISHED_MIN = 3, /* so many that agree are no accident of waiters without a CPU; … */
    AGREEING_MIN = 5,    /* … nor are so many that are less than before, … */
    RUN_MIN = 5,         /* … of so many in a row, or of half of more */
    GAPS_MIN = 3,        /* gaps that agree */
    GAPS_SHARE = 4,      /* … and that are a quarter of all */
    DEFAULT_SHARE = 40   /* of the default: what is as near is the default */
};

void gt_intervals_init(struct gt_intervals_state *state)
{
    *state = (struct gt_intervals_state){.intervals.source = GT_INTERVAL_ASSUMED};
    gt_chunks_init(&state->intervals.list, sizeof(struct gt_interval));
}

void gt_intervals_release(struct gt_intervals *intervals)
{
    gt_chunks_release(&intervals->list);
}

void gt_intervals_state_release(struct gt_intervals_state *state)
{
    gt_intervals_release(&state->intervals);
    free(state->lower_ns);
    state->lower_ns = NULL;
}

struct gt_intervals gt_intervals_take(struct gt_intervals_state *state)
{
    struct gt_intervals intervals = state->intervals;

    free(state->lower_ns);
    gt_intervals_init(state);
    return intervals;
}

static int64_t tolerance_ns(int64_t interval_ns)
{
    return interval_ns / AGREE_SHARE > AGREE_NS ? interval_ns / AGREE_SHARE : AGREE_NS;
}

static int push(struct gt_intervals *intervals, int64_t time_ns, int64_t interval_ns)
{
    struct gt_interval *added = gt_chunks_push(&intervals->list);

    if (!added)
        return -1;
    *added = (struct gt_interval){time_ns, interval_ns};
    return 0;
}

static int begin(struct gt_intervals_state *state, int64_t time_ns, int64_t interval_ns)
{
    state->count = state->agreeing = 1;
    state->lower_count = 0;
    return push(&state->intervals, time_ns, interval_ns);
}

/* The newest samples are all less than what was valid so far. Do they agree on something? */
static int take_lower(struct gt_intervals_state *state, int64_t time_ns, int64_t left_ns)
{
    uint32_t kept, near = 0;
    int64_t most_ns = 0;

    if (!state->lower_ns)
        state->lower_ns = calloc(GT_INTERVAL_RUN, sizeof(*state->lower_ns));
    if (!state->lower_ns)
        return -1;
    if (state->lower_count == 0)
        state->lower_since_ns = time_ns;
    state->lower_ns[state->lower_count++ % GT_INTERVAL_RUN] = left_ns;
    if (state->lower_count < RUN_MIN)
        return 0;
    kept = state->lower_count < GT_INTERVAL_RUN ? state->lower_count : GT_INTERVAL_RUN;
    for (uint32_t i = 0; i < kept; i++)
        most_ns = state->lower_ns[i] > most_ns ? state->lower_ns[i] : most_ns;
    for (uint32_t i = 0; i < kept; i++)
        near += most_ns - state->lower_ns[i] <= tolerance_ns(most_ns);
    if (near < AGREEING_MIN || near * 2 < kept)
        return 0;
    return begin(state, state->lower_since_ns, most_ns);
}

int gt_intervals_add(struct gt_intervals_state *state, int64_t time_ns, int64_t left_ns)
{
    struct gt_interval *newest = gt_chunks_last(&state->intervals.list);
    bool established;

    if (left_ns <= 0)
        return 0; /* the waiter had no CPU for all of it: says nothing */
    state->intervals.source = GT_INTERVAL_FROM_DEADLINES;
    if (!newest)
        return begin(state, time_ns, left_ns);
    state->count++;
    if (left_ns < newest->interval_ns - tolerance_ns(newest->interval_ns))
        return take_lower(state, time_ns, left_ns);
    state->lower_count = 0;
    if (left_ns <= newest->interval_ns + tolerance_ns(newest->interval_ns)) {
        state->agreeing++;
        if (left_ns > newest->interval_ns)
            newest->interval_ns = left_ns;
        return 0;
    }
    /* More than ever: all before were of delayed waiters, or it was changed. */
    established = state->agreeing >= AGREEING_MIN && state->agreeing * 2 >= state->count;
    if (established)
        return begin(state, time_ns, left_ns);
    newest->interval_ns = left_ns;
    state->agreeing = 1;
    return 0;
}

int gt_intervals_from_gaps(struct gt_intervals *intervals, int64_t *gaps_ns, size_t count)
{
    size_t best = 0, best_at = 0;

    qsort(gaps_ns, count, sizeof(*gaps_ns), gt_order_of_ns);
    for (size_t first = 0, after = 0; first < count; first++) {
        /* Waking up takes its time: what is a tenth longer is the same. */
        while (after < count && gaps_ns[after] - gaps_ns[first] <= gaps_ns[first] / 10)
            after++;
        if (after - first > best) {
            best = after - first;
            best_at = first;
        }
    }
    if (best < GAPS_MIN || best * GAPS_SHARE < count)
        return 0;
    if (push(intervals, 0, gaps_ns[best_at]))
        return -1;
    intervals->source = GT_INTERVAL_FROM_GAPS;
    return 0;
}

static int64_t rounded(int64_t interval_ns)
{
    int64_t off_ns = interval_ns - GT_SWITCH_INTERVAL_NS;

    return llabs(off_ns) <= GT_SWITCH_INTERVAL_NS / DEFAULT_SHARE ? GT_SWITCH_INTERVAL_NS
                                                                  : interval_ns;
}

int64_t gt_interval_at(const struct gt_intervals *intervals, int64_t time_ns)
{
    size_t after = gt_chunks_first_after(&intervals->list, 0,
                                         offsetof(struct gt_interval, start_ns), time_ns);
    const struct gt_interval *valid;

    if (intervals->list.count == 0)
        return GT_SWITCH_INTERVAL_NS;
    valid = gt_chunks_at(&intervals->list, after ? after - 1 : 0);
    return rounded(valid->interval_ns);
}

int64_t gt_interval_last(const struct gt_intervals *intervals)
{
    const struct gt_interval *last = gt_chunks_last(&intervals->list);

    return last ? rounded(last->interval_ns) : GT_SWITCH_INTERVAL_NS;
}

int64_t gt_deadline_ns(const struct gt_timeline *timeline, const struct gt_event *event)
{
    static const int64_t day_ns = (int64_t)86400 * 1000000000;
    int64_t deadline_ns = event->cond.deadline_ns;

    if (deadline_ns <= GT_NO_DEADLINE)
        return 0;
    if (deadline_ns > day_ns && deadline_ns - day_ns > event->time_ns)
        deadline_ns = gt_builder_of(timeline)->realtime_ns
                          ? deadline_ns - gt_builder_of(timeline)->realtime_ns
                          : 0;
    return deadline_ns - day_ns < event->time_ns && deadline_ns > 0 ? deadline_ns : 0;
}
