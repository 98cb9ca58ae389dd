/* SPDX-License-Identifier: MIT */
/* Environments of other processes, which may hold anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/environ.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void finds(const char *entries, size_t length, const char *name, const char *wanted)
{
    struct gt_buf text;
    const char *found;

    gt_buf_init(&text);
    assert_int_equal(gt_buf_add(&text, entries, length), 0);
    found = gt_environ_find(&text, name);
    if (wanted)
        assert_string_equal(found, wanted);
    else
        assert_null(found);
    gt_buf_release(&text);
}

static void test_of_several_the_first(void **state)
{
    static const char entries[] = "LONG_A=1\0A\0=2\0\0A=\0A=3\0B=4=5"; /* and no NUL is meant */

    (void)state;
    finds(entries, sizeof(entries) - 1, "A", "");
    finds(entries, sizeof(entries) - 1, "LONG_A", "1");
    finds(entries, sizeof(entries) - 1, "B", "4=5");
    finds(entries, sizeof(entries) - 1, "LONG", NULL);
    finds("", 0, "A", NULL);
}

static void test_nothing_was_read(void **state)
{
    const struct gt_buf none = {0};

    (void)state;
    assert_null(gt_environ_find(&none, "A"));
}

static void test_of_a_process(void **state)
{
    char *argv[] = {"sleep", "60", NULL}, *env[] = {"FIRST=1", "RANK=7", NULL};
    struct gt_buf entries;
    int pipes[2];
    char byte;
    pid_t child;

    (void)state;
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    child = fork();
    if (child == 0) {
        execve("/bin/sleep", argv, env);
        _exit(127);
    }
    close(pipes[1]);
    assert_int_equal(read(pipes[0], &byte, 1), 0); /* it is another program by now */
    gt_buf_init(&entries);
    assert_int_equal(gt_environ_read(child, &entries), 0);
    assert_string_equal(gt_environ_find(&entries, "RANK"), "7");
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    gt_buf_reset(&entries);
    assert_true(gt_environ_read(child, &entries) < 0);
    assert_null(gt_environ_find(&entries, "RANK"));
    gt_buf_release(&entries);
    close(pipes[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_of_several_the_first),
        cmocka_unit_test(test_nothing_was_read),
        cmocka_unit_test(test_of_a_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
