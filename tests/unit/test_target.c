/* SPDX-License-Identifier: MIT */
/* The gate and the sentry: this test program plays them, as giltracer does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/fs.h"
#include "launch/gate.h"
#include "launch/sentry.h"
#include "launch/target.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { GATES_FROM = 64 }; /* descriptors that lead to the gate (launch/target.c) */

static uv_loop_t loop;
static struct gt_error err;
static struct gt_inherited inherited;
static struct gt_target target;

static int setup(void **state)
{
    (void)state;
    gt_target_init(&target);
    return uv_loop_init(&loop);
}

static int teardown(void **state)
{
    (void)state;
    gt_target_release(&target, &loop);
    return uv_loop_close(&loop);
}

static void finish(void)
{
    while (!target.child.done)
        uv_run(&loop, UV_RUN_ONCE);
}

/* Wait until the gate sleeps, as it does where it waits to be let go. */
static void wait_until_asleep(int pid)
{
    char path[64], stat[256] = "";

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    for (int i = 0; i < 10000 && !strstr(stat, ") S "); i++) {
        FILE *stream = fopen(path, "r");

        assert_non_null(stream);
        assert_non_null(fgets(stat, sizeof(stat), stream));
        fclose(stream);
        usleep(1000);
    }
    assert_non_null(strstr(stat, ") S "));
}

static int start(char *const *argv)
{
    return gt_target_start(&target, &loop, argv, NULL, &inherited, NULL, NULL, NULL, &err);
}

static void test_waits_then_runs(void **state)
{
    char *argv[] = {"sh", "-c", "exit 5", NULL};

    (void)state;
    assert_int_equal(start(argv), 0);
    wait_until_asleep(target.child.pid);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_false(target.child.exited);
    assert_true(gt_target_let_go(&target));
    finish();
    assert_int_equal(target.child.exit_status, 5);
    assert_int_equal(gt_target_exec_error(&target), 0);
}

static void test_is_given_up(void **state)
{
    char *argv[] = {"sh", "-c", "exit 5", NULL};

    (void)state;
    assert_int_equal(start(argv), 0);
    gt_target_give_up(&target);
    finish();
    assert_int_equal(target.child.exit_status, 125);
}

static void test_tells_why_it_cannot_run(void **state)
{
    char *argv[] = {"/nonexistent/program", NULL};

    (void)state;
    assert_int_equal(start(argv), 0);
    assert_true(gt_target_let_go(&target));
    finish();
    assert_int_equal(gt_target_exec_error(&target), ENOENT);
    assert_int_equal(target.child.exit_status, 127);
}

/* argv, dispositions and descriptors arrive as they were; the pipes do not. */
static void test_finds_everything_as_it_was(void **state)
{
    char path[] = "/tmp/gt-test-target-XXXXXX";
    int fd = mkstemp(path);
    char *argv[] = {"sh",
                    "-c",
                    "printf '%s|' \"$@\" > \"$0\"; grep SigIgn /proc/self/status >> \"$0\"; "
                    "ls -m /proc/$$/fd | tr -d '\\n' >> \"$0\"",
                    path,
                    "",
                    "a\nb",
                    NULL};
    struct gt_inherited was = inherited;
    struct gt_buf text;
    unsigned long long ignored;
    char *at;

    (void)state;
    was.ignored |= UINT64_C(1) << (SIGUSR2 - 1);
    was.ignored &= ~(UINT64_C(1) << (SIGPIPE - 1));
    was.stdio_flags[0] = GT_GATE_CLOSED;
    assert_true(fd >= 0);
    assert_int_equal(gt_target_start(&target, &loop, argv, NULL, &was, NULL, NULL, NULL, &err),
                     0);
    assert_true(gt_target_let_go(&target));
    finish();
    gt_buf_init(&text);
    assert_int_equal(gt_fs_read(path, &text, 4096, NULL), 0);
    assert_int_equal(strncmp(text.data, "|a\nb|SigIgn:", 12), 0);
    ignored = strtoull(text.data + 12, &at, 16);
    assert_true(ignored >> (SIGUSR2 - 1) & 1);
    assert_false(ignored >> (SIGPIPE - 1) & 1);
    assert_true(*at == '\n' && at[1]);
    for (at++; *at; at += strspn(at, ", \n")) {
        int passed = (int)strtol(at, &at, 10);

        /* None of those that lead to the gate: what is passed on is this test's, too. */
        assert_true(passed < GATES_FROM || fcntl(passed, F_GETFD) >= 0);
    }
    gt_buf_release(&text);
    close(fd);
    unlink(path);
}

static void test_sentry_tells_group_from_single(void **state)
{
    struct gt_sentry sentry;
    sigset_t signals;

    (void)state;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    sigaddset(&signals, SIGINT);
    signal(SIGUSR1, SIG_IGN);
    assert_int_equal(gt_sentry_start(&sentry, &signals, &err), 0);
    for (int round = 0; round < 3; round++) {
        kill(0, SIGUSR1); /* our group: this test and the sentry */
        assert_true(gt_sentry_saw(&sentry, SIGUSR1));
        assert_false(gt_sentry_saw(&sentry, SIGUSR1));
        assert_false(gt_sentry_saw(&sentry, SIGINT));
        kill(getpid(), SIGUSR1);
        assert_false(gt_sentry_saw(&sentry, SIGUSR1));
    }
    kill(sentry.pid, SIGKILL);
    assert_false(gt_sentry_saw(&sentry, SIGUSR1));
    gt_sentry_stop(&sentry);
    gt_sentry_stop(&sentry);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_waits_then_runs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_is_given_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tells_why_it_cannot_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_finds_everything_as_it_was, setup, teardown),
        cmocka_unit_test(test_sentry_tells_group_from_single),
    };
    int status;

    if (gt_helper_main(argc, argv, &status))
        return status;
    gt_inherited_capture(&inherited);
    setpgid(0, 0); /* signals to our group shall not reach who runs the tests */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
