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

static uint32_t index_of_tid(const struct gt_timeline *timeline, int32_t tid)
{
    for (uint32_t i = (uint32_t)timeline->threads.count; i-- > 0;)
        if (gt_thread_at(timeline, i)->tid == tid)
            return i;
    return GT_NO_INDEX;
}

static const struct gt_thread *thread_of_tid(const struct gt_timeline *timeline, int32_t tid)
{
    uint32_t index = index_of_tid(timeline, tid);

    return index == GT_NO_INDEX ? NULL : gt_thread_at(timeline, index);
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

/* The agent's events carry no names, as perf's do. */
static void test_names_of_before(void **state)
{
    struct gt_timeline *timeline = attached(5 * MS);
    char label[64];

    (void)state;
    name_task(timeline, GT_EVENT_COMM, SINCE - 9 * MS, PID, HOLDER, "keeper");
    name_task(timeline, GT_EVENT_COMM, SINCE - 9 * MS, PID, SLEEPER, "sleeper");
    acquire(timeline, SINCE + 1 * MS, PID, HOLDER, GIL);
    release(timeline, SINCE + 2 * MS, PID, HOLDER, GIL);
    take_turns(timeline, SINCE + 3 * MS);
    finish(timeline);
    gt_timeline_thread_label(timeline, index_of_tid(timeline, HOLDER), label, sizeof(label));
    assert_string_equal(label, "keeper");
    gt_timeline_thread_label(timeline, index_of_tid(timeline, SLEEPER), label, sizeof(label));
    assert_string_equal(label, "sleeper");
    gt_timeline_thread_label(timeline, index_of_tid(timeline, WAITER), label, sizeof(label));
    assert_string_equal(label, "thread 3");
    gt_timeline_free(timeline);
}

static void call(struct gt_timeline *timeline, int kind, int64_t time_ns, int32_t tid,
                 const char *name)
{
    const struct gt_function function = {.id = (uint32_t)name[0],
                                         .name = name,
                                         .name_length = (uint32_t)strlen(name),
                                         .file = "x.py",
                                         .file_length = 4};
    struct gt_event event = {
        .kind = kind, .time_ns = time_ns, .pid = PID, .tid = tid, .cpu = -1, .comm = ""};

    if (kind == GT_EVENT_UNTRACED)
        event.untraced.function = &function;
    else
        event.call.function = &function;
    assert_int_equal(gt_timeline_feed(timeline, &event), 0);
}

static void assert_call(const struct gt_timeline *timeline, int32_t tid, size_t number,
                        const char *name, int64_t start_ns, int64_t end_ns)
{
    const struct gt_calls *calls = gt_calls_of(timeline, index_of_tid(timeline, tid));
    const struct gt_call_span *span;
    const struct gt_function_info *function;

    assert_non_null(calls);
    assert_true(number < calls->spans.count);
    span = gt_chunks_at(&calls->spans, number);
    function = gt_chunks_at(&timeline->functions, span->function);
    assert_string_equal(gt_intern_text(&timeline->names, function->name), name);
    assert_int_equal(span->depth, number);
    assert_int_equal(span->start_ns, start_ns);
    assert_int_equal(span->end_ns, end_ns);
    assert_int_equal(function->calls, 1);
}

/* They begin when the recording begins, or from when on their thread is known. */
static void test_calls_that_are_open_at_the_beginning(void **state)
{
    struct gt_timeline *timeline = attached(5 * MS);

    (void)state;
    call(timeline, GT_EVENT_CALL, SINCE - 90 * MS, HOLDER, "run");
    call(timeline, GT_EVENT_CALL, SINCE - 80 * MS, HOLDER, "over");
    call(timeline, GT_EVENT_CALL, SINCE - 70 * MS, HOLDER, "inside of it");
    call(timeline, GT_EVENT_RETURN, SINCE - 60 * MS, HOLDER, "over");
    call(timeline, GT_EVENT_CALL, SINCE - 50 * MS, HOLDER, "keep");
    call(timeline, GT_EVENT_CALL, SINCE - 50 * MS, WAITER, "wait");
    call(timeline, GT_EVENT_CALL, SINCE - 50 * MS, WAITER, "untraced");
    call(timeline, GT_EVENT_UNTRACED, SINCE - 40 * MS, HOLDER, "untraced");
    call(timeline, GT_EVENT_CALL, SINCE - 30 * MS, SLEEPER, "sleep");
    await(timeline, SINCE + 2 * MS, PID, WAITER, GIL);
    release(timeline, SINCE + 60 * MS, PID, HOLDER, GIL);
    call(timeline, GT_EVENT_RETURN, SINCE + 61 * MS, HOLDER, "keep");
    take_turns(timeline, SINCE + 62 * MS);
    finish(timeline);
    assert_call(timeline, HOLDER, 0, "run", SINCE, UNTIL);
    assert_call(timeline, HOLDER, 1, "keep", SINCE, SINCE + 61 * MS);
    assert_call(timeline, WAITER, 0, "wait", SINCE + 2 * MS, UNTIL);
    assert_call(timeline, SLEEPER, 0, "sleep", SINCE + 5 * MS, UNTIL);
    gt_timeline_free(timeline);
}

/* A thread that ended, and a program that another one replaced, left none. */
static void test_calls_that_ended_before_the_beginning(void **state)
{
    struct gt_timeline *timeline = attached(5 * MS);

    (void)state;
    call(timeline, GT_EVENT_CALL, SINCE - 90 * MS, SLEEPER, "sleep");
    exit_task(timeline, SINCE - 80 * MS, PID, SLEEPER);
    fork_task(timeline, SINCE - 70 * MS, PID, SLEEPER, PID);
    call(timeline, GT_EVENT_CALL, SINCE - 90 * MS, PID, "main");
    assert_int_equal(name_task(timeline, GT_EVENT_EXEC, SINCE - 60 * MS, PID, PID, "x"), 0);
    take_turns(timeline, SINCE + MS);
    tick(timeline, SINCE + 2 * MS, PID, PID, 0);
    tick(timeline, SINCE + 2 * MS, PID, SLEEPER, 0);
    finish(timeline);
    assert_int_equal(timeline->calls.count, 0);
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
        cmocka_unit_test(test_names_of_before),
        cmocka_unit_test(test_calls_that_are_open_at_the_beginning),
        cmocka_unit_test(test_calls_that_ended_before_the_beginning),
        cmocka_unit_test(test_a_loss_at_the_beginning_hides_the_holder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
