/* SPDX-License-Identifier: MIT */
/* lib/metrics: what is counted of a stretch, how it is bounded, and the text of it. */
#include "made.h"

#include "base/buf.h"
#include "metrics/exposition.h"
#include "metrics/registry.h"

#include <stdio.h>
#include <string.h>

static struct gt_timeline t;
static struct gt_registry registry;
static struct gt_registry_source source;
static struct gt_metrics_self self;
static struct gt_buf text;

static int begin(void **state)
{
    (void)state;
    made_init(&t);
    gt_intern_init(&t.names);
    gt_intern_add(&t.names, "", 0);
    ((struct gt_thread *)gt_chunks_at(&t.threads, 0))->flags = GT_THREAD_MAIN;
    ((struct gt_process *)gt_chunks_at(&t.processes, 0))->own_pid = 10;
    gt_hashmap_init(&made_gil(&t, 1000 * MS)->member_of);
    gt_registry_init(&registry);
    source = (struct gt_registry_source){0};
    self = (struct gt_metrics_self){.recording = true};
    gt_buf_init(&text);
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < t.gils.count; i++)
        gt_hashmap_release(&made_gil_at(&t, i)->member_of);
    gt_intern_release(&t.names);
    made_release(&t);
    gt_registry_end_source(&registry, &source, 0);
    gt_buf_release(&text);
    return 0;
}

/* A thread of the GIL, called so. */
static uint32_t add_thread(uint32_t gil, const char *name)
{
    uint32_t index = (uint32_t)t.threads.count;
    uint32_t process = made_gil_at(&t, gil)->process;

    *(struct gt_thread *)made_push(&t.threads) =
        (struct gt_thread){.tid = 100 + (int32_t)index,
                           .process = process,
                           .number = index + 1,
                           .end_ns = 1000 * MS,
                           .python_name = gt_intern_add(&t.names, name, strlen(name))};
    assert_int_equal(gt_hashmap_put(&made_gil_at(&t, gil)->member_of, index,
                                    (uint32_t)made_gil_at(&t, gil)->members.count),
                     0);
    made_member(made_gil_at(&t, gil), 0, 0)->thread = index;
    return index;
}

static void span(struct gt_chunks *list, uint32_t thread, int64_t start_ms, int64_t end_ms)
{
    *(struct gt_span *)made_push(list) =
        (struct gt_span){start_ms * MS, end_ms * MS, thread, 0};
}

static uint32_t add_process(int32_t pid)
{
    uint32_t process = (uint32_t)t.processes.count, gil = (uint32_t)t.gils.count;

    *(struct gt_process *)made_push(&t.processes) =
        (struct gt_process){.pid = pid, .own_pid = pid, .end_ns = 1000 * MS};
    made_gil(&t, 1000 * MS)->process = process;
    gt_hashmap_init(&made_gil_at(&t, gil)->member_of);
    return gil;
}

static void label(void *context, const struct gt_process_names *names, char *into, size_t size)
{
    snprintf(into, size, "%s%d", context ? (const char *)context : "app.py ", names->pid);
}

static void add(int64_t since_ms, int64_t until_ms, void *called)
{
    const struct gt_window window = {
        .timeline = &t, .since_ns = since_ms * MS, .until_ns = until_ms * MS};

    assert_int_equal(gt_registry_add(&registry, &source, &window, label, called, NULL), 0);
}

static const char *show(bool open_metrics)
{
    gt_buf_reset(&text);
    assert_int_equal(gt_exposition_text(&text, &registry, &self, open_metrics), 0);
    return text.data;
}

static void assert_shown(const char *line)
{
    if (!strstr(show(true), line))
        fail_msg("%s is not in\n%s", line, text.data);
}

static void each_part_counts_in_its_stretch(void **state)
{
    struct gt_gil *gil = made_gil_at(&t, 0);
    uint32_t waiter = add_thread(0, "waiter"), holder = add_thread(0, "holder");

    (void)state;
    span(&gil->waits, waiter, 100, 400);
    span(&gil->waits, waiter, 600, 700);
    span(&gil->holds, holder, 50, 400);
    add(0, 200, NULL);
    assert_shown("gil_wait_seconds_total{pid=\"10\",process=\"app.py 10\",group=\"waiter\"} "
                 "0.100000000\n");
    assert_shown("gil_waits_total{pid=\"10\",process=\"app.py 10\",group=\"waiter\"} 1\n");
    assert_shown("gil_handovers_total{pid=\"10\",process=\"app.py 10\"} 0\n");
    add(200, 1000, NULL);
    assert_shown("group=\"waiter\"} 0.400000000\n");
    assert_shown("gil_waits_total{pid=\"10\",process=\"app.py 10\",group=\"waiter\"} 2\n");
    assert_shown("gil_handovers_total{pid=\"10\",process=\"app.py 10\"} 2\n");
    assert_shown("gil_longest_wait_seconds{pid=\"10\",process=\"app.py 10\",group=\"waiter\"} "
                 "0.300000000\n");
    assert_shown("contended_hold_seconds_total{pid=\"10\",process=\"app.py 10\","
                 "group=\"holder\"} 0.300000000\n");
    assert_shown("giltracer_recorded_seconds_total 1.000000000\n");
}

/* Two wait at once: a moment counts for each of them, and once for the process. */
static void contended_time_counts_once(void **state)
{
    struct gt_gil *gil = made_gil_at(&t, 0);
    uint32_t a = add_thread(0, "w-1"), b = add_thread(0, "w-2");

    (void)state;
    span(&gil->waits, a, 100, 300);
    span(&gil->waits, b, 200, 500);
    add(0, 1000, NULL);
    assert_shown("gil_wait_seconds_total{pid=\"10\",process=\"app.py 10\",group=\"w-*\"} "
                 "0.500000000\n");
    assert_shown("gil_contended_seconds_total{pid=\"10\",process=\"app.py 10\"} 0.400000000\n");
}

static void names_are_escaped_and_visible(void **state)
{
    (void)state;
    span(&made_gil_at(&t, 0)->waits, add_thread(0, "a\"b\\c\nd\x80\x1b[31m"), 100, 200);
    add(0, 1000, (void *)"x\"\n\\");
    assert_shown("process=\"x\\\"?\\\\10\",group=\"a\\\"b\\\\c?d??[*m\"} 0.100000000\n");
}

/* They would be two series of one name. */
static void names_that_look_equal_are_one_group(void **state)
{
    struct gt_gil *gil = made_gil_at(&t, 0);

    (void)state;
    span(&gil->waits, add_thread(0, "a\x01"), 100, 200);
    span(&gil->waits, add_thread(0, "a\x02"), 200, 300);
    span(&gil->waits, add_thread(0, "main"), 300, 400);
    add(0, 1000, NULL);
    assert_shown("gil_wait_seconds_total{pid=\"10\",process=\"app.py 10\",group=\"a?\"} "
                 "0.200000000\n");
    assert_shown("group=\"main (thread)\"} 0.100000000\n");
}

static size_t count_of(const char *part)
{
    size_t count = 0;

    for (const char *at = strstr(text.data, part); at; at = strstr(at + 1, part))
        count++;
    return count;
}

static void groups_and_processes_are_bounded(void **state)
{
    char name[16] = "thread-?";

    (void)state;
    for (char c = 'a'; c <= 'z'; c++) {
        name[7] = c;
        span(&made_gil_at(&t, 0)->waits, add_thread(0, name), 100, 110);
    }
    for (int32_t pid = 1000; pid < 1100; pid++) {
        uint32_t gil = add_process(pid);

        span(&made_gil_at(&t, gil)->waits, add_thread(gil, "worker"), 100, 110);
    }
    add(0, 1000, NULL);
    show(true);
    assert_int_equal(count_of("gil_wait_seconds_total{pid=\"10\""), GT_METRICS_GROUPS_MAX + 1);
    assert_int_equal(count_of("gil_handovers_total{"), GT_METRICS_PROCESSES_MAX + 1);
    assert_shown("gil_wait_seconds_total{pid=\"10\",process=\"app.py 10\",group=\"other\"} "
                 "0.180000000\n");
    assert_shown("gil_handovers_total{pid=\"\",process=\"other\"} 69\n");
    assert_true(count_of("\n") < 600);
    /* Nothing is lost, and nothing twice. */
    add(0, 1000, NULL);
    assert_shown("gil_handovers_total{pid=\"\",process=\"other\"} 138\n");
}

static size_t count_in(int32_t pid)
{
    size_t count = 0;

    for (size_t i = 0; i < registry.count; i++)
        count += registry.processes[i].pid == pid;
    return count;
}

static void what_ends_at_once_is_another(void **state)
{
    struct gt_lives lives;
    struct gt_window window = {.timeline = &t, .until_ns = 1000 * MS, .lives = &lives};

    (void)state;
    gt_lives_init(&lives);
    span(&made_gil_at(&t, 0)->waits, add_thread(0, "waiter"), 100, 200);
    assert_int_equal(gt_registry_add(&registry, &source, &window, label, NULL, NULL), 0);
    assert_int_equal(registry.count, 0);
    assert_shown("gil_handovers_total{pid=\"\",process=\"other\"} 1\n");
    source.root_pid = 10;
    assert_int_equal(gt_registry_add(&registry, &source, &window, label, NULL, NULL), 0);
    assert_shown("gil_handovers_total{pid=\"10\",process=\"app.py 10\"} 1\n");
    assert_shown("gil_handovers_total{pid=\"\",process=\"other\"} 1\n");
    gt_lives_release(&lives);
}

static void sweep(const struct gt_lives *lives, int64_t now_ns)
{
    gt_registry_sweep(&registry, &source, lives, now_ns);
    gt_registry_expire(&registry, now_ns);
}

static void what_ended_goes_later(void **state)
{
    struct gt_lives lives;
    struct gt_event event = {
        .kind = GT_EVENT_COMM, .pid = 10, .tid = 10, .new_name = {.text = "x", .length = 1}};

    (void)state;
    gt_lives_init(&lives);
    assert_int_equal(gt_lives_note(&lives, &event), 0);
    span(&made_gil_at(&t, 0)->waits, add_thread(0, "waiter"), 100, 200);
    add(0, 1000, NULL);
    sweep(&lives, 1000 * MS);
    sweep(&lives, 1000 * MS + 2 * GT_METRICS_KEEP_NS);
    assert_int_equal(registry.count, 1);
    event.kind = GT_EVENT_EXIT;
    gt_lives_note(&lives, &event);
    sweep(&lives, 2000 * MS);
    sweep(&lives, 2000 * MS + GT_METRICS_KEEP_NS - 1);
    assert_int_equal(registry.count, 1);
    /* Its number is used anew, under the same name: the counter goes on. */
    add(0, 1000, NULL);
    assert_int_equal(registry.processes[0].groups[0].wait_ns, 200 * MS);
    sweep(&lives, 3000 * MS);
    sweep(&lives, 3000 * MS + GT_METRICS_KEEP_NS);
    assert_int_equal(registry.count, 0);
    assert_int_equal(registry.group_total, 0);
    gt_lives_release(&lives);
}

/* All but one have ended when another process comes. */
static void what_ended_makes_room(void **state)
{
    struct gt_registry_source second = {0};

    (void)state;
    for (int32_t pid = 1000; pid < 1100; pid++) {
        uint32_t gil = add_process(pid);

        span(&made_gil_at(&t, gil)->waits, add_thread(gil, "worker"), 100, 110);
    }
    add(0, 1000, NULL);
    assert_int_equal(registry.count, GT_METRICS_PROCESSES_MAX);
    gt_registry_end_source(&registry, &source, 1000 * MS);
    for (uint32_t i = 0; i < t.processes.count; i++) /* who still runs */
        ((struct gt_process *)gt_chunks_at(&t.processes, i))->own_pid = 2000;
    for (int late = 0; late < 2; late++) {
        const struct gt_window window = {
            .timeline = &t, .until_ns = 1000 * MS + GT_METRICS_KEEP_LEAST_NS - 1 + late};

        assert_int_equal(
            gt_registry_add(&registry, &second, &window, label, (void *)"b.py ", NULL), 0);
        assert_int_equal(count_in(2000), late);
    }
    assert_int_equal(registry.count, GT_METRICS_PROCESSES_MAX);
    gt_registry_end_source(&registry, &second, 0);
}

/* The one that came first counts it, until it has ended. */
static void two_sources_count_nothing_twice(void **state)
{
    struct gt_registry_source second = {0};
    const struct gt_window window = {.timeline = &t, .until_ns = 1000 * MS};

    (void)state;
    span(&made_gil_at(&t, 0)->waits, add_thread(0, "waiter"), 100, 200);
    add(0, 1000, NULL);
    assert_int_equal(gt_registry_add(&registry, &second, &window, label, NULL, NULL), 0);
    assert_int_equal(registry.count, 1);
    assert_shown("gil_handovers_total{pid=\"10\",process=\"app.py 10\"} 1\n");
    gt_registry_end_source(&registry, &source, 1000 * MS);
    assert_int_equal(gt_registry_add(&registry, &second, &window, label, NULL, NULL), 0);
    assert_shown("gil_handovers_total{pid=\"10\",process=\"app.py 10\"} 2\n");
    assert_shown("giltracer_recorded_seconds_total 3.000000000\n");
    /* What ended is there for a while, but does not wait any more. */
    gt_registry_end_source(&registry, &second, 1000 * MS);
    gt_registry_expire(&registry, 1000 * MS + GT_WINDOW_NS - 1);
    assert_int_equal(registry.processes[0].groups[0].longest_wait_ns, 100 * MS);
    gt_registry_expire(&registry, 1000 * MS + GT_WINDOW_NS);
    assert_int_equal(registry.processes[0].groups[0].longest_wait_ns, 0);
    assert_int_equal(registry.count, 1);
}

static void two_forms_of_text(void **state)
{
    (void)state;
    add(0, 1000, NULL);
    assert_shown("# TYPE giltracer_gil_wait_seconds counter\n"
                 "# UNIT giltracer_gil_wait_seconds seconds\n");
    assert_shown("# TYPE giltracer_build info\ngiltracer_build_info{version=\"");
    assert_string_equal(text.data + text.length - 6, "# EOF\n");
    show(false);
    assert_non_null(strstr(text.data, "# TYPE giltracer_gil_wait_seconds_total counter\n"));
    assert_non_null(strstr(text.data, "# TYPE giltracer_build_info gauge\n"));
    assert_null(strstr(text.data, "# UNIT"));
    assert_string_equal(text.data + text.length - 6, "# EOF\n");
    self.recording = false;
    assert_shown("\ngiltracer_recording 0\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_part_counts_in_its_stretch, begin, end),
        cmocka_unit_test_setup_teardown(contended_time_counts_once, begin, end),
        cmocka_unit_test_setup_teardown(names_are_escaped_and_visible, begin, end),
        cmocka_unit_test_setup_teardown(names_that_look_equal_are_one_group, begin, end),
        cmocka_unit_test_setup_teardown(groups_and_processes_are_bounded, begin, end),
        cmocka_unit_test_setup_teardown(what_ends_at_once_is_another, begin, end),
        cmocka_unit_test_setup_teardown(what_ended_goes_later, begin, end),
        cmocka_unit_test_setup_teardown(what_ended_makes_room, begin, end),
        cmocka_unit_test_setup_teardown(two_sources_count_nothing_twice, begin, end),
        cmocka_unit_test_setup_teardown(two_forms_of_text, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
