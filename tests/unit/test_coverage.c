/* SPDX-License-Identifier: MIT */
/* lib/analysis/coverage: why no GIL was seen, and what else the recording does not cover. */
#include "made.h"

#include "analysis/coverage.h"
#include "event/probed_files.h"

static struct gt_timeline t;
static struct gt_recorded recorded;
static struct gt_run_info info;
static struct gt_probed probed;

static int begin(void **state)
{
    (void)state;
    made_init(&t);
    recorded = (struct gt_recorded){.timeline = &t, .detect = GT_DETECT_GIL};
    info = (struct gt_run_info){.gil_enabled = true, .gil_source = "uprobes"};
    probed = (struct gt_probed){0};
    return 0;
}

static int end(void **state)
{
    (void)state;
    made_release(&t);
    return 0;
}

static enum gt_no_gil why(void)
{
    return gt_no_gil_find(&recorded, &info).why;
}

static void probes_that_saw_no_gil(void **state)
{
    (void)state;
    assert_int_equal(why(), GT_NO_GIL_TOO_SHORT);
    info.version = "CPython 3.6.9";
    assert_int_equal(why(), GT_NO_GIL_ONE_THREAD);
    info.version = "CPython 3.60.9";
    assert_int_equal(why(), GT_NO_GIL_TOO_SHORT);
    *(struct gt_unseen *)made_push(&t.unseen) = (struct gt_unseen){0};
    assert_int_equal(why(), GT_NO_GIL_UNSEEN);
    info.gil_enabled = false;
    assert_int_equal(why(), GT_NO_GIL_FREE_THREADED);
    recorded.detect = GT_DETECT_SCHED; /* nobody asked */
    assert_int_equal(why(), GT_NO_GIL_SILENT);
}

static void the_futex_source_sees_contention_only(void **state)
{
    (void)state;
    info.gil_source = "futex";
    assert_int_equal(why(), GT_NO_GIL_FUTEX_SEEN); /* whom it sees is not known */
    recorded.probed = &probed;
    assert_int_equal(why(), GT_NO_GIL_FUTEX_NO_WAIT);
    *(struct gt_unseen *)made_push(&t.unseen) = (struct gt_unseen){0};
    assert_int_equal(why(), GT_NO_GIL_FUTEX_SEEN);
    *(struct gt_lost_range *)made_push(&t.lost) = (struct gt_lost_range){.events = 1};
    assert_int_equal(why(), GT_NO_GIL_FUTEX_PARTLY);
    info.gil_enabled = false;
    assert_int_equal(why(), GT_NO_GIL_FREE_THREADED_FUTEX);
}

static void a_recording_of_futex_calls_alone_is_the_futex_sources(void **state)
{
    (void)state;
    info.gil_source = NULL; /* as perf2trace knows it */
    assert_int_equal(why(), GT_NO_GIL_TOO_SHORT);
    t.saw_futex = true;
    assert_int_equal(why(), GT_NO_GIL_FUTEX_SEEN);
    t.quality.gil_events = 1;
    assert_int_equal(why(), GT_NO_GIL_TOO_SHORT);
}

static void states_tell_who_slept_for_a_gil(void **state)
{
    struct gt_sched *sched = made_push(&t.scheds);
    struct gt_no_gil_found found;

    (void)state;
    *sched = (struct gt_sched){.state_ns[GT_SCHED_SLEEPING_GIL] = 100 * MS,
                               .state_ns[GT_SCHED_OFF_CPU_GIL] = 50 * MS};
    t.saw_sched = true;
    assert_int_equal(why(), GT_NO_GIL_TOO_SHORT); /* without stacks, states do not tell */
    t.saw_stacks = true;
    found = gt_no_gil_find(&recorded, &info);
    assert_int_equal(found.why, GT_NO_GIL_ASLEEP);
    assert_true(found.asleep_ns == 150 * MS && found.thread_ns == 150 * MS);
    assert_true(found.lives_ns == 1000 * MS && found.thread == 0);
    *sched = (struct gt_sched){0};
    assert_int_equal(why(), GT_NO_GIL_TOO_SHORT);
    recorded.detect = GT_DETECT_SCHED;
    assert_int_equal(why(), GT_NO_GIL_AWAKE);
}

static void states_that_were_asked_for_may_be_missing(void **state)
{
    (void)state;
    assert_int_equal(gt_states_seen(&recorded), GT_STATES_SEEN); /* they were not */
    recorded.detect |= GT_DETECT_SCHED;
    assert_int_equal(gt_states_seen(&recorded), GT_STATES_NONE);
    t.saw_sched = true;
    assert_int_equal(gt_states_seen(&recorded), GT_STATES_NO_REASONS);
    t.saw_reasons = true;
    assert_int_equal(gt_states_seen(&recorded), GT_STATES_NO_SWITCHES);
    t.saw_switch_records = true;
    assert_int_equal(gt_states_seen(&recorded), GT_STATES_SEEN);
}

static void a_program_is_not_seen_whose_files_have_no_probes(void **state)
{
    struct gt_unseen unseen = {0};

    (void)state;
    assert_int_equal(gt_unseen_why(&probed, &unseen), GT_UNSEEN_STATIC);
    unseen.file = 1;
    assert_int_equal(gt_unseen_why(&probed, &unseen), GT_UNSEEN_LIBC);
    probed.any_glibc = true;
    assert_int_equal(gt_unseen_why(&probed, &unseen), GT_UNSEEN_NO_GLIBC);
    probed.interpreter = true;
    assert_int_equal(gt_unseen_why(&probed, &unseen), GT_UNSEEN_INTERPRETER);
}

static void a_hole_matters_unless_it_ended_with_the_process(void **state)
{
    struct gt_hole hole = {.gil = true};

    (void)state;
    assert_true(gt_hole_matters(&hole));
    hole.ended_it = true;
    assert_false(gt_hole_matters(&hole));
    hole = (struct gt_hole){.gil = false}; /* of calls, and nothing says why */
    assert_false(gt_hole_matters(&hole));
    hole.why = 1;
    assert_true(gt_hole_matters(&hole));
}

static void threads_and_calls_may_be_missing(void **state)
{
    struct gt_hole *hole;

    (void)state;
    assert_false(gt_may_lack_threads(&t) || gt_may_lack_calls(&t));
    hole = made_push(&t.holes);
    *hole = (struct gt_hole){.gil = true, .ended_it = true};
    assert_false(gt_may_lack_threads(&t) || gt_may_lack_calls(&t));
    hole->ended_it = false;
    assert_true(gt_may_lack_threads(&t) && gt_may_lack_calls(&t));
    hole->gil = false; /* of calls only */
    assert_true(!gt_may_lack_threads(&t) && gt_may_lack_calls(&t));
    hole->ended_it = true;
    t.stopped_ns = 5;
    assert_true(!gt_may_lack_threads(&t) && gt_may_lack_calls(&t));
    *(struct gt_unseen *)made_push(&t.unseen) = (struct gt_unseen){0};
    assert_true(gt_may_lack_threads(&t));
}

static void what_is_missing_is_summed_up(void **state)
{
    uint64_t takes;

    (void)state;
    for (uint64_t i = 1; i <= 2; i++) {
        struct gt_gil *gil = made_gil(&t, MS);

        gil->takes = 10 * i;
        gil->defects.returns_missing = i;
        *(struct gt_lost_range *)made_push(&t.lost) = (struct gt_lost_range){.events = 5 * i};
    }
    assert_int_equal(gt_returns_missing(&t, &takes), 3);
    assert_int_equal(takes, 30);
    assert_int_equal(gt_lost_by_all(&t), 15);
}

static void other_programs_may_have_run_before(void **state)
{
    struct gt_beginning found;

    (void)state;
    t.start_ns = 500 * MS;
    t.end_ns = 1500 * MS;
    assert_int_equal(gt_beginning_find(&t).gil, GT_NO_INDEX);
    made_gil(&t, MS)->start_ns = 900 * MS;
    found = gt_beginning_find(&t);
    assert_true(found.gil == 0 && found.ns == 400 * MS);
    made_gil(&t, MS)->start_ns = 600 * MS;
    found = gt_beginning_find(&t);
    assert_true(found.gil == 1 && found.ns == 100 * MS);
    t.end_ns += MS; /* now it is less than a tenth */
    assert_int_equal(gt_beginning_find(&t).gil, GT_NO_INDEX);
    t.end_ns = 900 * MS; /* less than 0.1 s */
    made_gil(&t, MS)->start_ns = 599 * MS;
    assert_int_equal(gt_beginning_find(&t).gil, GT_NO_INDEX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(probes_that_saw_no_gil),
        TEST(the_futex_source_sees_contention_only),
        TEST(a_recording_of_futex_calls_alone_is_the_futex_sources),
        TEST(states_tell_who_slept_for_a_gil),
        TEST(states_that_were_asked_for_may_be_missing),
        TEST(a_program_is_not_seen_whose_files_have_no_probes),
        TEST(a_hole_matters_unless_it_ended_with_the_process),
        TEST(threads_and_calls_may_be_missing),
        TEST(what_is_missing_is_summed_up),
        TEST(other_programs_may_have_run_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
