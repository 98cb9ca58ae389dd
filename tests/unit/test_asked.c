/* SPDX-License-Identifier: MIT */
/* The switch interval from deadlines and gaps; when a holder was asked, and what it did then.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <stdlib.h>

#include "analysis/native.h"
#include "analysis/blockers.h"
#include "analysis/judgement.h"
#include "feed.h"
#include "model/builder.h"

#define MS ((int64_t)1000000)
#define A  0x1000u

static void add_all(struct gt_intervals_state *learned, int64_t start_ns, int64_t left_ns,
                    int count)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(gt_intervals_add(learned, start_ns + i * MS, left_ns), 0);
}

/* A waiter without a CPU computes its deadline and calls later: only the greatest is true. */
static void delayed_waiters_do_not_tell(void **state)
{
    struct gt_intervals_state learned;

    (void)state;
    gt_intervals_init(&learned);
    assert_int_equal(gt_interval_last(&learned.intervals), 5 * MS);
    for (int i = 0; i < 200; i++)
        gt_intervals_add(&learned, i * MS,
                         i % 3 ? 20 * MS - 10000 - i * 10 : (i * 7919 % 19000) * 1000);
    assert_int_equal(learned.intervals.source, GT_INTERVAL_FROM_DEADLINES);
    assert_int_equal(learned.intervals.list.count, 1);
    assert_in_range(gt_interval_last(&learned.intervals), 20 * MS * 99 / 100, 20 * MS);
    assert_int_equal(gt_intervals_add(&learned, 300 * MS, -5), 0); /* no CPU until after it */
    assert_int_equal(learned.intervals.list.count, 1);
    gt_intervals_state_release(&learned);
}

static void a_wait_until_now_tells_nothing(void **state)
{
    struct gt_intervals_state learned;

    (void)state;
    gt_intervals_init(&learned);
    assert_int_equal(gt_intervals_add(&learned, MS, 0), 0);
    assert_int_equal(learned.intervals.source, GT_INTERVAL_ASSUMED);
    assert_int_equal(learned.intervals.list.count, 0);
    gt_intervals_state_release(&learned);
}

static void changes_are_followed(void **state)
{
    struct gt_intervals_state learned;

    (void)state;
    gt_intervals_init(&learned);
    add_all(&learned, 0, 5 * MS - 8000, 40);
    add_all(&learned, 100 * MS, 20 * MS - 8000, 40); /* at once */
    add_all(&learned, 200 * MS, MS / 2 - 8000, 40);  /* as soon as several agree */
    assert_int_equal(learned.intervals.list.count, 3);
    assert_int_equal(gt_interval_at(&learned.intervals, 50 * MS), 5 * MS);
    assert_int_equal(gt_interval_at(&learned.intervals, 110 * MS), 20 * MS - 8000);
    assert_int_equal(gt_interval_at(&learned.intervals, 200 * MS), MS / 2 - 8000);
    assert_int_equal(gt_interval_at(&learned.intervals, 0), 5 * MS);
    gt_intervals_state_release(&learned);
}

/* One wait that was repeated 77 us later is no interval; nor are gaps that do not agree. */
static void gaps_must_agree(void **state)
{
    int64_t gaps_ns[] = {5050000, 77000, 5060000, 5100000, 9000000, 38000};
    int64_t few_ns[] = {1 * MS, 2 * MS, 4 * MS};
    struct gt_intervals_state learned;

    (void)state;
    gt_intervals_init(&learned);
    assert_int_equal(gt_intervals_from_gaps(&learned.intervals, few_ns, 3), 0);
    assert_int_equal(learned.intervals.source, GT_INTERVAL_ASSUMED);
    assert_int_equal(gt_intervals_from_gaps(&learned.intervals, gaps_ns, 6), 0);
    assert_int_equal(learned.intervals.source, GT_INTERVAL_FROM_GAPS);
    assert_int_equal(gt_interval_last(&learned.intervals), 5 * MS);
    gt_intervals_state_release(&learned);
}

/* --- what a holder did --- */

static void wait_until(struct gt_timeline *t, int64_t time_ns, int32_t tid, int64_t left_ns)
{
    struct gt_event event = {.kind = GT_EVENT_COND_WAIT,
                             .time_ns = time_ns,
                             .pid = 10,
                             .tid = tid,
                             .cpu = -1,
                             .comm = "",
                             .cond = {.address = A, .deadline_ns = time_ns + left_ns}};

    assert_int_equal(gt_timeline_feed(t, &event), 0);
}

static void snapshot(struct gt_timeline *t, int64_t time_ns, int32_t by, int32_t of,
                     int64_t cpu_ns, int64_t ready_ns, uint16_t faults, uint16_t call)
{
    struct gt_event event = {
        .kind = GT_EVENT_SNAPSHOT,
        .time_ns = time_ns,
        .pid = 10,
        .tid = by,
        .cpu = -1,
        .comm = "",
        .snapshot = {
            .tid = of, .faults = faults, .call = call, .cpu_ns = cpu_ns, .ready_ns = ready_ns}};

    assert_int_equal(gt_timeline_feed(t, &event), 0);
}

/* 10 has the GIL from 100 ms on; 11 waits from 101 ms, and asks from 106 ms on, every 5 ms,
 * until `until_ns`. */
static struct gt_timeline *begin(int64_t until_ns)
{
    struct gt_timeline *t = gt_timeline_new(true, NULL);

    fork_task(t, 1, 10, 10, 0);
    fork_task(t, 2, 10, 11, 10);
    acquire(t, 10 * MS, 10, 10, A);
    release(t, 20 * MS, 10, 10, A);
    acquire(t, 100 * MS, 10, 10, A);
    for (int64_t now_ns = 101 * MS; now_ns < until_ns; now_ns += 5 * MS)
        wait_until(t, now_ns, 11, 5 * MS - 10000);
    return t;
}

static const struct gt_blocker *end(struct gt_timeline *t, int64_t time_ns,
                                    struct gt_blockers *blockers)
{
    release(t, time_ns, 10, 10, A);
    acquire(t, time_ns + 1000, 10, 11, A);
    release(t, time_ns + 2000, 10, 11, A);
    assert_int_equal(gt_timeline_finish(t, NULL), 0);
    assert_int_equal(gt_blockers_init(blockers, t, 0, NULL), 0);
    return gt_blocker_at(blockers, 0);
}

static void asleep(struct gt_timeline *t, int64_t time_ns, const char *symbol)
{
    struct gt_frame frame = {.symbol = symbol,
                             .symbol_length = (uint32_t)strlen(symbol),
                             .dso = "/lib/libx.so",
                             .dso_length = 12};
    struct gt_event event = {
        .kind = GT_EVENT_ASLEEP,
        .time_ns = time_ns,
        .pid = 10,
        .tid = 11,
        .cpu = -1,
        .comm = "",
        .asleep = {.tid = 10, .call = 8, .stack = gt_stacks_add(&t->native_stacks, &frame, 1)}};

    assert_int_equal(gt_timeline_feed(t, &event), 0);
}

static void release_all(struct gt_timeline *t, struct gt_blockers *blockers)
{
    gt_blockers_release(blockers);
    gt_timeline_free(t);
}

/* Held for 80 ms after the request, of which it had a CPU for 0.1 ms: it gave way at once. */
static void without_a_cpu_nobody_keeps(void **state)
{
    struct gt_timeline *t = begin(110 * MS);
    struct gt_blockers blockers;
    const struct gt_blocker *row;

    (void)state;
    snapshot(t, 106 * MS, 11, 10, 50 * MS, 0, 0, 0);
    snapshot(t, 186 * MS, 10, 10, 50 * MS + 100000, 79 * MS, 0, 0);
    row = end(t, 186 * MS, &blockers);
    assert_int_equal(row->requested, 1);
    assert_int_equal(row->kept, 0);
    assert_int_equal(row->unclear, 0);
    assert_false(gt_blocker_keeps(row));
    release_all(t, &blockers);
}

/* The same, but it worked for 60 ms of the 80: what it had to wait for a CPU does not excuse
 * it. */
static void a_cpu_for_a_part_is_enough(void **state)
{
    struct gt_timeline *t = begin(180 * MS);
    struct gt_blockers blockers;
    const struct gt_blocker *row;

    (void)state;
    snapshot(t, 106 * MS, 11, 10, 50 * MS, 0, 0, 0);
    snapshot(t, 186 * MS, 10, 10, 110 * MS, 20 * MS, 0, 0);
    row = end(t, 186 * MS, &blockers);
    assert_int_equal(row->kept, 1);
    assert_int_equal(row->longest_kept_ns, 80 * MS);
    assert_int_equal(row->after.run_ns, 60 * MS);
    assert_int_equal(row->after.ready_ns, 20 * MS);
    assert_int_equal(row->after.sleep_ns, 0);
    assert_true(row->after.known && gt_blocker_keeps(row));
    release_all(t, &blockers);
}

/* It sleeps, in a system call, while the waiter asks again and again. */
static void who_sleeps_keeps(void **state)
{
    struct gt_timeline *t = begin(186 * MS);
    struct gt_blockers blockers;
    const struct gt_blocker *row;

    (void)state;
    snapshot(t, 106 * MS, 11, 10, 50 * MS, 0, 0, 8);
    snapshot(t, 186 * MS, 10, 10, 50 * MS + 50000, 0, 0, 0);
    row = end(t, 186 * MS, &blockers);
    assert_int_equal(row->after.sleep_ns, 80 * MS - 50000);
    assert_int_equal(row->after.call, 8);
    assert_true(gt_blocker_keeps(row));
    release_all(t, &blockers);
}

/* It sleeps, and nobody asks meanwhile: for the mutex that a waiter without a CPU has. */
static void a_sleep_in_which_nobody_can_ask_is_none(void **state)
{
    struct gt_timeline *t = begin(107 * MS);
    struct gt_blockers blockers;
    const struct gt_blocker *row;

    (void)state;
    snapshot(t, 106 * MS, 11, 10, 50 * MS, 0, 0, 0);
    snapshot(t, 186 * MS, 10, 10, 50 * MS + 50000, 0, 0, 0);
    row = end(t, 186 * MS, &blockers);
    assert_false(gt_blocker_keeps(row));
    release_all(t, &blockers);
}

/* A page that comes from a disk is not the function's doing. */
static void who_waits_for_a_page_does_not_keep(void **state)
{
    struct gt_timeline *t = begin(186 * MS);
    struct gt_blockers blockers;
    const struct gt_blocker *row;

    (void)state;
    snapshot(t, 106 * MS, 11, 10, 50 * MS, 0, 3, 0);
    snapshot(t, 186 * MS, 10, 10, 50 * MS + 50000, 0, 9, 0);
    row = end(t, 186 * MS, &blockers);
    assert_false(gt_blocker_keeps(row));
    release_all(t, &blockers);
}

/* Nothing tells what it did: that is said. */
static void what_was_not_recorded_is_not_known(void **state)
{
    struct gt_timeline *t = begin(186 * MS);
    struct gt_blockers blockers;
    const struct gt_blocker *row;

    (void)state;
    row = end(t, 186 * MS, &blockers);
    assert_int_equal(row->kept, 1);
    assert_false(row->after.known);
    assert_int_equal(row->after.run_ns + row->after.sleep_ns, 0);
    release_all(t, &blockers);
}

/* The waiter woke early and waited again: it did not ask then. */
static void a_wait_before_its_deadline_is_no_request(void **state)
{
    struct gt_timeline *t = begin(102 * MS);
    struct gt_blockers blockers;
    const struct gt_blocker *row;

    (void)state;
    wait_until(t, 103 * MS, 11, 5 * MS - 10000);
    row = end(t, 107 * MS, &blockers);
    assert_int_equal(row->requested, 0);
    release_all(t, &blockers);
}

/* By the scheduler's events: 2 ms on a CPU, 30 pushed off it, 48 on it. */
static void the_scheduler_tells(void **state)
{
    struct gt_timeline *t = gt_timeline_new(true, NULL);
    struct gt_blockers blockers;
    const struct gt_blocker *row;

    (void)state;
    fork_task(t, 1, 10, 10, 0);
    fork_task(t, 2, 10, 11, 10);
    feed(t, GT_EVENT_SWITCH_IN, 3, 10, 10, 0);
    acquire(t, 10 * MS, 10, 10, A);
    release(t, 20 * MS, 10, 10, A);
    acquire(t, 100 * MS, 10, 10, A);
    for (int i = 0; i < 2; i++)
        wait_until(t, (101 + 5 * i) * MS, 11, 5 * MS - 10000);
    {
        struct gt_event out = {.kind = GT_EVENT_SWITCH_OUT,
                               .time_ns = 108 * MS,
                               .pid = 10,
                               .tid = 10,
                               .cpu = 0,
                               .comm = "",
                               .switched.state = GT_STATE_RUNNABLE};

        assert_int_equal(gt_timeline_feed(t, &out), 0);
    }
    feed(t, GT_EVENT_SWITCH_IN, 138 * MS, 10, 10, 0);
    row = end(t, 186 * MS, &blockers);
    assert_int_equal(row->after.run_ns, 50 * MS);
    assert_int_equal(row->after.ready_ns, 30 * MS);
    assert_true(row->after.known && gt_blocker_keeps(row));
    release_all(t, &blockers);
}

/* Thread 10 slept in the dark at first, then it is known until 200 ms: 100 ms were asked for.
 */
static void check_known_from(int64_t known_from_ns, bool known)
{
    const struct gt_span hold = {.start_ns = 50 * MS, .end_ns = 200 * MS, .thread = 0};
    struct gt_timeline *t = gt_timeline_new(true, NULL);
    struct gt_gil gil = {0};
    struct gt_asked asked;
    struct gt_after after;

    fork_task(t, 1, 10, 10, 0);
    feed(t, GT_EVENT_SWITCH_IN, 2, 10, 10, 0);
    lose(t, known_from_ns, -1, 1);
    feed(t, GT_EVENT_SWITCH_IN, known_from_ns, 10, 10, 0);
    feed(t, GT_EVENT_EXIT, 200 * MS, 10, 10, 0);
    assert_int_equal(gt_timeline_finish(t, NULL), 0);
    gt_asked_init(&asked, t, &gil);
    gt_asked_after(&asked, &hold, 100 * MS, 200 * MS, &after);
    assert_int_equal(after.known, known);
    assert_int_equal(after.total_ns, 100 * MS);
    assert_int_equal(after.run_ns, known ? 200 * MS - known_from_ns : 0);
    gt_timeline_free(t);
}

static void states_are_enough_that_are_known_for_nine_tenths(void **state)
{
    (void)state;
    check_known_from(110 * MS, true);
    check_known_from(110 * MS + 1, false);
}

/* What it waited for a CPU is not known (-1): it had one for `run_ns` of 100 ms. */
static void check_run_for(int64_t run_ns, bool known)
{
    struct gt_timeline *t = begin(186 * MS);
    struct gt_blockers blockers;
    const struct gt_blocker *row;

    snapshot(t, 106 * MS, 11, 10, 50 * MS, -1, 0, 0);
    snapshot(t, 206 * MS, 10, 10, 50 * MS + run_ns, -1, 0, 0);
    row = end(t, 206 * MS, &blockers);
    assert_int_equal(row->kept, 1);
    assert_int_equal(row->after.known, known);
    assert_int_equal(row->after.run_ns, known ? run_ns : 0);
    release_all(t, &blockers);
}

static void a_cpu_for_nine_tenths_needs_no_account_of_the_rest(void **state)
{
    (void)state;
    check_run_for(90 * MS, true);
    check_run_for(90 * MS - 1, false);
}

/* Read from `first_ns` on, the hold is known until its end at 546 ms: asked for at 106, 440 ms.
 */
static void check_read_from(int64_t first_ns, bool known)
{
    struct gt_timeline *t = begin(546 * MS);
    struct gt_blockers blockers;
    const struct gt_blocker *row;

    snapshot(t, first_ns, 11, 10, 50 * MS, 0, 0, 0);
    snapshot(t, 546 * MS, 10, 10, 50 * MS + 546 * MS - first_ns, 0, 0, 0);
    row = end(t, 546 * MS, &blockers);
    assert_int_equal(row->kept, 1);
    assert_int_equal(row->after.known, known);
    release_all(t, &blockers);
}

static void snapshots_are_enough_that_leave_out_a_tenth(void **state)
{
    (void)state;
    check_read_from(146 * MS, true); /* 40 of the 400 ms that they cover */
    check_read_from(146 * MS + 1, false);
}

/* 10 sleeps from the request at 106 ms to the release, 80 ms, in two functions; how long it
 * slept is divided among what was seen. */
static void check_sleeps(int64_t seen_ns)
{
    struct gt_timeline *t = begin(180 * MS);
    struct gt_blockers blockers;
    struct gt_native sleeps;
    struct gt_native_way way;

    snapshot(t, seen_ns, 11, 10, 50 * MS, 0, 0, 8);
    asleep(t, seen_ns, "first");
    snapshot(t, 166 * MS, 11, 10, 50 * MS, 0, 0, 8);
    asleep(t, 166 * MS, "second");
    snapshot(t, 186 * MS, 10, 10, 50 * MS, 0, 0, 0);
    asleep(t, 195 * MS, "later");
    end(t, 186 * MS, &blockers);
    assert_int_equal(gt_native_init_sleeps(&sleeps, t, &blockers, NULL), 0);
    assert_int_equal(gt_native_way(&sleeps, 0, &way), 0);
    assert_int_equal(way.all.samples, 2);
    assert_in_range(way.all.weight_ns, 79 * MS, 80 * MS);
    assert_int_equal(way.count, 1);
    assert_string_equal(gt_stacks_symbol(&t->native_stacks, way.steps[0].frame), "first");
    assert_in_range(way.steps[0].inclusive.weight_ns, 59 * MS, 61 * MS);
    gt_native_release(&sleeps);
    release_all(t, &blockers);
}

static void sleeps_with_the_gil_have_stacks(void **state)
{
    (void)state;
    check_sleeps(106 * MS);
    check_sleeps(103 * MS); /* who looked lost its CPU before it asked */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delayed_waiters_do_not_tell),
        cmocka_unit_test(a_wait_until_now_tells_nothing),
        cmocka_unit_test(changes_are_followed),
        cmocka_unit_test(gaps_must_agree),
        cmocka_unit_test(without_a_cpu_nobody_keeps),
        cmocka_unit_test(sleeps_with_the_gil_have_stacks),
        cmocka_unit_test(a_cpu_for_a_part_is_enough),
        cmocka_unit_test(who_sleeps_keeps),
        cmocka_unit_test(a_sleep_in_which_nobody_can_ask_is_none),
        cmocka_unit_test(who_waits_for_a_page_does_not_keep),
        cmocka_unit_test(what_was_not_recorded_is_not_known),
        cmocka_unit_test(a_wait_before_its_deadline_is_no_request),
        cmocka_unit_test(the_scheduler_tells),
        cmocka_unit_test(states_are_enough_that_are_known_for_nine_tenths),
        cmocka_unit_test(snapshots_are_enough_that_leave_out_a_tenth),
        cmocka_unit_test(a_cpu_for_nine_tenths_needs_no_account_of_the_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
