/* SPDX-License-Identifier: MIT */
/* lib/analysis/convoy: who waits for a whole interval, again and again, to do little. */
#include "made.h"

#include "analysis/convoy.h"

static struct gt_timeline t;
static struct gt_contention contention;
static struct gt_blockers blockers;
static struct gt_gil_thread *waiter;

/* The second thread waits 5 ms, twenty times, each time to hold the GIL for 100 us. */
static int begin(void **state)
{
    struct gt_gil *gil;

    (void)state;
    made_init(&t);
    gil = made_gil(&t, 1000 * MS);
    made_member(gil, 0, 900 * MS);
    waiter = made_member(gil, 100 * MS, 2 * MS);
    waiter->waits = 20;
    waiter->holds = 20;
    gt_chunks_init(&contention.blames, sizeof(struct gt_blame));
    made_blame(&contention, 1, 0, 100 * MS);
    made_blockers(&blockers);
    return 0;
}

static int end(void **state)
{
    (void)state;
    gt_chunks_release(&contention.blames);
    made_blockers_release(&blockers);
    made_release(&t);
    return 0;
}

static struct gt_convoy find(void)
{
    return gt_convoy_find(made_gil_at(&t, 0), &contention, &blockers);
}

static void a_convoy_has_a_waiter_and_a_holder(void **state)
{
    struct gt_convoy convoy = find();

    (void)state;
    assert_int_equal(convoy.count, 1);
    assert_int_equal(convoy.waiter, 1);
    assert_int_equal(convoy.holder, 0);
    assert_true(convoy.wait_ns == 5 * MS && convoy.hold_ns == MS / 10 && convoy.waits == 20);
    assert_true(convoy.interval_helps);
}

static void all_that_wait_so_are_counted(void **state)
{
    struct gt_gil_thread *other = made_member(made_gil_at(&t, 0), 90 * MS, MS);

    (void)state;
    other->waits = 30;
    other->holds = 30;
    made_blame(&contention, 2, 0, 90 * MS);
    assert_int_equal(find().count, 2);
    assert_int_equal(find().waiter, 1);
}

/* They are said to be behind the same one. */
static void who_waits_for_another_is_not_counted(void **state)
{
    struct gt_gil *gil = made_gil_at(&t, 0);
    struct gt_gil_thread *other = made_member(gil, 90 * MS, MS);

    (void)state;
    made_member(gil, 0, 900 * MS);
    other->waits = 30;
    other->holds = 30;
    made_blame(&contention, 2, 3, 90 * MS);
    assert_int_equal(find().count, 1);
    assert_int_equal(find().waiter, 1);
    assert_int_equal(find().holder, 0);
}

static void few_waits_are_none(void **state)
{
    (void)state;
    waiter->waits = 19;
    assert_int_equal(find().count, 0);
}

static void short_waits_are_none(void **state)
{
    (void)state;
    waiter->wait_ns = 50 * MS; /* half an interval each */
    assert_int_equal(find().count, 1);
    waiter->wait_ns = 50 * MS - 20;
    assert_int_equal(find().count, 0);
}

static void who_computes_is_in_none(void **state)
{
    (void)state;
    waiter->hold_ns = 20 * MS - 20; /* less than a fifth of an interval each */
    assert_int_equal(find().count, 1);
    waiter->hold_ns = 20 * MS;
    assert_int_equal(find().count, 0);
}

static void who_waits_for_many_is_in_none(void **state)
{
    struct gt_blame *blame = gt_chunks_at(&contention.blames, 0);

    (void)state;
    blame->ns = 50 * MS + 1;
    assert_int_equal(find().count, 1);
    blame->ns = 50 * MS; /* half of it for others */
    assert_int_equal(find().count, 0);
    blame->ns = 100 * MS;
    blame->holder = GT_OTHERS;
    assert_int_equal(find().count, 0);
}

static void unknown_waits_are_none(void **state)
{
    (void)state;
    made_gil_at(&t, 0)->takes = made_gil_at(&t, 0)->defects.returns_missing = 20;
    assert_int_equal(find().count, 0);
}

static void an_interval_does_not_help_against_what_keeps_the_gil(void **state)
{
    struct gt_blocker *row = made_row(&blockers, GT_DOING_C, 50 * MS);

    (void)state;
    made_kept(row, 200 * MS);
    assert_true(find().interval_helps);
    row->waiting_ns++; /* more than half of the waiting */
    assert_int_equal(find().count, 1);
    assert_false(find().interval_helps);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_convoy_has_a_waiter_and_a_holder),
        TEST(all_that_wait_so_are_counted),
        TEST(who_waits_for_another_is_not_counted),
        TEST(few_waits_are_none),
        TEST(short_waits_are_none),
        TEST(who_computes_is_in_none),
        TEST(who_waits_for_many_is_in_none),
        TEST(unknown_waits_are_none),
        TEST(an_interval_does_not_help_against_what_keeps_the_gil),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
