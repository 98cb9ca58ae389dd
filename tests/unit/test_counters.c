/* SPDX-License-Identifier: MIT */
/* Counter samples, charged to what their thread did with a GIL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "feed.h"

#include <stdio.h>

enum { GIL = 0x1000 };

static struct gt_timeline *timeline;

static int setup(void **state)
{
    (void)state;
    timeline = gt_timeline_new(false, NULL);
    return timeline ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    gt_timeline_free(timeline);
    return 0;
}

static void count(int64_t time_ns, int32_t tid, const char *name, uint64_t period)
{
    struct gt_event event = {.kind = GT_EVENT_COUNTER,
                             .time_ns = time_ns,
                             .pid = 7,
                             .tid = tid,
                             .cpu = -1,
                             .comm = "",
                             .name = name,
                             .name_length = (uint32_t)strlen(name),
                             .period = period};

    assert_int_equal(gt_timeline_feed(timeline, &event), 0);
}

static const struct gt_counter_sum *sum_of(const struct gt_counter *counter, int32_t tid)
{
    for (size_t i = 0; i < counter->sums.count; i++) {
        const struct gt_counter_sum *sum = gt_chunks_at(&counter->sums, i);

        if (gt_thread_at(timeline, sum->thread)->tid == tid)
            return sum;
    }
    fail_msg("no sum of thread %d", tid);
    return NULL;
}

static void charged_to_holding_and_waiting(void **state)
{
    const struct gt_counter *counter;

    (void)state;
    for (int64_t time = 1; time < 9; time += 2) {
        acquire(timeline, time, 7, 8, GIL);
        release(timeline, time + 1, 7, 8, GIL);
    }
    acquire(timeline, 10, 7, 8, GIL);
    count(15, 8, "page-faults", 100); /* holds */
    count(18, 9, "page-faults", 3);   /* neither */
    await(timeline, 20, 7, 9, GIL);
    count(25, 9, "page-faults", 20); /* waits */
    release(timeline, 30, 7, 8, GIL);
    count(30, 8, "page-faults", 7); /* at the very end of the hold: neither */
    acquire(timeline, 31, 7, 9, GIL);
    count(31, 9, "page-faults", 1000);
    count(32, 10, "page-faults", 0); /* a period of its own was not printed: one event */
    release(timeline, 40, 7, 9, GIL);
    assert_int_equal(gt_timeline_finish(timeline, NULL), 0);
    assert_int_equal(timeline->counters.count, 1);
    counter = gt_chunks_at(&timeline->counters, 0);
    assert_int_equal(sum_of(counter, 8)->holding, 100);
    assert_int_equal(sum_of(counter, 8)->waiting, 0);
    assert_int_equal(sum_of(counter, 8)->total, 107);
    assert_int_equal(sum_of(counter, 9)->holding, 1000);
    assert_int_equal(sum_of(counter, 9)->waiting, 20);
    assert_int_equal(sum_of(counter, 9)->total, 1023);
    assert_int_equal(sum_of(counter, 9)->samples, 3);
    assert_int_equal(sum_of(counter, 10)->total, 1);
}

static void named_as_the_user_did(void **state)
{
    static const char *const names[] = {
        "page-faults",          "cycles:u",  "cpu/event=0x3c/",       "cycles",
        "cpu/event=0x3c/u",     "freq=1/x/", "cycles/freq=1,name=x/", "page-faults:u",
        "cycles/call-graph=fp/"};

    (void)state;
    count(1, 8, "page-faults/freq=999/", 1);
    count(2, 8, "cycles:u", 1);
    count(3, 8, "page-faults", 1);
    count(4, 8, "cpu/event=0x3c/", 1);
    count(5, 8, "cycles/freq=999/u", 1);
    count(6, 8, "cycles/freq=999/", 1);
    count(7, 8, "cpu/event=0x3c,freq=999/u", 1);
    count(8, 8, "freq=1/x/", 1);
    count(9, 8, "cycles/freq=1,name=x/", 1);
    count(10, 8, "page-faults/call-graph=dwarf,stack-size=2048/u", 1);
    count(11, 8, "cycles/freq=9,call-graph=dwarf,stack-size=8192/", 1);
    count(12, 8, "cpu/event=0x3c,freq=9,call-graph=dwarf,stack-size=8192/u", 1);
    count(13, 8, "cycles/call-graph=fp,freq=9/", 1);
    assert_int_equal(gt_timeline_finish(timeline, NULL), 0);
    assert_int_equal(timeline->counters.count, 9);
    for (size_t i = 0; i < 9; i++) {
        const struct gt_counter *counter = gt_chunks_at(&timeline->counters, i);

        assert_string_equal(gt_intern_text(&timeline->names, counter->name), names[i]);
    }
}

static void what_was_asked_for_is_shown(void **state)
{
    const struct gt_counter *counter;

    (void)state;
    assert_int_equal(gt_counters_expect(timeline, "major-faults"), 0);
    assert_int_equal(gt_counters_expect(timeline, "cycles:u"), 0);
    count(1, 8, "cycles/freq=999/u", 7);
    assert_int_equal(gt_timeline_finish(timeline, NULL), 0);
    assert_int_equal(timeline->counters.count, 2);
    counter = gt_chunks_at(&timeline->counters, 0);
    assert_int_equal(counter->samples.count, 0);
    assert_int_equal(counter->sums.count, 0);
    assert_int_equal(sum_of(gt_chunks_at(&timeline->counters, 1), 8)->total, 7);
}

static void not_without_end(void **state)
{
    char name[32];

    (void)state;
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "event-%d", i);
        count(i + 1, 8, name, 1);
    }
    assert_int_equal(gt_timeline_finish(timeline, NULL), 0);
    assert_int_equal(timeline->counters.count, 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(charged_to_holding_and_waiting, setup, teardown),
        cmocka_unit_test_setup_teardown(named_as_the_user_did, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_asked_for_is_shown, setup, teardown),
        cmocka_unit_test_setup_teardown(not_without_end, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
