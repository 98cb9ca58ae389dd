/* SPDX-License-Identifier: MIT */
/* Who called sudo, and giving root up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "launch/become.h"
#include "launch/sudo.h"
#include "require.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct gt_error err;

static int clear(void **state)
{
    (void)state;
    unsetenv("SUDO_UID");
    unsetenv("SUDO_GID");
    unsetenv("SUDO_USER");
    unsetenv("SUDO_COMMAND");
    memset(&err, 0, sizeof(err));
    return 0;
}

static void set(const char *uid, const char *gid, const char *user, const char *command)
{
    const char *const names[] = {"SUDO_UID", "SUDO_GID", "SUDO_USER", "SUDO_COMMAND"};
    const char *const values[] = {uid, gid, user, command};

    clear(NULL);
    for (int i = 0; i < 4; i++)
        if (values[i])
            setenv(names[i], values[i], 1);
}

/* What gt_sudo_find returns, or how it was on success. */
static int find(void)
{
    struct gt_sudo_user user;
    enum gt_sudo how;
    int rc;

    gt_sudo_user_init(&user);
    rc = gt_sudo_find(&how, &user, &err);
    gt_sudo_user_release(&user);
    return rc < 0 ? rc : (int)how;
}

static void test_shells(void **state)
{
    (void)state;
    assert_true(gt_sudo_is_shell("/bin/sh"));
    assert_true(gt_sudo_is_shell("/usr/bin/bash"));
    assert_true(gt_sudo_is_shell("/usr/bin/su"));
    assert_false(gt_sudo_is_shell("/bin/bash -c giltracer x.py"));
    assert_false(gt_sudo_is_shell("/usr/bin/su -"));
    assert_false(gt_sudo_is_shell("/usr/bin/giltracer x.py"));
    assert_false(gt_sudo_is_shell("/usr/bin/giltracer"));
    assert_false(gt_sudo_is_shell(""));
}

static void test_who_called(void **state)
{
    struct gt_sudo_user user;
    enum gt_sudo how;
    char *identity;

    (void)state;
    require(getuid() == 0, "root");
    assert_int_equal(find(), GT_SUDO_NONE);
    set("1", "1", "daemon", "/usr/bin/giltracer x.py");
    gt_sudo_user_init(&user);
    assert_int_equal(gt_sudo_find(&how, &user, &err), 0);
    assert_int_equal(how, GT_SUDO_USER);
    assert_string_equal(user.name, "daemon");
    assert_string_equal(user.home, "/usr/sbin");
    assert_string_equal(user.shell, "/usr/sbin/nologin");
    identity = gt_sudo_identity(&user);
    assert_string_equal(identity, "1:1:1");
    free(identity);
    gt_sudo_user_release(&user);
    set("1", "65534", NULL, NULL); /* newgrp; an older sudo */
    assert_int_equal(find(), GT_SUDO_USER);
    set("1", "1", "daemon", "/bin/bash");
    assert_int_equal(find(), GT_SUDO_ROOT_SHELL);
    set("0", "0", "root", "/usr/bin/giltracer x.py"); /* root called sudo */
    assert_int_equal(find(), GT_SUDO_NONE);
}

static void test_nonsense_is_refused(void **state)
{
    static const char *const numbers[] = {"",           "x",   "-1",  "+1",
                                          " 1",         "1 ",  "1x",  "4294967295",
                                          "4294967296", "0x1", "1\n", "99999999999999999999"};

    (void)state;
    require(getuid() == 0, "root");
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        set(numbers[i], "1", NULL, NULL);
        assert_int_equal(find(), GT_ERR_FORMAT);
        assert_non_null(strstr(err.message, "SUDO_UID"));
        set("1", numbers[i], NULL, NULL);
        assert_int_equal(find(), GT_ERR_FORMAT);
        assert_non_null(strstr(err.message, "SUDO_GID"));
    }
    set("1", NULL, "daemon", NULL);
    assert_int_equal(find(), GT_ERR_FORMAT);
    set(NULL, "1", "daemon", NULL);
    assert_int_equal(find(), GT_ERR_FORMAT);
    set("1", "1", "bin", NULL); /* who is 2 */
    assert_int_equal(find(), GT_ERR_FORMAT);
    set("1", "1", "root", NULL);
    assert_int_equal(find(), GT_ERR_FORMAT);
    set("1", "1", "no such user", NULL);
    assert_int_equal(find(), GT_ERR_NOT_FOUND);
    set("4000000000", "1", NULL, NULL);
    assert_int_equal(find(), GT_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "--as-root"));
}

static void test_not_of_root_it_means_nothing(void **state)
{
    int status;
    pid_t pid;

    (void)state;
    require(getuid() == 0, "root");
    set("2", "2", "bin", NULL);
    pid = fork();
    if (pid == 0)
        _exit(setuid(1) ? 99 : find());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, W_EXITCODE(GT_SUDO_NONE, 0));
}

static int become_in_child(const char *identity)
{
    int status;
    pid_t pid = fork();

    if (pid == 0)
        _exit(gt_become(identity));
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_becomes(void **state)
{
    (void)state;
    require(getuid() == 0, "root");
    assert_int_equal(become_in_child("1:2:1,2,65534"), 0);
    assert_int_equal(become_in_child("1:2:2"), 0);
    assert_int_equal(become_in_child("1:2:"), 0);
    assert_int_equal(become_in_child("4294967294:4294967294:4294967294"), 0);
}

static void test_becomes_nobody_else(void **state)
{
    static const char *const texts[] = {
        "",      "1",     "1:",       "1:1",    "0:1:1", "1:1:x",  "x:1:1",
        "1:x:1", "1:1:,", "1:1:1,,2", "1,1:1:", "-1:1:", "1:1:-1", "1:4294967295:1"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_int_equal(become_in_child(texts[i]), EINVAL);
}

static void test_who_is_not_root_cannot(void **state)
{
    int status;
    pid_t pid;

    (void)state;
    require(getuid() == 0, "root");
    pid = fork();
    if (pid == 0)
        _exit(setuid(1) ? 99 : gt_become("2:2:2"));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, W_EXITCODE(EPERM, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_shells, clear),
        cmocka_unit_test_setup(test_who_called, clear),
        cmocka_unit_test_setup(test_nonsense_is_refused, clear),
        cmocka_unit_test_setup(test_not_of_root_it_means_nothing, clear),
        cmocka_unit_test_setup(test_becomes, clear),
        cmocka_unit_test_setup(test_becomes_nobody_else, clear),
        cmocka_unit_test_setup(test_who_is_not_root_cannot, clear),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
