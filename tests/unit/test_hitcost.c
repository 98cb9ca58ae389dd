/* SPDX-License-Identifier: MIT */
/* lib/launch/hitcost, hitplace: functions of libc can be called out of its file, and what
 * cannot be called does no harm. */
#include "launch/elf.h"
#include "launch/hitcost.h"
#include "launch/hitplace.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* The libc of this very program. */
static void find_libc(char *path)
{
    Dl_info found;

    assert_int_not_equal(dladdr(dlsym(RTLD_DEFAULT, "pthread_cond_signal"), &found), 0);
    assert_non_null(realpath(found.dli_fname, path));
}

static struct gt_hit_place place_of(enum gt_gil_source source, const char *libc)
{
    struct gt_hit_place place;
    struct gt_plan plan;

    gt_plan_init(&plan);
    plan.gil_source = source;
    plan.installed_probes = true;
    gt_hit_place_find(&place, &plan, libc);
    gt_plan_release(&plan);
    return place;
}

/* Without probes a call costs next to nothing. */
static void functions_of_libc_come_back(void **state)
{
    static const enum gt_gil_source sources[] = {GT_GIL_UPROBES, GT_GIL_FUTEX};
    char libc[PATH_MAX];

    (void)state;
    find_libc(libc);
    for (size_t i = 0; i < 2; i++) {
        struct gt_hit_place place = place_of(sources[i], libc);

        assert_int_equal(place.function, i ? GT_HIT_TIMEDWAIT : GT_HIT_SIGNAL);
        assert_in_range(gt_hit_cost_ns(place.path, place.offset, place.function), 0, 2000);
    }
}

static void other_sources_have_no_place(void **state)
{
    char libc[PATH_MAX];

    (void)state;
    find_libc(libc);
    assert_int_equal(place_of(GT_GIL_AGENT, libc).function, GT_HIT_NONE);
    assert_int_equal(place_of(GT_GIL_FUNCTIONS, libc).function, GT_HIT_NONE);
    assert_int_equal(place_of(GT_GIL_UPROBES, "/nonexistent").function, GT_HIT_NONE);
    assert_int_equal(place_of(GT_GIL_UPROBES, "/etc/passwd").function, GT_HIT_NONE);
    assert_int_equal(gt_hit_cost_ns("/nonexistent", 0, GT_HIT_SIGNAL), -1);
    assert_int_equal(gt_hit_cost_ns(libc, 0, GT_HIT_NONE), -1);
}

static void code_that_faults_is_left(void **state)
{
    static const struct {
        unsigned char bytes[2];
    } cases[] = {{{0x0f, 0x0b}}, {{0, 0}}, {{0xcc, 0xcc}}, {{0xf4, 0xf4}}};
    char path[] = "/tmp/gt-test-hitcost-XXXXXX";
    struct sigaction before, after;
    unsigned char code[4096];
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(sigaction(SIGSEGV, NULL, &before), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t at = 0; at < sizeof(code); at += 2)
            memcpy(code + at, cases[i].bytes, 2);
        assert_int_equal(pwrite(fd, code, sizeof(code), 0), sizeof(code));
        assert_int_equal(gt_hit_cost_ns(path, 16, GT_HIT_SIGNAL), -1);
        assert_int_equal(gt_hit_cost_ns(path, 1 << 20, GT_HIT_SIGNAL), -1); /* beyond its end */
    }
    assert_int_equal(sigaction(SIGSEGV, NULL, &after), 0);
    assert_ptr_equal(before.sa_handler, after.sa_handler);
    close(fd);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_of_libc_come_back),
        cmocka_unit_test(other_sources_have_no_place),
        cmocka_unit_test(code_that_faults_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
