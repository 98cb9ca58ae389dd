/* SPDX-License-Identifier: MIT */
/* attach/running and attach/python: what can be told without a Python that runs. */
#include "attach/python.h"
#include "attach/running.h"
#include "base/strvec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

static void expect_version(const char *text, int major, int minor, int micro,
                           bool free_threaded)
{
    struct gt_python python = {0};
    char data[256] = "\1\2"
                     "\0";

    memcpy(data + 3, text, strlen(text) + 1);
    assert_true(gt_python_scan_version(data, sizeof(data), &python));
    assert_int_equal(python.major, major);
    assert_int_equal(python.minor, minor);
    assert_int_equal(python.micro, micro);
    assert_int_equal(python.free_threaded, free_threaded);
}

static void test_versions_that_py_get_version_makes(void **state)
{
    (void)state;
    expect_version("3.11.2 (main, Apr 28 2025, 14:11:48) [GCC 12.2.0]", 3, 11, 2, false);
    expect_version("3.8.18 (default, Nov 28 2026) [GCC 12.2.0]", 3, 8, 18, false);
    expect_version("3.13.0rc1+ (heads/3.13:1234) [Clang 18]", 3, 13, 0, false);
    expect_version("3.13.5 experimental free-threading build (main) [GCC]", 3, 13, 5, true);
    expect_version("3.14.0 free-threading build (main) [GCC]", 3, 14, 0, true);
    expect_version("2.7.18 (default, Nov 28 2026) [GCC 12.2.0]", 2, 7, 18, false);
}

static void test_what_is_no_version(void **state)
{
    static const char *const texts[] = {"3.11",           "3.11.2",      "3.11.2 beta (",
                                        "x3.11.2 (main)", "3..2 (main)", "4.0.0 (main)"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct gt_python python = {0};
        char data[128] = "";

        memcpy(data + 1, texts[i], strlen(texts[i]) + 1);
        assert_false(gt_python_scan_version(data, sizeof(data), &python));
        assert_int_equal(python.major, 0);
    }
}

static void test_this_process(void **state)
{
    const char text[] = "what is in its memory";
    struct gt_running running;
    struct gt_chunks threads;
    struct gt_strvec words;
    char copy[sizeof(text)];
    struct gt_error err;
    bool found = false;

    (void)state;
    assert_int_equal(gt_running_open(&running, getpid(), &err), 0);
    assert_non_null(strstr(running.exe, "test_running"));
    for (size_t i = 0; i < running.mapping_count; i++)
        found |= running.mappings[i].start <= (uintptr_t)text &&
                 (uintptr_t)text < running.mappings[i].end && running.mappings[i].writable;
    assert_true(found);
    assert_int_equal(gt_running_check_memory(&running, &err), 0);
    assert_true(gt_running_read(&running, (uintptr_t)text, copy, sizeof(copy)));
    assert_string_equal(copy, text);
    assert_false(gt_running_read(&running, 1, copy, sizeof(copy)));

    gt_chunks_init(&threads, sizeof(struct gt_running_thread));
    assert_int_equal(gt_running_threads(&running, &threads, &err), 0);
    assert_int_equal(threads.count, 1);
    assert_int_equal(((struct gt_running_thread *)gt_chunks_at(&threads, 0))->tid, getpid());
    gt_chunks_release(&threads);

    gt_strvec_init(&words);
    assert_int_equal(gt_running_words(&running, &words, &err), 0);
    assert_int_equal(words.count, 1);
    gt_strvec_release(&words);
    gt_running_release(&running);
}

/* No Python, and so no facts; but what was found out may be released. */
static void test_a_process_without_python(void **state)
{
    struct gt_running running;
    struct gt_python python;
    struct gt_interp interp;
    struct gt_error err;

    (void)state;
    gt_interp_init(&interp);
    assert_int_equal(gt_running_open(&running, getpid(), &err), 0);
    assert_int_equal(gt_python_find(&python, &interp, &running, &err), GT_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "does not run Python"));
    gt_interp_release(&interp);
    gt_running_release(&running);
}

static void test_no_process(void **state)
{
    struct gt_running running;
    struct gt_error err;

    (void)state;
    assert_int_equal(gt_running_open(&running, INT32_MAX, &err), GT_ERR_NOT_FOUND);
    gt_running_release(&running);
    gt_running_release(&running);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_versions_that_py_get_version_makes),
        cmocka_unit_test(test_what_is_no_version),
        cmocka_unit_test(test_this_process),
        cmocka_unit_test(test_a_process_without_python),
        cmocka_unit_test(test_no_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
