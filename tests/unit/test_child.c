/* SPDX-License-Identifier: MIT */
/* Children that behave and that do not. The test program plays them itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/nstime.h"
#include "launch/child.h"
#include "launch/sentry.h"
#include "launch/tools.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FLOOD_BYTES = 3 << 20 };

static uv_loop_t loop;
static struct gt_error err;
static char self[512];

static int play(const char *role)
{
    static char block[4096];

    if (strcmp(role, "say") == 0) {
        printf("out");
        fprintf(stderr, "first words\nerror: what matters\nlast words\n");
        return 3;
    }
    if (strcmp(role, "flood") == 0) {
        memset(block, 'x', sizeof(block));
        for (size_t done = 0; done < FLOOD_BYTES; done += sizeof(block))
            if (write(1, block, sizeof(block)) < 0)
                return 1;
        return 0;
    }
    if (strcmp(role, "stubborn") == 0) {
        signal(SIGTERM, SIG_IGN);
        for (;;)
            pause();
    }
    if (strcmp(role, "leave-a-child") == 0) {
        if (fork() == 0) {
            sleep(30);
            _exit(0);
        }
        return 0;
    }
    if (strcmp(role, "crash") == 0)
        raise(SIGKILL);
    return 99;
}

static int setup(void **state)
{
    (void)state;
    return uv_loop_init(&loop);
}

/* A handle that was not closed would make this fail. */
static int teardown(void **state)
{
    (void)state;
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

static int run_role(struct gt_child *child, const char *role, uint64_t timeout_ms)
{
    char *argv[] = {self, (char *)role, NULL};

    return gt_tool_run(child, &loop, argv, timeout_ms, &err);
}

static void test_captures(void **state)
{
    struct gt_child child;
    char line[64];

    (void)state;
    assert_int_equal(run_role(&child, "say", 0), 0);
    assert_int_equal(child.exit_status, 3);
    assert_false(gt_child_succeeded(&child));
    assert_string_equal(child.out_text.data, "out");
    assert_string_equal(gt_child_complaint(&child, line, sizeof(line)), "error: what matters");
    gt_child_release(&child);
}

static void test_capture_is_bounded(void **state)
{
    struct gt_child child;

    (void)state;
    assert_int_equal(run_role(&child, "flood", 0), 0);
    assert_true(gt_child_succeeded(&child));
    assert_int_equal(child.out_text.length, 1 << 20);
    gt_child_release(&child);
}

static void test_crash_is_told(void **state)
{
    struct gt_child child;

    (void)state;
    assert_int_equal(run_role(&child, "crash", 0), 0);
    assert_int_equal(child.term_signal, SIGKILL);
    gt_child_release(&child);
}

static void test_missing_program(void **state)
{
    char *argv[] = {"/nonexistent/program", NULL};
    struct gt_child child;

    (void)state;
    assert_int_equal(gt_tool_run(&child, &loop, argv, 0, &err), GT_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "/nonexistent/program"));
}

static void test_timeout_kills_the_stubborn(void **state)
{
    int64_t start_ns = gt_now_ns();
    struct gt_child child;

    (void)state;
    assert_int_equal(run_role(&child, "stubborn", 200), GT_ERR_CHILD);
    assert_true(gt_now_ns() - start_ns < INT64_C(20) * GT_NS_PER_S);
}

/* A grandchild that keeps the pipe must not hold us up. */
static void test_pipe_held_by_others(void **state)
{
    int64_t start_ns = gt_now_ns();
    struct gt_child child;

    (void)state;
    assert_int_equal(run_role(&child, "leave-a-child", 0), 0);
    assert_true(gt_child_succeeded(&child));
    assert_true(gt_now_ns() - start_ns < INT64_C(20) * GT_NS_PER_S);
    gt_child_release(&child);
}

struct taken {
    size_t bytes, limit;
};

static int take(void *context, const char *data, size_t length)
{
    struct taken *taken = context;

    assert_int_equal(data[0], 'x');
    taken->bytes += length;
    return taken->bytes >= taken->limit ? GT_ERR_FORMAT : 0;
}

static void stream(size_t limit, struct taken *taken, struct gt_child *child)
{
    static const int stdio[] = {GT_CHILD_NULL, GT_CHILD_CAPTURE, GT_CHILD_CAPTURE};
    char *argv[] = {self, "flood", NULL};
    struct gt_child_spec spec = {
        .file = self,
        .argv = argv,
        .stdio = stdio,
        .stdio_count = 3,
        .on_data = take,
        .context = taken,
    };

    *taken = (struct taken){0, limit};
    assert_int_equal(gt_child_run(child, &loop, &spec, &err), 0);
}

static void test_streams_all(void **state)
{
    struct gt_child child;
    struct taken taken;

    (void)state;
    stream(SIZE_MAX, &taken, &child);
    assert_int_equal(taken.bytes, FLOOD_BYTES);
    assert_int_equal(child.data_error, 0);
    gt_child_release(&child);
}

static void test_reader_refuses(void **state)
{
    struct gt_child child;
    struct taken taken;

    (void)state;
    stream(1, &taken, &child);
    assert_int_equal(child.data_error, GT_ERR_FORMAT);
    assert_true(taken.bytes < FLOOD_BYTES);
    gt_child_release(&child);
}

static void test_environment_is_plain(void **state)
{
    struct gt_strvec env;
    int locale = 0, config = 0;

    (void)state;
    setenv("LC_ALL", "de_DE.UTF-8", 1);
    setenv("LC_NUMERIC", "de_DE.UTF-8", 1);
    setenv("PERF_CONFIG", "/etc/strange", 1);
    gt_strvec_init(&env);
    assert_int_equal(gt_tool_environment(&env), 0);
    for (size_t i = 0; i < env.count; i++) {
        assert_null(strstr(env.items[i], "de_DE"));
        locale += strcmp(env.items[i], "LC_ALL=C") == 0;
        config += strcmp(env.items[i], "PERF_CONFIG=/dev/null") == 0;
    }
    assert_int_equal(locale, 1);
    assert_int_equal(config, 1);
    gt_strvec_release(&env);
}

static void test_finds_tools(void **state)
{
    char *path = gt_tool_find("sh");

    (void)state;
    assert_non_null(path);
    assert_int_equal(path[0], '/');
    free(path);
    assert_null(gt_tool_find("no-such-tool-anywhere"));
    assert_null(gt_tool_find("/etc/passwd"));
    assert_null(gt_tool_find("/tmp"));
    assert_null(gt_tool_find(""));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_captures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_capture_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_crash_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing_program, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timeout_kills_the_stubborn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pipe_held_by_others, setup, teardown),
        cmocka_unit_test_setup_teardown(test_streams_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reader_refuses, setup, teardown),
        cmocka_unit_test(test_environment_is_plain),
        cmocka_unit_test(test_finds_tools),
    };

    if (argc > 1)
        return play(argv[1]);
    snprintf(self, sizeof(self), "%s", argv[0]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
