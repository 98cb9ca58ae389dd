/* SPDX-License-Identifier: MIT */
/* What an interpreter answers, #! lines, names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "launch/interp.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ANSWER(text) gt_interp_parse(&interp, text, sizeof(text), &err)

static struct gt_interp interp;
static struct gt_error err;

static int setup(void **state)
{
    (void)state;
    gt_interp_init(&interp);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    gt_interp_release(&interp);
    return 0;
}

static void test_answer(void **state)
{
    (void)state;
    assert_int_equal(
        ANSWER("a wrapper's greeting\n\0implementation=cpython\0version=3.11.7\0"
               "executable=/opt/py thon/bin/python3.11\0map=/x/libpython3.11.so.1\0"
               "map=/usr/lib/libc.so.6\0end=1\0"),
        0);
    assert_string_equal(interp.implementation, "cpython");
    assert_string_equal(interp.executable, "/opt/py thon/bin/python3.11");
    assert_string_equal(interp.libpython, "/x/libpython3.11.so.1");
    assert_string_equal(interp.libc, "/usr/lib/libc.so.6");
    assert_int_equal(interp.major * 10000 + interp.minor * 100 + interp.micro, 31107);
    assert_false(interp.free_threaded);
}

static void test_old_libc_and_musl(void **state)
{
    (void)state;
    assert_int_equal(ANSWER("implementation=cpython\0executable=/p\0map=/lib/libcrypt.so.1\0"
                            "map=/lib/libc-2.31.so\0free_threaded=1\0end=1\0"),
                     0);
    assert_string_equal(interp.libc, "/lib/libc-2.31.so");
    assert_true(interp.free_threaded);
    gt_interp_release(&interp);
    assert_int_equal(ANSWER("implementation=cpython\0executable=/p\0"
                            "map=/lib/ld-musl-x86_64.so.1\0end=1\0"),
                     0);
    assert_string_equal(interp.libc, "/lib/ld-musl-x86_64.so.1");
}

static void test_incomplete_answers(void **state)
{
    (void)state;
    assert_int_equal(ANSWER(""), GT_ERR_UNSUPPORTED);
    assert_int_equal(ANSWER("usage: not a python\n"), GT_ERR_UNSUPPORTED);
    assert_int_equal(ANSWER("implementation=cpython\0executable=/p\0"), GT_ERR_UNSUPPORTED);
    gt_interp_release(&interp);
    assert_int_equal(ANSWER("end=1\0"), GT_ERR_UNSUPPORTED);
    assert_int_equal(gt_interp_parse(&interp, "implementation=x", 16, &err),
                     GT_ERR_UNSUPPORTED);
}

static void test_names(void **state)
{
    (void)state;
    assert_true(gt_interp_is_python_name("python"));
    assert_true(gt_interp_is_python_name("/usr/bin/python3"));
    assert_true(gt_interp_is_python_name("/x/python3.13t"));
    assert_true(gt_interp_is_python_name("python3.11-dbg"));
    assert_true(gt_interp_is_python_name("pypy3"));
    assert_false(gt_interp_is_python_name("python3-config"));
    assert_false(gt_interp_is_python_name("/usr/python/bash"));
    assert_false(gt_interp_is_python_name("ipython"));
    assert_false(gt_interp_is_python_name(""));
}

static void shebang(const char *line, const char *expected)
{
    char program[64] = "";

    assert_int_equal(gt_interp_parse_shebang(line, program, sizeof(program)), expected != NULL);
    if (expected)
        assert_string_equal(program, expected);
}

static void test_shebangs(void **state)
{
    (void)state;
    shebang("/usr/bin/python3\n", "/usr/bin/python3");
    shebang(" /usr/bin/python3 -u\n", "/usr/bin/python3");
    shebang("/usr/bin/env python3\n", "python3");
    shebang("/usr/bin/env -S python3 -u\n", "python3");
    shebang("/usr/bin/env -S -i A=b python3.9\r\n", "python3.9");
    shebang("/bin/sh\n", "/bin/sh");
    shebang("\n", NULL);
    shebang("", NULL);
    shebang("/usr/bin/env\n", NULL);
    shebang("/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            NULL);
}

static void test_loader_lists(void **state)
{
    char path[64];

    (void)state;
    assert_true(gt_interp_parse_ld_list("\tlinux-vdso.so.1 (0x00007ffc)\n"
                                        "\tlibcrypt.so.1 => /lib/libcrypt.so.1 (0x00007f)\n"
                                        "\tlibc.so.6 => /lib/x86_64/libc.so.6 (0x00007f)\n",
                                        path, sizeof(path)));
    assert_string_equal(path, "/lib/x86_64/libc.so.6");
    assert_true(gt_interp_parse_ld_list("\tlibc.musl-x86_64.so.1 => /lib/ld-musl-x86_64.so.1 "
                                        "(0x7f)\n",
                                        path, sizeof(path)));
    assert_false(gt_interp_parse_ld_list("\tlibc.so.6 => not found\n", path, sizeof(path)));
    assert_false(gt_interp_parse_ld_list("\tstatically linked\n", path, sizeof(path)));
    assert_false(gt_interp_parse_ld_list("", path, sizeof(path)));
}

/* A program that is no Python, asked for real. */
static void test_asks_what_is_no_python(void **state)
{
    uv_loop_t loop;

    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(gt_interp_find(&interp, &loop, "/bin/true", &err), GT_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "/bin/true"));
    gt_interp_release(&interp);
    assert_int_equal(gt_interp_find(&interp, &loop, "/nonexistent/python", &err),
                     GT_ERR_NOT_FOUND);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_finds_a_libc_for_any_command(void **state)
{
    uv_loop_t loop;

    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(gt_interp_of_command(&interp, &loop, "sh", &err), 0);
    assert_null(interp.executable);
    assert_non_null(interp.libc);
    gt_interp_release(&interp);
    assert_int_equal(gt_interp_of_command(&interp, &loop, "/no/such/command", &err), 0);
    assert_non_null(interp.libc);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_old_libc_and_musl, setup, teardown),
        cmocka_unit_test_setup_teardown(test_incomplete_answers, setup, teardown),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_shebangs),
        cmocka_unit_test(test_loader_lists),
        cmocka_unit_test_setup_teardown(test_asks_what_is_no_python, setup, teardown),
        cmocka_unit_test_setup_teardown(test_finds_a_libc_for_any_command, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
