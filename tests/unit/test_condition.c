/* SPDX-License-Identifier: MIT */
/* lib/analysis/condition: what --fail-if takes, where it says it does not, and what is
 * breached. */
#include "made.h"

#include "analysis/condition.h"

#include <stdint.h>
#include <string.h>

static struct gt_condition parse(const char *text)
{
    struct gt_condition condition;
    struct gt_error err = {0};

    if (gt_condition_parse(&condition, "--fail-if", text, &err) < 0)
        fail_msg("%s", err.message);
    return condition;
}

static void conditions_are_parsed(void **state)
{
    struct gt_condition condition = parse("wait > 20%");

    (void)state;
    assert_int_equal(condition.what, GT_WHAT_ALL);
    assert_int_equal(condition.field, GT_FIELD_WAIT);
    assert_true(condition.percent && !condition.below && !condition.or_equal);
    assert_true(condition.limit == 20);
    condition = parse("longest_wait>=1.5ms");
    assert_int_equal(condition.field, GT_FIELD_LONGEST_WAIT);
    assert_true(!condition.percent && condition.or_equal && condition.limit == 1.5e6);
    assert_true(parse("hold > 850.5us").limit == 850500);  /* as it is typed … */
    assert_true(parse("hold > 850.5 µs").limit == 850500); /* … and as reports write it */
    condition = parse(" thread( 'worker-*' ) . hold < 2 s ");
    assert_int_equal(condition.what, GT_WHAT_THREAD);
    assert_int_equal(condition.field, GT_FIELD_HOLD);
    assert_string_equal(condition.glob, "worker-*");
    assert_true(condition.below && condition.limit == 2e9);
    condition = parse("worst(2s).wait > 50%");
    assert_int_equal(condition.what, GT_WHAT_ALL);
    assert_int_equal(condition.field, GT_FIELD_WAIT);
    assert_int_equal(condition.worst_ns, 2000 * MS);
    condition = parse("thread(\"w\") . worst( 1.5 ms ).hold > 1ms");
    assert_int_equal(condition.what, GT_WHAT_THREAD);
    assert_int_equal(condition.field, GT_FIELD_HOLD);
    assert_int_equal(condition.worst_ns, 3 * MS / 2);
    condition = parse("blocker(\"json.*\") > 5%");
    assert_int_equal(condition.worst_ns, 0);
    assert_int_equal(condition.what, GT_WHAT_BLOCKER);
    assert_string_equal(condition.glob, "json.*");
}

/* The caret is under column `at`. */
static void check_refused(const char *text, int at)
{
    struct gt_condition condition;
    struct gt_error err = {0};
    const char *line;

    assert_int_equal(gt_condition_parse(&condition, "--fail-if", text, &err), GT_ERR_USAGE);
    line = strrchr(err.message, '\n');
    assert_non_null(line);
    assert_int_equal(strlen(line + 1), 4 + (size_t)at + 1);
    assert_int_equal(line[strlen(line) - 1], '^');
    assert_non_null(strstr(err.message, text));
}

static void the_caret_is_under_the_spot(void **state)
{
    (void)state;
    check_refused("", 0);
    check_refused("waiting > 20%", 0);
    check_refused("wait 20%", 5);
    check_refused("wait > much", 7);
    check_refused("wait > 20", 9);
    check_refused("wait > 20 parsecs", 10);
    check_refused("longest_wait > 20%", 17);
    check_refused("thread(worker).wait > 1%", 7);
    check_refused("thread(\"worker).wait > 1%", 25);
    check_refused("thread(\"w\") > 1%", 12);
    check_refused("thread(\"w\").name > 1%", 12);
    check_refused("wait > 20% or hold > 5%", 11);
    check_refused("worst.wait > 5%", 5);
    check_refused("worst(2).wait > 5%", 7);
    check_refused("worst(0s).wait > 5%", 6);
    check_refused("worst(2s) > 5%", 10);
    check_refused("worst(2s).longest_wait > 5ms", 10);
    check_refused("worst(2s).worst(1s).wait > 5%", 10);
    check_refused("thread(\"w\").worst(x).wait > 5%", 18);
}

static void a_refusal_is_three_lines_of_visible_text(void **state)
{
    char text[2000] = "wait\x1b[2J\n> 1%";
    struct gt_condition condition;
    struct gt_error err = {0};

    (void)state;
    assert_int_equal(gt_condition_parse(&condition, "--fail-if", text, &err), GT_ERR_USAGE);
    assert_string_equal(strchr(err.message, '\n'), "\n    wait?[2J?> 1%\n        ^");
    memset(text, ' ', sizeof(text) - 1);
    assert_int_equal(gt_condition_parse(&condition, "--fail-if", text, &err), GT_ERR_USAGE);
    assert_int_equal(err.message[strlen(err.message) - 1], '^');
}

/* --- judging --- */

static struct gt_timeline t;
static struct gt_gil *gil;
static struct gt_recorded recorded;
static struct gt_blockers blockers;
static struct gt_locks_found locks;
static struct gt_checked checked;
static unsigned threads_named; /* a bit per thread that the GLOB matches */
static enum gt_doing_kind doing_named;

/* Threads 0 and 1 lived for 1 s; they waited 10% and 30% of it. Functions of Python were waited
 * for during 300 ms, what is not known during 100 ms. */
static int begin(void **state)
{
    (void)state;
    made_init(&t);
    gil = made_gil(&t, 1000 * MS);
    made_member(gil, 100 * MS, 200 * MS)->thread = 0;
    made_member(gil, 300 * MS, 400 * MS)->thread = 1;
    recorded = (struct gt_recorded){.timeline = &t};
    made_blockers(&blockers);
    made_row(&blockers, GT_DOING_PYTHON, 300 * MS);
    made_row(&blockers, GT_DOING_UNKNOWN, 100 * MS);
    gt_chunks_init(&locks.rows, sizeof(struct gt_lock_row));
    gt_chunks_init(&t.locks, sizeof(struct gt_lock));
    threads_named = 0;
    doing_named = GT_DOING_PYTHON;
    return 0;
}

static int end(void **state)
{
    (void)state;
    gt_locks_found_release(&locks);
    gt_chunks_release(&t.locks);
    gt_chunks_release(&t.lock_waits);
    gt_chunks_release(&t.usages);
    made_blockers_release(&blockers);
    made_release(&t);
    return 0;
}

static int names_thread(void *context, uint32_t thread)
{
    (void)context;
    return threads_named >> thread & 1;
}

static int names_blocker(void *context, const struct gt_blocker *row)
{
    (void)context;
    return row->doing.kind == doing_named;
}

static int names_lock(void *context, const struct gt_lock_row *row)
{
    (void)context;
    return row->function == 1;
}

static int no_memory(void *context, uint32_t thread)
{
    (void)context;
    (void)thread;
    return -1;
}

static void check(const char *text, enum gt_check_result result)
{
    const struct gt_condition_names names = {names_thread, names_blocker, names_lock, NULL};
    struct gt_condition condition = parse(text);

    assert_int_equal(
        gt_condition_check(&condition, &recorded, &blockers, &locks, &names, &checked), 0);
    assert_int_equal(checked.result, result);
}

/* 200 ms of a thread are not known. */
static void lose_of(uint32_t thread)
{
    *(struct gt_lost_range *)made_push(&t.lost) =
        (struct gt_lost_range){.start_ns = 700 * MS, .end_ns = 900 * MS};
    made_member_at(gil, thread)->unknown_ns = 200 * MS;
}

static void the_limit_itself_is_no_breach_but_with_equal(void **state)
{
    (void)state;
    check("wait > 20%", GT_PASSED); /* it is just that */
    check("wait >= 20%", GT_BREACHED);
    assert_true(checked.range.value == 20 && checked.range.low == 20);
    check("wait < 20%", GT_PASSED);
    check("wait <= 20%", GT_BREACHED);
    check("wait > 19.9%", GT_BREACHED);
    check("wait < 20.1%", GT_BREACHED);
    check("hold > 599ms", GT_BREACHED);
    check("hold > 600ms", GT_PASSED);
    check("longest_wait >= 300ms", GT_BREACHED);
    check("longest_hold > 400ms", GT_PASSED);
}

static void what_is_not_known_leaves_it_open(void **state)
{
    (void)state;
    lose_of(1); /* between 400 and 600 ms of 2 s; 400 of what is known, 1.8 s */
    check("wait > 19%", GT_BREACHED);
    check("wait > 25%", GT_UNJUDGED);
    assert_true(checked.range.low == 20 && checked.range.high == 30);
    assert_true(checked.range.value > 22.2 && checked.range.value < 22.3);
    check("wait > 31%", GT_PASSED);
    check("wait < 25%", GT_UNJUDGED);
}

static void the_thread_nearest_to_a_breach_counts(void **state)
{
    (void)state;
    threads_named = 3;
    check("thread(\"*\").wait > 5%", GT_BREACHED);
    assert_int_equal(checked.thread, 1);
    check("thread(\"*\").wait < 50%", GT_BREACHED);
    assert_int_equal(checked.thread, 0);
    check("thread(\"*\").wait > 50%", GT_PASSED);
    threads_named = 1;
    check("thread(\"*\").wait > 20%", GT_PASSED);
    assert_int_equal(checked.thread, 0);
    lose_of(1);
    threads_named = 3;
    check("thread(\"*\").wait > 40%", GT_UNJUDGED); /* 1 may have; 0 has not */
    assert_int_equal(checked.thread, 1);
    check("thread(\"*\").wait < 20%", GT_BREACHED); /* 0 has, whatever 1 has */
    assert_int_equal(checked.thread, 0);
}

/* Thread 0 waited 100 ms, or up to 300; thread 1 300, or up to 500: whichever comes first. */
static void a_breach_counts_before_what_is_not_known_and_that_before_the_rest(void **state)
{
    (void)state;
    threads_named = 3;
    lose_of(0);
    check("thread(\"*\").wait > 200ms", GT_BREACHED);
    assert_int_equal(checked.thread, 1);
    check("thread(\"*\").wait < 200ms", GT_UNJUDGED);
    assert_int_equal(checked.thread, 0);
    made_member_at(gil, 0)->unknown_ns = 0;
    made_member_at(gil, 1)->unknown_ns = 200 * MS;
    check("thread(\"*\").wait < 400ms", GT_BREACHED);
    assert_int_equal(checked.thread, 0);
    check("thread(\"*\").wait > 400ms", GT_UNJUDGED);
    assert_int_equal(checked.thread, 1);
}

static void add_wait(uint32_t thread, int64_t start_ns, int64_t end_ns)
{
    *(struct gt_span *)made_push(&gil->waits) =
        (struct gt_span){.start_ns = start_ns, .end_ns = end_ns, .thread = thread};
}

/* Thread 0 waits 100 ms at 200 ms, thread 1 from 200 to 500 ms; both live for 1 s. */
static void the_worst_window_has_a_share_of_its_own(void **state)
{
    (void)state;
    ((struct gt_thread *)made_push(&t.threads))->end_ns = 1000 * MS;
    *(struct gt_thread *)gt_chunks_at(&t.threads, 1) =
        (struct gt_thread){.tid = 11, .end_ns = 1000 * MS};
    t.end_ns = 1000 * MS;
    add_wait(0, 200 * MS, 300 * MS);
    add_wait(1, 200 * MS, 500 * MS);
    check("worst(100ms).wait >= 100%", GT_BREACHED);
    assert_int_equal(checked.start_ns, 200 * MS);
    check("worst(300ms).wait > 66%", GT_BREACHED); /* 400 of 600 ms */
    check("worst(300ms).wait > 67%", GT_PASSED);
    check("worst(300ms).wait >= 400ms", GT_BREACHED);
    check("worst(2s).wait >= 20%", GT_BREACHED); /* the whole run */
    check("worst(2s).wait > 20%", GT_PASSED);
    threads_named = 3;
    check("thread(\"*\").worst(300ms).wait >= 100%", GT_BREACHED);
    assert_int_equal(checked.thread, 1);
    threads_named = 1;
    check("thread(\"*\").worst(300ms).wait > 33%", GT_BREACHED);
    check("thread(\"*\").worst(300ms).wait > 34%", GT_PASSED);
    assert_int_equal(checked.start_ns, 0); /* the first that has all of it */
    check("wait > 20%", GT_PASSED);
    assert_int_equal(checked.start_ns, -1);
}

static void what_is_lost_may_be_the_worst(void **state)
{
    (void)state;
    the_worst_window_has_a_share_of_its_own(state);
    lose_of(1); /* both, for 200 ms from 700 ms on */
    made_member_at(gil, 0)->unknown_ns = 200 * MS;
    check("worst(300ms).wait > 66%", GT_BREACHED); /* there is one, whatever was lost */
    check("worst(300ms).wait > 67%", GT_PASSED);   /* 400 of 600 ms there, too */
    check("worst(200ms).wait > 75%", GT_UNJUDGED); /* 300 of 400 ms is known, and may be all */
    assert_true(checked.range.low == 75 && checked.range.high == 100);
    check("worst(200ms).wait < 75%", GT_PASSED);
    check("worst(200ms).wait > 400ms", GT_PASSED);
    check("worst(200ms).wait > 350ms", GT_UNJUDGED);
    assert_true(checked.range.low == 300e6 && checked.range.high == 400e6);
}

static void a_thread_that_was_not_seen_cannot_be_judged(void **state)
{
    (void)state;
    check("thread(\"w\").wait > 5%", GT_PASSED);
    assert_int_equal(checked.thread, UINT32_MAX);
    *(struct gt_hole *)made_push(&t.holes) = (struct gt_hole){.end_ns = 50 * MS, .gil = true};
    check("thread(\"w\").wait > 5%", GT_UNJUDGED);
    assert_int_equal(checked.thread, UINT32_MAX);
}

static void a_blocker_is_set_against_all_lives(void **state)
{
    (void)state;
    check("blocker(\"f\") > 15%", GT_PASSED);
    check("blocker(\"f\") >= 15%", GT_BREACHED);
    check("blocker(\"f\") > 299ms", GT_BREACHED);
    doing_named = GT_DOING_GC;
    check("blocker(\"f\") > 0%", GT_PASSED);
}

static void an_unknown_function_may_have_been_it_where_calls_are_missing(void **state)
{
    (void)state;
    check("blocker(\"f\") > 350ms", GT_PASSED);
    t.stopped_ns = 500 * MS;
    check("blocker(\"f\") > 350ms", GT_UNJUDGED);
    assert_true(checked.range.low == 300e6 && checked.range.high == 400e6);
    check("blocker(\"f\") > 400ms", GT_PASSED);
}

/* The threads waited for locks, of their 2 s, for 150 ms: 100 ms in function 1, the rest
 * somewhere. */
static void locks_are_set_against_all_lives(void **state)
{
    (void)state;
    check("lock_wait > 5%", GT_UNJUDGED); /* nobody looked */
    assert_true(checked.no_locks);
    gt_chunks_init(&t.usages, sizeof(struct gt_chunks));
    gt_chunks_init(made_push(&t.usages), sizeof(struct gt_usage));
    check("lock_wait > 0%", GT_PASSED);
    gt_chunks_init(&t.lock_waits, sizeof(int64_t));
    *(int64_t *)made_push(&t.lock_waits) = 150 * MS;
    check("lock_wait > 7%", GT_BREACHED);
    check("lock_wait > 7.5%", GT_PASSED);
    check("lock_wait >= 150ms", GT_BREACHED);
    threads_named = 2;
    check("thread(\"w\").lock_wait > 0%", GT_PASSED);
    *(struct gt_lock_row *)made_push(&locks.rows) =
        (struct gt_lock_row){.function = 1, .wait_ns = 100 * MS};
    check("lock(\"f\") > 4%", GT_BREACHED);
    check("lock(\"f\") > 5%", GT_PASSED);
    *(struct gt_lock_row *)made_push(&locks.rows) =
        (struct gt_lock_row){.function = GT_NO_INDEX, .wait_ns = 50 * MS};
    check("lock(\"f\") > 5%", GT_UNJUDGED);
    check("lock(\"f\") > 8%", GT_PASSED);
}

static void nothing_is_judged_of_what_was_not_recorded(void **state)
{
    (void)state;
    recorded.blind = true;
    check("wait > 0%", GT_UNJUDGED);
    assert_true(checked.blind);
    check("thread(\"w\").wait > 0%", GT_UNJUDGED);
    check("blocker(\"f\") > 0%", GT_UNJUDGED);
}

static void names_that_cannot_be_made_are_an_error(void **state)
{
    const struct gt_condition_names names = {no_memory, names_blocker, names_lock, NULL};
    struct gt_condition condition = parse("thread(\"w\").wait > 5%");

    (void)state;
    assert_int_equal(
        gt_condition_check(&condition, &recorded, &blockers, &locks, &names, &checked),
        GT_ERR_MEMORY);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conditions_are_parsed),
        cmocka_unit_test(the_caret_is_under_the_spot),
        cmocka_unit_test(a_refusal_is_three_lines_of_visible_text),
        TEST(the_limit_itself_is_no_breach_but_with_equal),
        TEST(what_is_not_known_leaves_it_open),
        TEST(the_thread_nearest_to_a_breach_counts),
        TEST(a_breach_counts_before_what_is_not_known_and_that_before_the_rest),
        TEST(the_worst_window_has_a_share_of_its_own),
        TEST(what_is_lost_may_be_the_worst),
        TEST(a_thread_that_was_not_seen_cannot_be_judged),
        TEST(a_blocker_is_set_against_all_lives),
        TEST(an_unknown_function_may_have_been_it_where_calls_are_missing),
        TEST(locks_are_set_against_all_lives),
        TEST(nothing_is_judged_of_what_was_not_recorded),
        TEST(names_that_cannot_be_made_are_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
