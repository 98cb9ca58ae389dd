/* SPDX-License-Identifier: MIT */
/* lib/model: what events mean, one rule at a time. Times are small numbers of ns. */
#include "feed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const uint64_t A = 0x7f0000001000;
static const uint64_t B = 0x7f0000009000;

static struct gt_timeline *t;

static int setup(void **state)
{
    (void)state;
    t = gt_timeline_new(false, NULL);
    return t ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    gt_timeline_free(t);
    return 0;
}

static void finish(void)
{
    assert_int_equal(gt_timeline_finish(t, NULL), 0);
    if (broken_invariant(t))
        fail_msg("%s", broken_invariant(t));
    assert_int_equal(t->quality.accounting_errors, 0);
}

static const struct gt_gil_thread *member(uint32_t gil, int32_t tid)
{
    const struct gt_gil_thread *found = member_of_tid(t, gt_gil_at(t, gil), tid);

    assert_non_null(found);
    return found;
}

static void check_member(uint32_t gil, int32_t tid, int64_t lifetime_ns, int64_t hold_ns,
                         int64_t wait_ns)
{
    assert_int_equal(member(gil, tid)->lifetime_ns, lifetime_ns);
    assert_int_equal(member(gil, tid)->hold_ns, hold_ns);
    assert_int_equal(member(gil, tid)->wait_ns, wait_ns);
}

/* Two threads take turns; the second one's waits repeat every switch interval. */
static void one_life(void **state)
{
    (void)state;
    fork_task(t, 100, 10, 10, 0);
    acquire(t, 110, 10, 10, A);
    fork_task(t, 150, 10, 11, 10);
    await(t, 160, 10, 11, A);
    await(t, 170, 10, 11, A);
    await(t, 180, 10, 11, A);
    release(t, 190, 10, 10, A);
    acquire(t, 195, 10, 11, A);
    await(t, 196, 10, 10, A);
    release(t, 200, 10, 11, A);
    acquire(t, 203, 10, 10, A);
    exit_task(t, 210, 10, 11);
    release(t, 220, 10, 10, A);
    exit_task(t, 230, 10, 10);
    finish();
    assert_int_equal(t->gils.count, 1);
    check_member(0, 10, 130, 80 + 17, 7);
    check_member(0, 11, 60, 5, 35);
    assert_int_equal(member(0, 11)->waits, 1);
    assert_int_equal(member(0, 11)->longest_wait_ns, 35);
    assert_int_equal(member(0, 10)->holds, 2);
    assert_int_equal(member(0, 10)->longest_hold_ns, 80);
    assert_int_equal(t->quality.unmatched_releases + t->quality.unmatched_takes, 0);
    assert_int_equal(t->quality.overlaps, 0);
}

static void holds_and_waits_end_with_their_thread(void **state)
{
    (void)state;
    fork_task(t, 100, 10, 10, 0);
    fork_task(t, 100, 10, 11, 10);
    acquire(t, 110, 10, 10, A);
    release(t, 120, 10, 10, A);
    acquire(t, 130, 10, 10, A);
    await(t, 140, 10, 11, A);
    exit_task(t, 150, 10, 11); /* a daemon thread at shutdown: the take never returns */
    exit_task(t, 170, 10, 10);
    tick(t, 500, 99, 99, 0);
    finish();
    check_member(0, 11, 50, 0, 10);
    check_member(0, 10, 70, 10 + 40, 0);
    assert_int_equal(t->quality.takes_without_return, 1);
    assert_true(gt_span_at(&gt_gil_at(t, 0)->holds, 1)->flags & GT_SPAN_CUT_END);
    assert_true(gt_span_at(&gt_gil_at(t, 0)->waits, 0)->flags & GT_SPAN_CUT_END);
    assert_int_equal(gt_process_at(t, gt_gil_at(t, 0)->process)->end_ns, 170);
}

/* The child recreates the GIL where the parent's was, and acquires it. */
static void a_fork_has_a_gil_of_its_own(void **state)
{
    (void)state;
    fork_task(t, 100, 10, 10, 0);
    acquire(t, 110, 10, 10, A);
    release(t, 120, 10, 10, A);
    acquire(t, 130, 10, 10, A);
    fork_task(t, 140, 20, 20, 10);
    acquire(t, 145, 20, 20, A); /* the parent holds its own meanwhile */
    release(t, 150, 10, 10, A);
    release(t, 160, 20, 20, A);
    finish();
    assert_int_equal(t->gils.count, 2);
    check_member(0, 10, 60, 30, 0);
    check_member(1, 20, 20, 15, 0);
    assert_int_equal(gt_process_at(t, gt_gil_at(t, 1)->process)->parent, 0);
    assert_int_equal(t->quality.overlaps, 0);
}

static void exec_ends_a_gil_and_begins_another(void **state)
{
    (void)state;
    fork_task(t, 100, 10, 10, 0);
    acquire(t, 110, 10, 10, A);
    release(t, 120, 10, 10, A);
    acquire(t, 130, 10, 10, A);
    name_task(t, GT_EVENT_EXEC, 150, 10, 10, "python3");
    acquire(t, 160, 10, 10, B);
    release(t, 170, 10, 10, B);
    exit_task(t, 180, 10, 10);
    finish();
    assert_int_equal(t->gils.count, 2);
    assert_int_equal(gt_gil_at(t, 0)->number, 0);
    assert_int_equal(gt_gil_at(t, 1)->number, 1);
    check_member(0, 10, 50, 30, 0); /* the old program's life: 100 to 150 */
    check_member(1, 10, 30, 10, 0);
    assert_string_equal(gt_intern_text(&t->names, gt_process_at(t, 0)->name), "python3");
}

static void a_tid_is_used_again(void **state)
{
    (void)state;
    fork_task(t, 100, 10, 10, 0);
    acquire(t, 101, 10, 10, A);
    release(t, 102, 10, 10, A);
    fork_task(t, 110, 10, 11, 10);
    acquire(t, 111, 10, 11, A);
    release(t, 121, 10, 11, A);
    exit_task(t, 130, 10, 11);
    fork_task(t, 140, 10, 11, 10);
    acquire(t, 141, 10, 11, A);
    release(t, 144, 10, 11, A);
    exit_task(t, 150, 10, 11);
    finish();
    assert_int_equal(t->threads.count, 3);
    assert_int_equal(gt_gil_thread_at(gt_gil_at(t, 0), 1)->hold_ns, 10);
    assert_int_equal(gt_gil_thread_at(gt_gil_at(t, 0), 1)->lifetime_ns, 20);
    check_member(0, 11, 10, 3, 0);
}

/* The exit of the first 11 was lost; so was nothing else. */
static void a_tid_is_used_again_though_its_exit_was_lost(void **state)
{
    (void)state;
    fork_task(t, 100, 10, 10, 0);
    acquire(t, 101, 10, 10, A);
    release(t, 102, 10, 10, A);
    fork_task(t, 110, 10, 11, 10);
    fork_task(t, 110, 10, 11, 10); /* the same record, twice */
    acquire(t, 111, 10, 11, A);
    release(t, 121, 10, 11, A);
    fork_task(t, 140, 10, 11, 10);
    acquire(t, 141, 10, 11, A);
    release(t, 144, 10, 11, A);
    exit_task(t, 150, 10, 11);
    finish();
    assert_int_equal(t->threads.count, 3);
    assert_int_equal(gt_thread_at(t, 1)->end_ns, 140);
    assert_int_equal(gt_gil_thread_at(gt_gil_at(t, 0), 1)->hold_ns, 10);
    check_member(0, 11, 10, 3, 0);
}

/* Without task records the process tells that 11 is another thread now. */
static void a_tid_moves_to_another_process(void **state)
{
    (void)state;
    acquire(t, 101, 10, 11, A);
    release(t, 105, 10, 11, A);
    acquire(t, 111, 20, 11, A);
    release(t, 118, 20, 11, A);
    finish();
    assert_int_equal(t->gils.count, 2);
    assert_int_equal(member(0, 11)->hold_ns, 4);
    assert_int_equal(member(1, 11)->hold_ns, 7);
}

static void a_single_thread_never_waits(void **state)
{
    (void)state;
    fork_task(t, 100, 10, 10, 0);
    for (int i = 0; i < 5000; i++) {
        acquire(t, 1000 + i * 10, 10, 10, A);
        release(t, 1007 + i * 10, 10, 10, A);
    }
    finish();
    assert_int_equal(member(0, 10)->wait_ns, 0);
    assert_int_equal(member(0, 10)->waits, 0);
    assert_int_equal(member(0, 10)->hold_ns, 35000);
    assert_int_equal(member(0, 10)->holds, 5000);
}

/* The same two probes installed twice: every call is recorded twice. */
static void doubled_probes_change_nothing(void **state)
{
    (void)state;
    fork_task(t, 100, 10, 10, 0);
    fork_task(t, 100, 10, 11, 10);
    for (int copy = 0; copy < 2; copy++)
        acquire(t, 110 + copy, 10, 10, A);
    for (int copy = 0; copy < 2; copy++)
        await(t, 120 + copy, 10, 11, A);
    for (int copy = 0; copy < 2; copy++)
        release(t, 130 + copy, 10, 10, A);
    for (int copy = 0; copy < 2; copy++)
        acquire(t, 140 + copy, 10, 11, A);
    for (int copy = 0; copy < 2; copy++)
        release(t, 150 + copy, 10, 11, A);
    finish();
    assert_int_equal(t->gils.count, 1);
    assert_int_equal(member(0, 10)->hold_ns, 20);
    assert_int_equal(member(0, 11)->hold_ns, 10);
    assert_int_equal(member(0, 11)->wait_ns, 20);
    assert_true(t->quality.duplicates >= 3);
    assert_int_equal(t->quality.unmatched_releases + t->quality.unmatched_takes, 0);
}

static void what_does_not_match_is_counted(void **state)
{
    (void)state;
    fork_task(t, 100, 10, 10, 0);
    fork_task(t, 100, 10, 11, 10);
    for (int i = 0; i < 50; i++) {
        acquire(t, 200 + i * 10, 10, 10, A);
        release(t, 205 + i * 10, 10, 10, A);
    }
    release(t, 900, 10, 11, A); /* without take */
    acquire(t, 910, 10, 10, A);
    acquire(t, 920, 10, 11, A); /* nobody released */
    release(t, 930, 10, 11, A);
    finish();
    assert_int_equal(t->gils.count, 1);
    assert_int_equal(t->quality.unmatched_releases, 1);
    assert_int_equal(t->quality.unmatched_takes, 1);
    assert_int_equal(t->quality.overlaps, 1);
    assert_int_equal(member(0, 10)->hold_ns, 250 + 10);
    assert_int_equal(member(0, 11)->hold_ns, 10);
}

/* Events were lost on CPU 1 between 200 and 300: nothing there counts as hold or wait. */
static void lost_ranges_are_unknown(void **state)
{
    (void)state;
    fork_task(t, 100, 10, 10, 0);
    fork_task(t, 100, 10, 11, 10);
    acquire(t, 110, 10, 10, A);
    release(t, 120, 10, 10, A);
    acquire(t, 130, 10, 10, A);
    await(t, 150, 10, 11, A);
    tick(t, 200, 10, 10, 1);
    lose(t, 300, 1, 5);
    await(t, 340, 10, 10, A);
    release(t, 350, 10, 11, A); /* it has held since knowledge began again */
    acquire(t, 355, 10, 10, A);
    release(t, 360, 10, 10, A);
    exit_task(t, 400, 10, 11);
    exit_task(t, 400, 10, 10);
    finish();
    assert_int_equal(t->quality.lost_events, 5);
    assert_int_equal(t->quality.lost_ns, 100);
    check_member(0, 10, 300, 10 + 70 + 5, 15);
    check_member(0, 11, 300, 50, 50);
    assert_int_equal(member(0, 10)->unknown_ns, 140); /* it may have waited before 340, too */
    assert_int_equal(member(0, 11)->unknown_ns, 100);
    assert_int_equal(gt_gil_at(t, 0)->unsure_ns, 40);
    assert_int_equal(t->quality.overlaps, 0);
}

/* The record of a loss comes when there is room again: later than events of other CPUs. */
static void a_loss_that_is_told_late(void **state)
{
    (void)state;
    fork_task(t, 100, 10, 10, 0);
    fork_task(t, 100, 10, 11, 10);
    acquire(t, 110, 10, 10, A);
    release(t, 120, 10, 10, A);
    acquire(t, 130, 10, 10, A);
    tick(t, 140, 10, 10, 1);
    acquire(t, 160, 10, 11, A); /* the release at 150 was lost */
    lose(t, 180, 1, 1);
    lose(t, 180, 0, 1);
    release(t, 190, 10, 11, A);
    finish();
    assert_int_equal(t->quality.overlaps, 0);
    assert_int_equal(t->lost.count, 1); /* merged: CPU 0 had no event at all */
    assert_int_equal(member(0, 11)->hold_ns, 10);
}

static void attached_in_mid_run(void **state)
{
    (void)state;
    /* Thread 10 held before the recording began; 11 waits for it. */
    tick(t, 100, 10, 10, 0);
    await(t, 110, 10, 11, A);
    release(t, 120, 10, 10, A);
    acquire(t, 125, 10, 11, A);
    release(t, 130, 10, 11, A);
    acquire(t, 140, 10, 10, A);
    finish();
    assert_int_equal(t->gils.count, 1);
    assert_int_equal(member(0, 10)->hold_ns, 20);
    assert_int_equal(member(0, 11)->wait_ns, 15);
    assert_int_equal(member(0, 11)->hold_ns, 5);
    assert_true(gt_span_at(&gt_gil_at(t, 0)->holds, 0)->flags & GT_SPAN_CUT_START);
    assert_int_equal(t->quality.unmatched_releases, 0);
}

/* It waited, then had it: what lies between was not recorded. */
static void attached_between_wait_and_release(void **state)
{
    (void)state;
    tick(t, 100, 10, 11, 0);
    await(t, 110, 10, 11, A);
    release(t, 120, 10, 11, A);
    acquire(t, 125, 10, 10, A);
    release(t, 130, 10, 10, A);
    finish();
    assert_int_equal(member(0, 11)->hold_ns, 0);
    assert_int_equal(member(0, 11)->wait_ns, 0);
    assert_int_equal(member(0, 10)->hold_ns, 5);
}

static void every_sub_interpreter_has_its_gil(void **state)
{
    (void)state;
    fork_task(t, 100, 10, 10, 0);
    fork_task(t, 100, 10, 11, 10);
    for (int i = 0; i < 20; i++) {
        acquire(t, 200 + i * 20, 10, 10, A);
        acquire(t, 205 + i * 20, 10, 11, B); /* at the same time */
        release(t, 210 + i * 20, 10, 10, A);
        release(t, 217 + i * 20, 10, 11, B);
    }
    finish();
    assert_int_equal(t->gils.count, 2);
    assert_int_equal(member(0, 10)->hold_ns, 200);
    assert_int_equal(member(1, 11)->hold_ns, 240);
    assert_int_equal(member(0, 10)->wait_ns + member(1, 11)->wait_ns, 0);
    assert_null(member_of_tid(t, gt_gil_at(t, 0), 11));
    assert_int_equal(t->quality.overlaps, 0);
}

/* A queue's two condition variables at a GIL's distance, signalled inside and outside. */
static void pairs_that_only_look_like_a_gil(void **state)
{
    const uint64_t queue = 0x560000000100;

    (void)state;
    fork_task(t, 100, 10, 10, 0);
    fork_task(t, 100, 10, 11, 10);
    for (int i = 0; i < 100; i++) {
        int64_t at = 1000 + i * 100;
        int32_t tid = 10 + i % 2;

        acquire(t, at, 10, tid, A);
        acquire(t, at + 1, 10, tid, queue); /* while it holds: no acquisition */
        release(t, at + 2, 10, tid, queue);
        release(t, at + 10, 10, tid, A);
        acquire(t, at + 20, 10, tid, queue); /* producers signal, others signal too */
        acquire(t, at + 21, 10, 21 - tid, queue);
        release(t, at + 22, 10, tid, queue);
        release(t, at + 23, 10, tid, queue);
    }
    finish();
    assert_int_equal(t->gils.count, 1);
    assert_int_equal(gt_gil_at(t, 0)->address, A);
    assert_int_equal(member(0, 10)->hold_ns, 500);
    assert_int_equal(member(0, 11)->hold_ns, 500);
}

/* CPython 3.6: separate statics, 128 bytes apart; recognised by repetition. */
static void the_distance_of_python_3_6(void **state)
{
    (void)state;
    fork_task(t, 100, 10, 10, 0);
    for (int i = 0; i < 20; i++) {
        feed(t, GT_EVENT_COND_SIGNAL, 200 + i * 10, 10, 10, A + 128);
        feed(t, GT_EVENT_COND_SIGNAL, 207 + i * 10, 10, 10, A);
    }
    finish();
    assert_int_equal(t->gils.count, 1);
    assert_int_equal(member(0, 10)->holds, 20); /* the first ones too: they are replayed */
    assert_int_equal(member(0, 10)->hold_ns, 140);
}

static void a_known_single_gil_admits_no_second(void **state)
{
    (void)state;
    gt_timeline_free(t);
    t = gt_timeline_new(true, NULL);
    fork_task(t, 100, 10, 10, 0);
    fork_task(t, 100, 10, 11, 10);
    for (int i = 0; i < 10; i++) {
        acquire(t, 200 + i * 10, 10, 10, A);
        release(t, 205 + i * 10, 10, 10, A);
        acquire(t, 206 + i * 10, 10, 11, B);
        release(t, 207 + i * 10, 10, 11, B);
    }
    finish();
    assert_int_equal(t->gils.count, 1);
}

/* Neither the release by 10 nor the return of 11's take_gil was recorded. */
static void a_take_is_inferred_after_a_release_was(void **state)
{
    (void)state;
    fork_task(t, 100, 10, 10, 0);
    fork_task(t, 100, 10, 11, 10);
    feed(t, GT_EVENT_TAKE_RETURN, 110, 10, 10, 0);
    feed(t, GT_EVENT_TAKE_ENTER, 120, 10, 11, 0);
    feed(t, GT_EVENT_TAKE_ENTER, 130, 10, 10, 0);
    feed(t, GT_EVENT_DROP_ENTER, 150, 10, 11, 0);
    finish(); /* checks that holders do not overlap */
    assert_int_equal(member(0, 10)->hold_ns, 20);
    assert_int_equal(member(0, 11)->hold_ns, 20);
}

static void functions_tell_the_same(void **state)
{
    (void)state;
    fork_task(t, 100, 10, 10, 0);
    fork_task(t, 100, 10, 11, 10);
    feed(t, GT_EVENT_TAKE_ENTER, 110, 10, 10, 0);
    feed(t, GT_EVENT_TAKE_RETURN, 115, 10, 10, 0); /* the GIL was free: no wait */
    feed(t, GT_EVENT_TAKE_ENTER, 120, 10, 11, 0);
    feed(t, GT_EVENT_DROP_ENTER, 150, 10, 10, 0);
    feed(t, GT_EVENT_TAKE_RETURN, 160, 10, 11, 0);
    feed(t, GT_EVENT_DROP_RETURN, 170, 10, 10, 0); /* forced switching: says nothing */
    feed(t, GT_EVENT_DROP_ENTER, 180, 10, 11, 0);
    feed(t, GT_EVENT_DROP_RETURN, 181, 10, 11, 0);
    finish();
    assert_int_equal(t->gils.count, 1);
    assert_int_equal(gt_gil_at(t, 0)->source, GT_GIL_FROM_FUNCTIONS);
    check_member(0, 10, 81, 35, 0);
    check_member(0, 11, 81, 20, 40);
    assert_int_equal(t->quality.overlaps, 0);
}

/* One of several clones has no return probe: its takes never return. */
static void functions_whose_takes_do_not_return(void **state)
{
    (void)state;
    fork_task(t, 100, 10, 10, 0);
    fork_task(t, 100, 10, 11, 10);
    for (int i = 0; i < 10; i++) {
        feed(t, GT_EVENT_TAKE_ENTER, 200 + i * 100, 10, 10, 0);
        feed(t, GT_EVENT_TAKE_ENTER, 210 + i * 100, 10, 11, 0);
        feed(t, GT_EVENT_DROP_ENTER, 250 + i * 100, 10, 10, 0);
        feed(t, GT_EVENT_DROP_ENTER, 270 + i * 100, 10, 11, 0);
    }
    finish();
    assert_int_equal(member(0, 10)->hold_ns, 500);
    assert_int_equal(member(0, 11)->hold_ns, 200); /* from the release it waited for */
    assert_int_equal(member(0, 11)->wait_ns, 400); /* at least */
    assert_int_equal(member(0, 10)->wait_ns, 0);
    assert_int_equal(t->quality.returns_missing, 20);
    assert_int_equal(t->quality.takes_without_return, 0);
    assert_int_equal(t->quality.unmatched_releases, 0);
}

/* An inlined copy of drop_gil without a probe: the owner enters take_gil again. */
static void functions_whose_drops_are_not_seen(void **state)
{
    (void)state;
    fork_task(t, 100, 10, 10, 0);
    fork_task(t, 100, 10, 11, 10);
    feed(t, GT_EVENT_TAKE_ENTER, 200, 10, 10, 0);
    feed(t, GT_EVENT_TAKE_RETURN, 201, 10, 10, 0);
    feed(t, GT_EVENT_TAKE_ENTER, 250, 10, 10, 0);
    feed(t, GT_EVENT_TAKE_ENTER, 251, 10, 11, 0);
    feed(t, GT_EVENT_TAKE_RETURN, 252, 10, 11, 0);
    feed(t, GT_EVENT_DROP_ENTER, 270, 10, 11, 0);
    feed(t, GT_EVENT_TAKE_RETURN, 275, 10, 10, 0);
    feed(t, GT_EVENT_DROP_ENTER, 280, 10, 10, 0);
    finish();
    check_member(0, 10, 180, 49 + 5, 25);
    check_member(0, 11, 180, 18, 0);
    assert_int_equal(t->quality.unmatched_takes, 1);
}

static void conditions_are_believed_before_functions(void **state)
{
    (void)state;
    fork_task(t, 100, 10, 10, 0);
    for (int i = 0; i < 5; i++) {
        feed(t, GT_EVENT_TAKE_ENTER, 200 + i * 10, 10, 10, 0);
        acquire(t, 201 + i * 10, 10, 10, A);
        feed(t, GT_EVENT_TAKE_RETURN, 202 + i * 10, 10, 10, 0);
        feed(t, GT_EVENT_DROP_ENTER, 205 + i * 10, 10, 10, 0);
        release(t, 206 + i * 10, 10, 10, A);
    }
    fork_task(t, 300, 20, 20, 10); /* this process has function probes only */
    feed(t, GT_EVENT_TAKE_ENTER, 310, 20, 20, 0);
    feed(t, GT_EVENT_TAKE_RETURN, 311, 20, 20, 0);
    feed(t, GT_EVENT_DROP_ENTER, 321, 20, 20, 0);
    finish();
    assert_int_equal(t->gils.count, 2);
    assert_int_equal(gt_gil_at(t, 0)->source, GT_GIL_FROM_COND);
    assert_int_equal(member(0, 10)->hold_ns, 25);
    assert_int_equal(gt_gil_at(t, 1)->source, GT_GIL_FROM_FUNCTIONS);
    assert_int_equal(member(1, 20)->hold_ns, 10);
}

/* `-F comm,tid,time,event,trace`: threads that use one address are one process. */
static void text_without_process_ids(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        acquire(t, 200 + i * 20, 0, 10, A);
        await(t, 202 + i * 20, 0, 11, A);
        release(t, 205 + i * 20, 0, 10, A);
        acquire(t, 206 + i * 20, 0, 11, A);
        release(t, 209 + i * 20, 0, 11, A);
    }
    finish();
    assert_int_equal(t->gils.count, 1);
    assert_int_equal(member(0, 10)->hold_ns, 50);
    assert_int_equal(member(0, 11)->hold_ns, 30);
    assert_int_equal(member(0, 11)->wait_ns, 40);
}

static void times_that_go_back(void **state)
{
    (void)state;
    for (int round = 0; round < 100; round++) {
        acquire(t, 1, 10, 10, A);
        await(t, 1, 10, 11, A);
        release(t, INT64_MAX / 2, 10, 10, A);
        acquire(t, 5, 10, 11, A);
        release(t, INT64_MAX / 2 - 1, 10, 11, A);
    }
    finish();
    assert_true(t->quality.unordered > 0);
    assert_int_equal(t->quality.overlaps, 0);
}

static void an_exec_that_goes_back(void **state)
{
    (void)state;
    acquire(t, 1000, 10, 10, A);
    release(t, 1010, 10, 10, A);
    name_task(t, GT_EVENT_EXEC, 500, 10, 10, "python3");
    tick(t, 2000, 10, 10, 0);
    finish();
    check_member(0, 10, 10, 10, 0);
}

/* The record of a loss is newer than the release that follows it. */
static void a_loss_that_comes_too_early(void **state)
{
    (void)state;
    fork_task(t, 100, 10, 10, 0);
    acquire(t, 110, 10, 10, A);
    release(t, 120, 10, 10, A);
    tick(t, 130, 10, 10, 1);
    lose(t, 300, 1, 1);
    release(t, 200, 10, 10, A);
    acquire(t, 250, 10, 10, A);
    release(t, 310, 10, 10, A);
    finish();
    assert_int_equal(member(0, 10)->hold_ns, 10 + 10);
}

static void nothing_at_all(void **state)
{
    (void)state;
    finish();
    assert_int_equal(t->gils.count, 0);
    assert_int_equal(t->start_ns, -1);
}

/* What glibc does as a wait times out during a release (gil.c): no release of the waiter's. */
static void a_waiter_passes_a_signal_on(void **state)
{
    (void)state;
    fork_task(t, 100, 10, 10, 0);
    acquire(t, 110, 10, 10, A);
    fork_task(t, 120, 10, 11, 10);
    await(t, 130, 10, 11, A);
    release(t, 140, 10, 10, A);
    release(t, 141, 10, 11, A);
    acquire(t, 142, 10, 11, A);
    release(t, 150, 10, 11, A);
    exit_task(t, 160, 10, 11);
    exit_task(t, 160, 10, 10);
    finish();
    check_member(0, 10, 60, 30, 0);
    check_member(0, 11, 40, 8, 12);
    assert_int_equal(t->quality.unmatched_releases, 0);
    assert_int_equal(t->quality.duplicates, 0);
    assert_int_equal(t->quality.passed_signals, 1);
}

/* A third thread may have taken the GIL by then: it keeps it. */
static void a_signal_is_passed_on_while_another_holds(void **state)
{
    (void)state;
    fork_task(t, 100, 10, 10, 0);
    acquire(t, 110, 10, 10, A);
    fork_task(t, 120, 10, 11, 10);
    fork_task(t, 120, 10, 12, 10);
    await(t, 130, 10, 11, A);
    release(t, 140, 10, 10, A);
    acquire(t, 141, 10, 12, A);
    release(t, 142, 10, 11, A);
    release(t, 150, 10, 12, A);
    acquire(t, 152, 10, 11, A);
    release(t, 155, 10, 11, A);
    exit_task(t, 160, 10, 12);
    exit_task(t, 160, 10, 11);
    exit_task(t, 160, 10, 10);
    finish();
    check_member(0, 12, 40, 9, 0);
    check_member(0, 11, 40, 3, 22);
    assert_int_equal(t->quality.unmatched_releases, 0);
    assert_int_equal(t->quality.passed_signals, 1);
}

int main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(one_life),
        TEST(holds_and_waits_end_with_their_thread),
        TEST(a_fork_has_a_gil_of_its_own),
        TEST(exec_ends_a_gil_and_begins_another),
        TEST(a_tid_is_used_again),
        TEST(a_tid_is_used_again_though_its_exit_was_lost),
        TEST(a_tid_moves_to_another_process),
        TEST(a_single_thread_never_waits),
        TEST(doubled_probes_change_nothing),
        TEST(what_does_not_match_is_counted),
        TEST(a_waiter_passes_a_signal_on),
        TEST(a_signal_is_passed_on_while_another_holds),
        TEST(lost_ranges_are_unknown),
        TEST(a_loss_that_is_told_late),
        TEST(attached_in_mid_run),
        TEST(attached_between_wait_and_release),
        TEST(every_sub_interpreter_has_its_gil),
        TEST(pairs_that_only_look_like_a_gil),
        TEST(the_distance_of_python_3_6),
        TEST(a_known_single_gil_admits_no_second),
        TEST(a_take_is_inferred_after_a_release_was),
        TEST(functions_tell_the_same),
        TEST(functions_whose_takes_do_not_return),
        TEST(functions_whose_drops_are_not_seen),
        TEST(conditions_are_believed_before_functions),
        TEST(text_without_process_ids),
        TEST(times_that_go_back),
        TEST(an_exec_that_goes_back),
        TEST(a_loss_that_comes_too_early),
        TEST(nothing_at_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
