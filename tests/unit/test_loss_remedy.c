/* SPDX-License-Identifier: MIT */
/* lib/analysis/loss_remedy: which buffer would have held what was lost? */
#include "made.h"

#include "analysis/loss_remedy.h"

#include <string.h>

#define MIB (UINT64_C(1) << 20)

static struct gt_timeline timeline;

static int setup(void **state)
{
    (void)state;
    memset(&timeline, 0, sizeof(timeline));
    gt_chunks_init(&timeline.lost, sizeof(struct gt_lost_range));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    gt_chunks_release(&timeline.lost);
    return 0;
}

static void lose(uint64_t events)
{
    struct gt_lost_range *range = gt_chunks_push(&timeline.lost);

    assert_non_null(range);
    range->events = events;
}

static uint64_t larger(uint64_t used, uint64_t most)
{
    const struct gt_run_info info = {.buffer_bytes = used, .buffer_most = most};

    return gt_loss_remedy(&timeline, &info).larger_bytes;
}

static void it_is_larger_than_the_one_used(void **state)
{
    (void)state;
    lose(1);
    assert_true(larger(MIB, 1024 * MIB) == 2 * MIB);
    assert_true(larger(64 * MIB, 1024 * MIB) == 128 * MIB);
}

static void it_holds_what_was_lost_at_once(void **state)
{
    (void)state;
    lose(8192); /* at 128 bytes, 1 MiB */
    lose(100);
    assert_true(larger(MIB, 1024 * MIB) == 2 * MIB);
    lose(8193);
    assert_true(larger(MIB, 1024 * MIB) == 4 * MIB);
    lose(UINT64_MAX);
    assert_true(larger(MIB, 1024 * MIB) == 1024 * MIB);
}

static void it_is_not_larger_than_may_be(void **state)
{
    (void)state;
    lose(1 << 20);
    assert_true(larger(MIB, 8 * MIB) == 8 * MIB);
    assert_true(larger(MIB, 2 * MIB) == 2 * MIB);
    assert_true(larger(MIB, 2 * MIB - 1) == 0);
    assert_true(larger(MIB, 0) == 0);
    assert_true(larger(0, 8 * MIB) == 0); /* not known */
}

static void the_agent_needs_none(void **state)
{
    struct gt_run_info info = {.buffer_bytes = MIB};

    (void)state;
    assert_false(gt_loss_remedy(&timeline, &info).agent);
    info.agent_instead = true;
    assert_true(gt_loss_remedy(&timeline, &info).agent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_is_larger_than_the_one_used, setup, teardown),
        cmocka_unit_test_setup_teardown(it_holds_what_was_lost_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(it_is_not_larger_than_may_be, setup, teardown),
        cmocka_unit_test_setup_teardown(the_agent_needs_none, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
