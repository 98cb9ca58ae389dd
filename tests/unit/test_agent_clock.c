/* SPDX-License-Identifier: MIT */
/* The agent's clock: its source, and the anchors that lead from ticks to CLOCK_MONOTONIC. */
#include "agent/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define MS  UINT64_C(1000000)
#define SEC UINT64_C(1000000000)

static struct gt_wire_control *control;

static int setup(void **state)
{
    (void)state;
    control = calloc(1, sizeof(*control));
    gt_agent_counter = false;
    return control ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    free(control);
    return 0;
}

static void test_the_first_process_chooses_the_source(void **state)
{
    (void)state;
    gt_agent_clock_init(control);
    assert_true(control->tick_source == GT_WIRE_TICKS_COUNTER ||
                control->tick_source == GT_WIRE_TICKS_MONOTONIC);
    assert_int_equal(gt_agent_counter, control->tick_source == GT_WIRE_TICKS_COUNTER);
}

static void test_later_processes_follow_it(void **state)
{
    (void)state;
    control->tick_source = GT_WIRE_TICKS_MONOTONIC;
    gt_agent_clock_init(control);
    assert_false(gt_agent_counter);
    assert_int_equal(control->tick_source, GT_WIRE_TICKS_MONOTONIC);
    control->tick_source = GT_WIRE_TICKS_COUNTER;
    gt_agent_clock_init(control);
    assert_true(gt_agent_counter);
    assert_int_equal(control->tick_source, GT_WIRE_TICKS_COUNTER);
}

static void test_without_a_counter_ticks_are_nanoseconds(void **state)
{
    uint64_t before_ns = gt_agent_monotonic_ns();
    uint64_t ticks = gt_agent_ticks(), ordered = gt_agent_ticks_ordered();

    (void)state;
    assert_true(before_ns <= ticks && ticks <= ordered);
    assert_true(ordered <= gt_agent_monotonic_ns());
}

static void test_the_counter_goes_forward(void **state)
{
    const struct timespec nap = {0, 2000000};
    uint64_t first, second;

    (void)state;
    gt_agent_counter = true;
    first = gt_agent_ticks_ordered();
    nanosleep(&nap, NULL);
    second = gt_agent_ticks();
    assert_true(second > first);
}

static void test_an_anchor_is_one_moment_on_both_clocks(void **state)
{
    uint64_t before_ns = gt_agent_monotonic_ns();
    const struct gt_wire_anchor *anchor = &control->anchors[0];

    (void)state;
    gt_agent_clock_anchor(control);
    assert_int_equal(control->anchor_count, 1);
    assert_in_range(anchor->time_ns, before_ns, gt_agent_monotonic_ns());
    assert_in_range(anchor->ticks, before_ns, gt_agent_monotonic_ns());
    gt_agent_clock_anchor(control);
    assert_int_equal(control->anchor_count, 2);
    assert_true(control->anchors[1].ticks > anchor->ticks);
}

/* The newest anchor of a run of at least this age: how old the run is, and how long after the
 * anchor the next one is due. */
static uint64_t anchor_at_age(uint64_t least_age_ns, uint64_t *age_ns)
{
    const struct gt_wire_anchor *first = &control->anchors[0], *newest = &control->anchors[1];
    uint64_t start_ns = gt_agent_monotonic_ns() - least_age_ns;

    control->anchor_count = 1;
    control->anchors[0] = (struct gt_wire_anchor){start_ns, start_ns};
    gt_agent_clock_anchor(control);
    *age_ns = newest->time_ns - first->time_ns;
    return control->next_anchor_ticks - newest->ticks;
}

static void test_anchors_grow_rarer_with_the_age_of_the_run(void **state)
{
    const uint64_t uptime_ns = gt_agent_monotonic_ns();
    uint64_t age_ns, wait;

    (void)state;
    gt_agent_clock_anchor(control);
    assert_int_equal(control->next_anchor_ticks - control->anchors[0].ticks, MS);
    wait = anchor_at_age(MS, &age_ns);
    assert_int_equal(wait, age_ns / 16 > MS ? age_ns / 16 : MS);
    wait = anchor_at_age(160 * MS, &age_ns);
    assert_int_equal(wait, age_ns / 16);
    if (uptime_ns > 60 * SEC)
        assert_int_equal(anchor_at_age(60 * SEC, &age_ns), SEC);
    if (uptime_ns > 2048 * SEC) {
        wait = anchor_at_age(2048 * SEC, &age_ns);
        assert_int_equal(wait, age_ns / 1024);
    }
}

static void test_a_full_table_keeps_what_it_has(void **state)
{
    struct gt_wire_anchor *last = &control->anchors[GT_WIRE_ANCHORS - 1];

    (void)state;
    control->anchor_count = GT_WIRE_ANCHORS;
    *last = (struct gt_wire_anchor){1, 2};
    gt_agent_clock_anchor(control);
    assert_int_equal(control->anchor_count, GT_WIRE_ANCHORS + 1);
    assert_int_equal(last->time_ns, 1);
    assert_int_equal(last->ticks, 2);
    assert_true(control->next_anchor_ticks > 0);
}

/* The rate of the counter is known from the first anchor: here it counts twice a nanosecond. */
static void test_short_times_follow_the_rate_of_the_counter(void **state)
{
    const uint64_t age_ns = SEC;
    const uint64_t short_ns = GT_AGENT_SHORT_US * 1000;

    (void)state;
    gt_agent_counter = true;
    control->anchors[0].time_ns = gt_agent_monotonic_ns() - age_ns;
    control->anchors[0].ticks = gt_agent_ticks() - 2 * age_ns;
    control->anchor_count = 1;
    gt_agent_clock_anchor(control);
    assert_in_range(gt_agent_short_ticks(), short_ns * 19 / 10, short_ns * 21 / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_first_process_chooses_the_source, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_later_processes_follow_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_a_counter_ticks_are_nanoseconds, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_the_counter_goes_forward, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_anchor_is_one_moment_on_both_clocks, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_anchors_grow_rarer_with_the_age_of_the_run, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_full_table_keeps_what_it_has, setup, teardown),
        cmocka_unit_test_setup_teardown(test_short_times_follow_the_rate_of_the_counter, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
