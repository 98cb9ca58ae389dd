/* SPDX-License-Identifier: MIT */
/* lib/report/condition: what --fail-if takes, and where it says it does not. */
#include "report/condition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct gt_condition parse(const char *text)
{
    struct gt_condition condition;
    struct gt_error err = {0};

    if (gt_condition_parse(&condition, text, &err) < 0)
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
    condition = parse(" thread( 'worker-*' ) . hold < 2 s ");
    assert_int_equal(condition.what, GT_WHAT_THREAD);
    assert_int_equal(condition.field, GT_FIELD_HOLD);
    assert_string_equal(condition.glob, "worker-*");
    assert_true(condition.below && condition.limit == 2e9);
    condition = parse("blocker(\"json.*\") > 5%");
    assert_int_equal(condition.what, GT_WHAT_BLOCKER);
    assert_string_equal(condition.glob, "json.*");
}

/* The caret is under column `at`. */
static void check_refused(const char *text, int at)
{
    struct gt_condition condition;
    struct gt_error err = {0};
    const char *line;

    assert_int_equal(gt_condition_parse(&condition, text, &err), GT_ERR_USAGE);
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
}

static void a_refusal_is_three_lines_of_visible_text(void **state)
{
    char text[2000] = "wait\x1b[2J\n> 1%";
    struct gt_condition condition;
    struct gt_error err = {0};

    (void)state;
    assert_int_equal(gt_condition_parse(&condition, text, &err), GT_ERR_USAGE);
    assert_string_equal(strchr(err.message, '\n'), "\n    wait?[2J?> 1%\n        ^");
    memset(text, ' ', sizeof(text) - 1);
    assert_int_equal(gt_condition_parse(&condition, text, &err), GT_ERR_USAGE);
    assert_int_equal(err.message[strlen(err.message) - 1], '^');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conditions_are_parsed),
        cmocka_unit_test(the_caret_is_under_the_spot),
        cmocka_unit_test(a_refusal_is_three_lines_of_visible_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
