/* SPDX-License-Identifier: MIT */
/* lib/metrics: a stream of events, cut into stretches, counts as one recording of all of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "event/pyruntime.h"
#include "metrics/registry.h"
#include "metrics/windows.h"

#include <errno.h>
#include <stdio.h>

#define MS INT64_C(1000000)
#define S  (1000 * MS)

static const struct gt_runtime runtime = {
    .path = "/opt/embedding",
    .address = 0x90000,
    .size_bytes = 0x1000,
    .code_address = 0x11000,
    .code_offset = 0x10000,
    .code_size_bytes = 0x3000,
};
static const uint64_t word = 0x490180 + 40; /* of a GIL in it, as mapped */

static struct gt_windows windows;
static struct gt_registry registry;
static struct gt_registry_source source;
static int stretches;

static void label(void *context, const struct gt_process_names *names, char *text, size_t size)
{
    (void)context;
    snprintf(text, size, "%s", names->command_length ? names->command : names->name);
}

static int on_window(void *context, const struct gt_window *window, struct gt_error *err)
{
    (void)context;
    stretches++;
    return gt_registry_add(&registry, &source, window, label, NULL, err);
}

static void take(struct gt_event event)
{
    event.pid = event.pid ? event.pid : 7;
    event.cpu = -1;
    assert_int_equal(gt_windows_take(&windows, &event), 0);
}

static void name(int64_t time_ns, int32_t tid, const char *text)
{
    take((struct gt_event){.kind = GT_EVENT_COMM,
                           .time_ns = time_ns,
                           .tid = tid,
                           .new_name = {.text = text, .length = (uint32_t)strlen(text)}});
}

static void futex(int64_t time_ns, int32_t tid, uint32_t operation, bool timed)
{
    take((struct gt_event){.kind = GT_EVENT_FUTEX_ENTER,
                           .time_ns = time_ns,
                           .tid = tid,
                           .futex = {word, operation, timed}});
}

static void waits(int64_t time_ns, int32_t tid)
{
    futex(time_ns, tid, 0x89, true);
}

static void wakes(int64_t time_ns, int32_t tid)
{
    futex(time_ns, tid, 0x81, false);
}

static void returns(int64_t time_ns, int32_t tid, int64_t result)
{
    take((struct gt_event){
        .kind = GT_EVENT_FUTEX_EXIT, .time_ns = time_ns, .tid = tid, .result = result});
}

/* It asks every 5 ms, and gets it at `until_ns`. */
static void waits_long(int64_t since_ns, int64_t until_ns, int32_t tid, int32_t holder)
{
    int64_t time_ns = since_ns;

    for (; time_ns + 5 * MS < until_ns; time_ns += 5 * MS) {
        waits(time_ns, tid);
        returns(time_ns + 5 * MS - 10, tid, -ETIMEDOUT);
    }
    waits(time_ns, tid);
    wakes(until_ns - 100, holder);
    returns(until_ns, tid, 0);
}

static int begin(void **state)
{
    const struct gt_windows_options options = {.runtime = &runtime};

    (void)state;
    stretches = 0;
    gt_registry_init(&registry);
    source = (struct gt_registry_source){0};
    gt_windows_init(&windows, &options, on_window, NULL);
    name(0, 7, "program");
    name(0, 8, "waiter");
    name(0, 9, "holder");
    take((struct gt_event){.kind = GT_EVENT_MMAP,
                           .tid = 7,
                           .mapping = {.address = 0x411000,
                                       .offset = 0x10000,
                                       .path = runtime.path,
                                       .path_length = (uint16_t)strlen(runtime.path)}});
    assert_int_equal(gt_windows_begin(&windows, 1 * S, true), 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    gt_windows_release(&windows);
    gt_registry_end_source(&registry, &source, 0);
    return 0;
}

static const struct gt_metrics_process *only_process(void)
{
    assert_int_equal(registry.count, 1);
    assert_int_equal(registry.processes[0].pid, 7);
    return &registry.processes[0];
}

static const struct gt_metrics_group *group(const char *called)
{
    const struct gt_metrics_process *process = only_process();

    for (size_t i = 0; i < process->group_count; i++)
        if (strcmp(process->groups[i].name, called) == 0)
            return &process->groups[i];
    fail_msg("no group %s", called);
    return NULL;
}

static void assert_near(int64_t is_ns, int64_t wanted_ns)
{
    if (llabs(is_ns - wanted_ns) > MS)
        fail_msg("%lld ns, not %lld", (long long)is_ns, (long long)wanted_ns);
}

static void a_wait_over_borders_counts_once(void **state)
{
    (void)state;
    waits_long(1500 * MS, 6200 * MS, 8, 9);
    assert_int_equal(gt_windows_finish(&windows, 8 * S), 0);
    assert_int_equal(stretches, 4);
    assert_near(registry.recorded_ns, 7 * S);
    assert_near(group("waiter")->wait_ns, 4700 * MS);
    assert_int_equal(group("waiter")->waits, 1);
    assert_near(only_process()->contended_ns, 4700 * MS);
    assert_int_equal(only_process()->handovers, 1);
    /* Who held all the time is told by the release, in the third stretch. */
    assert_near(group("holder")->held_ns, 4700 * MS);
    assert_near(group("waiter")->held_ns, 0);
}

static void the_longest_wait_is_told_from_its_beginning(void **state)
{
    (void)state;
    waits_long(1500 * MS, 6200 * MS, 8, 9);
    assert_int_equal(gt_windows_pass(&windows, 7100 * MS), 0);
    assert_int_equal(stretches, 3);
    assert_near(group("waiter")->longest_wait_ns, 4700 * MS);
    assert_int_equal(gt_windows_pass(&windows, 9100 * MS), 0);
    assert_int_equal(group("waiter")->longest_wait_ns, 0);
}

/* The same short waits, wherever the borders fall among them. */
static void many_waits_add_up(void **state)
{
    int64_t time_ns = 1100 * MS;

    (void)state;
    for (int i = 0; i < 400; i++, time_ns += 17 * MS)
        waits_long(time_ns, time_ns + 12 * MS, i % 2 ? 8 : 9, i % 2 ? 9 : 8);
    assert_int_equal(gt_windows_finish(&windows, time_ns), 0);
    assert_true(stretches > 3);
    assert_int_equal(group("waiter")->waits + group("holder")->waits, 400);
    assert_int_equal(only_process()->handovers, 400);
    assert_near(group("waiter")->wait_ns, 200 * 12 * MS);
    assert_near(group("holder")->wait_ns, 200 * 12 * MS);
}

static void time_passes_without_events(void **state)
{
    (void)state;
    assert_int_equal(gt_windows_pass(&windows, 20 * S), 0);
    assert_int_equal(stretches, 9);
    waits_long(20 * S, 20 * S + 12 * MS, 8, 9);
    assert_int_equal(gt_windows_finish(&windows, 21 * S), 0);
    assert_near(group("waiter")->wait_ns, 12 * MS);
}

static void what_is_lost_is_told(void **state)
{
    (void)state;
    waits(1200 * MS, 8);
    take((struct gt_event){.kind = GT_EVENT_LOST,
                           .time_ns = 2 * S,
                           .tid = 8,
                           .lost = {.events = 5, .since_ns = 1500 * MS}});
    assert_int_equal(gt_windows_finish(&windows, 3 * S), 0);
    assert_int_equal(registry.lost_events, 5);
    assert_near(registry.lost_ns, 500 * MS);
}

static void too_many_events_are_lost_and_not_kept(void **state)
{
    (void)state;
    for (int64_t i = 0; i <= GT_WINDOW_EVENTS_MAX; i++)
        wakes(1 * S + i * 400, 9);
    wakes(2 * S, 9);
    assert_int_equal(gt_windows_finish(&windows, 3 * S), 0);
    assert_near(registry.lost_ns, 3 * S - (1 * S + 400 * (int64_t)GT_WINDOW_EVENTS_MAX));
    assert_near(registry.recorded_ns, 2 * S);
}

static void a_command_line_is_known_in_each_stretch(void **state)
{
    (void)state;
    take((struct gt_event){.kind = GT_EVENT_COMM,
                           .time_ns = 1100 * MS,
                           .tid = 7,
                           .new_name = {.text = "server.py", .length = 9, .is_command = true}});
    waits_long(7100 * MS, 7200 * MS, 8, 9);
    assert_int_equal(gt_windows_finish(&windows, 8 * S), 0);
    assert_string_equal(only_process()->label, "server.py");
}

static void names_are_those_of_who_lives(void **state)
{
    (void)state;
    take((struct gt_event){.kind = GT_EVENT_EXIT, .time_ns = 1500 * MS, .tid = 9});
    for (int32_t tid = 100; tid < 1000; tid++) {
        take((struct gt_event){
            .kind = GT_EVENT_FORK, .time_ns = 1600 * MS, .tid = tid, .creator = {7, 7}});
        take((struct gt_event){.kind = GT_EVENT_EXIT, .time_ns = 1601 * MS, .tid = tid});
    }
    take((struct gt_event){
        .kind = GT_EVENT_FORK, .time_ns = 1700 * MS, .pid = 9, .tid = 9, .creator = {7, 7}});
    assert_int_equal(gt_windows_pass(&windows, 4 * S), 0);
    assert_true(gt_lives_has(&windows.lives, 7) && gt_lives_has(&windows.lives, 9));
    assert_false(gt_lives_has(&windows.lives, 500));
    assert_true(windows.lives.capacity < 1000);
    gt_registry_sweep(&registry, &source, &windows.lives, 4 * S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_wait_over_borders_counts_once, begin, end),
        cmocka_unit_test_setup_teardown(the_longest_wait_is_told_from_its_beginning, begin,
                                        end),
        cmocka_unit_test_setup_teardown(many_waits_add_up, begin, end),
        cmocka_unit_test_setup_teardown(time_passes_without_events, begin, end),
        cmocka_unit_test_setup_teardown(what_is_lost_is_told, begin, end),
        cmocka_unit_test_setup_teardown(too_many_events_are_lost_and_not_kept, begin, end),
        cmocka_unit_test_setup_teardown(a_command_line_is_known_in_each_stretch, begin, end),
        cmocka_unit_test_setup_teardown(names_are_those_of_who_lives, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
