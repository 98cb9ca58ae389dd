/* SPDX-License-Identifier: MIT */
/* lib/analysis/judgement: what a function did wrong, and what helps. */
#include "made.h"

#include "analysis/judgement.h"

static struct gt_timeline t;
static struct gt_blockers blockers;
static struct gt_blocker *row;

/* One row, which was waited for and did nothing wrong. */
static int begin(void **state)
{
    (void)state;
    made_init(&t);
    made_blockers(&blockers);
    row = made_row(&blockers, GT_DOING_C, 100 * MS);
    return 0;
}

static int end(void **state)
{
    (void)state;
    made_blockers_release(&blockers);
    made_release(&t);
    return 0;
}

static struct gt_judgement judge(void)
{
    return gt_judge_blocker(&t, row);
}

static void keep(enum gt_doing_kind kind)
{
    row->doing.kind = kind;
    made_kept(row, 200 * MS);
}

/* Asked so often, it went on for so long at most, and for so long in all. */
static bool keeps(enum gt_doing_kind kind, uint64_t kept, uint64_t requested,
                  int64_t longest_ns, int64_t all_ns)
{
    row->doing.kind = kind;
    row->requested = requested;
    row->kept = kept;
    row->longest_work_ns = row->longest_held_ns = longest_ns;
    row->after = (struct gt_after){.total_ns = all_ns, .run_ns = all_ns, .known = true};
    return gt_blocker_keeps(row);
}

static void one_long_stretch_keeps_the_gil(void **state)
{
    (void)state;
    assert_false(keeps(GT_DOING_C, 0, 1, 200 * MS, 200 * MS));
    assert_true(keeps(GT_DOING_C, 1, 100, 50 * MS, 50 * MS));
    assert_false(keeps(GT_DOING_C, 1, 100, 50 * MS - 1, 50 * MS));
    row->interval_ns = 60 * MS; /* it is no longer than an interval */
    assert_false(keeps(GT_DOING_C, 1, 100, 60 * MS - 1, 60 * MS));
    assert_true(keeps(GT_DOING_C, 1, 100, 60 * MS, 60 * MS));
    row->interval_ns = 500 * MS; /* so long is enough, whatever the interval */
    assert_false(keeps(GT_DOING_C, 1, 100, 100 * MS - 1, 100 * MS));
    assert_true(keeps(GT_DOING_C, 1, 100, 100 * MS, 100 * MS));
}

static void who_releases_it_mostly_keeps_it_by_very_long_stretches_only(void **state)
{
    (void)state;
    row->retakes = 1;
    row->away_ns = row->total_hold_ns + 1;
    assert_false(keeps(GT_DOING_C, 1, 1, 100 * MS - 1, 100 * MS));
    assert_true(keeps(GT_DOING_C, 1, 1, 100 * MS, 100 * MS));
    row->away_ns--;
    assert_true(keeps(GT_DOING_C, 1, 1, 100 * MS - 1, 100 * MS));
}

static void of_shorter_stretches_most_must_keep_it(void **state)
{
    static const int64_t short_ns = 45 * MS / 10; /* nine tenths of an interval */

    (void)state;
    assert_true(keeps(GT_DOING_C, 2, 4, short_ns, 9 * MS));
    assert_false(keeps(GT_DOING_C, 1, 1, short_ns, 9 * MS));
    assert_false(keeps(GT_DOING_C, 2, 5, short_ns, 9 * MS));
    assert_false(keeps(GT_DOING_C, 2, 4, short_ns - 1, 9 * MS));
    row->interval_ns = 100 * MS;
    assert_true(keeps(GT_DOING_C, 2, 4, 20 * MS, 50 * MS));
    assert_false(keeps(GT_DOING_C, 2, 4, 20 * MS - 1, 50 * MS));
    assert_false(keeps(GT_DOING_C, 2, 4, 20 * MS, 50 * MS - 1));
}

static void an_eighth_is_enough_where_stretches_were_long_together(void **state)
{
    (void)state;
    assert_true(keeps(GT_DOING_C, 2, 16, 30 * MS, 100 * MS));
    assert_false(keeps(GT_DOING_C, 2, 17, 30 * MS, 100 * MS));
    assert_false(keeps(GT_DOING_C, 2, 16, 30 * MS - 1, 100 * MS));
    assert_false(keeps(GT_DOING_C, 2, 16, 30 * MS, 100 * MS - 1));
    assert_false(keeps(GT_DOING_C, 1, 8, 30 * MS, 100 * MS));
    row->interval_ns = 40 * MS;
    assert_true(keeps(GT_DOING_C, 2, 16, 36 * MS, 100 * MS));
    assert_false(keeps(GT_DOING_C, 2, 16, 36 * MS - 1, 100 * MS));
}

/* The length of a call is known; of an operation within Python code, what is left of it. */
static void of_a_call_all_of_it_counts_of_python_code_what_is_left(void **state)
{
    static const enum gt_doing_kind kinds[] = {GT_DOING_C, GT_DOING_GC, GT_DOING_IMPORT,
                                               GT_DOING_PYTHON, GT_DOING_UNKNOWN};

    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        keeps(kinds[i], 2, 4, 4 * MS, 9 * MS);
        row->longest_held_ns = 5 * MS;
        assert_int_equal(gt_blocker_keeps(row), i < 3);
    }
}

static void where_it_is_not_known_half_of_the_holding_keeps_it(void **state)
{
    (void)state;
    keeps(GT_DOING_C, 1, 1, 200 * MS, 200 * MS);
    row->after.known = false;
    row->waited_hold_ns = 100 * MS;
    row->kept_hold_ns = 50 * MS;
    assert_true(gt_blocker_keeps(row));
    row->kept_hold_ns--;
    assert_false(gt_blocker_keeps(row));
}

static void a_cause_is_what_it_did(void **state)
{
    static const struct {
        enum gt_doing_kind kind;
        enum gt_cause cause;
        enum gt_remedy remedy;
    } known[] = {
        {GT_DOING_C, GT_CAUSE_CALL, GT_REMEDY_WORK_OF_CALL},
        {GT_DOING_GC, GT_CAUSE_GC, GT_REMEDY_COLLECT_LESS},
        {GT_DOING_IMPORT, GT_CAUSE_IMPORT, GT_REMEDY_IMPORT_EARLY},
        {GT_DOING_PYTHON, GT_CAUSE_OPERATION, GT_REMEDY_SMALLER},
        {GT_DOING_UNKNOWN, GT_CAUSE_OPERATION, GT_REMEDY_TRACE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        row->doing.kind = known[i].kind;
        row->kept = 0;
        assert_int_equal(judge().cause, GT_CAUSE_NONE);
        assert_int_equal(judge().remedy, GT_REMEDY_NONE);
        keep(known[i].kind);
        assert_int_equal(judge().cause, known[i].cause);
        assert_int_equal(judge().remedy, known[i].remedy);
        assert_int_equal(judge().charge, GT_CHARGE_NONE);
    }
}

static void a_loop_makes_many_calls_most_of_the_times(void **state)
{
    (void)state;
    keep(GT_DOING_C);
    row->kept = row->requested = 4;
    row->kept_in_loops = 2;
    assert_int_equal(judge().cause, GT_CAUSE_CALL);
    row->kept_in_loops = 3;
    assert_int_equal(judge().cause, GT_CAUSE_LOOP);
    assert_int_equal(judge().remedy, GT_REMEDY_SPLIT_LOOP);
}

/* Judged as a call of a function with these flags. */
static struct gt_judgement of_function(uint32_t flags)
{
    struct gt_function_info *function = made_push(&t.functions);

    *function = (struct gt_function_info){.flags = GT_FUNCTION_C | flags};
    keep(GT_DOING_C);
    row->doing.function = (uint32_t)t.functions.count - 1;
    return judge();
}

static void a_remedy_is_for_whom_the_function_belongs_to(void **state)
{
    (void)state;
    assert_int_equal(of_function(0).owner, GT_OWNER_UNKNOWN);
    assert_int_equal(of_function(GT_FUNCTION_OF_PYTHON).owner, GT_OWNER_PYTHON);
    assert_int_equal(of_function(GT_FUNCTION_OF_PACKAGE).owner, GT_OWNER_PACKAGE);
    assert_int_equal(of_function(GT_FUNCTION_OF_PROGRAM).owner, GT_OWNER_PROGRAM);
    row->doing.function = GT_NO_INDEX;
    assert_int_equal(judge().owner, GT_OWNER_UNKNOWN);
}

static void a_remedy_is_by_what_the_extension_was_made_with(void **state)
{
    (void)state;
    assert_int_equal(of_function(0).release_with, GT_RELEASE_WITH_C_API);
    assert_int_equal(of_function(GT_FUNCTION_BY_CYTHON).release_with, GT_RELEASE_WITH_CYTHON);
    assert_int_equal(of_function(GT_FUNCTION_BY_PYBIND11).release_with,
                     GT_RELEASE_WITH_PYBIND11);
}

static void who_slept_with_the_gil_is_to_wait_without_it(void **state)
{
    (void)state;
    keep(GT_DOING_C);
    row->after.run_ns = row->after.sleep_ns = 100 * MS;
    assert_int_equal(judge().remedy, GT_REMEDY_WORK_OF_CALL);
    assert_false(judge().slept);
    row->after.sleep_ns++;
    assert_int_equal(judge().remedy, GT_REMEDY_WAIT_OF_CALL);
    assert_true(judge().slept);
    row->doing.kind = GT_DOING_PYTHON;
    assert_int_equal(judge().remedy, GT_REMEDY_WAIT_UNTRACED);
    row->after.known = false; /* then it is not known that it slept */
    row->kept_hold_ns = row->waited_hold_ns = 200 * MS;
    assert_false(judge().slept);
    assert_int_equal(judge().remedy, GT_REMEDY_SMALLER);
}

static void a_process_that_ended_in_it_may_be_a_deadlock(void **state)
{
    (void)state;
    keep(GT_DOING_C);
    row->deadlock = true;
    assert_int_equal(judge().remedy, GT_REMEDY_DEADLOCK);
    row->after.run_ns = 0;
    row->after.sleep_ns = 200 * MS;
    assert_int_equal(judge().remedy, GT_REMEDY_DEADLOCK_ASLEEP);
}

static void parts_are_told_from_a_tenth_on(void **state)
{
    (void)state;
    keep(GT_DOING_C);
    row->after.ready_ns = row->after.stopped_ns = row->after.paging_ns = 20 * MS - 1;
    assert_false(judge().ready_counts || judge().stopped_counts || judge().paging_counts);
    row->after.ready_ns++;
    assert_true(judge().ready_counts && !judge().stopped_counts);
    row->after.stopped_ns++;
    assert_true(judge().stopped_counts && !judge().paging_counts);
    row->after.paging_ns++;
    assert_true(judge().paging_counts);
}

static void who_releases_it_mostly_is_told_so(void **state)
{
    (void)state;
    row->retakes = 3;
    row->away_ns = row->total_hold_ns = 50 * MS;
    assert_false(judge().releases);
    assert_int_equal(judge().charge, GT_CHARGE_WAITED_FOR);
    row->away_ns++;
    assert_true(judge().releases);
    assert_int_equal(judge().charge, GT_CHARGE_NONE);
    row->waiting_ns = 0; /* nobody waited for it */
    assert_false(judge().releases);
}

static void who_queues_again_and_again_is_told_so(void **state)
{
    (void)state;
    row->contended = 49;
    row->away_ns = 10 * MS;
    row->retake_wait_ns = 11 * MS;
    assert_false(judge().requeues);
    row->contended = 50;
    assert_true(judge().requeues);
    row->retake_wait_ns = 10 * MS;
    assert_false(judge().requeues);
}

/* A loop of events is one call. */
static void fewer_calls_help_only_who_makes_many(void **state)
{
    struct gt_function_info *function = made_push(&t.functions);

    (void)state;
    *function = (struct gt_function_info){.calls = 100};
    row->doing.function = 0;
    row->retakes = 201;
    assert_true(judge().fewer_calls_help);
    row->retakes++;
    assert_false(judge().fewer_calls_help);
    function->untraced_calls = 1;
    assert_true(judge().fewer_calls_help);
}

static void python_code_is_charged_with_what_is_known_of_it(void **state)
{
    (void)state;
    row->doing.kind = GT_DOING_PYTHON;
    assert_int_equal(judge().charge, GT_CHARGE_NOT_ASKED);
    row->requested = 4;
    row->unclear = 2;
    assert_int_equal(judge().charge, GT_CHARGE_GAVE_UP);
    assert_true(judge().rest_unknown);
    row->unclear = 3;
    assert_int_equal(judge().charge, GT_CHARGE_NOT_RECORDED);
    row->unclear = 0;
    assert_int_equal(judge().charge, GT_CHARGE_GAVE_UP);
    assert_false(judge().rest_unknown);
    row->kept = 1; /* too short to be called kept */
    assert_false(judge().rest_unknown);
    row->after.known = false;
    row->waited_hold_ns = 100 * MS;
    assert_int_equal(judge().charge, GT_CHARGE_GAVE_UP);
    assert_true(judge().rest_unknown);
}

/* Once, for 12 ms: no culprit, and yet it did not give the GIL up as it was asked to. */
static void what_gave_it_up_late_is_not_said_to_have_given_it_up(void **state)
{
    (void)state;
    row->doing.kind = GT_DOING_PYTHON;
    row->after = (struct gt_after){.known = true, .total_ns = 12 * MS, .run_ns = 12 * MS};
    row->longest_work_ns = row->longest_kept_ns = 12 * MS;
    row->requested = row->kept = 1;
    assert_int_equal(judge().cause, GT_CAUSE_NONE);
    assert_int_equal(judge().charge, GT_CHARGE_GAVE_UP_LATE);
    row->requested = 2;
    assert_int_equal(judge().charge, GT_CHARGE_GAVE_UP);
    row->unclear = 1;
    assert_int_equal(judge().charge, GT_CHARGE_NOT_RECORDED);
}

static void others_are_charged_with_the_waiting(void **state)
{
    (void)state;
    assert_int_equal(judge().charge, GT_CHARGE_WAITED_FOR);
    row->doing.kind = GT_DOING_UNKNOWN;
    assert_int_equal(judge().charge, GT_CHARGE_NO_FUNCTION);
    row->waiting_ns = 0;
    assert_int_equal(judge().charge, GT_CHARGE_NONE);
}

static void rows_and_gaps_are_listed_from_a_share_on(void **state)
{
    (void)state;
    made_row(&blockers, GT_DOING_C, MS / 2);
    made_row(&blockers, GT_DOING_C, 0);
    row = gt_chunks_at(&blockers.rows, 0); /* it may have moved */
    assert_int_equal(gt_blockers_notable(&blockers, 100 * MS), 2);
    assert_int_equal(gt_blockers_notable(&blockers, 100 * MS + 200), 1);
    row->waiting_ns = 0;
    assert_int_equal(gt_blockers_notable(&blockers, 0), 0);
    assert_true(gt_gap_is_notable(MS, 1000 * MS));
    assert_false(gt_gap_is_notable(MS - 1, 1000 * MS));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_long_stretch_keeps_the_gil),
        TEST(who_releases_it_mostly_keeps_it_by_very_long_stretches_only),
        TEST(of_shorter_stretches_most_must_keep_it),
        TEST(an_eighth_is_enough_where_stretches_were_long_together),
        TEST(of_a_call_all_of_it_counts_of_python_code_what_is_left),
        TEST(where_it_is_not_known_half_of_the_holding_keeps_it),
        TEST(a_cause_is_what_it_did),
        TEST(a_loop_makes_many_calls_most_of_the_times),
        TEST(a_remedy_is_for_whom_the_function_belongs_to),
        TEST(a_remedy_is_by_what_the_extension_was_made_with),
        TEST(who_slept_with_the_gil_is_to_wait_without_it),
        TEST(a_process_that_ended_in_it_may_be_a_deadlock),
        TEST(parts_are_told_from_a_tenth_on),
        TEST(who_releases_it_mostly_is_told_so),
        TEST(who_queues_again_and_again_is_told_so),
        TEST(fewer_calls_help_only_who_makes_many),
        TEST(python_code_is_charged_with_what_is_known_of_it),
        TEST(what_gave_it_up_late_is_not_said_to_have_given_it_up),
        TEST(others_are_charged_with_the_waiting),
        TEST(rows_and_gaps_are_listed_from_a_share_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
