/* SPDX-License-Identifier: MIT */
/* What TOML is read as, and what is refused, and where. */
#include "base/toml.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct gt_toml toml;
static struct gt_error err;

/* From a block without a NUL behind it: a sanitizer sees its end. */
static int read_bytes(const char *text, size_t length)
{
    char *block = malloc(length ? length : 1);
    int rc;

    memcpy(block, text, length);
    err = (struct gt_error){0};
    gt_toml_init(&toml);
    rc = gt_toml_read(&toml, block, length, &err);
    free(block);
    return rc;
}

static void reads(const char *text)
{
    if (read_bytes(text, strlen(text)) < 0)
        fail_msg("line %u: %s", toml.line, err.message);
}

/* The value that a path of keys leads to. */
static const struct gt_toml_value *at(const char *first, const char *second)
{
    uint32_t index = gt_toml_find(&toml, 0, first);

    if (second)
        index = gt_toml_find(&toml, index, second);
    assert_true(index != GT_TOML_NONE);
    return gt_toml_at(&toml, index);
}

static void refuses(const char *text, uint32_t line, const char *word)
{
    assert_int_equal(read_bytes(text, strlen(text)), GT_ERR_FORMAT);
    if (toml.line != line || !strstr(err.message, word))
        fail_msg("%s\nline %u: %s", text, toml.line, err.message);
    gt_toml_release(&toml);
}

static void strings_are_decoded(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"a = \"\"", ""},
        {"a = 'C:\\n'", "C:\\n"},
        {"a = \"\\b\\t\\n\\f\\r\\\"\\\\ # no comment\"", "\b\t\n\f\r\"\\ # no comment"},
        {"a = \"\\u00e9\\u20ac\\U0001F98A\"", "é€🦊"},
        {"a = \"\"\"\none\ntwo\"\"\"", "one\ntwo"},
        {"a = \"\"\"one\\\n   \t\n  two\"\"\"", "onetwo"},
        {"a = \"\"\"one \\  \n  two\"\"\"", "one two"},
        {"a = \"\"\"one\r\ntwo\"\"\"", "one\ntwo"},
        {"a = \"\"\"\"q\"\"\"\"\"", "\"q\"\""},
        {"a = '''\n[b]\n'c = 1'''''", "[b]\n'c = 1''"},
        {"a = \"\\u007f\"", "\x7f"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        reads(cases[i].text);
        assert_int_equal(at("a", NULL)->kind, GT_TOML_STRING);
        assert_string_equal(gt_intern_text(&toml.texts, at("a", NULL)->text), cases[i].want);
        gt_toml_release(&toml);
    }
}

static void numbers_have_their_values(void **state)
{
    static const struct {
        const char *text;
        int64_t want;
    } cases[] = {
        {"a = 0", 0},
        {"a = +1_000", 1000},
        {"a = -9223372036854775808", INT64_MIN},
        {"a = 9223372036854775807 # most", INT64_MAX},
        {"a = 0xdead_BEEF", 0xdeadbeef},
        {"a = 0o17", 15},
        {"a = 0b1_1", 3},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        reads(cases[i].text);
        assert_int_equal(at("a", NULL)->kind, GT_TOML_INTEGER);
        assert_true(at("a", NULL)->integer == cases[i].want);
        gt_toml_release(&toml);
    }
    reads("a = 1_0.5e-1\nb = -inf\nc = nan\nd = 1e3\ne = true\nf = 0.0");
    assert_true(at("a", NULL)->number > 1.0499 && at("a", NULL)->number < 1.0501);
    assert_string_equal(gt_intern_text(&toml.texts, at("a", NULL)->text), "10.5e-1");
    assert_true(isinf(at("b", NULL)->number) && at("b", NULL)->number < 0);
    assert_true(isnan(at("c", NULL)->number));
    assert_true(at("d", NULL)->kind == GT_TOML_FLOAT);
    assert_true(at("e", NULL)->kind == GT_TOML_BOOLEAN && at("e", NULL)->truth);
    gt_toml_release(&toml);
}

static void dates_and_times_are_known_as_such(void **state)
{
    static const char *const good[] = {
        "1979-05-27",          "07:32:00",          "1979-05-27T07:32:00Z",
        "1979-05-27 07:32:00", "07:32:00.25",       "1979-05-27t07:32:00.9-07:30",
        "2000-02-29",          "1979-05-27 # date",
    };
    static const char *const bad[] = {"1979-13-01", "1900-02-29", "24:00:00",  "07:32",
                                      "1979-5-27",  "12:00:60",   "12:00:00.", "1979-05-27T"};
    char text[64];

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        snprintf(text, sizeof(text), "a = %s\nb = 1\n", good[i]);
        reads(text);
        assert_int_equal(at("a", NULL)->kind, GT_TOML_TIME);
        assert_int_equal(at("b", NULL)->integer, 1);
        gt_toml_release(&toml);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(text, sizeof(text), "\na = %s\n", bad[i]);
        refuses(text, 2, "is no value");
    }
}

/* Tables that nobody asks for hold what looks like others, and is not. */
static void other_tables_are_skipped_properly(void **state)
{
    (void)state;
    reads("[project]\n"
          "text = \"\"\"\n[tool.giltracer]\nquiet = true\n\"\"\"\n"
          "raw = '''\n[tool.giltracer]\n'''\n"
          "list = [\n  \"[tool.giltracer]\", # ]\n  [1, 2,],\n]\n"
          "inline = {a = {b = \"}\"}, \"tool.giltracer\" = 1}\n"
          "[[tool.other]]\nname = \"one\"\n[tool.other.sub]\nx = 1\n[[tool.other]]\n"
          "[\"tool.giltracer\"]\nquiet = true\n"
          "[ tool . 'giltracer' ]\nnative-freq = 7\n"
          "event = [ # comment\n  \"cs\",\n  'faults' ,\n]\n"
          "[tool.zzz]\nquiet = true\n");
    assert_int_equal(at("tool", "giltracer")->kind, GT_TOML_TABLE);
    uint32_t ours = gt_toml_find(&toml, gt_toml_find(&toml, 0, "tool"), "giltracer");
    assert_true(gt_toml_find(&toml, ours, "quiet") == GT_TOML_NONE);
    const struct gt_toml_value *list = gt_toml_at(&toml, gt_toml_find(&toml, ours, "event"));
    assert_int_equal(list->kind, GT_TOML_ARRAY);
    assert_int_equal(list->line, 23);
    assert_string_equal(gt_intern_text(&toml.texts, gt_toml_at(&toml, list->first)->text),
                        "cs");
    const struct gt_toml_value *second =
        gt_toml_at(&toml, gt_toml_at(&toml, list->first)->next);
    assert_string_equal(gt_intern_text(&toml.texts, second->text), "faults");
    assert_true(second->next == GT_TOML_NONE);
    assert_int_equal(second->line, 25);
    gt_toml_release(&toml);
}

static void tables_may_be_defined_in_pieces(void **state)
{
    (void)state;
    reads("[a.b.c]\nx = 1\n[a]\nb.y = 2\n[d]\ne.f = 1\ne.g = "
          "2\n[d.e2]\n[[l]]\n[l.s]\n[[l]]\n[l.s]");
    assert_true(gt_toml_find(&toml, gt_toml_find(&toml, gt_toml_find(&toml, 0, "a"), "b"),
                             "y") != GT_TOML_NONE);
    gt_toml_release(&toml);
}

static void what_is_wrong_is_refused_with_its_line(void **state)
{
    static const struct {
        const char *text;
        uint32_t line;
        const char *word;
    } cases[] = {
        {"a = 1\na = 2", 2, "a is defined twice"},
        {"[a]\n[a]", 2, "a is defined twice"},
        {"[a]\nb.c = 1\n[a.b]", 3, "b is defined twice"},
        {"[a.b]\n[a]\nb.c = 1", 3, "b is defined twice"},
        {"a = 1\n[a.b]", 2, "is no table"},
        {"a = {b = 1}\n[a.c]", 2, "is no table"},
        {"a = {b = 1}\na.c = 1", 2, "is no table"},
        {"a = [{}]\n[[a]]", 2, "is no table"},
        {"[[a]]\n[a]", 2, "is no table"},
        {"[a]\n[[a]]", 2, "is no table"},
        {"a = \"x\ny\"", 1, "does not end"},
        {"a = '''\nx\n''", 3, "does not end"},
        {"a = \"\\q\"", 1, "unknown escape"},
        {"a = \"\\ud800\"", 1, "names no character"},
        {"a = \"\\u12\"", 1, "four hexadecimal"},
        {"a = \"\001\"", 1, "control character"},
        {"a = 1 # \001", 1, "control character"},
        {"a = 1\rb = 2", 1, "something stands behind"},
        {"a = 1 b = 2", 1, "something stands behind"},
        {"[a] b = 2", 1, "something stands behind"},
        {"a = auto", 1, "a text stands in quotes"},
        {"a = 01", 1, "is no value"},
        {"a = 1__0", 1, "is no value"},
        {"a = 1.", 1, "is no value"},
        {"a = 9223372036854775808", 1, "64 bits"},
        {"a =\n1", 1, "a value is missing"},
        {"= 1", 1, "a name is missing"},
        {"a", 1, "= is missing"},
        {"a. = 1", 1, "a name is missing"},
        {"[a", 1, "] is missing"},
        {"[[a]", 1, "] is missing"},
        {"a = [1 2]", 1, "a comma or ]"},
        {"a = [\n1,\n", 3, "a value is missing"},
        {"a = {b = 1,}", 1, "a name is missing"},
        {"a = {b = 1\n}", 1, "stands on one line"},
        {"\nb = \"\xff\"", 2, "not UTF-8"},
        {"b = 1 # \xef", 1, "not UTF-8"},
        {"\xef\xbb\xbf"
         "a = 1",
         1, "a name is missing"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        refuses(cases[i].text, cases[i].line, cases[i].word);
}

static void a_nul_ends_nothing(void **state)
{
    (void)state;
    assert_int_equal(read_bytes("a = 1\0\nb = 2", 13), GT_ERR_FORMAT);
    gt_toml_release(&toml);
    reads("a = \"x\\u0000y\"");
    assert_int_equal(gt_intern_length(&toml.texts, at("a", NULL)->text), 3);
    gt_toml_release(&toml);
    reads("");
    gt_toml_release(&toml);
}

static void deep_nesting_is_refused(void **state)
{
    char text[GT_TOML_DEPTH_MAX * 2 + 16] = "a = ";

    (void)state;
    memset(text + 4, '[', GT_TOML_DEPTH_MAX);
    memset(text + 4 + GT_TOML_DEPTH_MAX, ']', GT_TOML_DEPTH_MAX);
    reads(text);
    gt_toml_release(&toml);
    memset(text + 4, '[', GT_TOML_DEPTH_MAX + 1);
    refuses(text, 1, "too deeply");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_decoded),
        cmocka_unit_test(numbers_have_their_values),
        cmocka_unit_test(dates_and_times_are_known_as_such),
        cmocka_unit_test(other_tables_are_skipped_properly),
        cmocka_unit_test(tables_may_be_defined_in_pieces),
        cmocka_unit_test(what_is_wrong_is_refused_with_its_line),
        cmocka_unit_test(a_nul_ends_nothing),
        cmocka_unit_test(deep_nesting_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
