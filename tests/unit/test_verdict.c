/* SPDX-License-Identifier: MIT */
/* lib/analysis/verdict: GIL-bound or not, withheld where what was lost may turn it round. */
#include "made.h"

#include "analysis/gil_times.h"
#include "analysis/verdict.h"

#include <stdio.h>

static struct gt_timeline t;
static struct gt_recorded recorded;
static struct gt_contention contentions[2];
static struct gt_blockers blockers[2];

/* Two GILs that live for a second; two threads each, of which the second waits. */
static int begin(void **state)
{
    (void)state;
    made_init(&t);
    gt_intern_init(&t.names);
    recorded = (struct gt_recorded){.timeline = &t};
    for (int i = 0; i < 2; i++) {
        struct gt_gil *gil = made_gil(&t, 1000 * MS);

        made_member(gil, 0, 900 * MS);
        made_member(gil, 0, 0);
        gt_chunks_init(&contentions[i].blames, sizeof(struct gt_blame));
        made_blockers(&blockers[i]);
    }
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        gt_chunks_release(&contentions[i].blames);
        made_blockers_release(&blockers[i]);
    }
    gt_intern_release(&t.names);
    made_release(&t);
    return 0;
}

/* The second thread of that GIL waits for the first. */
static void wait_for(uint32_t gil, int64_t ns)
{
    made_member_at(made_gil_at(&t, gil), 1)->wait_ns = ns;
    blockers[gil].utilization.total.contended_ns = ns;
    if (contentions[gil].blames.count == 0)
        made_blame(&contentions[gil], 1, 0, ns);
}

/* All verdicts; the first of them in *first. */
static struct gt_verdicts judge(int64_t wall_ns, struct gt_verdict *first)
{
    struct gt_verdicts verdicts;

    assert_int_equal(
        gt_verdicts_init(&verdicts, &recorded, contentions, blockers, wall_ns, NULL), 0);
    if (verdicts.count)
        *first = verdicts.list[0];
    return verdicts;
}

static struct gt_verdict first_verdict(void)
{
    struct gt_verdict first;
    struct gt_verdicts verdicts = judge(1000 * MS, &first);

    assert_true(verdicts.count > 0);
    gt_verdicts_release(&verdicts);
    return first;
}

static enum gt_bound bound(void)
{
    return first_verdict().bound;
}

static void bound_by_the_share_of_time_in_which_somebody_waits(void **state)
{
    (void)state;
    wait_for(0, 500 * MS);
    assert_int_equal(bound(), GT_BOUND_FULLY);
    wait_for(0, 500 * MS - 1);
    assert_int_equal(bound(), GT_BOUND_PARTLY);
    wait_for(0, 100 * MS);
    assert_int_equal(bound(), GT_BOUND_PARTLY);
    wait_for(0, 100 * MS - 1);
    assert_int_equal(bound(), GT_BOUND_NOT);
}

static void withheld_where_what_was_lost_may_turn_it_round(void **state)
{
    struct gt_gil *gil = made_gil_at(&t, 0);

    (void)state;
    wait_for(0, 300 * MS);
    gil->unknown_ns = 500 * MS; /* half: it may be anything */
    assert_int_equal(bound(), GT_BOUND_LOST);
    gil->unknown_ns = 400 * MS; /* half of what is known */
    assert_int_equal(bound(), GT_BOUND_FULLY);
    gil->unknown_ns = 300 * MS; /* less than that */
    assert_int_equal(bound(), GT_BOUND_PARTLY);
    wait_for(0, 500 * MS); /* even if nobody waited in what was lost */
    gil->unknown_ns = 500 * MS;
    assert_int_equal(bound(), GT_BOUND_FULLY);
}

static void withheld_where_half_of_the_returns_are_missing(void **state)
{
    struct gt_gil *gil = made_gil_at(&t, 0);

    (void)state;
    gil->takes = 10;
    gil->defects.returns_missing = 4;
    wait_for(0, 50 * MS);
    assert_int_equal(bound(), GT_BOUND_NOT);
    gil->defects.returns_missing = 5;
    assert_int_equal(bound(), GT_BOUND_NO_RETURNS);
    wait_for(0, 500 * MS); /* waits are longer than what was seen, if anything */
    assert_int_equal(bound(), GT_BOUND_FULLY);
}

static void shares_are_of_what_is_known(void **state)
{
    (void)state;
    wait_for(0, 500 * MS);
    assert_int_equal(first_verdict().of, GT_SHARES_OF_RUN);
    t.is_part = true;
    assert_int_equal(first_verdict().of, GT_SHARES_OF_PART);
    t.is_part = false;
    made_gil_at(&t, 0)->end_ns = 950 * MS; /* it began later, or ended before */
    assert_int_equal(first_verdict().of, GT_SHARES_OF_RUN);
    made_gil_at(&t, 0)->end_ns--;
    assert_int_equal(first_verdict().of, GT_SHARES_OF_PROGRAM);
    recorded.cut = "short";
    assert_int_equal(first_verdict().of, GT_SHARES_OF_READ);
    made_gil_at(&t, 0)->unknown_ns = 1;
    assert_int_equal(first_verdict().of, GT_SHARES_OF_KNOWN);
}

static void an_interval_is_told_where_it_is_not_the_default(void **state)
{
    (void)state;
    wait_for(0, 500 * MS);
    assert_int_equal(first_verdict().interval, GT_INTERVAL_USUAL);
    made_interval(made_gil_at(&t, 0), 5 * MS);
    assert_int_equal(first_verdict().interval, GT_INTERVAL_USUAL);
    made_interval(made_gil_at(&t, 0), 20 * MS);
    assert_int_equal(first_verdict().interval, GT_INTERVAL_LONGER);
    made_interval(made_gil_at(&t, 0), MS);
    assert_int_equal(first_verdict().interval, GT_INTERVAL_ANOTHER);
    made_interval(made_gil_at(&t, 0), 5 * MS); /* it changed meanwhile */
    assert_int_equal(first_verdict().interval, GT_INTERVAL_ANOTHER);
}

static void names_whom_all_waited_for_and_the_largest_pair(void **state)
{
    struct gt_verdict verdict;
    struct gt_gil *gil = made_gil_at(&t, 0);

    (void)state;
    made_member(gil, 300 * MS, 0);
    made_member(gil, 250 * MS, 0);
    made_member_at(gil, 1)->wait_ns = 100 * MS;
    made_blame(&contentions[0], 1, 0, 100 * MS);
    made_blame(&contentions[0], 2, 3, 160 * MS);
    made_blame(&contentions[0], 2, GT_NO_INDEX, 140 * MS);
    made_blame(&contentions[0], 3, 0, 250 * MS);
    verdict = first_verdict();
    assert_int_equal(verdict.holder, 0);
    assert_true(verdict.holder_ns == 350 * MS);
    assert_int_equal(verdict.pair.waiter, 3);
    assert_int_equal(verdict.pair.holder, 0);
    assert_true(verdict.pair.ns == 250 * MS);
    assert_true(verdict.wait_ns == 650 * MS && verdict.lives_ns == 4000 * MS);
    gil->unknown_ns = 500 * MS; /* of the rest, nobody knows */
    assert_int_equal(first_verdict().holder, GT_NO_INDEX);
}

/* Of four workers none stands out, but all of them do. */
static void many_of_one_kind_are_named_together(void **state)
{
    struct gt_verdict verdict;
    struct gt_gil *gil = made_gil_at(&t, 0);

    (void)state;
    for (int i = 0; i < 4; i++) {
        uint32_t thread = (uint32_t)t.threads.count;
        char name[16];
        int length = snprintf(name, sizeof(name), "worker-%d", i);

        *(struct gt_thread *)made_push(&t.threads) =
            (struct gt_thread){.tid = 100 + i,
                               .number = thread + 1,
                               .end_ns = 1000 * MS,
                               .python_name = gt_intern_add(&t.names, name, (size_t)length)};
        made_member(gil, 0, 0)->thread = thread;
        made_blame(&contentions[0], 1, (uint32_t)gil->members.count - 1, 80 * MS);
    }
    made_member_at(gil, 1)->wait_ns = 420 * MS;
    made_blame(&contentions[0], 1, 0, 100 * MS);
    verdict = first_verdict();
    assert_int_equal(verdict.holders, 4);
    assert_true(verdict.holder_ns == 320 * MS);
    assert_int_equal(verdict.holder, 2);
    made_blame(&contentions[0], 1, 0, 10 * MS); /* one that stands out is named itself */
    verdict = first_verdict();
    assert_int_equal(verdict.holders, 1);
    assert_int_equal(verdict.holder, 0);
    made_blame(&contentions[0], 3, GT_OTHERS, MS); /* then the sum is not known */
    made_blame(&contentions[0], 4, 5, 250 * MS);
    assert_int_equal(first_verdict().holders, 1);
}

static void of_little_waiting_no_more_is_told(void **state)
{
    (void)state;
    made_kept(made_row(&blockers[0], GT_DOING_C, MS), 200 * MS);
    wait_for(0, 2 * MS - 1); /* a thousandth of two lives */
    assert_true(first_verdict().hardly_waited);
    assert_int_equal(first_verdict().row_count, 0);
    wait_for(0, 2 * MS);
    assert_false(first_verdict().hardly_waited);
    assert_int_equal(first_verdict().row_count, 1);
    for (uint32_t i = 0; i < 2; i++) /* of long lives, 10 ms are no little */
        made_member_at(made_gil_at(&t, 0), i)->lifetime_ns = 100000 * MS;
    wait_for(0, 10 * MS - 1);
    assert_true(first_verdict().hardly_waited);
    wait_for(0, 10 * MS);
    assert_false(first_verdict().hardly_waited);
}

static void rows_are_told_that_keep_the_gil_or_queue_again_and_again(void **state)
{
    struct gt_blocker *row;
    struct gt_verdict verdict;

    (void)state;
    wait_for(0, 500 * MS);
    made_row(&blockers[0], GT_DOING_UNKNOWN, 300 * MS); /* gives it up when asked */
    row = made_row(&blockers[0], GT_DOING_C, 10 * MS);
    made_kept(row, 200 * MS);
    verdict = first_verdict();
    assert_int_equal(verdict.row_count, 0); /* a fiftieth of the waiting, no more */
    assert_int_equal(verdict.top_row, GT_NO_INDEX);
    row->waiting_ns++;
    verdict = first_verdict();
    assert_int_equal(verdict.row_count, 1);
    assert_int_equal(verdict.rows[0], 1);
    row = made_row(&blockers[0], GT_DOING_C, 0);
    row->contended = row->retakes = 50;
    row->retake_wait_ns = 50 * MS; /* a tenth */
    assert_int_equal(first_verdict().row_count, 1);
    row->retake_wait_ns++;
    assert_int_equal(first_verdict().row_count, 2);
    made_kept(made_row(&blockers[0], GT_DOING_GC, 100 * MS), 200 * MS);
    made_kept(made_row(&blockers[0], GT_DOING_GC, 100 * MS), 200 * MS);
    assert_int_equal(first_verdict().row_count, GT_VERDICT_ROWS);
}

static void the_function_waited_for_most_is_the_first_if_one_is_known(void **state)
{
    (void)state;
    wait_for(0, 500 * MS);
    made_row(&blockers[0], GT_DOING_PYTHON, 300 * MS);
    assert_int_equal(first_verdict().top_row, 0);
}

static void a_fifth_of_a_life_is_much_waiting(void **state)
{
    (void)state;
    assert_int_equal(gt_wait_level(0.999), GT_WAIT_LITTLE);
    assert_int_equal(gt_wait_level(1), GT_WAIT_SOME);
    assert_int_equal(gt_wait_level(19.999), GT_WAIT_SOME);
    assert_int_equal(gt_wait_level(20), GT_WAIT_MUCH);
}

static void gils_come_with_the_most_waiting_first(void **state)
{
    struct gt_verdict first;
    struct gt_verdicts verdicts;

    (void)state;
    wait_for(0, 100 * MS);
    wait_for(1, 200 * MS);
    verdicts = judge(1000 * MS, &first);
    assert_int_equal(verdicts.count, 2);
    assert_int_equal(verdicts.list[0].gil, 1);
    assert_int_equal(verdicts.list[1].gil, 0);
    gt_verdicts_release(&verdicts);
}

static enum gt_no_waits no_waits(void)
{
    struct gt_verdict first;
    struct gt_verdicts verdicts = judge(1000 * MS, &first);

    assert_int_equal(verdicts.count, 0);
    gt_verdicts_release(&verdicts);
    return verdicts.no_waits;
}

static void no_wait_says_something_only_where_all_is_known(void **state)
{
    struct gt_hole *hole;

    (void)state;
    assert_int_equal(no_waits(), GT_NO_WAITS_AT_ALL);
    t.is_part = true;
    assert_int_equal(no_waits(), GT_NO_WAITS_IN_PART);
    t.is_part = false;
    recorded.cut = "short";
    assert_int_equal(no_waits(), GT_NO_WAITS_NOT_WHOLE);
    recorded.cut = NULL;
    *(struct gt_unseen *)made_push(&t.unseen) = (struct gt_unseen){0};
    assert_int_equal(no_waits(), GT_NO_WAITS_UNSEEN);
    hole = made_push(&t.holes);
    *hole = (struct gt_hole){.gil = true};
    assert_int_equal(no_waits(), GT_NO_WAITS_NOT_WHOLE);
    made_gil_at(&t, 0)->unknown_ns = 999 * MS; /* of two seconds */
    assert_int_equal(no_waits(), GT_NO_WAITS_PARTLY);
    made_gil_at(&t, 1)->takes = made_gil_at(&t, 1)->defects.returns_missing = 1;
    assert_int_equal(no_waits(), GT_NO_WAITS_NO_RETURNS);
    made_gil_at(&t, 0)->unknown_ns = 1000 * MS;
    assert_int_equal(no_waits(), GT_NO_WAITS_LOST);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bound_by_the_share_of_time_in_which_somebody_waits),
        TEST(withheld_where_what_was_lost_may_turn_it_round),
        TEST(withheld_where_half_of_the_returns_are_missing),
        TEST(shares_are_of_what_is_known),
        TEST(an_interval_is_told_where_it_is_not_the_default),
        TEST(names_whom_all_waited_for_and_the_largest_pair),
        TEST(many_of_one_kind_are_named_together),
        TEST(of_little_waiting_no_more_is_told),
        TEST(rows_are_told_that_keep_the_gil_or_queue_again_and_again),
        TEST(the_function_waited_for_most_is_the_first_if_one_is_known),
        TEST(a_fifth_of_a_life_is_much_waiting),
        TEST(gils_come_with_the_most_waiting_first),
        TEST(no_wait_says_something_only_where_all_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
