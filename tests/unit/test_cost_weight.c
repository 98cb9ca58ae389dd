/* SPDX-License-Identifier: MIT */
/* lib/analysis/cost_weight: is what recording cost much, and what costs less? */
#include "made.h"

#include "analysis/cost_weight.h"
#include "model/recorded.h"

#define WALL (1000 * MS)

static struct gt_cost_weight weigh(int64_t total_ns)
{
    const struct gt_cost cost = {.total_ns = total_ns};
    const struct gt_recorded recorded = {0};

    return gt_cost_weigh(&cost, &recorded, WALL);
}

static void told_from_a_twentieth_on_and_dear_from_a_tenth_on(void **state)
{
    (void)state;
    assert_int_equal(weigh(-1).level, GT_COST_LITTLE); /* not known */
    assert_true(weigh(-1).percent == 0);
    assert_int_equal(weigh(50 * MS - 1).level, GT_COST_LITTLE);
    assert_int_equal(weigh(50 * MS).level, GT_COST_TOLD);
    assert_int_equal(weigh(100 * MS - 1).level, GT_COST_TOLD);
    assert_int_equal(weigh(100 * MS).level, GT_COST_DEAR);
    assert_true(weigh(100 * MS).percent == 10);
}

static void handovers_are_told_from_a_tenth_on(void **state)
{
    const struct gt_recorded recorded = {0};
    struct gt_cost cost = {.total_ns = 100 * MS, .waiting_ns = 10 * MS};

    (void)state;
    assert_false(gt_cost_weigh(&cost, &recorded, WALL).handovers_matter);
    cost.waiting_ns++;
    assert_true(gt_cost_weigh(&cost, &recorded, WALL).handovers_matter);
}

static void what_costs_less_depends_on_what_costs(void **state)
{
    struct gt_recorded recorded = {0};
    struct gt_cost cost = {
        .gil_events = 1000, .gil_event_ns = 1000, .calls = 1000, .call_ns = 1001};

    (void)state;
    assert_int_equal(gt_cost_weigh(&cost, &recorded, WALL).cheaper, GT_CHEAPER_NO_FUNCTIONS);
    recorded.viztracer = true; /* it was the user who traced them */
    assert_int_equal(gt_cost_weigh(&cost, &recorded, WALL).cheaper, GT_CHEAPER_NONE);
    recorded.viztracer = false;
    cost.call_ns = 1000; /* half each */
    assert_int_equal(gt_cost_weigh(&cost, &recorded, WALL).cheaper,
                     GT_CHEAPER_AGENT_NO_FUNCTIONS);
    cost.call_ns = 250; /* a fourth */
    assert_int_equal(gt_cost_weigh(&cost, &recorded, WALL).cheaper, GT_CHEAPER_AGENT);
    cost.code_ns = 1; /* of functions, too */
    assert_int_equal(gt_cost_weigh(&cost, &recorded, WALL).cheaper,
                     GT_CHEAPER_AGENT_NO_FUNCTIONS);
    recorded.agent_sees_gil = true;
    assert_int_equal(gt_cost_weigh(&cost, &recorded, WALL).cheaper, GT_CHEAPER_FUTEX);
    cost.gil_event_ns = -1; /* not known: it counts as nothing */
    assert_int_equal(gt_cost_weigh(&cost, &recorded, WALL).cheaper, GT_CHEAPER_NO_FUNCTIONS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(told_from_a_twentieth_on_and_dear_from_a_tenth_on),
        cmocka_unit_test(handovers_are_told_from_a_tenth_on),
        cmocka_unit_test(what_costs_less_depends_on_what_costs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
