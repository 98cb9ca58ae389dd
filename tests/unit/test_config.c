/* SPDX-License-Identifier: MIT */
/* Options from files: which are in force, and what is said of those that are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../cmd/giltracer/cli.c"
#include "../../cmd/giltracer/cli_options.c"
#include "../../cmd/giltracer/config.c"
#include "../../cmd/giltracer/flight_options.c"
#include "../../cmd/giltracer/metrics_options.c"
#include "base/fs.h"

static struct gt_cli cli;
static struct gt_error err;

/* The working directory, with a folder "home" in it. */
static int setup(void **state)
{
    *state = gt_fs_private_dir(NULL);
    unsetenv("XDG_CONFIG_HOME");
    return *state && chdir(*state) == 0 && mkdir("home", 0700) == 0 &&
                   mkdir("home/.config", 0700) == 0 && setenv("HOME", "home", 1) == 0
               ? 0
               : -1;
}

static int teardown(void **state)
{
    int rc = chdir("/") || gt_fs_remove_tree(*state, NULL) ? -1 : 0;

    free(*state);
    return rc;
}

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    chmod(path, 0644);
}

static void project(const char *options)
{
    char text[1024];

    snprintf(text, sizeof(text), "[tool.giltracer]\n%s", options);
    put("pyproject.toml", text);
}

/* "home" is relative: an absolute HOME, as it is. */
static void users(const void *folder, const char *options)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/home", (const char *)folder);
    setenv("HOME", path, 1);
    put("home/.config/giltracer.toml", options);
}

static int run(char *const *argv)
{
    int rc;

    gt_console_init("giltracer");
    gt_cli_init(&cli);
    err = (struct gt_error){0};
    rc = gt_cli_parse(&cli, argv, &err);
    assert_int_equal(rc, 0);
    return gt_config_apply(&cli, &err);
}

#define RUN(...) run((char *[]){"giltracer", __VA_ARGS__, NULL})

static void accepts_all(char *const *argv)
{
    if (run(argv) < 0)
        fail_msg("%s", err.message);
}

#define ACCEPTS(...) accepts_all((char *[]){"giltracer", __VA_ARGS__, NULL})

static void refuses(const char *options, const char *where, const char *word)
{
    project(options);
    assert_int_equal(RUN("x.py"), GT_ERR_USAGE);
    if (!strstr(err.message, where) || !strstr(err.message, word) ||
        !strstr(err.message, "--no-config"))
        fail_msg("%s", err.message);
    gt_cli_release(&cli);
}

static void every_kind_of_option_is_set(void **state)
{
    (void)state;
    project("state-detect = true\ncall-graph = true\nnative = false\nnative-freq = 1_99\n"
            "gil-source = \"agent\"\nbuffer = \"32M\"\nmax-log-size = 1024\nduration = 1.5\n"
            "delay = \"20ms\"\nfail-if = [\n'wait > 20%',\n'hold > 1%']\nwhat-if = 'f'\n"
            "include = [\"a*\", \"b*\"]\noverhead-budget = 7\ncolor = \"never\"\n");
    ACCEPTS("x.py");
    assert_true(cli.state_detect && cli.call_graph && !cli.native);
    assert_int_equal(cli.native_frequency, 199);
    assert_int_equal(cli.gil_source, GT_GIL_AGENT);
    assert_string_equal(cli.buffer, "33554432");
    assert_string_equal(cli.max_log, "1024");
    assert_int_equal(cli.duration_ms, 1500);
    assert_int_equal(cli.delay_ms, 20);
    assert_int_equal(cli.fail_if.count, 2);
    assert_string_equal(cli.fail_if.items[1], "hold > 1%");
    assert_int_equal(cli.what_if.count, 1);
    assert_string_equal(cli.include.data, "a*\nb*");
    assert_string_equal(cli.agent.budget, "7");
    assert_int_equal(cli.color, GT_COLOR_NEVER);
    assert_non_null(strstr(cli.config.used[0].file, "/pyproject.toml"));
    assert_string_equal(cli.config.used[0].options[2], "native");
    assert_int_equal(cli.config.files[0].options.count, 14);
    assert_null(cli.config.used[1].file);
    gt_cli_release(&cli);
}

static void the_command_line_goes_before_the_project_and_that_before_the_user(void **state)
{
    users(*state,
          "native-freq = 1\nfreq = 1\nevent = ['cs']\nall-threads = true\nquiet = true");
    project("native-freq = 2\nfreq = 2\nevent = ['faults', 'cycles']\nall-threads = false");
    ACCEPTS("--native-freq", "3", "-e", "instructions", "--no-quiet", "x.py");
    assert_int_equal(cli.native_frequency, 3);
    assert_int_equal(cli.frequency, 2);
    assert_int_equal(cli.counters.count, 1);
    assert_string_equal(cli.counters.items[0], "instructions");
    assert_false(cli.all_threads);
    assert_false(cli.quiet);
    assert_int_equal(cli.config.files[0].options.count, 2);
    assert_int_equal(cli.config.files[1].options.count, 0);
    gt_cli_release(&cli);
    ACCEPTS("--no-config", "x.py");
    assert_int_equal(cli.frequency, DEFAULT_FREQUENCY);
    assert_null(cli.config.used[0].file);
    gt_cli_release(&cli);
    put("home/giltracer.toml", "freq = 5");
    put("pyproject.toml", "[tool.other]\nx = 1");
    setenv("XDG_CONFIG_HOME", getenv("HOME"), 1);
    ACCEPTS("x.py");
    assert_int_equal(cli.frequency, 5);
    assert_string_equal(cli.config.used[0].options[0], "freq");
    gt_cli_release(&cli);
}

static void what_is_wrong_is_said_with_its_place(void **state)
{
    static const char *const forbidden[] = {"python = 'x'",  "output = 'x'",    "summary = 'x'",
                                            "keep = 'x'",    "as-root = true",  "pid = 1",
                                            "setup = 'x'",   "import = 'x'",    "open = true",
                                            "viztracer = 1", "no-config = true"};

    (void)state;
    refuses("stat-detect = true", "pyproject.toml:2:", "did you mean state-detect?");
    refuses("\nxyzzy = 1", "pyproject.toml:3:", "no option xyzzy");
    refuses("native-freq = '99'", "pyproject.toml:2:", "a whole number, not a string");
    refuses("native-freq = 0", "pyproject.toml:2:", "--native-freq takes samples");
    refuses("state-detect = 1", "pyproject.toml:2:", "true or false, not an integer");
    refuses("fail-if = ['wait > 1%',\n2]", "pyproject.toml:3:", "or an array of them, not");
    refuses("gil-source = ['agent']", "pyproject.toml:2:", "not an array");
    refuses("gil-source = \"magic\"", "pyproject.toml:2:", "auto, uprobes");
    refuses("color = \"a\\u0000\"", "pyproject.toml:2:", "NUL");
    refuses("event = ['./evil.o']", "pyproject.toml:2:", "are for -e");
    refuses("[tool.giltracer.sub]", "pyproject.toml:2:", "no option sub");
    refuses("quiet = true\nquiet = true", "pyproject.toml:3:", "defined twice");
    refuses("quiet = yes", "pyproject.toml:2:", "quotes");
    refuses("call-graph = true", "pyproject.toml", "add --state-detect");
    for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++)
        refuses(forbidden[i], "pyproject.toml:2:", "for the command line alone");
    put("pyproject.toml", "[[tool.giltracer]]\n");
    assert_int_equal(RUN("x.py"), GT_ERR_USAGE);
    assert_non_null(strstr(err.message, "to be one table"));
    gt_cli_release(&cli);
    remove("pyproject.toml");
    users(*state, "[tool.giltracer]\nquiet = true");
    assert_int_equal(RUN("x.py"), GT_ERR_USAGE);
    assert_non_null(strstr(err.message, "giltracer.toml:1: in this file options stand at"));
    gt_cli_release(&cli);
}

static void who_has_no_use_for_files_reads_none(void **state)
{
    (void)state;
    /* TOML that is not ours to judge. */
    put("pyproject.toml", "[project\n");
    ACCEPTS("x.py");
    gt_cli_release(&cli);
    project("repeat = 5\nfreq = 7");
    ACCEPTS("--pid", "1");
    assert_int_equal(cli.repeat, 1);
    assert_int_equal(cli.frequency, 7);
    gt_cli_release(&cli);
    ACCEPTS("--pid", "1", "--dump");
    assert_int_equal(cli.frequency, DEFAULT_FREQUENCY);
    gt_cli_release(&cli);
    ACCEPTS("--pid", "1", "--control-fd", "3");
    assert_int_equal(cli.frequency, DEFAULT_FREQUENCY);
    gt_cli_release(&cli);
    setenv("HOME", "/dev/null", 1);
    ACCEPTS("--native-freq", "1", "x.py");
    gt_cli_release(&cli);
}

static void a_file_that_others_can_write_is_left_out(void **state)
{
    (void)state;
    project("freq = 7");
    chmod("pyproject.toml", 0666);
    ACCEPTS("x.py");
    assert_int_equal(cli.frequency, DEFAULT_FREQUENCY);
    gt_cli_release(&cli);
    chmod("pyproject.toml", 0644);
    ACCEPTS("x.py");
    assert_int_equal(cli.frequency, 7);
    gt_cli_release(&cli);
    chmod(*state, 0777);
    ACCEPTS("x.py");
    assert_int_equal(cli.frequency, DEFAULT_FREQUENCY);
    gt_cli_release(&cli);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(every_kind_of_option_is_set),
        TEST(the_command_line_goes_before_the_project_and_that_before_the_user),
        TEST(what_is_wrong_is_said_with_its_place),
        TEST(who_has_no_use_for_files_reads_none),
        TEST(a_file_that_others_can_write_is_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
