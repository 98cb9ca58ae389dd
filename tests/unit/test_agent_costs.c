/* SPDX-License-Identifier: MIT */
/* What the agent measured of its cost, as it is told. */
#include "ingest/agent_costs.h"
#include "model/feed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_copies_are_spread(void **state)
{
    struct gt_timeline *timeline = gt_timeline_new(false, NULL);
    struct gt_recorded out = {.timeline = timeline, .gil_hits = 1000};
    struct gt_agentlog_quality agent = {.event_ps = 20000,
                                        .call_ps = 50000,
                                        .gil_copied_ns = 7000,
                                        .calls_copied_ns = 9000,
                                        .code_permille = 3};

    (void)state;
    gt_take_agent_costs(&out, &agent);
    assert_int_equal(out.event_ps, 20000 + 7000);
    assert_int_equal(out.call_ps, 50000); /* there was none to spread them over */
    assert_int_equal(out.c_call_ps, 0);   /* what was not measured stays so */
    assert_int_equal(out.code_permille, 3);
    gt_timeline_free(timeline);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_copies_are_spread)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
