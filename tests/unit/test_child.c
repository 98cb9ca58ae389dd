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
#include <sys/ptrace.h>
#include <unistd.h>

enum { FLOOD_BYTES = 3 << 20 };

static uv_loop_t loop;
static struct gt_error err;
static char self[512];

static int flood_for_ever(int fd)
{
    static char block[1 << 16];

    memset(block, 'x', sizeof(block));
    while (write(fd, block, sizeof(block)) > 0)
        ;
    return 0;
}

/* A process that ignores TERM, tells its pid, and keeps stdout open. */
static int start_stubborn(void)
{
    int pid = fork();

    if (pid)
        return pid;
    signal(SIGTERM, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    for (;;)
        pause();
}

/* While a debugger does not care, its tracee is not reaped, whatever ends it. */
static int be_traced(void)
{
    int self_pid = getpid(), ready[2];
    char byte;

    if (pipe(ready))
        return 98;
    if (fork() == 0) {
        setsid();
        if (ptrace(PTRACE_SEIZE, self_pid, NULL, NULL) == 0 && write(ready[1], "", 1) == 1)
            sleep(15);
        _exit(0);
    }
    if (read(ready[0], &byte, 1) != 1)
        return 98;
    printf("%d", self_pid);
    fflush(stdout);
    for (;;)
        pause();
}

/* As perf 6.1 prints it without CAP_SYSLOG. */
#define KERNEL_NAMES_WARNING                                                                   \
    "WARNING: Kernel address maps (/proc/{kallsyms,modules}) are restricted,\n"                \
    "check /proc/sys/kernel/kptr_restrict and /proc/sys/kernel/perf_event_paranoid.\n\n"       \
    "Samples in kernel functions may not be resolved if a suitable vmlinux\n"                  \
    "file is not found in the buildid cache or in the vmlinux path.\n\n"                       \
    "Samples in kernel modules won't be resolved at all.\n\n"                                  \
    "If some relocation was applied (e.g. kexec) symbols may be misresolved\n"                 \
    "even with a suitable vmlinux or kallsyms file.\n\n"                                       \
    "Couldn't record kernel reference relocation symbol\n"                                     \
    "Symbol resolution may be skewed if relocation was used (e.g. kexec).\n"                   \
    "Check /proc/kallsyms permission or run as root.\n"

static int play(const char *role)
{
    static char block[4096];

    if (strcmp(role, "say") == 0) {
        printf("out");
        fprintf(stderr, "first words\nerror: what matters\nlast words\n");
        return 3;
    }
    if (strcmp(role, "warn") == 0) {
        fputs(KERNEL_NAMES_WARNING, stderr);
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
    if (strcmp(role, "flood-stdout") == 0)
        return flood_for_ever(1);
    if (strcmp(role, "flood-stderr") == 0)
        return flood_for_ever(2);
    if (strcmp(role, "leave-a-flood") == 0)
        return fork() ? 0 : flood_for_ever(1);
    if (strcmp(role, "leave-a-stubborn") == 0) {
        printf("%d", start_stubborn());
        fflush(stdout);
        pause();
    }
    if (strcmp(role, "traced") == 0)
        return be_traced();
    if (strcmp(role, "speak-slowly") == 0) { /* 8 times, for longer than its time-out */
        for (int i = 0; i < 8 && write(1, "x", 1) == 1; i++)
            usleep(150000);
        pause();
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

/* perf warns of names that it does not need; what it ended for is something else. */
static void test_a_warning_is_no_complaint(void **state)
{
    struct gt_child child;
    char line[64];

    (void)state;
    assert_int_equal(run_role(&child, "warn", 0), 0);
    assert_string_equal(gt_child_complaint(&child, line, sizeof(line)), "");
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

/* --- children that are given up --- */

static void test_flood_is_given_up(void **state)
{
    static const char *const roles[] = {"flood-stdout", "flood-stderr", "leave-a-flood"};

    (void)state;
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        struct gt_child child;

        assert_int_equal(run_role(&child, roles[i], 0), GT_ERR_CHILD);
        assert_non_null(strstr(err.message, "did not stop writing"));
    }
}

static void run_captured(struct gt_child *child, const char *role, uint64_t timeout_ms,
                         bool renewed)
{
    static const int stdio[] = {GT_CHILD_NULL, GT_CHILD_CAPTURE, GT_CHILD_CAPTURE};
    char *argv[] = {self, (char *)role, NULL};
    struct gt_child_spec spec = {
        .file = self,
        .argv = argv,
        .stdio = stdio,
        .stdio_count = 3,
        .own_session = true,
        .timeout_ms = timeout_ms,
        .renewed_by_output = renewed,
    };

    assert_int_equal(gt_child_run(child, &loop, &spec, &err), 0);
    assert_true(child->timed_out);
}

/* Output renews the time-out only where that was asked for. */
static void test_progress_renews_the_timeout(void **state)
{
    struct gt_child child;

    (void)state;
    run_captured(&child, "speak-slowly", 1000, true);
    assert_int_equal(child.out_text.length, 8);
    gt_child_release(&child);
    run_captured(&child, "speak-slowly", 1000, false);
    assert_true(child.out_text.length < 8);
    gt_child_release(&child);
}

/* What a child started and left behind is ended with it, also where it does not heed TERM. */
static void test_whole_group_is_ended(void **state)
{
    int64_t start_ns = gt_now_ns();
    struct gt_child child;
    int pid;

    (void)state;
    run_captured(&child, "leave-a-stubborn", 200, false);
    pid = atoi(child.out_text.data);
    assert_true(pid > 1);
    while (kill(pid, 0) == 0 && gt_now_ns() - start_ns < INT64_C(10) * GT_NS_PER_S)
        usleep(1000);
    assert_int_not_equal(kill(pid, 0), 0);
    gt_child_release(&child);
}

static void test_child_that_cannot_be_ended_is_left(void **state)
{
    int64_t start_ns = gt_now_ns();
    struct gt_child child;

    (void)state;
    run_captured(&child, "traced", 200, false);
    assert_true(gt_now_ns() - start_ns < INT64_C(12) * GT_NS_PER_S);
    assert_int_equal(child.term_signal, SIGKILL);
    assert_int_equal(kill(atoi(child.out_text.data), 0), 0); /* still a zombie */
    gt_child_release(&child);
}

static void on_interrupt(uv_timer_t *timer)
{
    gt_child_interrupt(timer->loop);
    uv_close((uv_handle_t *)timer, NULL);
}

static void test_interrupt_ends_a_tool(void **state)
{
    int64_t start_ns = gt_now_ns();
    struct gt_child child;
    uv_timer_t timer;

    (void)state;
    uv_timer_init(&loop, &timer);
    uv_timer_start(&timer, on_interrupt, 100, 0);
    assert_int_equal(run_role(&child, "leave-a-stubborn", 60000), GT_ERR_CANCELLED);
    assert_true(gt_now_ns() - start_ns < INT64_C(20) * GT_NS_PER_S);
    gt_child_interrupt(&loop); /* there is none any more */
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
    assert_int_equal(gt_tool_environment(false, &env), 0);
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
        cmocka_unit_test_setup_teardown(test_a_warning_is_no_complaint, setup, teardown),
        cmocka_unit_test_setup_teardown(test_capture_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_crash_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing_program, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timeout_kills_the_stubborn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pipe_held_by_others, setup, teardown),
        cmocka_unit_test_setup_teardown(test_streams_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reader_refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flood_is_given_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_progress_renews_the_timeout, setup, teardown),
        cmocka_unit_test_setup_teardown(test_whole_group_is_ended, setup, teardown),
        cmocka_unit_test_setup_teardown(test_child_that_cannot_be_ended_is_left, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_interrupt_ends_a_tool, setup, teardown),
        cmocka_unit_test(test_environment_is_plain),
        cmocka_unit_test(test_finds_tools),
    };

    if (argc > 1)
        return play(argv[1]);
    snprintf(self, sizeof(self), "%s", argv[0]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
