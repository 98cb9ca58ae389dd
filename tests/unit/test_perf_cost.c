/* SPDX-License-Identifier: MIT */
/* lib/analysis/perf_cost, launch/switchcost: what perf's recording of the scheduler costs. */
#include "analysis/perf_cost.h"
#include "event/run_info.h"
#include "launch/switchcost.h"
#include "model/recorded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/prctl.h>

#include <cmocka.h>

enum { MS = 1000000 };

static struct gt_perf_cost cost_of(uint64_t switches, uint64_t counted, unsigned budget)
{
    const struct gt_recorded recorded = {.switches = switches, .counted = counted};
    const struct gt_run_info info = {.switch_ns = 2000, .budget_percent = budget};

    return gt_perf_cost_find(&recorded, &info, 100 * MS);
}

static void it_is_dear_above_the_budget(void **state)
{
    struct gt_perf_cost cost = cost_of(10000, 0, 15);

    (void)state;
    assert_int_equal(cost.states_ns, 20 * MS);
    assert_int_equal((int)(cost.states_percent + 0.5), 20);
    assert_true(cost.states_dear);
    assert_false(cost.counters_dear);
    assert_false(cost_of(7000, 0, 15).states_dear);
    assert_false(cost_of(1000000, 1000000, 0).states_dear);
}

static void an_event_is_half_a_switch(void **state)
{
    struct gt_perf_cost cost = cost_of(0, 20000, 15);

    (void)state;
    assert_int_equal(cost.counters_ns, 20 * MS);
    assert_true(cost.counters_dear);
    assert_false(cost.states_dear);
}

static void nothing_is_said_of_what_was_not_measured(void **state)
{
    const struct gt_recorded recorded = {.switches = 1000000};
    const struct gt_run_info info = {.switch_ns = -1, .budget_percent = 15};
    struct gt_perf_cost cost = gt_perf_cost_find(&recorded, &info, MS);

    (void)state;
    assert_int_equal(cost.switch_ns, -1);
    assert_false(cost.states_dear);
}

static void a_sleep_takes_little_and_leaves_no_trace(void **state)
{
    int slack = prctl(PR_GET_TIMERSLACK);

    (void)state;
    assert_in_range(gt_sleep_cpu_ns(), 100, 1000000);
    assert_int_equal(prctl(PR_GET_TIMERSLACK), slack);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_dear_above_the_budget),
        cmocka_unit_test(an_event_is_half_a_switch),
        cmocka_unit_test(nothing_is_said_of_what_was_not_measured),
        cmocka_unit_test(a_sleep_takes_little_and_leaves_no_trace),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
