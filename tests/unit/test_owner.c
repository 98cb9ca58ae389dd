/* SPDX-License-Identifier: MIT */
/* Names that say which run something belongs to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "launch/owner.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_names_round_trip(void **state)
{
    const struct gt_owner owner = {4026531836u, 4194303, UINT64_C(18446744073709551615)};
    struct gt_owner read;
    char name[GT_OWNER_SIZE];

    (void)state;
    assert_int_equal(gt_owner_format(&owner, name, sizeof(name)), 0);
    assert_true(strlen(name) < 40);
    assert_true(gt_owner_parse(name, &read));
    assert_true(read.pid_namespace == owner.pid_namespace && read.pid == owner.pid &&
                read.start_time == owner.start_time);
    assert_int_equal(gt_owner_format(&owner, name, 10), -1);
}

static void test_foreign_names_are_nobodys(void **state)
{
    static const char *const names[] = {
        "",           "gt_",        "gt_a_b",  "gt_a_b_",   "python",
        "gt_a_b_c_d", "gt_a_b_c-d", "gt__b_c", "gt_-1_2_3", "gt_a_b_zzzzzzzzzzzzzzzz",
        "probe_a_b_c"};
    struct gt_owner owner;

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_false(gt_owner_parse(names[i], &owner));
        assert_false(gt_owner_is_gone(names[i]));
    }
}

static void test_this_process_is_there(void **state)
{
    struct gt_owner owner;
    char name[GT_OWNER_SIZE];

    (void)state;
    assert_int_equal(gt_owner_self(name, sizeof(name), NULL), 0);
    assert_true(gt_owner_parse(name, &owner));
    assert_int_equal(owner.pid, getpid());
    assert_true(owner.start_time > 0);
    assert_false(gt_owner_is_gone(name));
}

/* The same number may be another process by now; one of another namespace cannot be looked up.
 */
static void test_another_start_is_another_process(void **state)
{
    struct gt_owner owner;
    char name[GT_OWNER_SIZE];

    (void)state;
    assert_int_equal(gt_owner_self(name, sizeof(name), NULL), 0);
    assert_true(gt_owner_parse(name, &owner));
    owner.start_time++;
    assert_int_equal(gt_owner_format(&owner, name, sizeof(name)), 0);
    assert_true(gt_owner_is_gone(name));
    owner.pid_namespace++;
    assert_int_equal(gt_owner_format(&owner, name, sizeof(name)), 0);
    assert_false(gt_owner_is_gone(name));
}

/* A killed giltracer whose parent has not waited for it yet holds nothing any more. */
static void test_a_zombie_is_gone(void **state)
{
    char name[GT_OWNER_SIZE] = "";
    int ends[2];
    pid_t child;
    siginfo_t info;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        gt_owner_self(name, sizeof(name), NULL);
        (void)!write(ends[1], name, sizeof(name));
        _exit(0);
    }
    assert_int_equal(read(ends[0], name, sizeof(name)), sizeof(name));
    assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
    assert_true(gt_owner_is_gone(name));
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(gt_owner_is_gone(name));
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_round_trip),
        cmocka_unit_test(test_foreign_names_are_nobodys),
        cmocka_unit_test(test_this_process_is_there),
        cmocka_unit_test(test_another_start_is_another_process),
        cmocka_unit_test(test_a_zombie_is_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
