/* lib/analysis/cost: what recording cost, told from the shortest holds and calls. */
#include "feed.h"

#include "analysis/cost.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const uint64_t A = 0x7f0000001000;

static struct gt_timeline *begin(void)
{
    struct gt_timeline *t = gt_timeline_new(false, NULL);

    assert_non_null(t);
    fork_task(t, 1, 10, 10, 0);
    return t;
}

/* `count` holds of `length_ns` each, from `time_ns` on; the time after them. */
static int64_t hold(struct gt_timeline *t, int64_t time_ns, int count, int64_t length_ns)
{
    for (int i = 0; i < count; i++) {
        acquire(t, time_ns, 10, 10, A);
        time_ns += length_ns;
        release(t, time_ns, 10, 10, A);
        time_ns += 3 * length_ns;
    }
    return time_ns;
}

static struct gt_cost end(struct gt_timeline *t)
{
    struct gt_cost cost;

    assert_int_equal(gt_timeline_finish(t, NULL), 0);
    assert_int_equal(gt_cost_estimate(t, -1, &cost, NULL), 0);
    gt_timeline_free(t);
    return cost;
}

static void call(struct gt_timeline *t, int64_t time_ns, bool enter)
{
    struct gt_function function = {.id = 1, .name = "f", .name_length = 1, .file = ""};
    struct gt_event event = {.kind = enter ? GT_EVENT_CALL : GT_EVENT_RETURN,
                             .time_ns = time_ns,
                             .pid = 10,
                             .tid = 10,
                             .cpu = -1,
                             .comm = "",
                             .text = "",
                             .function = &function};

    assert_int_equal(gt_timeline_feed(t, &event), 0);
}

static void the_shortest_holds_tell_what_an_event_costs(void **state)
{
    struct gt_timeline *t = begin();
    struct gt_cost cost;

    (void)state;
    hold(t, hold(t, hold(t, 10, 3, 40), 200, 6000), 1000, 900000);
    cost = end(t);
    assert_int_equal(cost.gil_events, 2 * 1203);
    assert_int_equal(cost.gil_event_ns, 6000); /* not the three that clocks made shorter */
    assert_int_equal(cost.total_ns, 6000 * 2 * 1203);
    assert_int_equal(cost.calls, 0);
    assert_int_equal(cost.call_ns, -1);
}

static void the_shortest_calls_tell_what_half_a_call_costs(void **state)
{
    struct gt_timeline *t = begin();
    int64_t time_ns = hold(t, 10, 200, 1000);
    struct gt_cost cost;

    (void)state;
    acquire(t, time_ns++, 10, 10, A);
    for (int i = 0; i < 70000; i++, time_ns += 500) { /* more than there are samples */
        call(t, time_ns, true);
        call(t, time_ns + (i % 10 ? 300 : 50), false);
    }
    cost = end(t);
    assert_int_equal(cost.calls, 70000);
    assert_int_equal(cost.call_ns, 100);
    assert_int_equal(cost.total_ns, 401 * 1000 + 70000 * 100);
}

/* Each call gives the GIL up meanwhile, each hold has a return and a call in it. */
static void events_within_each_other_are_told_apart(void **state)
{
    struct gt_timeline *t = begin();
    struct gt_cost cost;
    int64_t time_ns = 1000;

    (void)state;
    for (int i = 0; i < 1000; i++, time_ns += 400) {
        acquire(t, time_ns, 10, 10, A);
        if (i)
            call(t, time_ns + 40, false);
        call(t, time_ns + 60, true);
        release(t, time_ns + 110, 10, 10, A);
    }
    cost = end(t);
    assert_int_equal(cost.calls, 1000);
    assert_int_equal(cost.call_ns, -1); /* no call is without */
    assert_int_equal(cost.gil_event_ns, 110 - 2 * (75 / 2));
}

static void few_or_long_holds_tell_nothing(void **state)
{
    struct gt_timeline *t = begin();
    struct gt_cost cost;

    (void)state;
    hold(t, 10, 50, 1000);
    cost = end(t);
    assert_int_equal(cost.gil_event_ns, -1);
    assert_int_equal(cost.total_ns, -1);
    t = begin();
    hold(t, 10, 300, 5000000);
    cost = end(t);
    assert_int_equal(cost.gil_event_ns, -1);
    assert_int_equal(cost.total_ns, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shortest_holds_tell_what_an_event_costs),
        cmocka_unit_test(the_shortest_calls_tell_what_half_a_call_costs),
        cmocka_unit_test(events_within_each_other_are_told_apart),
        cmocka_unit_test(few_or_long_holds_tell_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
