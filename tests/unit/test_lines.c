/* SPDX-License-Identifier: MIT */
/* attach/lines: which line an instruction is of, by tables as CPython makes them. */
#include "attach/frames.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static int line(enum gt_line_table kind, const void *table, size_t length, int64_t offset)
{
    return gt_frames_line(kind, table, length, 10, offset);
}

/* Increments of addresses and lines: at 6 one line on, at 20 two lines back. */
static void test_lnotab(void **state)
{
    static const unsigned char table[] = {6, 1, 14, 0xfe};

    (void)state;
    assert_int_equal(line(GT_LINES_LNOTAB, table, sizeof(table), 0), 10);
    assert_int_equal(line(GT_LINES_LNOTAB, table, sizeof(table), 5), 10);
    assert_int_equal(line(GT_LINES_LNOTAB, table, sizeof(table), 6), 11);
    assert_int_equal(line(GT_LINES_LNOTAB, table, sizeof(table), 20), 9);
    assert_int_equal(line(GT_LINES_LNOTAB, table, 0, 20), 10);
    assert_int_equal(line(GT_LINES_LNOTAB, table, 1, 20), 10);
}

/* Lengths of ranges and increments of lines; -128: a range of no line. */
static void test_ranges(void **state)
{
    static const unsigned char table[] = {4, 1, 2, 0x80, 6, 2};

    (void)state;
    assert_int_equal(line(GT_LINES_RANGES, table, sizeof(table), 0), 11);
    assert_int_equal(line(GT_LINES_RANGES, table, sizeof(table), 4), 0);
    assert_int_equal(line(GT_LINES_RANGES, table, sizeof(table), 6), 13);
    assert_int_equal(line(GT_LINES_RANGES, table, sizeof(table), 12), 0);
    assert_int_equal(line(GT_LINES_RANGES, table, 3, 5), 0);
}

static void test_locations(void **state)
{
    static const unsigned char table[] = {
        0x80 | 0 << 3 | 1,  0x12,                 /* short form: 2 units, this line */
        0x80 | 11 << 3 | 0, 3,        9,          /* one line on, 1 unit */
        0x80 | 13 << 3 | 0, 7,                    /* no columns: 3 lines back */
        0x80 | 14 << 3 | 0, 0x40 | 8, 2, 0, 1, 1, /* long form: 68 lines on */
        0x80 | 15 << 3 | 0,                       /* no line */
    };

    (void)state;
    assert_int_equal(line(GT_LINES_LOCATIONS, table, sizeof(table), -2), 10);
    assert_int_equal(line(GT_LINES_LOCATIONS, table, sizeof(table), 0), 10);
    assert_int_equal(line(GT_LINES_LOCATIONS, table, sizeof(table), 2), 10);
    assert_int_equal(line(GT_LINES_LOCATIONS, table, sizeof(table), 4), 11);
    assert_int_equal(line(GT_LINES_LOCATIONS, table, sizeof(table), 6), 8);
    assert_int_equal(line(GT_LINES_LOCATIONS, table, sizeof(table), 8), 76);
    assert_int_equal(line(GT_LINES_LOCATIONS, table, sizeof(table), 10), 0);
    assert_int_equal(line(GT_LINES_LOCATIONS, table, sizeof(table), 12), 0);
}

/* Bytes that are no table end, and are read no further than they are. */
static void test_nonsense(void **state)
{
    unsigned char table[64];

    (void)state;
    for (unsigned seed = 0; seed < 5000; seed++) {
        size_t length = seed % sizeof(table);
        unsigned char *copy = malloc(length ? length : 1);

        assert_non_null(copy);
        for (size_t i = 0; i < length; i++)
            copy[i] = table[i] = (unsigned char)((seed * 2654435761U + i * 40503U) >> 9);
        for (int kind = GT_LINES_LNOTAB; kind <= GT_LINES_LOCATIONS; kind++) {
            int found = line((enum gt_line_table)kind, copy, length, seed % 97);

            assert_int_equal(found, line((enum gt_line_table)kind, table, length, seed % 97));
        }
        free(copy);
    }
}

/* No line is beyond what an int holds. */
static void test_first_line_of_nonsense(void **state)
{
    static const unsigned char on[] = {4, 1, 4, 1}, back[] = {4, 0x81, 4, 0x81};
    static const unsigned char far[] = {0x80 | 11 << 3, 3, 9};

    (void)state;
    assert_int_equal(gt_frames_line(GT_LINES_LNOTAB, on, sizeof(on), INT_MAX, 9), 0);
    assert_int_equal(gt_frames_line(GT_LINES_RANGES, back, sizeof(back), INT_MIN, 5), 0);
    assert_int_equal(gt_frames_line(GT_LINES_LOCATIONS, far, sizeof(far), INT_MAX, 0), 0);
    assert_int_equal(gt_frames_line(GT_LINES_RANGES, on, sizeof(on), INT_MAX - 1, 0), INT_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lnotab),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_locations),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_first_line_of_nonsense),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
