/* SPDX-License-Identifier: MIT */
/* The stack of another thread that sleeps, by the tables of this program and of libc. */
#include "agent/unwind.h"
#include "ingest/symbols.h"

#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

static int ends[2];
static volatile int32_t sleeper_tid;

/* A tail call would leave no frame. */
__attribute__((noinline)) static int sleeps_inside(int n)
{
    struct pollfd fd = {ends[0], POLLIN, 0};
    volatile char room[200];

    room[0] = 1;
    sleeper_tid = (int32_t)syscall(SYS_gettid);
    return poll(&fd, 1, -1) + room[0] + n;
}

__attribute__((noinline)) static int sleeps_middle(int n)
{
    return sleeps_inside(n) + 1;
}

__attribute__((noinline)) static int sleeps_outside(int n)
{
    volatile char room[3000];

    room[2999] = 1;
    return sleeps_middle(n) + room[2999];
}

static void *sleeper(void *argument)
{
    return (void *)(intptr_t)sleeps_outside(*(int *)argument);
}

/* The two last words of /proc/self/task/TID/syscall, once the thread sleeps. */
static bool where_it_sleeps(uint64_t *sp, uint64_t *pc)
{
    char path[64], text[256] = "";

    snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", sleeper_tid);
    for (int tries = 0; tries < 5000; tries++) {
        FILE *file = fopen(path, "r");
        bool read = file && fgets(text, sizeof(text), file);

        if (file)
            fclose(file);
        if (read && text[0] >= '0' && text[0] <= '9') {
            char *last = strrchr(text, ' ');

            *pc = strtoull(last, NULL, 16);
            *last = '\0';
            *sp = strtoull(strrchr(text, ' '), NULL, 16);
            return true;
        }
        usleep(1000);
    }
    return false;
}

/* The names of the frames as "a < b < c". */
static void name_frames(uint64_t pc, uint64_t sp, char *text, size_t size)
{
    struct gt_agent_frame frames[GT_AGENT_FRAMES_MAX];
    unsigned count = gt_agent_unwind(pc, sp, frames);
    struct gt_symbols symbols;
    char own[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);

    assert_true(length > 0);
    own[length] = '\0';
    text[0] = '\0';
    gt_symbols_init(&symbols);
    for (unsigned i = 0; i < count; i++) {
        const char *path = frames[i].path[0] ? frames[i].path : own;
        char *name = gt_symbols_name(&symbols, path, strlen(path), "", frames[i].address);

        snprintf(text + strlen(text), size - strlen(text), "%s%s", i ? " < " : "",
                 name ? name : "?");
        free(name);
    }
    gt_symbols_release(&symbols);
}

static void test_frames_of_a_thread_that_sleeps(void **state)
{
    static const char expected[] =
        "sleeps_inside < sleeps_middle < sleeps_outside < sleeper < ";
    uint64_t sp = 0, pc = 0;
    char text[4096];
    pthread_t thread;
    int room = 100;

    (void)state;
#if !defined(__x86_64__) || !defined(__GLIBC__) || !__GLIBC_PREREQ(2, 35)
    return; /* there are no frames: unwind.h */
#endif
    gt_agent_unwind_init();
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pthread_create(&thread, NULL, sleeper, &room), 0);
    while (!sleeper_tid)
        usleep(1000);
    assert_true(where_it_sleeps(&sp, &pc));
    name_frames(pc, sp, text, sizeof(text));
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_non_null(strstr(text, "poll"));
    if (!strstr(text, expected))
        fail_msg("%s", text);
}

static void test_nonsense_has_no_frames(void **state)
{
    struct gt_agent_frame frames[GT_AGENT_FRAMES_MAX];

    (void)state;
    gt_agent_unwind_init();
    assert_int_equal(gt_agent_unwind(0, 0, frames), 0);
    assert_int_equal(gt_agent_unwind(8, UINT64_MAX - 8, frames), 0);
    assert_true(gt_agent_unwind((uint64_t)(uintptr_t)gt_agent_unwind, 8, frames) <= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_of_a_thread_that_sleeps),
        cmocka_unit_test(test_nonsense_has_no_frames),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
