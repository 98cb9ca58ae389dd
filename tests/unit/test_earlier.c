/* SPDX-License-Identifier: MIT */
/* model/earlier: recordings that begin while the program runs already, and end before it does.
 */
#include "feed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PID = 100, HOLDER = 101, WAITER = 102, SLEEPER = 103, MS = 1000000 };

#define GIL   UINT64_C(0x7000)
#define SINCE (INT64_C(1000) * MS)
#define UNTIL (INT64_C(2000) * MS)

/* As perf tells of a process that it attached to: names, at time 0. */
static struct gt_timeline *attached(int64_t interval_ns)
{
    struct gt_timeline *timeline = gt_timeline_new(false, NULL);

    assert_non_null(timeline);
    gt_timeline_set_range(timeline, SINCE, UNTIL, interval_ns);
    for (int tid = PID; tid <= SLEEPER; tid++)
        assert_int_equal(name_task(timeline, GT_EVENT_COMM, 0, PID, tid, "server"), 0);
    return timeline;
}

static const struct gt_thread *thread_of_tid(const struct gt_timeline *timeline, int32_t tid)
{
    for (uint32_t i = (uint32_t)timeline->threads.count; i-- > 0;)
        if (gt_thread_at(timeline, i)->tid == tid)
            return gt_thread_at(timeline, i);
    return NULL;
}

static const struct gt_gil *finish(struct gt_timeline *timeline)
{
    assert_int_equal(gt_timeline_finish(timeline, NULL), 0);
    assert_null(broken_invariant(timeline));
    assert_int_equal(timeline->gils.count, 1);
    assert_int_equal(timeline->quality.overlaps, 0);
    assert_int_equal(timeline->quality.unmatched_releases, 0);
    return gt_gil_at(timeline, 0);
}

/* One turn of each thread that the rest of a test does not depend on, and by which the GIL is
 * recognised. */
static void take_turns(struct gt_timeline *timeline, int64_t time_ns)
{
    assert_int_equal(acquire(timeline, time_ns, PID, WAITER, GIL), 0);
    assert_int_equal(release(timeline, time_ns + MS, PID, WAITER, GIL), 0);
}

static void test_who_releases_first_has_held_from_the_beginning(void **state)
{
    struct gt_timeline *timeline = attached(5 * MS);
    const struct gt_gil *gil;

    (void)state;
    await(timeline, SINCE + 2 * MS, PID, WAITER, GIL);
    await(timeline, SINCE + 7 * MS, PID, WAITER, GIL);
    tick(timeline, SINCE + 299 * MS, PID, HOLDER, 0);
    release(timeline, SINCE + 300 * MS, PID, HOLDER, GIL);
    take_turns(timeline, SINCE + 301 * MS);
    gil = finish(timeline);
    assert_int_equal(member_of_tid(timeline, gil, HOLDER)->hold_ns, 300 * MS);
    assert_int_equal(member_of_tid(timeline, gil, HOLDER)->lifetime_ns, UNTIL - SINCE);
    /* What the waiter did in its first 2 ms is not known, and not of its life. */
    assert_int_equal(member_of_tid(timeline, gil, WAITER)->wait_ns, 299 * MS);
    assert_int_equal(member_of_tid(timeline, gil, WAITER)->lifetime_ns, UNTIL - SINCE - 2 * MS);
    gt_timeline_free(timeline);
}

/* Nobody waits longer than the interval without calling again. */
static void test_a_late_first_event_is_no_late_life(void **state)
{
    struct gt_timeline *timeline = attached(5 * MS);
    const struct gt_gil *gil;

    (void)state;
    take_turns(timeline, SINCE + MS);
    acquire(timeline, SINCE + 900 * MS, PID, HOLDER, GIL);
    release(timeline, SINCE + 910 * MS, PID, HOLDER, GIL);
    gil = finish(timeline);
    assert_int_equal(member_of_tid(timeline, gil, HOLDER)->lifetime_ns, UNTIL - SINCE - 5 * MS);
    assert_int_equal(member_of_tid(timeline, gil, HOLDER)->hold_ns, 10 * MS);
    assert_int_equal(member_of_tid(timeline, gil, WAITER)->lifetime_ns, UNTIL - SINCE - MS);
    assert_int_equal(thread_of_tid(timeline, SLEEPER)->start_ns, SINCE + 5 * MS);
    assert_int_equal(thread_of_tid(timeline, SLEEPER)->end_ns, UNTIL);
    assert_int_equal(timeline->start_ns, SINCE);
    assert_int_equal(timeline->end_ns, UNTIL);
    gt_timeline_free(timeline);
}

static void test_without_the_interval_a_thread_is_known_from_its_first_event(void **state)
{
    struct gt_timeline *timeline = attached(0);
    const struct gt_gil *gil;

    (void)state;
    take_turns(timeline, SINCE + MS);
    acquire(timeline, SINCE + 900 * MS, PID, HOLDER, GIL);
    release(timeline, SINCE + 910 * MS, PID, HOLDER, GIL);
    gil = finish(timeline);
    assert_int_equal(member_of_tid(timeline, gil, HOLDER)->lifetime_ns, 100 * MS);
    assert_null(thread_of_tid(timeline, SLEEPER));
    gt_timeline_free(timeline);
}

static void test_events_outside_of_the_range_are_not_of_the_recording(void **state)
{
    struct gt_timeline *timeline = attached(5 * MS);
    const struct gt_gil *gil;

    (void)state;
    acquire(timeline, SINCE - 50 * MS, PID, HOLDER, GIL);
    release(timeline, SINCE - 10 * MS, PID, HOLDER, GIL);
    take_turns(timeline, SINCE + 3 * MS);
    acquire(timeline, UNTIL - 5 * MS, PID, HOLDER, GIL);
    release(timeline, UNTIL + 5 * MS, PID, HOLDER, GIL);
    take_turns(timeline, UNTIL + 10 * MS);
    gil = finish(timeline);
    assert_int_equal(gil->holds.count, 2);
    assert_int_equal(member_of_tid(timeline, gil, HOLDER)->hold_ns, 5 * MS);
    assert_int_equal(member_of_tid(timeline, gil, WAITER)->hold_ns, MS);
    gt_timeline_free(timeline);
}

/* Lives of before: a thread that ended, one that was made, a tid that was used twice. */
static void test_lives_before_the_recording(void **state)
{
    struct gt_timeline *timeline = attached(5 * MS);

    (void)state;
    exit_task(timeline, SINCE - 9 * MS, PID, SLEEPER);
    fork_task(timeline, SINCE - 8 * MS, PID, 104, PID);
    fork_task(timeline, SINCE - 7 * MS, 200, 200, PID); /* a child process */
    take_turns(timeline, SINCE + MS);
    exit_task(timeline, SINCE + 20 * MS, PID, HOLDER); /* its only event */
    fork_task(timeline, SINCE + 30 * MS, PID, SLEEPER, PID);
    finish(timeline);
    assert_int_equal(thread_of_tid(timeline, SLEEPER)->start_ns, SINCE + 30 * MS);
    assert_int_equal(thread_of_tid(timeline, 104)->start_ns, SINCE + 5 * MS);
    assert_int_equal(thread_of_tid(timeline, HOLDER)->end_ns, SINCE + 20 * MS);
    assert_int_equal(thread_of_tid(timeline, HOLDER)->start_ns, SINCE + 5 * MS);
    assert_non_null(thread_of_tid(timeline, 200));
    assert_int_equal(
        gt_process_at(timeline,
                      gt_process_at(timeline, thread_of_tid(timeline, 200)->process)->parent)
            ->pid,
        PID);
    assert_int_equal(timeline->threads.count, 6);
    gt_timeline_free(timeline);
}

/* What happened to the GIL in a lost range is not known: nobody has held it from before. */
static void test_a_loss_at_the_beginning_hides_the_holder(void **state)
{
    struct gt_timeline *timeline = attached(5 * MS);
    const struct gt_gil *gil;

    (void)state;
    lose(timeline, SINCE + 50 * MS, 0, 9);
    release(timeline, SINCE + 60 * MS, PID, HOLDER, GIL);
    take_turns(timeline, SINCE + 61 * MS);
    gil = finish(timeline);
    assert_true(member_of_tid(timeline, gil, HOLDER)->hold_ns <= 10 * MS);
    gt_timeline_free(timeline);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_releases_first_has_held_from_the_beginning),
        cmocka_unit_test(test_a_late_first_event_is_no_late_life),
        cmocka_unit_test(test_without_the_interval_a_thread_is_known_from_its_first_event),
        cmocka_unit_test(test_events_outside_of_the_range_are_not_of_the_recording),
        cmocka_unit_test(test_lives_before_the_recording),
        cmocka_unit_test(test_a_loss_at_the_beginning_hides_the_holder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
