/* SPDX-License-Identifier: MIT */
/* base/width: columns of text on a terminal, shortened names, wrapped lines; report/grid. */
#include "base/width.h"
#include "report/grid.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static size_t width(const char *text)
{
    return gt_text_width(text, strlen(text));
}

static void columns_are_counted(void **state)
{
    (void)state;
    assert_int_equal(width(""), 0);
    assert_int_equal(width("main"), 4);
    assert_int_equal(width("naïve"), 5);
    assert_int_equal(width("nai\u0308ve"), 5); /* a combining diaeresis */
    assert_int_equal(width("受付"), 4);
    assert_int_equal(width("한글"), 4);
    assert_int_equal(width("❌✅"), 4);
    assert_int_equal(width("🐍"), 2);
    assert_int_equal(width("a\u200bb"), 2);
    assert_int_equal(width("\033[31m12.5\033[0m"), 4);
}

static void check_cut(const char *text, size_t columns, const char *expected)
{
    struct gt_buf cut;

    gt_buf_init(&cut);
    assert_int_equal(gt_text_add_cut(&cut, text, columns), 0);
    assert_string_equal(cut.length ? cut.data : "", expected);
    assert_true(width(cut.length ? cut.data : "") <= columns);
    gt_buf_release(&cut);
}

static void names_are_cut_in_the_middle(void **state)
{
    (void)state;
    check_cut("worker", 6, "worker");
    check_cut("worker-process-12", 9, "work…s-12");
    check_cut("受付受付受付", 6, "受…付"); /* never half of a wide character */
    check_cut("abcdef", 1, "…");
    check_cut("abcdef", 0, "");
}

static void check_wrap(const char *text, size_t columns, const char *expected)
{
    char line[200];

    snprintf(line, sizeof(line), "%s", text);
    gt_text_wrap(line, columns);
    assert_string_equal(line, expected);
}

static void lines_are_wrapped_at_blanks(void **state)
{
    (void)state;
    check_wrap("one two three", 0, "one two three");
    check_wrap("one two three", 13, "one two three");
    check_wrap("one two three", 12, "one two\nthree");
    check_wrap("one two three", 4, "one\ntwo\nthree");
    check_wrap("one\ntwo three", 5, "one\ntwo\nthree");
    check_wrap("    want (hangs.py:38)", 10, "    want\n(hangs.py:38)");
    check_wrap("/a/path/without/blanks there", 10, "/a/path/without/blanks\nthere");
    check_wrap("受付 受付", 8, "受付\n受付");
}

static void check_grid(size_t columns, const char *expected)
{
    static const struct gt_grid_column heads[] = {
        {"TID", GT_GRID_LEFT},    {"longest wait", 0},
        {"times", GT_GRID_SPARE}, {NULL, 0},
        {"unknown%", 0},          {"thread", GT_GRID_LEFT | GT_GRID_NAME},
    };
    const struct gt_print_options how = {.width = columns};
    struct gt_grid grid;
    struct gt_buf text;

    gt_grid_init(&grid, heads, sizeof(heads) / sizeof(heads[0]));
    gt_buf_init(&text);
    for (int i = 0; i < 2; i++)
        assert_int_equal(gt_grid_add(&grid, "%d", 7 + i * 93) || gt_grid_add(&grid, "5 ms") ||
                             gt_grid_add(&grid, "3") || gt_grid_add(&grid, "hidden") ||
                             gt_grid_add(&grid, "1.0") ||
                             gt_grid_add(&grid, "%s", i ? "受付" : "worker-process-12"),
                         0);
    assert_int_equal(gt_grid_print(&grid, &how, &text), 0);
    assert_string_equal(text.data, expected);
    gt_buf_release(&text);
    gt_grid_release(&grid);
}

static void tables_fit_and_align(void **state)
{
    (void)state;
    check_grid(0, "TID  longest wait  times  unknown%  thread\n"
                  "---  ------------  -----  --------  -----------------\n"
                  "7            5 ms      3       1.0  worker-process-12\n"
                  "100          5 ms      3       1.0  受付\n");
    /* Heads of two lines. */
    check_grid(48, "     longest\n"
                   "TID     wait  times  unknown%  thread\n"
                   "---  -------  -----  --------  -----------------\n"
                   "7       5 ms      3       1.0  worker-process-12\n"
                   "100     5 ms      3       1.0  受付\n");
    /* Without what can be spared, and with a shorter name. */
    check_grid(36, "     longest\n"
                   "TID     wait  unknown%  thread\n"
                   "---  -------  --------  ------------\n"
                   "7       5 ms       1.0  worker…ss-12\n"
                   "100     5 ms       1.0  受付\n");
    /* In two blocks. */
    check_grid(26, "     longest\n"
                   "TID     wait  thread\n"
                   "---  -------  ------------\n"
                   "7       5 ms  worker…ss-12\n"
                   "100     5 ms  受付\n"
                   "\n"
                   "TID  unknown%  thread\n"
                   "---  --------  -----------\n"
                   "7         1.0  worke…ss-12\n"
                   "100       1.0  受付\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_counted),
        cmocka_unit_test(names_are_cut_in_the_middle),
        cmocka_unit_test(lines_are_wrapped_at_blanks),
        cmocka_unit_test(tables_fit_and_align),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
