/* SPDX-License-Identifier: MIT */
/* The option parser, and giltracer's own command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../cmd/giltracer/cli.c"
#include "../../cmd/giltracer/cli_options.c"
#include "../../cmd/giltracer/config.c"
#include "../../cmd/giltracer/help.c"
#include "../../cmd/giltracer/flight_options.c"
#include "../../cmd/giltracer/metrics_options.c"

static struct gt_cli cli;
static struct gt_error err;

static int setup(void **state)
{
    (void)state;
    gt_cli_init(&cli);
    err.message[0] = '\0';
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    gt_cli_release(&cli);
    return 0;
}

static int parse_all(char *const *argv)
{
    int rc = gt_cli_parse(&cli, argv, &err);

    return rc < 0 ? rc : gt_cli_check(&cli, &err);
}

#define PARSE(...) parse_all((char *[]){"giltracer", __VA_ARGS__, NULL})

static void test_stops_at_the_script(void **state)
{
    (void)state;
    assert_int_equal(PARSE("-q", "-o", "a.json", "x.py", "-v", "-o", "b"), 0);
    assert_int_equal(cli.target, GT_TARGET_SCRIPT);
    assert_true(cli.quiet);
    assert_false(cli.verbose);
    assert_int_equal(cli.outputs.count, 1);
    assert_int_equal(cli.words.count, 4);
    assert_string_equal(cli.words.items[0], "x.py");
    assert_string_equal(cli.words.items[1], "-v");
}

static void test_dash_is_a_script(void **state)
{
    (void)state;
    assert_int_equal(PARSE("-", "x"), 0);
    assert_int_equal(cli.target, GT_TARGET_SCRIPT);
    assert_string_equal(cli.words.items[0], "-");
}

static void test_module_takes_one_word_and_ends(void **state)
{
    (void)state;
    assert_int_equal(PARSE("-v", "-m", "http.server", "-o", "8000"), 0);
    assert_int_equal(cli.target, GT_TARGET_MODULE);
    assert_int_equal(cli.words.count, 3);
    assert_string_equal(cli.words.items[1], "-o");
    assert_int_equal(cli.outputs.count, 0);
}

static void test_attached_code(void **state)
{
    (void)state;
    assert_int_equal(PARSE("-qcpass", "-q"), 0);
    assert_int_equal(cli.target, GT_TARGET_CODE);
    assert_string_equal(cli.words.items[0], "pass");
    assert_string_equal(cli.words.items[1], "-q");
}

static void test_empty_words_are_kept(void **state)
{
    (void)state;
    assert_int_equal(PARSE("-c", "", "", "a\nb"), 0);
    assert_int_equal(cli.words.count, 3);
    assert_string_equal(cli.words.items[0], "");
    assert_string_equal(cli.words.items[2], "a\nb");
}

static void test_double_dash_runs_a_command(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--", "-x", "--help"), 0);
    assert_int_equal(cli.target, GT_TARGET_COMMAND);
    assert_int_equal(cli.words.count, 2);
    assert_string_equal(cli.words.items[0], "-x");
}

static void test_double_dash_alone(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--"), GT_ERR_USAGE);
    assert_non_null(strstr(err.message, "nothing to run"));
}

static void test_long_forms(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--output=x.html", "--output", "y.json", "--no-gil-detect",
                           "--gil-source=functions", "--no-color", "s.py"),
                     0);
    assert_int_equal(cli.outputs.count, 2);
    assert_string_equal(cli.outputs.items[0], "x.html");
    assert_false(cli.gil_detect);
    assert_int_equal(cli.gil_source, GT_GIL_FUNCTIONS);
    assert_int_equal(cli.color, GT_COLOR_NEVER);
}

static void refused(int rc, const char *words)
{
    assert_int_equal(rc, GT_ERR_USAGE);
    assert_non_null(strstr(err.message, words));
    gt_cli_release(&cli);
    gt_cli_init(&cli);
}

static void test_refusals(void **state)
{
    (void)state;
    refused(PARSE("--bogus", "x.py"), "unknown option --bogus");
    refused(PARSE("-Z", "x.py"), "unknown option -Z");
    refused(PARSE("--=x"), "unknown option --");
    refused(PARSE("--no-keep"), "unknown option --no-keep");
    refused(PARSE("-o"), "-o needs an argument");
    refused(PARSE("--keep"), "--keep needs an argument");
    refused(PARSE("--quiet=1", "x.py"), "takes no argument");
    refused(PARSE("--no-color=x", "x.py"), "takes no argument");
    refused(PARSE("--gil-sorce", "agent", "x.py"), "did you mean --gil-source?");
    refused(PARSE("--xyz", "x.py"), "unknown option --xyz (--help");
    refused(PARSE("-O", "--", "ls"), "-O is for the interpreter");
    refused(PARSE("-O", "--pid", "1"), "-O is for programs that giltracer starts");
    refused(PARSE("--gil-source", "magic", "x.py"), "auto, uprobes, functions");
    refused(PARSE("--color", "blue", "x.py"), "auto, always or never");
    refused(PARSE("-m"), "-m needs an argument");
    refused(PARSE("-q"), "nothing to run");
}

static void test_help_names_every_option(void **state)
{
    struct gt_buf text;

    (void)state;
    gt_buf_init(&text);
    assert_int_equal(gt_help_make(&gt_giltracer_help, "all", &text, NULL), 0);
    for (const struct gt_option *option = gt_cli_table; option->help; option++) {
        char begins[24];

        snprintf(begins, sizeof(begins), "%.20s", option->help); /* long ones are wrapped */
        assert_non_null(strstr(text.data, begins));
        if (option->name)
            assert_non_null(strstr(text.data, option->name));
    }
    gt_buf_reset(&text);
    assert_int_equal(gt_help_make(&gt_giltracer_help, NULL, &text, NULL), 0);
    for (const struct gt_option *option = gt_cli_table; option->help; option++)
        if (option->name && *option->name)
            assert_int_equal(strstr(text.data, option->help) != NULL,
                             (option->flags & GT_OPTION_COMMON) != 0);
    assert_int_equal(gt_help_make(&gt_giltracer_help, "tea", &text, NULL), GT_ERR_USAGE);
    gt_buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_stops_at_the_script, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dash_is_a_script, setup, teardown),
        cmocka_unit_test_setup_teardown(test_module_takes_one_word_and_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_attached_code, setup, teardown),
        cmocka_unit_test_setup_teardown(test_empty_words_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_double_dash_runs_a_command, setup, teardown),
        cmocka_unit_test_setup_teardown(test_double_dash_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_forms, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
        cmocka_unit_test(test_help_names_every_option),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
