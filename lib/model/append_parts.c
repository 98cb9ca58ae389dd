/* SPDX-License-Identifier: MIT */
#include "model/append_parts.h"

#include "base/order.h"
#include "model/builder.h"

#include <stdlib.h>
#include <string.h>

/* --- stacks --- */

static struct gt_frame frame_of(const struct gt_stacks *stacks, uint32_t frame)
{
    const char *symbol = gt_stacks_symbol(stacks, frame), *dso = gt_stacks_dso(stacks, frame);

    return (struct gt_frame){.symbol = symbol,
                             .dso = dso,
                             .symbol_length = (uint32_t)strlen(symbol),
                             .dso_length = (uint32_t)strlen(dso)};
}

static int move_build(struct gt_stacks *to, const struct gt_stacks *from, uint32_t frame)
{
    const char *build = gt_stacks_build(from, frame), *dso = gt_stacks_dso(from, frame);

    return build[0] ? gt_stacks_set_build(to, dso, strlen(dso), build) : 0;
}

/* By stack of `from`, that of `to`; NULL: no memory. The caller frees it. */
static uint32_t *move_stacks(struct gt_stacks *to, const struct gt_stacks *from)
{
    enum { FRAMES_MAX = 256 };
    size_t count = gt_intern_count(&from->stacks);
    uint32_t *ids = calloc(count + 1, sizeof(*ids));

    for (uint32_t i = 0; ids && i < count; i++) {
        struct gt_frame frames[FRAMES_MAX];
        uint32_t length;
        const uint32_t *list = gt_stacks_frames(from, i, &length);

        for (uint32_t j = 0; j < length && j < FRAMES_MAX; j++) {
            frames[j] = frame_of(from, list[j]);
            if (move_build(to, from, list[j])) {
                free(ids);
                return NULL;
            }
        }
        ids[i] = gt_stacks_add(to, frames, length);
        if (ids[i] == UINT32_MAX) {
            free(ids);
            return NULL;
        }
    }
    return ids;
}

/* --- what there is by thread, in lists that may be shorter than that of threads --- */

static void move_states(const struct gt_move *move, struct gt_sched *sched,
                        const uint32_t *stacks)
{
    memset(sched->state_ns, 0, sizeof(sched->state_ns));
    for (size_t i = 0; i < sched->spans.count; i++) {
        struct gt_state_span *span = gt_chunks_at(&sched->spans, i);

        span->start_ns = gt_move_ns(move, span->start_ns);
        span->end_ns = gt_move_ns(move, span->end_ns);
        span->stack = stacks[span->stack];
        if (span->state < GT_SCHED_STATES)
            sched->state_ns[span->state] += span->end_ns - span->start_ns;
    }
    sched->ready_holding_ns = gt_move_length(move, sched->ready_holding_ns);
}

static int move_scheds(struct gt_move *move)
{
    struct gt_chunks *to = &move->to->scheds, *from = &move->from->scheds;
    uint32_t *stacks = move_stacks(&move->to->stacks, &move->from->stacks);
    struct gt_sched none = {0};
    int rc = stacks ? 0 : -1;

    gt_chunks_init(&none.spans, sizeof(struct gt_state_span));
    for (size_t i = 0; !rc && i < from->count; i++)
        move_states(move, gt_chunks_at(from, i), stacks);
    free(stacks);
    if (rc || !from->count)
        return rc;
    return gt_move_pad(to, move->threads, &none) || gt_move_all(to, from) ? -1 : 0;
}

static int move_calls(struct gt_move *move)
{
    struct gt_chunks *to = &move->to->calls, *from = &move->from->calls;
    struct gt_calls none;

    gt_chunks_init(&none.spans, sizeof(struct gt_call_span));
    gt_chunks_init(&none.lowest, sizeof(uint32_t));
    for (size_t i = 0; i < from->count; i++) {
        struct gt_calls *calls = gt_chunks_at(from, i);

        for (size_t j = 0; j < calls->spans.count; j++) {
            struct gt_call_span *span = gt_chunks_at(&calls->spans, j);

            span->start_ns = gt_move_ns(move, span->start_ns);
            span->end_ns = gt_move_ns(move, span->end_ns);
            span->function = move->functions[span->function];
        }
    }
    if (!from->count)
        return 0;
    return gt_move_pad(to, move->threads, &none) || gt_move_all(to, from) ? -1 : 0;
}

/* Readings of threads' clocks: lists of elements that begin with their time. */
static int move_readings(const struct gt_move *move, struct gt_chunks *to,
                         struct gt_chunks *from, size_t element_size)
{
    struct gt_chunks none;

    gt_chunks_init(&none, element_size);
    for (size_t i = 0; i < from->count; i++) {
        struct gt_chunks *list = gt_chunks_at(from, i);

        for (size_t j = 0; j < list->count; j++) {
            int64_t *time_ns = gt_chunks_at(list, j);

            *time_ns = gt_move_ns(move, *time_ns);
        }
    }
    if (!from->count)
        return 0;
    return gt_move_pad(to, move->threads, &none) || gt_move_all(to, from) ? -1 : 0;
}

static int move_sums(const struct gt_move *move, struct gt_chunks *to, struct gt_chunks *from)
{
    const int64_t none = 0;

    for (size_t i = 0; i < from->count; i++) {
        int64_t *ns = gt_chunks_at(from, i);

        *ns = gt_move_length(move, *ns);
    }
    if (!from->count)
        return 0;
    return gt_move_pad(to, move->threads, &none) || gt_move_all(to, from) ? -1 : 0;
}

static int move_spins(const struct gt_move *move)
{
    struct gt_chunks *to = &move->to->lock_spins, *from = &move->from->lock_spins;
    const struct gt_lock_spins none = {0};

    for (size_t i = 0; i < from->count; i++) {
        struct gt_lock_spins *spins = gt_chunks_at(from, i);

        spins->until_ns = gt_move_ns(move, spins->until_ns);
    }
    if (!from->count)
        return 0;
    return gt_move_pad(to, move->threads, &none) || gt_move_all(to, from) ? -1 : 0;
}

/* --- locks --- */

static int move_locks(struct gt_move *move)
{
    for (size_t i = 0; i < move->from->locks.count; i++) {
        struct gt_lock *lock = gt_chunks_at(&move->from->locks, i);

        if (gt_move_gil(move, &lock->as))
            return -1;
        if (lock->type != GT_NO_INDEX)
            lock->type = gt_move_name(move, lock->type);
        for (size_t j = 0; j < lock->let_go.count; j++) {
            int64_t *time_ns = gt_chunks_at(&lock->let_go, j);

            *time_ns = gt_move_ns(move, *time_ns);
        }
        lock->wait_ns = gt_move_length(move, lock->wait_ns);
        lock->with_gil_ns = gt_move_length(move, lock->with_gil_ns);
    }
    return gt_move_all(&move->to->locks, &move->from->locks);
}

/* --- lists of the whole recording --- */

static int move_counter(struct gt_move *move, struct gt_counter *counter,
                        const uint32_t *stacks)
{
    struct gt_chunks *list = &move->to->counters;
    uint32_t name = gt_move_name(move, counter->name);
    struct gt_counter *to = NULL;

    for (size_t i = 0; i < counter->samples.count; i++) {
        struct gt_counter_sample *sample = gt_chunks_at(&counter->samples, i);

        sample->time_ns = gt_move_ns(move, sample->time_ns);
        sample->thread = gt_move_index(sample->thread, move->threads);
        sample->stack = stacks[sample->stack];
    }
    for (size_t i = 0; i < counter->sums.count; i++) {
        struct gt_counter_sum *sum = gt_chunks_at(&counter->sums, i);

        sum->thread = gt_move_index(sum->thread, move->threads);
    }
    for (size_t i = 0; i < list->count && !to; i++) {
        to = gt_chunks_at(list, i);
        to = to->name == name ? to : NULL;
    }
    if (to)
        to->stacked |= counter->stacked;
    if (to)
        return gt_move_all(&to->samples, &counter->samples) ||
                       gt_move_all(&to->sums, &counter->sums)
                   ? -1
                   : 0;
    counter->name = name;
    if (!gt_move_push(list, counter))
        return -1;
    memset(counter, 0, sizeof(*counter));
    return 0;
}

static int move_counters(struct gt_move *move)
{
    struct gt_chunks *from = &move->from->counters;
    uint32_t *stacks =
        from->count ? move_stacks(&move->to->event_stacks, &move->from->event_stacks) : NULL;
    int rc = !stacks && from->count ? -1 : 0;

    for (size_t i = 0; !rc && i < from->count; i++)
        rc = move_counter(move, gt_chunks_at(from, i), stacks);
    free(stacks);
    return rc;
}

static int move_stops(struct gt_move *move)
{
    struct gt_timeline *to = move->to, *from = move->from;

    for (size_t i = 0; i < from->stops.count; i++) {
        struct gt_world_stop *stop = gt_chunks_at(&from->stops, i);

        stop->start_ns = gt_move_ns(move, stop->start_ns);
        stop->all_ns = gt_move_ns(move, stop->all_ns);
        stop->end_ns = gt_move_ns(move, stop->end_ns);
        stop->thread = gt_move_index(stop->thread, move->threads);
        stop->first += (uint32_t)to->stopped.count;
    }
    gt_move_span_list(move, &from->stopped);
    return gt_move_all(&to->stops, &from->stops) || gt_move_all(&to->stopped, &from->stopped) ||
                   move_sums(move, &to->stopped_sums, &from->stopped_sums)
               ? -1
               : 0;
}

static int move_native(struct gt_move *move)
{
    struct gt_timeline *to = move->to, *from = move->from;
    uint32_t *stacks = move_stacks(&to->native_stacks, &from->native_stacks);

    for (size_t i = 0; stacks && i < from->native.count; i++) {
        struct gt_native_sample *sample = gt_chunks_at(&from->native, i);

        sample->time_ns = gt_move_ns(move, sample->time_ns);
        sample->thread = gt_move_index(sample->thread, move->threads);
        sample->stack = stacks[sample->stack];
    }
    for (size_t i = 0; stacks && i < from->native_sleeps.count; i++) {
        struct gt_native_sleep *sleep = gt_chunks_at(&from->native_sleeps, i);

        sleep->time_ns = gt_move_ns(move, sleep->time_ns);
        sleep->thread = gt_move_index(sleep->thread, move->threads);
        sleep->stack = stacks[sleep->stack];
    }
    free(stacks);
    return !stacks || gt_move_all(&to->native, &from->native) ||
                   gt_move_all(&to->native_sleeps, &from->native_sleeps)
               ? -1
               : 0;
}

static int move_marks(struct gt_move *move)
{
    struct gt_timeline *to = move->to, *from = move->from;

    for (size_t i = 0; i < from->marks.count; i++) {
        struct gt_mark *mark = gt_chunks_at(&from->marks, i);

        mark->time_ns = gt_move_ns(move, mark->time_ns);
        mark->thread = gt_move_index(mark->thread, move->threads);
        mark->name = gt_move_name(move, mark->name);
        mark->detail = gt_move_name(move, mark->detail);
    }
    for (size_t i = 0; i < from->gil_switches.count; i++) {
        struct gt_gil_switch *gil_switch = gt_chunks_at(&from->gil_switches, i);

        gil_switch->time_ns = gt_move_ns(move, gil_switch->time_ns);
        gil_switch->loaded_ns = gt_move_ns(move, gil_switch->loaded_ns);
        gil_switch->thread = gt_move_index(gil_switch->thread, move->threads);
        gil_switch->module = gt_move_name(move, gil_switch->module);
    }
    return gt_move_all(&to->marks, &from->marks) ||
                   gt_move_all(&to->gil_switches, &from->gil_switches)
               ? -1
               : 0;
}

static int move_losses(struct gt_move *move)
{
    struct gt_timeline *to = move->to, *from = move->from;

    for (size_t i = 0; i < from->losses.count; i++) {
        struct gt_loss *loss = gt_chunks_at(&from->losses, i);

        loss->start_ns = gt_move_ns(move, loss->start_ns);
        loss->end_ns = gt_move_ns(move, loss->end_ns);
    }
    for (size_t i = 0; i < from->holes.count; i++) {
        struct gt_hole *hole = gt_chunks_at(&from->holes, i);

        hole->start_ns = gt_move_ns(move, hole->start_ns);
        hole->end_ns = gt_move_ns(move, hole->end_ns);
        hole->process = gt_move_index(hole->process, move->processes);
        hole->why = gt_move_name(move, hole->why);
    }
    for (size_t i = 0; i < from->unseen.count; i++) {
        struct gt_unseen *unseen = gt_chunks_at(&from->unseen, i);

        unseen->process = gt_move_index(unseen->process, move->processes);
        unseen->name = gt_move_name(move, unseen->name);
        unseen->file = gt_move_name(move, unseen->file);
    }
    return gt_move_all(&to->losses, &from->losses) || gt_move_all(&to->holes, &from->holes) ||
                   gt_move_all(&to->unseen, &from->unseen)
               ? -1
               : 0;
}

int gt_move_parts(struct gt_move *move)
{
    struct gt_timeline *to = move->to, *from = move->from;

    return move_scheds(move) || move_calls(move) ||
                   move_readings(move, &to->usages, &from->usages, sizeof(struct gt_usage)) ||
                   move_readings(move, &to->snapshots, &from->snapshots,
                                 sizeof(struct gt_snapshot)) ||
                   move_locks(move) || move_sums(move, &to->lock_waits, &from->lock_waits) ||
                   move_spins(move) || move_counters(move) || move_stops(move) ||
                   move_native(move) || move_marks(move) || move_losses(move)
               ? -1
               : 0;
}

/* --- in the order of time again --- */

/* All of these begin with their time, but for the samples of counters, too. */
static int by_time(const void *a, const void *b)
{
    return gt_order(*(const int64_t *)a, *(const int64_t *)b);
}

/* Recordings that follow each other are in order already. */
static int sort(struct gt_chunks *list)
{
    return gt_chunks_sort(list, by_time);
}

int gt_timeline_appended(struct gt_timeline *to, struct gt_error *err)
{
    int rc = sort(&to->native) || sort(&to->native_sleeps) || sort(&to->marks) ||
             sort(&to->stops) || sort(&to->gil_switches) || gt_lost_merge(&to->lost);

    _Static_assert(offsetof(struct gt_native_sample, time_ns) == 0, "as by_time wants it");
    _Static_assert(offsetof(struct gt_native_sleep, time_ns) == 0, "as by_time wants it");
    _Static_assert(offsetof(struct gt_mark, time_ns) == 0, "as by_time wants it");
    _Static_assert(offsetof(struct gt_world_stop, start_ns) == 0, "as by_time wants it");
    _Static_assert(offsetof(struct gt_gil_switch, time_ns) == 0, "as by_time wants it");
    _Static_assert(offsetof(struct gt_counter_sample, time_ns) == 0, "as by_time wants it");
    _Static_assert(offsetof(struct gt_usage, time_ns) == 0, "for move_readings");
    _Static_assert(offsetof(struct gt_snapshot, time_ns) == 0, "for move_readings");
    for (size_t i = 0; !rc && i < to->counters.count; i++)
        rc = sort(&((struct gt_counter *)gt_chunks_at(&to->counters, i))->samples);
    return rc ? gt_error_memory(err) : 0;
}
