/* SPDX-License-Identifier: MIT */
/* lib/analysis/cost_measured: what an event of the GIL costs by all that recorded it. */
#include "analysis/cost_measured.h"
#include "event/run_info.h"
#include "event/surroundings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct gt_recorded recorded;
static struct gt_run_info info;
static struct gt_crowd crowd;

/* An event cost the agent 20.5 ns, a hit of a probe 3 us; there were 1000 events. */
static int begin(void **state)
{
    (void)state;
    recorded = (struct gt_recorded){.gil_hits = 1000, .event_ps = 20500};
    info = (struct gt_run_info){.hit_ns = 3000};
    crowd = (struct gt_crowd){.ready_ns = -1, .running_ns = -1};
    return 0;
}

static struct gt_cost_measured measure(void)
{
    return gt_cost_measure(&recorded, &info, &crowd);
}

static void probes_alone_cost_a_hit(void **state)
{
    (void)state;
    assert_int_equal(measure().gil_events, 1000);
    assert_int_equal(measure().gil_event_ps, 3000000 + 20500);
    info.hit_ns = -1; /* not known */
    assert_int_equal(measure().gil_event_ps, 0);
    info.hit_ns = 0;
    assert_int_equal(measure().gil_event_ps, 0);
}

static void the_agent_costs_little_and_its_part_of_the_hits(void **state)
{
    (void)state;
    recorded.agent_sees_gil = true;
    assert_int_equal(measure().gil_event_ps, 20500);
    recorded.probe_hits = 100; /* then they were taken out */
    assert_int_equal(measure().gil_event_ps, 20500 + 300000);
    info.hit_ns = -1;
    assert_int_equal(measure().gil_event_ps, 20500);
    info.hit_ns = 3000;
    recorded.gil_hits = 0;
    assert_int_equal(measure().gil_event_ps, 20500);
}

static void the_scheduler_knows_best_how_shared_cpus_were(void **state)
{
    const struct gt_surroundings machine = {.cpu_ns = 400, .ready_ns = 100};

    (void)state;
    assert_int_equal(measure().running_ns, 0);
    assert_true(measure().ready_ratio == 0);
    info.surroundings = &machine;
    assert_int_equal(measure().running_ns, 400);
    assert_true(measure().ready_ratio == 0.25);
    crowd = (struct gt_crowd){.ready_ns = 300, .running_ns = 200};
    assert_int_equal(measure().running_ns, 200);
    assert_true(measure().ready_ratio == 1.5);
    crowd.running_ns = 0; /* it never ran: no ratio */
    assert_int_equal(measure().running_ns, 0);
    assert_true(measure().ready_ratio == 0);
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(probes_alone_cost_a_hit),
        TEST(the_agent_costs_little_and_its_part_of_the_hits),
        TEST(the_scheduler_knows_best_how_shared_cpus_were),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
