/* SPDX-License-Identifier: MIT */
/* lib/analysis/cost: what recording cost, measured, or told from the shortest holds and calls.
 */
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

static struct gt_cost end_measured(struct gt_timeline *t,
                                   const struct gt_cost_measured *measured)
{
    struct gt_blockers *blockers;
    struct gt_cost cost;

    assert_int_equal(gt_timeline_finish(t, NULL), 0);
    blockers = calloc(t->gils.count + 1, sizeof(*blockers));
    assert_non_null(blockers);
    for (uint32_t i = 0; i < t->gils.count; i++)
        assert_int_equal(gt_blockers_init(&blockers[i], t, i, NULL), 0);
    assert_int_equal(gt_cost_estimate(t, blockers, measured, &cost, NULL), 0);
    for (uint32_t i = 0; i < t->gils.count; i++)
        gt_blockers_release(&blockers[i]);
    free(blockers);
    gt_timeline_free(t);
    return cost;
}

static struct gt_cost end(struct gt_timeline *t)
{
    const struct gt_cost_measured nothing = {0};

    return end_measured(t, &nothing);
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
                             .call.function = &function};

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

/* Probes are hit by other libraries, too; the unit is finer than a nanosecond. */
static void what_was_measured_is_believed(void **state)
{
    struct gt_cost_measured measured = {
        .gil_events = 1000, .gil_event_ps = 20400, .call_ps = 50600};
    struct gt_timeline *t = begin();
    int64_t time_ns;
    struct gt_cost cost;

    (void)state;
    time_ns = hold(t, 10, 300, 4000);
    acquire(t, time_ns++, 10, 10, A);
    for (int i = 0; i < 500; i++, time_ns += 1000) {
        call(t, time_ns, true);
        call(t, time_ns + 300, false);
    }
    cost = end_measured(t, &measured);
    assert_true(cost.gil_measured && cost.calls_measured);
    assert_int_equal(cost.gil_events, 1000);
    assert_int_equal(cost.gil_event_ns, 20);
    assert_int_equal(cost.call_ns, 51);
    assert_in_range(cost.cpu_ns, 20400 + 25299, 20400 + 25301);
    assert_in_range(cost.total_ns, cost.cpu_ns - 2, cost.cpu_ns + 1);
    assert_int_equal(cost.waiting_ns, 0);
}

/* The machine was busy while it was measured, or the clock was stopped. */
static void a_hold_is_never_shorter_than_an_event(void **state)
{
    struct gt_cost_measured measured = {.gil_event_ps = 90000000, .call_ps = INT64_MAX};
    struct gt_timeline *t = begin();
    int64_t time_ns = hold(t, 10, 300, 4000);
    struct gt_cost cost;

    (void)state;
    acquire(t, time_ns++, 10, 10, A);
    for (int i = 0; i < 500; i++, time_ns += 1000) {
        call(t, time_ns, true);
        call(t, time_ns + 300, false);
    }
    cost = end_measured(t, &measured);
    assert_int_equal(cost.gil_event_ns, 4000);
    assert_int_equal(cost.call_ns, 5 * 600 / 2);
}

/* CPython 3.11 does without its faster instructions while a thread is profiled. */
static void slower_code_counts_where_python_code_runs(void **state)
{
    struct gt_cost_measured measured = {
        .gil_event_ps = 1000, .call_ps = 1000, .code_permille = 500};
    struct gt_timeline *t = begin();
    struct gt_cost cost;

    (void)state;
    acquire(t, 10, 10, 10, A);
    release(t, 3000010, 10, 10, A);
    acquire(t, 3000020, 10, 10, A);
    cost = end_measured(t, &measured);
    assert_in_range(cost.code_ns, 999900, 1000100); /* a third of what it had */
    assert_in_range(cost.total_ns, 999900, 1000200);
    t = begin();
    measured.code_permille = 20; /* that is noise */
    acquire(t, 10, 10, 10, A);
    release(t, 3000010, 10, 10, A);
    acquire(t, 3000020, 10, 10, A);
    cost = end_measured(t, &measured);
    assert_int_equal(cost.code_ns, 0);
}

static void call_of_c(struct gt_timeline *t, int64_t time_ns, bool enter)
{
    struct gt_function function = {
        .id = 2, .name = "g", .name_length = 1, .file = "", .flags = GT_FUNCTION_C};
    struct gt_event event = {.kind = enter ? GT_EVENT_CALL : GT_EVENT_RETURN,
                             .time_ns = time_ns,
                             .pid = 10,
                             .tid = 10,
                             .cpu = -1,
                             .comm = "",
                             .call.function = &function};

    assert_int_equal(gt_timeline_feed(t, &event), 0);
}

/* A C function of 1.5 ms, of 3 in all; with or without a call of Python code in it. */
static int64_t code_ns_with_c(bool calls_python)
{
    const struct gt_cost_measured measured = {
        .gil_event_ps = 1000, .call_ps = 1000, .code_permille = 500};
    struct gt_timeline *t = begin();

    acquire(t, 10, 10, 10, A);
    call_of_c(t, 1000010, true);
    if (calls_python) {
        call(t, 1000020, true);
        call(t, 2500000, false);
    }
    call_of_c(t, 2500010, false);
    call_of_c(t, 2500020, true); /* a short one, which comes after it and not in it */
    call_of_c(t, 2500030, false);
    release(t, 3000010, 10, 10, A);
    acquire(t, 3000020, 10, 10, A);
    return end_measured(t, &measured).code_ns;
}

static void c_functions_are_no_slower_unless_they_call_python_code(void **state)
{
    (void)state;
    assert_in_range(code_ns_with_c(false), 499900, 500100); /* a third of the rest */
    assert_in_range(code_ns_with_c(true), 999900, 1000100);
}

/* On CPUs that others use twice as much, it takes three times as long; not beyond the run. */
static void shared_cpus_make_it_longer(void **state)
{
    struct gt_cost_measured measured = {.gil_event_ps = 100000, .ready_ratio = 2};
    struct gt_timeline *t = begin();
    struct gt_cost cost;

    (void)state;
    hold(t, 10, 300, 4000);
    cost = end_measured(t, &measured);
    assert_int_equal(cost.cpu_ns, 600 * 100);
    assert_in_range(cost.total_ns, 3 * cost.cpu_ns - 3, 3 * cost.cpu_ns + 3);
    t = begin();
    measured.ready_ratio = 1e9;
    hold(t, 10, 300, 4000);
    cost = end_measured(t, &measured);
    assert_int_equal(cost.total_ns, 300 * 4 * 4000 - 3 * 4000 + 9);
}

/* Recording was a half of what the program ran: then it was no more than a half of the run. */
static void it_is_no_larger_part_of_the_run_than_of_the_cpu_time(void **state)
{
    struct gt_cost_measured measured = {
        .gil_event_ps = 100000, .ready_ratio = 100, .running_ns = 2 * 600 * 100};
    struct gt_timeline *t = begin();
    int64_t run_ns = 300 * 4 * 4000 - 3 * 4000 + 9;
    struct gt_cost cost;

    (void)state;
    hold(t, 10, 300, 4000);
    cost = end_measured(t, &measured);
    assert_in_range(cost.total_ns, run_ns / 2 - 2, run_ns / 2 + 2);
    /* It was surely as long as it took on a CPU of its own. */
    measured.running_ns = INT64_C(1000000000000);
    t = begin();
    hold(t, 10, 300, 4000);
    cost = end_measured(t, &measured);
    assert_int_equal(cost.total_ns, cost.cpu_ns);
}

/* Two threads: by turns, or both at once without need of the GIL. */
static void threads_overlap_unless_they_contend(void **state)
{
    struct gt_cost_measured measured = {.gil_event_ps = 1000000};
    struct gt_timeline *t = begin();
    int64_t time_ns = 1000;
    struct gt_cost cost;

    (void)state;
    fork_task(t, 2, 10, 11, 10);
    for (int i = 0; i < 100; i++, time_ns += 1000000)
        for (int tid = 10; tid <= 11; tid++) {
            acquire(t, time_ns + tid * 10000, 10, tid, A);
            release(t, time_ns + tid * 10000 + 4000, 10, tid, A);
        }
    cost = end_measured(t, &measured);
    assert_int_equal(cost.cpu_ns, 400000);
    assert_in_range(cost.total_ns, 199999, 200001);

    t = begin();
    time_ns = 1000;
    fork_task(t, 2, 10, 11, 10);
    for (int i = 0; i < 100; i++, time_ns += 20000)
        for (int tid = 10; tid <= 11; tid++) {
            int64_t start_ns = time_ns + (tid - 10) * 10000;

            if (i + tid > 10) /* it waits all the time but while it holds, and 200 ns longer */
                await(t, start_ns - 5800, 10, tid, A);
            acquire(t, start_ns, 10, tid, A);
            release(t, start_ns + 9800, 10, tid, A);
        }
    cost = end_measured(t, &measured);
    assert_true(cost.gil_events > 590);
    assert_true(cost.total_ns > 9 * cost.cpu_ns / 10);
    /* Events made up some 30% of what was not hand-overs: of these, too. */
    assert_in_range(cost.waiting_ns, 199 * 200 / 100 * 28, 199 * 200 / 100 * 33);
    assert_in_range(cost.cpu_ns, 590000 + cost.waiting_ns, 610000 + cost.waiting_ns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shortest_holds_tell_what_an_event_costs),
        cmocka_unit_test(the_shortest_calls_tell_what_half_a_call_costs),
        cmocka_unit_test(events_within_each_other_are_told_apart),
        cmocka_unit_test(few_or_long_holds_tell_nothing),
        cmocka_unit_test(what_was_measured_is_believed),
        cmocka_unit_test(a_hold_is_never_shorter_than_an_event),
        cmocka_unit_test(slower_code_counts_where_python_code_runs),
        cmocka_unit_test(c_functions_are_no_slower_unless_they_call_python_code),
        cmocka_unit_test(shared_cpus_make_it_longer),
        cmocka_unit_test(it_is_no_larger_part_of_the_run_than_of_the_cpu_time),
        cmocka_unit_test(threads_overlap_unless_they_contend),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
