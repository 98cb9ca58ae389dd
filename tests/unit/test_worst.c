/* SPDX-License-Identifier: MIT */
/*
 * lib/analysis/worst, worst_range and contended, against what one finds by trying everything:
 * threads do one thing in each hundredth of a second, so that whatever is asked for lies on
 * hundredths. What they do is random, and the same in each run.
 */
#include "made.h"

#include "analysis/contended.h"
#include "analysis/worst.h"
#include "analysis/worst_range.h"

#include <stdio.h>
#include <string.h>

enum { THREADS = 5, UNITS = 320, ROUNDS = 150 };
enum doing { ABSENT, FREE, WAITING, HOLDING, UNKNOWN, DOINGS };

#define UNIT (10 * MS)

static struct gt_timeline t;
static enum doing did[THREADS][UNITS];
static bool lost[UNITS];
static uint64_t seed;

static int below(int limit)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (int)(seed % (unsigned)limit);
}

/* --- making it up --- */

/* Busy and idle times, and some in which nobody knows: of all threads, then of some. */
static void make_up(bool losses)
{
    bool busy = false;

    memset(lost, 0, sizeof(lost));
    for (int u = 0; u < UNITS; u++) {
        busy = below(25) ? busy : !busy;
        lost[u] = losses && (u && lost[u - 1] ? below(4) > 0 : !below(60));
        for (int i = 0; i < THREADS; i++) {
            enum doing *doing = &did[i][u];

            *doing = busy && below(3) ? WAITING : below(3) ? FREE : HOLDING;
            if (lost[u] || (u && did[i][u - 1] == UNKNOWN && below(3)))
                *doing = UNKNOWN;
        }
        for (int i = 0, holder = below(THREADS); i < THREADS; i++)
            if (did[i][u] == HOLDING && i != holder)
                did[i][u] = FREE;
    }
    for (int i = 1; i < THREADS; i++) { /* the first one lives all along */
        int start = below(2) ? 0 : below(UNITS / 2),
            end = below(2) ? UNITS : UNITS - below(150);

        for (int u = 0; u < UNITS; u++)
            if (u < start || u >= end)
                did[i][u] = ABSENT;
    }
}

static int first_of(int thread, int from, enum doing doing, bool other)
{
    while (from < UNITS && (did[thread][from] == doing) == other)
        from++;
    return from;
}

static void add_span(struct gt_chunks *spans, int thread, int start, int end)
{
    *(struct gt_span *)made_push(spans) = (struct gt_span){
        .start_ns = start * UNIT, .end_ns = end * UNIT, .thread = (uint32_t)thread};
}

/* Runs of one thing; what is not known begins where the loss ends. */
static void add_spans(struct gt_chunks *spans, int thread, enum doing doing)
{
    for (int end, start = first_of(thread, 0, doing, false); start < UNITS;
         start = first_of(thread, end, doing, false)) {
        end = first_of(thread, start, doing, true);
        while (doing == UNKNOWN && start < end && lost[start])
            start++;
        if (start < end)
            add_span(spans, thread, start, end);
    }
}

static int by_end(const void *left, const void *right)
{
    const struct gt_span *a = left, *b = right;

    return a->end_ns < b->end_ns ? -1 : a->end_ns > b->end_ns;
}

static void sort_spans(struct gt_chunks *spans)
{
    struct gt_span *sorted = calloc(spans->count + 1, sizeof(*sorted));

    assert_non_null(sorted);
    for (size_t i = 0; i < spans->count; i++)
        sorted[i] = *gt_span_at(spans, i);
    qsort(sorted, spans->count, sizeof(*sorted), by_end);
    for (size_t i = 0; i < spans->count; i++)
        *(struct gt_span *)gt_chunks_at(spans, i) = sorted[i];
    free(sorted);
}

static int64_t time_of(int thread, enum doing doing)
{
    int64_t ns = 0;

    for (int u = 0; u < UNITS; u++)
        ns += did[thread][u] == doing ? UNIT : 0;
    return ns;
}

static void add_member(struct gt_gil *gil, int thread)
{
    struct gt_gil_thread *member =
        made_member(gil, time_of(thread, WAITING), time_of(thread, HOLDING));

    member->thread = (uint32_t)thread;
    member->unknown_ns = time_of(thread, UNKNOWN);
    member->lifetime_ns = UNITS * UNIT - time_of(thread, ABSENT);
    add_spans(&gil->waits, thread, WAITING);
    add_spans(&gil->holds, thread, HOLDING);
    add_spans(&gil->unknowns, thread, UNKNOWN);
}

static void add_thread(int index)
{
    char name[32];
    int start = first_of(index, 0, ABSENT, true),
        length = snprintf(name, sizeof(name), "w-%d", index);

    *(struct gt_thread *)(index ? made_push(&t.threads) : gt_chunks_at(&t.threads, 0)) =
        (struct gt_thread){
            .tid = 10 + index,
            .number = (uint32_t)index + 1,
            .python_name = gt_intern_add(&t.names, name, (size_t)length),
            .flags = index ? 0 : GT_THREAD_MAIN,
            .start_ns = start * UNIT,
            .end_ns = first_of(index, start, ABSENT, false) * UNIT,
        };
}

static void add_lost(void)
{
    for (int u = 0; u < UNITS; u++) {
        struct gt_lost_range *last = gt_chunks_last(&t.lost);

        if (!lost[u])
            continue;
        if (last && last->end_ns == u * UNIT)
            last->end_ns += UNIT;
        else
            *(struct gt_lost_range *)made_push(&t.lost) =
                (struct gt_lost_range){u * UNIT, (u + 1) * UNIT, 1};
    }
}

static struct gt_gil *make_timeline(void)
{
    struct gt_gil *gil;

    made_init(&t);
    gt_intern_init(&t.names);
    t.end_ns = UNITS * UNIT;
    for (int i = 0; i < THREADS; i++)
        add_thread(i);
    add_lost();
    gil = made_gil(&t, UNITS * UNIT);
    gt_chunks_init(&gil->unknowns, sizeof(struct gt_span));
    for (int i = 0; i < THREADS; i++)
        add_member(gil, i);
    sort_spans(&gil->waits);
    sort_spans(&gil->holds);
    sort_spans(&gil->unknowns);
    return gil;
}

static void drop_timeline(void)
{
    gt_chunks_release(&made_gil_at(&t, 0)->unknowns);
    gt_chunks_release(&t.lost_of);
    gt_intern_release(&t.names);
    made_release(&t);
}

/* --- trying everything --- */

/* How long threads from `first` to before `end` did a thing in so many units. */
static int64_t sum(enum doing doing, int first, int end, int from, int until)
{
    int64_t ns = 0;

    for (int i = first; i < end; i++)
        for (int u = from; u < until; u++)
            ns += (doing == ABSENT) != (did[i][u] == doing) ? UNIT : 0;
    return ns; /* of ABSENT: how long they lived */
}

/* The first window with the most of one thing, and of another. */
static int most_of(enum doing doing, enum doing other, int first, int end, int length,
                   int64_t *most_ns)
{
    int found = 0;

    *most_ns = -1;
    for (int from = 0; from + length <= UNITS; from++) {
        int64_t ns = sum(doing, first, end, from, from + length);

        if (other != doing)
            ns += sum(other, first, end, from, from + length);
        if (ns > *most_ns) {
            *most_ns = ns;
            found = from;
        }
    }
    return found;
}

static void check_windows(const struct gt_worst *worst)
{
    static const int lengths[] = {10, 100, 200};

    assert_int_equal(worst->window_count, 3);
    for (int i = 0; i < 3; i++) {
        const struct gt_worst_window *window = &worst->windows[i];
        int64_t most_ns, at_most_ns;
        int from = most_of(WAITING, WAITING, 0, THREADS, lengths[i], &most_ns);
        int until = from + lengths[i];

        most_of(WAITING, UNKNOWN, 0, THREADS, lengths[i], &at_most_ns);
        assert_int_equal(window->length_ns, lengths[i] * UNIT);
        assert_int_equal(window->start_ns, from * UNIT);
        assert_int_equal(window->wait_ns, most_ns);
        assert_int_equal(window->unknown_ns, sum(UNKNOWN, 0, THREADS, from, until));
        assert_int_equal(window->lives_ns, sum(ABSENT, 0, THREADS, from, until));
        assert_int_equal(window->at_most_ns, at_most_ns);
    }
}

/* What each unit counts for the stretch: whole numbers, by the rule in worst.h. */
static void weigh(const struct gt_worst *worst, __int128 weights[UNITS])
{
    const struct gt_worst_window *densest = &worst->windows[0];

    for (int i = 1; i < 3; i++) {
        const struct gt_worst_window *window = &worst->windows[i];

        if ((__int128)window->wait_ns * window->wait_ns * densest->length_ns >
            (__int128)densest->wait_ns * densest->wait_ns * window->length_ns)
            densest = window;
    }
    for (int u = 0; u < UNITS; u++) {
        weights[u] = (__int128)2 * densest->length_ns * sum(WAITING, 0, THREADS, u, u + 1) -
                     (__int128)densest->wait_ns * UNIT;
        if (weights[u] < 0 && sum(UNKNOWN, 0, THREADS, u, u + 1))
            weights[u] = 0;
    }
}

static void check_stretch(const struct gt_worst *worst)
{
    const struct gt_worst_stretch *stretch = &worst->stretch;
    __int128 weights[UNITS], greatest = 0;
    int from = 0, until = 0;

    weigh(worst, weights);
    for (int end = 1; end <= UNITS; end++) {
        __int128 weight = 0;

        for (int start = end; start-- > 0;) { /* the last one first */
            weight += weights[start];
            if (weight <= greatest)
                continue;
            greatest = weight;
            from = start;
            until = end;
        }
    }
    assert_int_equal(stretch->start_ns, from * UNIT);
    assert_int_equal(stretch->end_ns, until * UNIT);
    assert_int_equal(stretch->wait_ns, sum(WAITING, 0, THREADS, from, until));
    assert_int_equal(stretch->lives_ns, sum(ABSENT, 0, THREADS, from, until));
    assert_int_equal(stretch->unknown_ns, sum(UNKNOWN, 0, THREADS, from, until));
}

/* All but the first are of one kind. */
static void check_kind(const struct gt_worst_stretch *stretch)
{
    int from = (int)(stretch->start_ns / UNIT), until = (int)(stretch->end_ns / UNIT);
    int64_t main_ns = sum(WAITING, 0, 1, from, until);
    int64_t others_ns = sum(WAITING, 1, THREADS, from, until);
    int64_t least_ns = stretch->wait_ns - stretch->wait_ns / 3, lives_ns = 0, unknown_ns = 0;
    int first = others_ns >= least_ns ? 1 : 0, end = main_ns >= least_ns ? 1 : THREADS;
    uint32_t count = 0;

    assert_int_equal(stretch->kind == GT_NO_INDEX, first == 0 && end == THREADS);
    for (int i = first; i < end; i++) {
        if (stretch->kind == GT_NO_INDEX ? !sum(WAITING, i, i + 1, from, until)
                                         : !sum(ABSENT, i, i + 1, from, until))
            continue;
        count++;
        lives_ns += sum(ABSENT, i, i + 1, from, until);
        unknown_ns += sum(UNKNOWN, i, i + 1, from, until);
    }
    assert_int_equal(stretch->threads, count);
    assert_int_equal(stretch->kind_wait_ns, sum(WAITING, first, end, from, until));
    assert_int_equal(stretch->kind_lives_ns, lives_ns);
    assert_int_equal(stretch->kind_unknown_ns, unknown_ns);
}

static bool is_contended(int unit)
{
    return sum(WAITING, 0, THREADS, unit, unit + 1) > 0;
}

static void check_contended(const struct gt_contended *contended)
{
    int64_t all_ns = 0;

    for (int i = 0; i < THREADS; i++) {
        int64_t ns = 0, hold_ns = 0;

        for (int u = 0; u < UNITS; u++) {
            enum doing doing = did[i][u];

            ns += is_contended(u) && doing != ABSENT && doing != UNKNOWN ? UNIT : 0;
            hold_ns += is_contended(u) && doing == HOLDING ? UNIT : 0;
        }
        assert_int_equal(gt_contended_of(contended, (uint32_t)i).ns, ns);
        assert_int_equal(gt_contended_of(contended, (uint32_t)i).hold_ns, hold_ns);
        assert_true(gt_contended_of(contended, (uint32_t)i).ns >= time_of(i, WAITING));
    }
    for (int u = 0; u < UNITS; u++)
        all_ns += is_contended(u) ? UNIT : 0;
    assert_int_equal(contended->ns, all_ns);
}

static void check_gil(const struct gt_gil *gil)
{
    struct gt_contended contended;
    struct gt_blockers blockers;
    struct gt_worst worst = {0};
    struct gt_covers covers;

    gt_covers_init(&covers);
    assert_int_equal(gt_covers_add_gil(&covers, &t, gil, false), 0);
    gt_covers_sort(&covers);
    assert_int_equal(gt_blockers_of(&blockers, &t, gil, NULL), 0);
    assert_int_equal(gt_contended_init(&contended, &t, gil, &blockers, &covers), 0);
    assert_int_equal(gt_worst_find(&worst, &t, 0, &covers), 0);
    check_contended(&contended);
    if (gil->waits.count) {
        check_windows(&worst);
        check_stretch(&worst);
        check_kind(&worst.stretch);
    }
    gt_contended_release(&contended);
    gt_blockers_release(&blockers);
    gt_covers_release(&covers);
}

/* Each round has its own seed. */
static void begin_round(int round, bool losses)
{
    seed = (uint64_t)round * 7919 + 88172645463325252u + losses;
    make_up(losses);
}

static void nothing_else_is_worse(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        begin_round(round, round % 2);
        check_gil(make_timeline());
        drop_timeline();
    }
}

/* --- the worst window of a condition --- */

static const int window_units[] = {1, 7, 40, 200, UNITS, 2 * UNITS};

/* Of the threads from `first` to before `end`: what it is when all is known. */
static void check_known(const struct gt_worst_range *range, enum doing doing, int first,
                        int end, int length)
{
    int64_t most_ns, lives_ns;
    int from;

    length = length < UNITS ? length : UNITS;
    from = most_of(doing, doing, first, end, length, &most_ns);
    lives_ns = sum(ABSENT, first, end, from, from + length);
    lives_ns = lives_ns > length * UNIT ? lives_ns : length * UNIT;
    assert_int_equal(range->start_ns, from * UNIT);
    assert_int_equal(range->ns, most_ns);
    assert_true(range->percent == 100 * (double)most_ns / (double)lives_ns);
}

static struct gt_worst_range range_of(int thread, int length, bool holds)
{
    struct gt_worst_range range;
    struct gt_covers_index index;

    if (thread < 0) {
        assert_int_equal(gt_worst_range_of_all(&range, &t, length * UNIT, holds), 0);
        return range;
    }
    assert_int_equal(gt_covers_index_init(&index, made_gil_at(&t, 0)), 0);
    assert_int_equal(
        gt_worst_range_of_member(&range, &t, &index, (uint32_t)thread, length * UNIT, holds),
        0);
    gt_covers_index_release(&index);
    return range;
}

static void the_worst_window_is_found_for_all_and_for_one(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS / 5; round++) {
        bool losses = round % 2;

        begin_round(round, losses);
        make_timeline();
        for (size_t i = 0; i < sizeof(window_units) / sizeof(window_units[0]); i++)
            for (int thread = -1; thread < THREADS; thread++) {
                int first = thread < 0 ? 0 : thread, end = thread < 0 ? THREADS : thread + 1;
                struct gt_worst_range waits = range_of(thread, window_units[i], false);
                struct gt_worst_range holds = range_of(thread, window_units[i], true);

                check_known(&waits, WAITING, first, end, window_units[i]);
                check_known(&holds, HOLDING, first, end, window_units[i]);
                if (!losses)
                    assert_true(waits.low == waits.percent && waits.high == waits.percent &&
                                waits.most_ns == waits.ns);
            }
        drop_timeline();
    }
}

/* What was not known turns out: it was waiting, holding or neither. */
static void turn_out(int kind)
{
    static const enum doing may[] = {WAITING, FREE, HOLDING};

    for (int i = 0; i < THREADS; i++)
        for (int u = 0; u < UNITS; u++)
            if (did[i][u] == UNKNOWN)
                did[i][u] = kind == 0 ? WAITING : kind == 1 ? FREE : may[below(3)];
    memset(lost, 0, sizeof(lost));
}

static void check_between(const struct gt_worst_range *before, const struct gt_worst_range *now)
{
    assert_true(before->low <= before->percent && before->percent <= before->high);
    assert_true(before->ns <= now->ns && now->ns <= before->most_ns);
    assert_true(before->low <= now->percent + 1e-9);
    assert_true(now->percent <= before->high + 1e-9);
}

static void whatever_turns_out_lies_between_the_bounds(void **state)
{
    enum { LENGTHS = sizeof(window_units) / sizeof(window_units[0]) };

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct gt_worst_range before[2][LENGTHS];
        int thread = round % (THREADS + 1) - 1;

        begin_round(round, true);
        make_timeline();
        for (int i = 0; i < LENGTHS; i++) {
            before[0][i] = range_of(thread, window_units[i], false);
            before[1][i] = range_of(thread, window_units[i], true);
        }
        drop_timeline();
        turn_out(round % 4);
        make_timeline();
        for (int i = 0; i < LENGTHS; i++) {
            struct gt_worst_range waits = range_of(thread, window_units[i], false);
            struct gt_worst_range holds = range_of(thread, window_units[i], true);

            check_between(&before[0][i], &waits);
            check_between(&before[1][i], &holds);
            if (round % 4 == 0)
                assert_int_equal(waits.ns, before[0][i].most_ns);
        }
        drop_timeline();
    }
}

/* --- where it is told --- */

/* All wait but one, from one unit to another. */
static void contend(int from, int until)
{
    for (int i = 1; i < THREADS; i++)
        for (int u = from; u < until; u++)
            did[i][u] = u % (THREADS - 1) + 1 == i ? HOLDING : WAITING;
}

static struct gt_worst find(void)
{
    const struct gt_gil *gil = make_timeline();
    struct gt_worst worst = {0};
    struct gt_covers covers;

    gt_covers_init(&covers);
    assert_int_equal(gt_covers_add_gil(&covers, &t, gil, false), 0);
    gt_covers_sort(&covers);
    assert_int_equal(gt_worst_find(&worst, &t, 0, &covers), 0);
    gt_covers_release(&covers);
    drop_timeline();
    return worst;
}

static void idle(void)
{
    memset(lost, 0, sizeof(lost));
    for (int i = 0; i < THREADS; i++)
        for (int u = 0; u < UNITS; u++)
            did[i][u] = FREE;
}

static void a_stretch_is_told_where_it_is_worse_than_the_whole(void **state)
{
    struct gt_worst worst;

    (void)state;
    idle();
    contend(100, 150);
    worst = find();
    assert_true(worst.told);
    assert_int_equal(worst.stretch.start_ns, 100 * UNIT);
    assert_int_equal(worst.stretch.end_ns, 150 * UNIT);
    assert_int_equal(worst.stretch.threads, THREADS - 1);
    contend(0, UNITS); /* it is so all the time */
    assert_false(find().told);
    contend(0, UNITS / 2);
    for (int i = 1; i < THREADS; i++)
        for (int u = UNITS / 2; u < UNITS; u++)
            did[i][u] = FREE;
    assert_true(find().told); /* it is twice the whole */
    contend(UNITS / 2, UNITS / 2 + 1);
    assert_false(find().told);
}

static void a_short_stretch_or_little_waiting_is_not_told(void **state)
{
    (void)state;
    idle();
    contend(100, 109);
    assert_false(find().told);
    contend(100, 110);
    assert_true(find().told);
    idle();
    for (int u = 100; u < 200; u++) /* one waits a sixteenth of its time, closely */
        did[1][u] = u % 16 ? FREE : WAITING;
    assert_false(find().told);
}

static void what_is_not_known_may_have_been_as_bad(void **state)
{
    (void)state;
    idle();
    contend(100, 150);
    for (int u = 200; u < 208; u++) {
        lost[u] = true;
        for (int i = 0; i < THREADS; i++)
            did[i][u] = UNKNOWN;
    }
    assert_true(find().told);
    for (int u = 160; u < UNITS; u++) {
        lost[u] = true;
        for (int i = 0; i < THREADS; i++)
            did[i][u] = UNKNOWN;
    }
    assert_false(find().told);
}

/* And a loss at its edge is not part of it. */
static void a_loss_within_a_stretch_does_not_end_it(void **state)
{
    struct gt_worst worst;

    (void)state;
    idle();
    contend(100, 150);
    for (int u = 110; u < 125; u++) {
        lost[u] = true;
        for (int i = 0; i < THREADS; i++)
            did[i][u] = UNKNOWN;
    }
    worst = find();
    assert_int_equal(worst.stretch.start_ns, 100 * UNIT);
    assert_int_equal(worst.stretch.end_ns, 150 * UNIT);
    assert_int_equal(worst.stretch.unknown_ns, 15 * THREADS * UNIT);
    for (int u = 150; u < 160; u++) {
        lost[u] = true;
        for (int i = 0; i < THREADS; i++)
            did[i][u] = UNKNOWN;
    }
    assert_int_equal(find().stretch.end_ns, 150 * UNIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_else_is_worse),
        cmocka_unit_test(the_worst_window_is_found_for_all_and_for_one),
        cmocka_unit_test(whatever_turns_out_lies_between_the_bounds),
        cmocka_unit_test(a_stretch_is_told_where_it_is_worse_than_the_whole),
        cmocka_unit_test(a_short_stretch_or_little_waiting_is_not_told),
        cmocka_unit_test(what_is_not_known_may_have_been_as_bad),
        cmocka_unit_test(a_loss_within_a_stretch_does_not_end_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
