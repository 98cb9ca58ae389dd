/* SPDX-License-Identifier: MIT */
/* lib/analysis/contention: each nanosecond of waiting is charged once. */
#include "feed.h"

#include "analysis/contention.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const uint64_t A = 0x7f0000001000;

static uint32_t member(const struct gt_timeline *t, int32_t tid)
{
    const struct gt_gil *gil = gt_gil_at(t, 0);

    for (uint32_t i = 0; i < gil->members.count; i++)
        if (gt_thread_at(t, gt_gil_thread_at(gil, i)->thread)->tid == tid)
            return i;
    fail_msg("no member %d", tid);
    return 0;
}

static void check_blame(const struct gt_blame *blame, uint32_t waiter, uint32_t holder,
                        int64_t ns)
{
    assert_int_equal(blame->waiter, waiter);
    assert_int_equal(blame->holder, holder);
    assert_int_equal(blame->ns, ns);
}

/*
 * 12 waits from 100 to 200, while 10 holds until 110, nobody until 115, 11 until 160, nobody
 * until 170, 10 until 195, nobody until 200.
 */
static void a_wait_is_shared_among_holders(void **state)
{
    struct gt_timeline *t = gt_timeline_new(false, NULL);
    struct gt_contention contention;
    size_t count, first;

    (void)state;
    fork_task(t, 10, 10, 10, 0);
    acquire(t, 20, 10, 10, A);
    release(t, 30, 10, 10, A);
    acquire(t, 90, 10, 10, A);
    await(t, 100, 10, 12, A);
    release(t, 110, 10, 10, A);
    acquire(t, 115, 10, 11, A);
    release(t, 160, 10, 11, A);
    acquire(t, 170, 10, 10, A);
    release(t, 195, 10, 10, A);
    acquire(t, 200, 10, 12, A);
    release(t, 210, 10, 12, A);
    assert_int_equal(gt_timeline_finish(t, NULL), 0);
    assert_int_equal(gt_contention_init(&contention, gt_gil_at(t, 0), NULL), 0);
    first = gt_contention_of(&contention, member(t, 12), &count);
    assert_int_equal(count, 3);
    check_blame(gt_blame_at(&contention, first), member(t, 12), member(t, 11), 45);
    check_blame(gt_blame_at(&contention, first + 1), member(t, 12), member(t, 10), 10 + 25);
    check_blame(gt_blame_at(&contention, first + 2), member(t, 12), GT_NO_INDEX, 5 + 10 + 5);
    gt_contention_of(&contention, member(t, 10), &count);
    assert_int_equal(count, 0);
    gt_contention_of(&contention, GT_NO_INDEX, &count);
    assert_int_equal(count, 0);
    gt_contention_release(&contention);
    gt_timeline_free(t);
}

static void nobody_waited(void **state)
{
    struct gt_timeline *t = gt_timeline_new(false, NULL);
    struct gt_contention contention;
    size_t count;

    (void)state;
    acquire(t, 20, 10, 10, A);
    release(t, 30, 10, 10, A);
    assert_int_equal(gt_timeline_finish(t, NULL), 0);
    assert_int_equal(gt_contention_init(&contention, gt_gil_at(t, 0), NULL), 0);
    assert_int_equal(contention.blames.count, 0);
    gt_contention_of(&contention, 0, &count);
    assert_int_equal(count, 0);
    gt_contention_release(&contention);
    gt_timeline_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wait_is_shared_among_holders),
        cmocka_unit_test(nobody_waited),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
