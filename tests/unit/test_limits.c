/* SPDX-License-Identifier: MIT */
/* model/limits: what is beyond them is left out, counted and unknown; the rest is as it was. */
#include "feed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define GIL UINT64_C(0x7000)

static struct gt_timeline *t;

static int begin(void **state)
{
    (void)state;
    t = gt_timeline_new(false, NULL);
    return t ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    gt_timeline_free(t);
    return 0;
}

static void finish(void)
{
    assert_int_equal(gt_timeline_finish(t, NULL), 0);
}

static const struct gt_hole *hole_of(int32_t pid)
{
    for (size_t i = 0; i < t->holes.count; i++)
        if (gt_process_at(t, gt_hole_at(&t->holes, i)->process)->pid == pid)
            return gt_hole_at(&t->holes, i);
    return NULL;
}

/* Process 1 has a GIL; then so many threads come that some of it are left out. */
static void threads_beyond_the_limit_make_their_process_unknown(void **state)
{
    int64_t time_ns = 1000;

    (void)state;
    fork_task(t, 100, 1, 1, 0);
    acquire(t, 110, 1, 1, GIL);
    release(t, 120, 1, 1, GIL);
    fork_task(t, 130, 2, 2, 0);
    acquire(t, 140, 2, 2, GIL);
    release(t, 150, 2, 2, GIL);
    for (int32_t i = 0; i < GT_THREADS_MAX + 10; i++)
        tick(t, time_ns++, 1, 100 + i, 0);
    acquire(t, time_ns, 1, 1, GIL);
    release(t, time_ns + 5, 1, 1, GIL);
    acquire(t, time_ns + 10, 2, 2, GIL);
    release(t, time_ns + 20, 2, 2, GIL);
    exit_task(t, time_ns + 30, 1, 1);
    finish();
    assert_true(t->threads.count <= GT_THREADS_MAX);
    assert_in_range(t->left_out.events, 10, 15);
    assert_non_null(hole_of(1));
    assert_in_range(hole_of(1)->start_ns, 1000 + GT_THREADS_MAX - 10, time_ns);
    assert_null(hole_of(2));
    assert_int_equal(gt_gil_thread_at(gt_gil_at(t, 0), 0)->hold_ns, 10);
    assert_int_equal(gt_gil_thread_at(gt_gil_at(t, 1), 0)->hold_ns, 20);
    assert_false(gt_is_whole(t));
}

static void processes_beyond_the_limit_are_counted(void **state)
{
    (void)state;
    for (int32_t i = 0; i < GT_PROCESSES_MAX + 10; i++)
        fork_task(t, 100 + i, 10 + i, 10 + i, 0);
    finish();
    assert_true(t->processes.count <= GT_PROCESSES_MAX);
    assert_in_range(t->left_out.events, 10, 15);
    assert_false(gt_is_whole(t));
}

/* Of text without pids it is not known whose they are: nothing is known from there on. */
static void threads_of_no_process_make_all_unknown(void **state)
{
    (void)state;
    for (int32_t i = 0; i < GT_THREADS_MAX + 10; i++)
        tick(t, 100 + i, 0, 10 + i, 0);
    tick(t, 1000000, 0, 10, 0);
    finish();
    assert_int_equal(t->lost.count, 1);
    assert_int_equal(((struct gt_lost_range *)gt_chunks_at(&t->lost, 0))->end_ns, 1000000);
}

static void gils_beyond_the_limit_are_not_kept(void **state)
{
    int64_t time_ns = 1000;

    (void)state;
    for (int32_t pid = 1; pid <= GT_GILS_MAX / 1024 + 1; pid++)
        for (uint64_t i = 0; i < 1024; i++) {
            acquire(t, time_ns++, pid, pid, GIL + i * 0x1000);
            release(t, time_ns++, pid, pid, GIL + i * 0x1000);
        }
    finish();
    assert_int_equal(t->gils.count, GT_GILS_MAX);
    assert_true(t->left_out.gils > 0);
    assert_non_null(hole_of(GT_GILS_MAX / 1024 + 1));
    assert_null(hole_of(GT_GILS_MAX / 1024));
}

static void counters_beyond_the_limit_are_counted(void **state)
{
    char name[16];

    (void)state;
    for (int i = 0; i < GT_COUNTERS_MAX + 3; i++) {
        struct gt_event event = {.kind = GT_EVENT_COUNTER,
                                 .time_ns = 100 + i,
                                 .pid = 1,
                                 .tid = 1,
                                 .comm = "",
                                 .name = name,
                                 .period = 1};

        event.name_length = (uint32_t)snprintf(name, sizeof(name), "c%d", i);
        assert_int_equal(gt_timeline_feed(t, &event), 0);
    }
    finish();
    assert_int_equal(t->counters.count, GT_COUNTERS_MAX);
    assert_int_equal(t->left_out.counts, 3);
}

/* Joined, they cover what they covered. */
static void lost_ranges_beyond_the_limit_are_joined(void **state)
{
    uint64_t events = 0;

    (void)state;
    fork_task(t, 1, 1, 1, 0);
    for (int i = 0; i < 3 * GT_LOST_RANGES_MAX; i++) {
        tick(t, 100 + 10 * i, 1, 1, 0);
        lose(t, 105 + 10 * i, 0, 2);
        tick(t, 106 + 10 * i, 1, 1, 0);
    }
    finish();
    assert_true(t->lost.count <= GT_LOST_RANGES_MAX);
    assert_int_equal(t->left_out.lost_ranges, 3 * GT_LOST_RANGES_MAX - t->lost.count);
    for (int i = 0; i < 3 * GT_LOST_RANGES_MAX; i++)
        assert_int_equal(gt_lost_within(&t->lost, 100 + 10 * i, 105 + 10 * i), 5);
    for (size_t i = 0; i < t->lost.count; i++)
        events += ((struct gt_lost_range *)gt_chunks_at(&t->lost, i))->events;
    assert_int_equal(events, 6 * GT_LOST_RANGES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(threads_beyond_the_limit_make_their_process_unknown,
                                        begin, end),
        cmocka_unit_test_setup_teardown(processes_beyond_the_limit_are_counted, begin, end),
        cmocka_unit_test_setup_teardown(threads_of_no_process_make_all_unknown, begin, end),
        cmocka_unit_test_setup_teardown(gils_beyond_the_limit_are_not_kept, begin, end),
        cmocka_unit_test_setup_teardown(counters_beyond_the_limit_are_counted, begin, end),
        cmocka_unit_test_setup_teardown(lost_ranges_beyond_the_limit_are_joined, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
