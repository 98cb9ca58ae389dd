/* SPDX-License-Identifier: MIT */
/* lib/model/mapped.c: who runs Python and was not seen, since its files are not those with the
 * probes. */
#include "feed.h"
#include "launch/probed.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char libc[] = "/lib/libc.so.6";
static const char python[] = "/usr/bin/python3.11";
static struct gt_probed probed;
static struct gt_timeline *t;

static int setup(void **state)
{
    (void)state;
    probed = (struct gt_probed){
        .files = {{.path = libc, .inode = 7, .device = GT_DEVICE(8, 1)}}, .count = 1};
    t = gt_timeline_new(false, NULL);
    if (!t)
        return -1;
    gt_timeline_set_probed(t, &probed);
    fork_task(t, 1, 10, 10, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    gt_timeline_free(t);
    return 0;
}

static void map(int32_t pid, const char *path, uint32_t device, uint64_t inode)
{
    struct gt_event event = {.kind = GT_EVENT_MMAP,
                             .time_ns = 50,
                             .pid = pid,
                             .tid = pid,
                             .cpu = -1,
                             .comm = "",
                             .mapping = {.inode = inode,
                                         .path = path,
                                         .path_length = (uint16_t)strlen(path),
                                         .device = device}};

    assert_int_equal(gt_timeline_feed(t, &event), 0);
}

/* A program with this libc; inode 0: with none. */
static void run(int32_t pid, const char *name, const char *interpreter, const char *path,
                uint64_t inode)
{
    fork_task(t, 40, pid, pid, 10);
    name_task(t, GT_EVENT_EXEC, 45, pid, pid, name);
    map(pid, interpreter, GT_DEVICE(8, 1), 99);
    if (inode)
        map(pid, path, GT_DEVICE(8, 1), inode);
}

/* The pid and the file of the only one; 0: there is none. */
static int32_t unseen(const char **file)
{
    const struct gt_unseen *one;

    assert_int_equal(gt_timeline_finish(t, NULL), 0);
    assert_in_range(t->unseen.count, 0, 1);
    if (!t->unseen.count)
        return 0;
    one = gt_chunks_at(&t->unseen, 0);
    *file = gt_intern_text(&t->names, one->file);
    return gt_process_at(t, one->process)->pid;
}

static void another_libc_at_the_same_path(void **state)
{
    const char *file;

    (void)state;
    run(20, "python3", python, libc, 7);
    run(21, "python3", python, libc, 8);
    run(22, "sh", "/bin/sh", libc, 8); /* no Python */
    assert_int_equal(unseen(&file), 21);
    assert_string_equal(file, libc);
}

static void no_libc_at_all(void **state)
{
    const char *file;

    (void)state;
    run(20, "python3", "/usr/bin/python3-dbg", libc, 7);
    run(21, "python3", "/opt/python3", libc, 0);
    assert_int_equal(unseen(&file), 21);
    assert_string_equal(file, "");
}

static void what_it_executed_before_does_not_count(void **state)
{
    const char *file;

    (void)state;
    run(20, "chroot", "/bin/chroot", libc, 7);
    name_task(t, GT_EVENT_EXEC, 46, 20, 20, "python3");
    map(20, "/usr/lib/libpython3.9.so.1.0", GT_DEVICE(8, 1), 4);
    map(20, "/lib/ld-musl-x86_64.so.1", GT_DEVICE(8, 1), 5);
    assert_int_equal(unseen(&file), 20);
    assert_string_equal(file, "/lib/ld-musl-x86_64.so.1");
}

/* Overlays: perf knows another device, or inode, than stat does. */
static void where_stat_and_perf_differ(void **state)
{
    const char *file;

    (void)state;
    run(20, "python3", python, libc, 1007);
    run(21, "python3", python, libc, 1008);
    run(22, "python3", python, libc, 1007);
    assert_int_equal(unseen(&file), 21);
}

static void without_the_probed_file_nothing_is_said(void **state)
{
    const char *file;

    (void)state;
    run(20, "python3", python, "/other/libc.so.6", 8);
    assert_int_equal(unseen(&file), 0);
}

static void whose_gil_was_seen_is_seen(void **state)
{
    const char *file;

    (void)state;
    run(20, "python3", python, libc, 7);
    run(21, "python3", python, "/other/libc.so.6", 8);
    for (int64_t ns = 50; ns < 54; ns += 2) {
        acquire(t, ns, 21, 21, 0x1000);
        release(t, ns + 1, 21, 21, 0x1000);
    }
    assert_int_equal(unseen(&file), 0);
}

static void without_probes_any_glibc_is_seen(void **state)
{
    const char *file;

    (void)state;
    probed = (struct gt_probed){.any_glibc = true};
    run(20, "python3", python, libc, 8);
    run(21, "python3", python, libc, 0);
    run(22, "python3", python, "/lib/ld-musl-x86_64.so.1", 5);
    assert_int_equal(unseen(&file), 22);
}

static void another_interpreter_than_the_probed_one(void **state)
{
    const char *file;

    (void)state;
    probed =
        (struct gt_probed){.files = {{.path = python, .inode = 9, .device = GT_DEVICE(8, 1)}},
                           .count = 1,
                           .interpreter = true};
    run(20, "python3", python, libc, 7);
    map(20, python, GT_DEVICE(8, 1), 9);
    run(21, "python3", "/opt/python3.8", libc, 7);
    assert_int_equal(unseen(&file), 21);
    assert_string_equal(file, "/opt/python3.8");
}

int main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(another_libc_at_the_same_path),
        TEST(no_libc_at_all),
        TEST(what_it_executed_before_does_not_count),
        TEST(where_stat_and_perf_differ),
        TEST(without_the_probed_file_nothing_is_said),
        TEST(whose_gil_was_seen_is_seen),
        TEST(without_probes_any_glibc_is_seen),
        TEST(another_interpreter_than_the_probed_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
