/* SPDX-License-Identifier: MIT */
/* lib/model/thread_names.c: which of a thread's names is shown. */
#include "feed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct gt_timeline *t;

/* Thread 10 is python3, and has made thread 11. */
static int setup(void **state)
{
    (void)state;
    t = gt_timeline_new(false, NULL);
    if (!t)
        return -1;
    fork_task(t, 1, 10, 10, 0);
    name_task(t, GT_EVENT_EXEC, 2, 10, 10, "python3");
    fork_task(t, 3, 10, 11, 10);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    gt_timeline_free(t);
    return 0;
}

static void kernel_says(int32_t tid, const char *name)
{
    name_task(t, GT_EVENT_COMM, 10, 10, tid, name);
}

static void threading_says(int32_t tid, const char *name)
{
    struct gt_event event = {.kind = GT_EVENT_COMM,
                             .time_ns = 10,
                             .pid = 10,
                             .tid = tid,
                             .cpu = -1,
                             .comm = "",
                             .new_name = {name, (uint32_t)strlen(name), true}};

    assert_int_equal(gt_timeline_feed(t, &event), 0);
}

static void check_label(int32_t tid, const char *expected)
{
    char label[64] = "(no such thread)";

    for (uint32_t i = 0; i < t->threads.count; i++)
        if (gt_thread_at(t, i)->tid == tid)
            gt_timeline_thread_label(t, i, label, sizeof(label));
    assert_string_equal(label, expected);
}

static void what_nobody_named(void **state)
{
    (void)state;
    check_label(10, "main");
    check_label(11, "thread 2");
    kernel_says(11, "python3");
    check_label(11, "thread 2");
}

static void the_program_knows_best(void **state)
{
    (void)state;
    threading_says(11, "fetcher");
    check_label(11, "fetcher");
    kernel_says(11, "libfetch");
    check_label(11, "fetcher");
    threading_says(11, "fetcher 2");
    check_label(11, "fetcher 2");
    threading_says(10, "boss");
    check_label(10, "boss");
}

static void what_threading_made_up_gives_way(void **state)
{
    static const char *const made_up[] = {
        "Thread-1",
        "Thread-17 (work)",
        "Dummy-3",
        "ThreadPoolExecutor-0_12",
        "Thread-1 (a function whose name goes beyond what is kept of it her",
    };
    static const char *const given[] = {"Thread-",     "Thread-A", "Thread-1b", "thread-1",
                                        "my Thread-1", "Dummy",    "Pool-0_1"};

    (void)state;
    kernel_says(11, "libfetch");
    for (size_t i = 0; i < sizeof(made_up) / sizeof(made_up[0]); i++) {
        threading_says(11, made_up[i]);
        check_label(11, "libfetch");
    }
    for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
        threading_says(11, given[i]);
        check_label(11, given[i]);
    }
}

/* Whichever came first. */
static void a_comm_that_comes_later(void **state)
{
    (void)state;
    threading_says(11, "Thread-1 (work)");
    check_label(11, "Thread-1 (work)");
    kernel_says(11, "==> x=1");
    check_label(11, "==> x=1");
}

/* What a thread was born with is its creator's. */
static void an_inherited_comm_is_no_name(void **state)
{
    (void)state;
    kernel_says(11, "pool");
    fork_task(t, 20, 10, 12, 11);
    kernel_says(12, "pool");
    check_label(11, "pool");
    check_label(12, "thread 3");
    threading_says(12, "Thread-2 (work)");
    check_label(12, "Thread-2 (work)");
    kernel_says(12, "own");
    check_label(12, "own");
    kernel_says(10, "server: master");
    fork_task(t, 30, 10, 13, 10);
    check_label(10, "server: master");
    check_label(13, "thread 4");
}

/* CPython 3.14 tells the kernel what threading made up, as far as it goes there. */
static void the_same_in_short(void **state)
{
    (void)state;
    threading_says(11, "Thread-10 (worker)");
    kernel_says(11, "Thread-10 (work");
    check_label(11, "Thread-10 (worker)");
    threading_says(11, "Thread-1");
    kernel_says(11, "Thread");
    check_label(11, "Thread");
}

static void another_program_forgets(void **state)
{
    (void)state;
    kernel_says(10, "mine");
    threading_says(10, "boss");
    name_task(t, GT_EVENT_EXEC, 20, 10, 10, "other");
    check_label(10, "main");
}

/* COMM records that perf makes up come before anything is known, at time 0. */
static void names_of_what_ran_before(void **state)
{
    struct gt_event line = {.kind = GT_EVENT_OTHER,
                            .time_ns = 100,
                            .pid = 20,
                            .tid = 22,
                            .cpu = 0,
                            .comm = "worker",
                            .comm_length = 6};

    (void)state;
    name_task(t, GT_EVENT_COMM, 0, 20, 20, "python3");
    tick(t, 90, 20, 20, 0);
    name_task(t, GT_EVENT_COMM, 95, 20, 21, "renamed");
    gt_timeline_feed(t, &line);
    check_label(20, "main");
    check_label(21, "thread 2"); /* "renamed" names the process too: none was known */
    check_label(22, "worker");
}

/* Whether the kernel says it, or a line that is padded, or threading. */
static void blanks_around_a_name_are_no_part_of_it(void **state)
{
    struct gt_event line = {.kind = GT_EVENT_OTHER,
                            .time_ns = 100,
                            .pid = 10,
                            .tid = 11,
                            .cpu = 0,
                            .comm = "my wrk  ",
                            .comm_length = 8};
    uint32_t comm;

    (void)state;
    kernel_says(11, "  my wrk ");
    check_label(11, "my wrk");
    comm = gt_thread_at(t, 1)->comm;
    gt_timeline_feed(t, &line);
    assert_int_equal(gt_thread_at(t, 1)->comm, comm);
    threading_says(11, " fetcher\t ");
    check_label(11, "fetcher");
    threading_says(11, "   ");
    check_label(11, "my wrk");
    name_task(t, GT_EVENT_EXEC, 110, 10, 10, "python3 ");
    assert_string_equal(gt_intern_text(&t->names, gt_process_at(t, 0)->name), "python3");
}

/* Text without COMM records, whose first line is a worker's. */
static void a_process_is_not_called_as_a_worker(void **state)
{
    static const struct {
        int32_t tid;
        const char *comm;
    } lines[] = {{32, "als-worker"}, {30, "python3"}, {33, "als-worker"}, {30, "renamed"}};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct gt_event line = {.kind = GT_EVENT_OTHER,
                                .time_ns = 100,
                                .pid = 30,
                                .tid = lines[i].tid,
                                .cpu = 0,
                                .comm = lines[i].comm,
                                .comm_length = (uint32_t)strlen(lines[i].comm)};

        gt_timeline_feed(t, &line);
    }
    assert_string_equal(gt_intern_text(&t->names, gt_process_at(t, 1)->name), "python3");
    check_label(30, "renamed");
    check_label(32, "als-worker");
    check_label(33, "als-worker");
}

static bool has_namesake(int32_t tid)
{
    for (uint32_t i = 0; i < t->threads.count; i++)
        if (gt_thread_at(t, i)->tid == tid)
            return gt_thread_at(t, i)->flags & GT_THREAD_NAMESAKE;
    return false;
}

static void namesakes_are_marked(void **state)
{
    (void)state;
    for (int32_t tid = 12; tid < 16; tid++)
        fork_task(t, tid, 10, tid, 10);
    fork_task(t, 17, 20, 20, 10);
    fork_task(t, 18, 20, 21, 20);
    threading_says(11, "worker");
    kernel_says(12, "worker ");
    kernel_says(14, "poller");
    name_task(t, GT_EVENT_COMM, 19, 20, 21, "poller"); /* of another process */
    assert_int_equal(gt_timeline_finish(t, NULL), 0);
    assert_true(has_namesake(11) && has_namesake(12));
    for (int32_t tid = 13; tid < 22; tid++)
        assert_false(has_namesake(tid));
    assert_false(has_namesake(10));
}

/* What a process executes when its GIL is gone does not name the GIL, nor the process. */
static void a_gil_is_known_by_its_program(void **state)
{
    static const char *const programs[] = {"first", "second", "true"};

    (void)state;
    for (int i = 0; i < 3; i++) {
        name_task(t, GT_EVENT_EXEC, 100 + 10 * i, 10, 10, programs[i]);
        for (int round = 0; i < 2 && round < 2; round++) {
            acquire(t, 101 + 10 * i + 2 * round, 10, 10, 0x1000);
            release(t, 102 + 10 * i + 2 * round, 10, 10, 0x1000);
        }
    }
    kernel_says(10, "renamed");
    assert_int_equal(gt_timeline_finish(t, NULL), 0);
    assert_int_equal(t->gils.count, 2);
    for (uint32_t i = 0; i < 2; i++)
        assert_string_equal(gt_intern_text(&t->names, gt_gil_at(t, i)->name), programs[i]);
    assert_string_equal(gt_intern_text(&t->names, gt_process_at(t, 0)->name), "second");
}

static void names_are_bounded(void **state)
{
    char name[200], label[8];

    (void)state;
    name_task(t, GT_EVENT_COMM, 5, 10, 10, "python3");
    threading_says(10, "sm\xc3\xb6rg\xc3\xa5s");
    assert_int_equal(gt_timeline_thread_label(t, 0, label, 4), 2); /* no half of a letter */
    assert_string_equal(label, "sm");
    memset(name, 'n', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    for (int i = 0; i < 200000; i++) {
        snprintf(name, 10, "%09d", i);
        name[9] = 'n';
        name_task(t, GT_EVENT_COMM, 100 + i, 10, 10, name);
    }
    assert_true(gt_intern_count(&t->names) <= 65536);
    for (uint32_t i = 1; i < gt_intern_count(&t->names); i++)
        assert_true(gt_intern_length(&t->names, i) <= 64);
}

int main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_nobody_named),
        TEST(the_program_knows_best),
        TEST(what_threading_made_up_gives_way),
        TEST(a_comm_that_comes_later),
        TEST(an_inherited_comm_is_no_name),
        TEST(the_same_in_short),
        TEST(another_program_forgets),
        TEST(names_of_what_ran_before),
        TEST(blanks_around_a_name_are_no_part_of_it),
        TEST(a_process_is_not_called_as_a_worker),
        TEST(namesakes_are_marked),
        TEST(a_gil_is_known_by_its_program),
        TEST(names_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
