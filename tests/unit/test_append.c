/* SPDX-License-Identifier: MIT */
/* model/append: two recordings of the same numbers and addresses stay two. */
#include "model/append.h"

#include "feed.h"
#include "model/timeline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { GIL = 0x1000, PID = 10 };

/* Thread 10 has the GIL from 100 to 500, 11 waits from 200 and has it from 510 to 600. */
static struct gt_timeline *record(const char *name)
{
    struct gt_timeline *t = gt_timeline_new(false, NULL);

    assert_non_null(t);
    assert_int_equal(name_task(t, GT_EVENT_COMM, 50, PID, PID, name), 0);
    for (int i = 0; i < 4; i++) { /* so that it is known to be a GIL */
        assert_int_equal(acquire(t, 60 + i * 2, PID, PID, GIL), 0);
        assert_int_equal(release(t, 61 + i * 2, PID, PID, GIL), 0);
    }
    assert_int_equal(acquire(t, 100, PID, PID, GIL), 0);
    assert_int_equal(fork_task(t, 150, PID, PID + 1, PID), 0);
    assert_int_equal(await(t, 200, PID, PID + 1, GIL), 0);
    assert_int_equal(release(t, 500, PID, PID, GIL), 0);
    assert_int_equal(acquire(t, 510, PID, PID + 1, GIL), 0);
    assert_int_equal(release(t, 600, PID, PID + 1, GIL), 0);
    assert_int_equal(exit_task(t, 700, PID, PID + 1), 0);
    assert_int_equal(exit_task(t, 800, PID, PID), 0);
    assert_int_equal(gt_timeline_finish(t, NULL), 0);
    return t;
}

static void append(struct gt_timeline *to, struct gt_appended *appended, const char *name,
                   const struct gt_clock_map *map)
{
    struct gt_timeline *from = record("python3");

    assert_int_equal(from->gils.count, 1);
    assert_int_equal(gt_timeline_append(to, from, appended, map, name, "host", NULL), 0);
    assert_int_equal(from->gils.count, 0);
    gt_timeline_free(from);
}

static const char *process_name(const struct gt_timeline *t, uint32_t index)
{
    return gt_intern_text(&t->names, gt_process_at(t, index)->name);
}

static void check_second(const struct gt_timeline *t)
{
    const struct gt_gil *gil = gt_gil_at(t, 1);
    const struct gt_gil_thread *waiter = gt_gil_thread_at(gil, 1);
    const struct gt_span *wait = gt_span_at(&gil->waits, 0);

    assert_int_equal(gil->process, 1);
    assert_int_equal(gt_hashmap_get(&gil->member_of, 3), 1);
    assert_int_equal(gt_thread_at(t, waiter->thread)->tid, PID + 1);
    assert_int_equal(gt_thread_at(t, waiter->thread)->process, 1);
    assert_int_equal(wait->thread, waiter->thread);
    assert_int_equal(wait->start_ns, 1200);
    assert_int_equal(wait->end_ns, 1510);
    assert_int_equal(waiter->wait_ns, 310);
    assert_int_equal(waiter->hold_ns, 90);
}

static void test_numbers_stay_apart(void **state)
{
    struct gt_timeline *t = gt_timeline_new(false, NULL);
    const struct gt_clock_map same = {0}, later = {.from_ns = 0, .to_ns = 1000};
    struct gt_appended appended;

    (void)state;
    gt_appended_init(&appended);
    append(t, &appended, "one", &same);
    append(t, &appended, "two", &later);
    assert_int_equal(gt_timeline_appended(t, NULL), 0);
    assert_int_equal(t->recordings.count, 2);
    assert_int_equal(t->processes.count, 2);
    assert_int_equal(t->threads.count, 4);
    assert_int_equal(gt_process_at(t, 0)->pid, PID);
    assert_int_equal(gt_process_at(t, 1)->pid, GT_FIRST_MADE_PID);
    assert_int_equal(gt_process_at(t, 1)->own_pid, PID);
    assert_int_equal(gt_process_at(t, 1)->main_thread, 2);
    assert_string_equal(process_name(t, 0), "one: python3");
    assert_string_equal(process_name(t, 1), "two: python3");
    assert_int_equal(t->start_ns, 50);
    assert_int_equal(t->end_ns, 1800);
    check_second(t);
    gt_appended_release(&appended);
    gt_timeline_free(t);
}

/* Where a rate changes lengths, the parts of a life still make it up. */
static void test_a_rate_keeps_sums(void **state)
{
    struct gt_timeline *t = gt_timeline_new(false, NULL);
    const struct gt_clock_map map = {.from_ns = 0, .to_ns = 0, .rate = 0.01};
    struct gt_appended appended;
    const struct gt_gil *gil;
    int64_t wait_ns = 0;

    (void)state;
    gt_appended_init(&appended);
    append(t, &appended, "one", &map);
    gil = gt_gil_at(t, 0);
    for (size_t i = 0; i < gil->waits.count; i++)
        wait_ns += gt_span_at(&gil->waits, i)->end_ns - gt_span_at(&gil->waits, i)->start_ns;
    assert_int_equal(gt_gil_thread_at(gil, 1)->wait_ns, wait_ns);
    assert_int_equal(wait_ns, 515 - 202);
    for (uint32_t i = 0; i < gil->members.count; i++) {
        const struct gt_gil_thread *member = gt_gil_thread_at(gil, i);

        assert_true(member->hold_ns + member->wait_ns <= member->lifetime_ns);
    }
    gt_appended_release(&appended);
    gt_timeline_free(t);
}

/* What one recording lost is not lost of the other. */
static void test_losses_are_of_their_recording(void **state)
{
    struct gt_timeline *t = gt_timeline_new(false, NULL), *lossy = record("python3");
    const struct gt_clock_map same = {0};
    struct gt_lost_range *range = gt_chunks_push(&lossy->lost);
    struct gt_appended appended;

    (void)state;
    assert_non_null(range);
    *range = (struct gt_lost_range){300, 400, 7};
    gt_appended_init(&appended);
    append(t, &appended, "whole", &same);
    assert_int_equal(gt_timeline_append(t, lossy, &appended, &same, "lossy", NULL, NULL), 0);
    gt_timeline_free(lossy);
    assert_int_equal(gt_timeline_appended(t, NULL), 0);
    assert_int_equal(gt_lost_of(t, 0)->count, 0);
    assert_int_equal(gt_lost_of(t, 1)->count, 1);
    assert_int_equal(t->lost.count, 1);
    gt_appended_release(&appended);
    gt_timeline_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_stay_apart),
        cmocka_unit_test(test_a_rate_keeps_sums),
        cmocka_unit_test(test_losses_are_of_their_recording),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
