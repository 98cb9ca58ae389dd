/* SPDX-License-Identifier: MIT */
/* lib/analysis/crowd: which part of the waiting is the machine's doing. */
#include "feed.h"

#include "analysis/crowd.h"
#include "base/nstime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const uint64_t A = 0x7f0000001000;

#define MS ((int64_t)GT_NS_PER_MS)

static void sched(struct gt_timeline *t, enum gt_event_kind kind, int64_t time_ns, int32_t tid,
                  uint32_t flags)
{
    struct gt_event event = {.kind = kind,
                             .time_ns = time_ns,
                             .pid = 10,
                             .tid = tid,
                             .cpu = 0,
                             .comm = "",
                             .switched.state = flags};

    assert_int_equal(gt_timeline_feed(t, &event), 0);
}

/* 10 and 11 live, the GIL is known. */
static struct gt_timeline *begin(bool scheduling)
{
    struct gt_timeline *t = gt_timeline_new(false, NULL);

    assert_non_null(t);
    fork_task(t, 1, 10, 10, 0);
    fork_task(t, 10, 10, 11, 10);
    if (scheduling) {
        sched(t, GT_EVENT_SWITCH_IN, 11, 10, 0);
        sched(t, GT_EVENT_SWITCH_IN, 11, 11, 0);
    }
    acquire(t, 20, 10, 10, A);
    release(t, 30, 10, 10, A);
    return t;
}

/* 11 has the GIL from 0 to 100 ms; 10 waits from 10 ms on, gets it, and has it until 120. */
static struct gt_crowd end(struct gt_timeline *t, bool scheduling, int64_t off_ns,
                           int64_t on_ns, uint32_t state)
{
    struct gt_blockers blockers;
    struct gt_crowd crowd;

    acquire(t, 40, 10, 11, A);
    await(t, 10 * MS, 10, 10, A);
    if (scheduling) {
        sched(t, GT_EVENT_SCHED_SWITCH, off_ns, 11, state);
        sched(t, GT_EVENT_SWITCH_IN, on_ns, 11, 0);
    }
    release(t, 100 * MS, 10, 11, A);
    acquire(t, 100 * MS + 1, 10, 10, A);
    release(t, 120 * MS, 10, 10, A);
    exit_task(t, 130 * MS, 10, 11);
    exit_task(t, 130 * MS, 10, 10);
    assert_int_equal(gt_timeline_finish(t, NULL), 0);
    assert_int_equal(gt_blockers_init(&blockers, t, 0, NULL), 0);
    crowd = gt_crowd_find(t, &blockers);
    gt_blockers_release(&blockers);
    gt_timeline_free(t);
    return crowd;
}

static void a_holder_without_a_cpu_is_the_machines_doing(void **state)
{
    struct gt_crowd crowd = end(begin(true), true, 20 * MS, 80 * MS, GT_STATE_RUNNABLE);

    (void)state;
    assert_int_equal(crowd.waiting_ns, 90 * MS + 1);
    assert_int_equal(crowd.known_ns, 90 * MS + 1);
    assert_int_equal(crowd.no_cpu_ns, 60 * MS);
    assert_int_equal(crowd.ready_ns, 60 * MS + 11); /* being new counts, too */
}

/* Nobody waited yet. */
static void before_the_first_wait_it_does_not_count(void **state)
{
    struct gt_crowd crowd = end(begin(true), true, 1 * MS, 9 * MS, GT_STATE_RUNNABLE);

    (void)state;
    assert_int_equal(crowd.no_cpu_ns, 0);
    assert_true(crowd.ready_ns >= 8 * MS);
}

static void a_holder_that_sleeps_is_not(void **state)
{
    struct gt_crowd crowd = end(begin(true), true, 20 * MS, 80 * MS, GT_STATE_SLEEPING);

    (void)state;
    assert_int_equal(crowd.known_ns, 90 * MS + 1);
    assert_int_equal(crowd.no_cpu_ns, 0);
}

static void without_scheduling_nothing_is_known(void **state)
{
    struct gt_crowd crowd = end(begin(false), false, 0, 0, 0);

    (void)state;
    assert_int_equal(crowd.waiting_ns, 90 * MS + 1);
    assert_int_equal(crowd.known_ns, 0);
    assert_int_equal(crowd.no_cpu_ns, 0);
    assert_int_equal(crowd.ready_ns, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_holder_without_a_cpu_is_the_machines_doing),
        cmocka_unit_test(before_the_first_wait_it_does_not_count),
        cmocka_unit_test(a_holder_that_sleeps_is_not),
        cmocka_unit_test(without_scheduling_nothing_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
