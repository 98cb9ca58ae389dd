/* SPDX-License-Identifier: MIT */
/* Thread states from scheduling events, rule by rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "feed.h"

#include <stdio.h>

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

static void sched(enum gt_event_kind kind, int64_t time_ns, int32_t tid, uint32_t flags)
{
    struct gt_event event = {.kind = kind,
                             .time_ns = time_ns,
                             .pid = 7,
                             .tid = tid,
                             .cpu = 1,
                             .comm = "",
                             .switched.state = flags};

    assert_int_equal(gt_timeline_feed(timeline, &event), 0);
}

static void wake(int64_t time_ns, int32_t waker, int32_t tid)
{
    struct gt_event event = {.kind = GT_EVENT_SCHED_WAKEUP,
                             .time_ns = time_ns,
                             .pid = 7,
                             .tid = waker,
                             .cpu = 0,
                             .comm = "",
                             .woken_tid = tid};

    assert_int_equal(gt_timeline_feed(timeline, &event), 0);
}

/* "R 10-20 S 20-30 …" of the thread with this tid, in the names of sched.h. */
static void check(int32_t tid, const char *expected)
{
    char text[512] = "";

    assert_int_equal(gt_timeline_finish(timeline, NULL), 0);
    for (uint32_t i = 0; i < timeline->scheds.count; i++) {
        const struct gt_sched *found = gt_sched_of(timeline, i);

        if (gt_thread_at(timeline, i)->tid != tid)
            continue;
        for (size_t s = 0; s < found->spans.count; s++) {
            const struct gt_state_span *span = gt_chunks_at(&found->spans, s);
            size_t used = strlen(text);

            snprintf(text + used, sizeof(text) - used, "%s%s %lld-%lld", used ? ", " : "",
                     gt_sched_state_name(span->state), (long long)span->start_ns,
                     (long long)span->end_ns);
        }
    }
    assert_string_equal(text, expected);
}

static void a_life(void **state)
{
    (void)state;
    fork_task(timeline, 10, 7, 8, 7);
    sched(GT_EVENT_SWITCH_IN, 12, 8, 0);
    sched(GT_EVENT_SCHED_SWITCH, 20, 8, GT_STATE_SLEEPING);
    sched(GT_EVENT_SWITCH_OUT, 20, 8, 0); /* the same once more: says less */
    wake(30, 7, 8);
    sched(GT_EVENT_SWITCH_IN, 33, 8, 0);
    sched(GT_EVENT_SCHED_SWITCH, 40, 8, GT_STATE_RUNNABLE);
    sched(GT_EVENT_SWITCH_OUT, 40, 8, GT_STATE_RUNNABLE);
    sched(GT_EVENT_SWITCH_IN, 45, 8, 0);
    sched(GT_EVENT_SCHED_SWITCH, 50, 8, GT_STATE_UNINTERRUPTIBLE);
    sched(GT_EVENT_SWITCH_IN, 60, 8, 0);
    sched(GT_EVENT_SCHED_SWITCH, 70, 8, GT_STATE_STOPPED);
    sched(GT_EVENT_SWITCH_IN, 80, 8, 0);
    exit_task(timeline, 90, 7, 8);
    check(8,
          "runnable (woken) 10-12, running 12-20, S 20-30, runnable (woken) 30-33, running "
          "33-40, runnable (preempted) 40-45, running 45-50, D 50-60, running 60-70, stopped "
          "70-80, running 80-90");
}

static void switch_records_alone_know_no_reason(void **state)
{
    (void)state;
    sched(GT_EVENT_SWITCH_IN, 10, 8, 0);
    sched(GT_EVENT_SWITCH_OUT, 20, 8, 0);
    sched(GT_EVENT_SWITCH_IN, 30, 8, 0);
    sched(GT_EVENT_SWITCH_OUT, 40, 8, GT_STATE_RUNNABLE);
    sched(GT_EVENT_SWITCH_IN, 50, 8, 0);
    tick(timeline, 60, 7, 8, 1);
    check(8, "running 10-20, off CPU 20-30, running 30-40, runnable (preempted) 40-50, running "
             "50-60");
    assert_true(timeline->saw_switch_records);
    assert_false(timeline->saw_reasons);
}

static void a_wakeup_before_the_switch_is_none(void **state)
{
    (void)state;
    sched(GT_EVENT_SWITCH_IN, 10, 8, 0);
    wake(15, 9, 8);
    sched(GT_EVENT_SCHED_SWITCH, 20, 8, GT_STATE_SLEEPING);
    wake(25, 9, 8);
    wake(27, 9, 8);
    wake(28, 9, 12345); /* not one of ours */
    sched(GT_EVENT_SWITCH_IN, 30, 8, 0);
    sched(GT_EVENT_SCHED_SWITCH, 40, 8, GT_STATE_SLEEPING);
    check(8, "running 10-20, S 20-25, runnable (woken) 25-30, running 30-40");
}

static void nothing_is_guessed_across_a_loss(void **state)
{
    (void)state;
    sched(GT_EVENT_SWITCH_IN, 10, 8, 0);
    sched(GT_EVENT_SCHED_SWITCH, 20, 8, GT_STATE_SLEEPING);
    tick(timeline, 30, 7, 9, 1);
    lose(timeline, 50, 1, 3);
    sched(GT_EVENT_SCHED_SWITCH, 60, 8, GT_STATE_SLEEPING);
    sched(GT_EVENT_SWITCH_IN, 70, 8, 0);
    exit_task(timeline, 80, 7, 8);
    check(8, "running 10-20, S 20-30, S 60-70, running 70-80");
}

/* A recording of all CPUs: the idle task tells of others, too. */
static void next(int64_t time_ns, int32_t tid, uint32_t flags, int32_t next_tid)
{
    struct gt_event event = {.kind = GT_EVENT_SCHED_SWITCH,
                             .time_ns = time_ns,
                             .pid = tid ? 7 : 0,
                             .tid = tid,
                             .cpu = 1,
                             .comm = "",
                             .switched = {flags, next_tid}};

    assert_int_equal(gt_timeline_feed(timeline, &event), 0);
}

static void the_idle_task_tells_who_is_next(void **state)
{
    (void)state;
    next(10, 8, GT_STATE_SLEEPING, 0);
    wake(20, 0, 8);
    next(22, 0, GT_STATE_RUNNABLE, 8);
    next(30, 8, GT_STATE_RUNNABLE, 9);
    next(35, 9, GT_STATE_SLEEPING, 8);
    next(40, 8, GT_STATE_SLEEPING, 0);
    tick(timeline, 50, 7, 9, 1);
    check(8, "S 10-20, runnable (woken) 20-22, running 22-30, runnable (preempted) 30-35, "
             "running 35-40, S 40-50");
}

static void who_comes_back_unseen_is_not_known(void **state)
{
    (void)state;
    sched(GT_EVENT_SCHED_SWITCH, 10, 8, GT_STATE_SLEEPING);
    wake(20, 9, 8);
    sched(GT_EVENT_SCHED_SWITCH, 30, 8, GT_STATE_SLEEPING);
    sched(GT_EVENT_SCHED_SWITCH, 40, 8, GT_STATE_SLEEPING);
    sched(GT_EVENT_SCHED_SWITCH, 50, 9, GT_STATE_SLEEPING);
    exit_task(timeline, 60, 7, 9);
    sched(GT_EVENT_SCHED_SWITCH, 60, 10, GT_STATE_RUNNABLE);
    tick(timeline, 70, 7, 7, 1);
    check(8, "S 10-20, S 40-70");
    for (uint32_t i = 0; i < timeline->scheds.count; i++)
        if (gt_thread_at(timeline, i)->tid != 8) /* one ended, one was ready to run */
            assert_int_equal(gt_sched_of(timeline, i)->spans.count, 0);
}

static void a_sleep_in_a_wait_is_for_the_gil(void **state)
{
    const uint64_t gil = 0x1000;

    (void)state;
    for (int64_t time = 1; time < 9; time += 2) { /* what a GIL looks like */
        acquire(timeline, time, 7, 8, gil);
        release(timeline, time + 1, 7, 8, gil);
    }
    acquire(timeline, 10, 7, 8, gil);
    sched(GT_EVENT_SWITCH_IN, 11, 9, 0);
    sched(GT_EVENT_SCHED_SWITCH, 12, 9, GT_STATE_SLEEPING); /* before it waits */
    sched(GT_EVENT_SWITCH_IN, 14, 9, 0);
    await(timeline, 20, 7, 9, gil);
    sched(GT_EVENT_SCHED_SWITCH, 21, 9, GT_STATE_SLEEPING);
    wake(30, 8, 9);
    sched(GT_EVENT_SWITCH_IN, 32, 9, 0);
    sched(GT_EVENT_SCHED_SWITCH, 33, 9, GT_STATE_SLEEPING);
    release(timeline, 40, 7, 8, gil);
    wake(41, 8, 9);
    sched(GT_EVENT_SWITCH_IN, 42, 9, 0);
    acquire(timeline, 43, 7, 9, gil);
    sched(GT_EVENT_SCHED_SWITCH, 44, 9, GT_STATE_RUNNABLE); /* with the GIL, without a CPU */
    sched(GT_EVENT_SWITCH_IN, 50, 9, 0);
    release(timeline, 60, 7, 9, gil);
    sched(GT_EVENT_SCHED_SWITCH, 61, 9, GT_STATE_SLEEPING);
    sched(GT_EVENT_SWITCH_IN, 70, 9, 0);
    check(9, "running 11-12, S 12-14, running 14-21, S(GIL) 21-30, runnable (woken) 30-32, "
             "running 32-33, S(GIL) 33-41, runnable (woken) 41-42, running 42-44, runnable "
             "(preempted) 44-50, running 50-61, S 61-70");
    for (uint32_t i = 0; i < timeline->scheds.count; i++)
        if (gt_thread_at(timeline, i)->tid == 9) {
            assert_int_equal(gt_sched_of(timeline, i)->ready_holding_count, 1);
            assert_int_equal(gt_sched_of(timeline, i)->ready_holding_ns, 6);
            assert_int_equal(gt_sched_of(timeline, i)->state_ns[GT_SCHED_SLEEPING_GIL], 17);
        }
}

static void forks_alone_say_nothing(void **state)
{
    (void)state;
    fork_task(timeline, 10, 7, 8, 7);
    exit_task(timeline, 20, 7, 8);
    assert_int_equal(gt_timeline_finish(timeline, NULL), 0);
    assert_int_equal(timeline->scheds.count, 0);
}

static void names_of_states(void **state)
{
    (void)state;
    for (int i = GT_SCHED_RUNNING; i < GT_SCHED_STATES; i++)
        assert_int_equal(gt_sched_state_of(gt_sched_state_name((enum gt_sched_state)i)), i);
    assert_int_equal(gt_sched_state_of("s"), GT_SCHED_STATES);
    assert_int_equal(gt_sched_state_of(""), GT_SCHED_STATES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_life, setup, teardown),
        cmocka_unit_test_setup_teardown(switch_records_alone_know_no_reason, setup, teardown),
        cmocka_unit_test_setup_teardown(a_wakeup_before_the_switch_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_guessed_across_a_loss, setup, teardown),
        cmocka_unit_test_setup_teardown(the_idle_task_tells_who_is_next, setup, teardown),
        cmocka_unit_test_setup_teardown(who_comes_back_unseen_is_not_known, setup, teardown),
        cmocka_unit_test_setup_teardown(a_sleep_in_a_wait_is_for_the_gil, setup, teardown),
        cmocka_unit_test_setup_teardown(forks_alone_say_nothing, setup, teardown),
        cmocka_unit_test(names_of_states),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
