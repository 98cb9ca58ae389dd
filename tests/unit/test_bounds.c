/* SPDX-License-Identifier: MIT */
/* lib/analysis/bounds: what a figure is at least, and at most, where not all is known. */
#include "made.h"

#include "analysis/bounds.h"

static struct gt_timeline t;
static struct gt_gil *gil;
static struct gt_gil_thread *member;
static struct gt_bounded_times times;

/* A thread that waited 100 ms once, and held the GIL for 200 ms once, in a second. */
static int begin(void **state)
{
    (void)state;
    made_init(&t);
    gil = made_gil(&t, 1000 * MS);
    member = made_member(gil, 100 * MS, 200 * MS);
    *(struct gt_span *)made_push(&gil->waits) = (struct gt_span){0, 100 * MS, 0, 0};
    *(struct gt_span *)made_push(&gil->holds) = (struct gt_span){100 * MS, 300 * MS, 0, 0};
    times = (struct gt_bounded_times){0};
    return 0;
}

static int end(void **state)
{
    (void)state;
    made_release(&t);
    return 0;
}

static void check(const struct gt_bounds *bounds, int64_t ns, int64_t more_ns)
{
    assert_int_equal(bounds->ns, ns);
    assert_int_equal(bounds->more_ns, more_ns);
}

static void what_is_known_has_no_bounds(void **state)
{
    (void)state;
    gt_bounds_add_thread(&times, &t, gil, member);
    check(&times.wait, 100 * MS, 0);
    check(&times.hold, 200 * MS, 0);
    check(&times.longest_wait, 100 * MS, 0);
    check(&times.longest_hold, 200 * MS, 0);
    assert_true(times.lifetime_ns == 1000 * MS && times.unknown_ns == 0);
}

static void several_threads_add_up_but_for_the_longest(void **state)
{
    (void)state;
    gt_bounds_add_thread(&times, &t, gil, member);
    gt_bounds_add_thread(&times, &t, gil, made_member(gil, 150 * MS, 50 * MS));
    check(&times.wait, 250 * MS, 0);
    check(&times.longest_wait, 150 * MS, 0);
    check(&times.longest_hold, 200 * MS, 0);
}

static void what_was_lost_may_have_been_either(void **state)
{
    (void)state;
    *(struct gt_lost_range *)made_push(&t.lost) =
        (struct gt_lost_range){.start_ns = 300 * MS, .end_ns = 400 * MS};
    member->unknown_ns = 100 * MS;
    ((struct gt_span *)gt_chunks_at(&gil->holds, 0))->flags = GT_SPAN_CUT_END;
    gt_bounds_add_thread(&times, &t, gil, member);
    check(&times.wait, 100 * MS, 100 * MS);
    check(&times.hold, 200 * MS, 100 * MS);
    check(&times.longest_wait, 100 * MS, 0); /* all that was lost is as long, no longer */
    check(&times.longest_hold, 200 * MS, 100 * MS); /* it may have gone on through it */
    assert_true(times.unknown_ns == 100 * MS);
}

static void without_returns_a_hold_may_have_begun_as_a_wait(void **state)
{
    (void)state;
    gil->defects.returns_missing = 1;
    gt_bounds_add_thread(&times, &t, gil, member);
    check(&times.wait, 100 * MS, 200 * MS);
    check(&times.hold, 200 * MS, 0);
    check(&times.longest_wait, 100 * MS, 200 * MS);
}

static void the_futex_source_sees_no_hold_that_nobody_waited_for(void **state)
{
    (void)state;
    gil->source = GT_GIL_FROM_FUTEX;
    gt_bounds_add_thread(&times, &t, gil, member);
    check(&times.wait, 100 * MS, 0);
    check(&times.hold, 200 * MS, 700 * MS);
    check(&times.longest_hold, 200 * MS, 800 * MS);
}

static void of_a_process_that_was_not_seen_all_may_be_either(void **state)
{
    (void)state;
    gt_bounds_add_unseen(&times, &t);
    assert_true(times.lifetime_ns == 0);
    *(struct gt_hole *)made_push(&t.holes) =
        (struct gt_hole){.end_ns = 50 * MS, .gil = true, .process = 0};
    gt_bounds_add_unseen(&times, &t); /* some of its threads are known: they have the hole */
    assert_true(times.lifetime_ns == 0);
    ((struct gt_process *)gt_chunks_at(&t.processes, 0))->thread_count = 0;
    gt_bounds_add_unseen(&times, &t);
    check(&times.wait, 0, 50 * MS);
    check(&times.longest_hold, 0, 50 * MS);
    *(struct gt_unseen *)made_push(&t.unseen) = (struct gt_unseen){0};
    times = (struct gt_bounded_times){0};
    gt_bounds_add_unseen(&times, &t);
    check(&times.hold, 0, 1050 * MS);
    check(&times.longest_wait, 0, 1000 * MS);
    assert_true(times.unknown_ns == 1050 * MS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_known_has_no_bounds),
        TEST(several_threads_add_up_but_for_the_longest),
        TEST(what_was_lost_may_have_been_either),
        TEST(without_returns_a_hold_may_have_begun_as_a_wait),
        TEST(the_futex_source_sees_no_hold_that_nobody_waited_for),
        TEST(of_a_process_that_was_not_seen_all_may_be_either),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
