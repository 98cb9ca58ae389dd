/* SPDX-License-Identifier: MIT */
/* Stacks stored once, and which of them wait for the GIL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "model/stacks.h"

#include <stdio.h>
#include <string.h>

static struct gt_frame frame(const char *symbol, const char *dso)
{
    return (struct gt_frame){.symbol = symbol,
                             .dso = dso,
                             .symbol_length = (uint32_t)strlen(symbol),
                             .dso_length = (uint32_t)strlen(dso)};
}

static bool waits(const char *inner, const char *caller, const char *caller_dso)
{
    struct gt_frame frames[] = {frame("schedule", "[kernel.kallsyms]"),
                                frame(inner, "/lib/libc.so.6"), frame(caller, caller_dso)};

    return gt_stack_waits_for_gil(frames, 3);
}

static void who_waits(void **state)
{
    (void)state;
    assert_true(
        waits("pthread_cond_timedwait@@GLIBC_2.3.2", "[unknown]", "/usr/bin/python3.11"));
    assert_true(waits("___pthread_cond_timedwait64", "x", "/a b/libpython3.12.so.1.0"));
    assert_true(waits("pthread_cond_clockwait", "x", "/usr/bin/python3 (deleted)"));
    assert_true(waits("futex_wait", "take_gil", "/usr/lib/libpy.so"));
    assert_true(waits("futex_wait", "take_gil.constprop.0", ""));
    assert_true(waits("futex_wait", "take_gil.lto_priv.0", ""));
}

static void who_does_not(void **state)
{
    struct gt_frame alone[] = {frame("pthread_cond_timedwait", "/lib/libc.so.6")};

    (void)state;
    assert_false(waits("pthread_cond_timedwait", "wait_for", "/usr/lib/libtorch.so"));
    assert_false(waits("pthread_cond_timedwait", "x", "/srv/python/libworker.so"));
    assert_false(waits("sem_clockwait", "PyThread_acquire_lock_timed", "/usr/bin/python3.11"));
    assert_false(waits("futex_wait", "take_gilded", ""));
    assert_false(waits("futex_wait", "mistake_gil", ""));
    assert_false(gt_stack_waits_for_gil(alone, 1));
    assert_false(gt_stack_waits_for_gil(alone, 0));
}

static void stored_once(void **state)
{
    struct gt_frame frames[] = {frame("a", "x"), frame("b", "y"), frame("", "")};
    struct gt_stacks stacks;
    uint32_t one, two, count;
    const uint32_t *ids;

    (void)state;
    gt_stacks_init(&stacks);
    one = gt_stacks_add(&stacks, frames, 3);
    two = gt_stacks_add(&stacks, frames, 2);
    assert_int_not_equal(one, two);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(gt_stacks_add(&stacks, frames, 3), one);
        assert_int_equal(gt_stacks_add(&stacks, frames, 2), two);
    }
    assert_int_equal(gt_intern_count(&stacks.stacks), 3); /* and the empty one */
    assert_int_equal(gt_stacks_add(&stacks, frames, 0), 0);
    ids = gt_stacks_frames(&stacks, one, &count);
    assert_int_equal(count, 3);
    assert_string_equal(gt_stacks_symbol(&stacks, ids[1]), "b");
    assert_string_equal(gt_stacks_dso(&stacks, ids[1]), "y");
    assert_string_equal(gt_stacks_symbol(&stacks, ids[2]), "");
    gt_stacks_release(&stacks);
}

static void too_deep_is_cut(void **state)
{
    static struct gt_frame frames[400];
    struct gt_stacks stacks;
    uint32_t count;

    (void)state;
    for (int i = 0; i < 400; i++)
        frames[i] = frame("f", "x");
    gt_stacks_init(&stacks);
    gt_stacks_frames(&stacks, gt_stacks_add(&stacks, frames, 400), &count);
    assert_int_equal(count, 256);
    gt_stacks_release(&stacks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_waits),
        cmocka_unit_test(who_does_not),
        cmocka_unit_test(stored_once),
        cmocka_unit_test(too_deep_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
