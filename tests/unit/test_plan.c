/* SPDX-License-Identifier: MIT */
/* What is planned on which machine; the machine's own description. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "launch/caps.h"
#include "launch/counters.h"
#include "launch/plan.h"

#include <stdio.h>
#include <string.h>

static struct gt_caps caps;
static struct gt_interp interp;
static struct gt_plan plan;
static struct gt_error err;
static bool agent_possible;
static char *const target[] = {"python3", "x.py", NULL};

static int setup(void **state)
{
    (void)state;
    gt_caps_init(&caps);
    gt_interp_init(&interp);
    gt_plan_init(&plan);
    agent_possible = false;
    caps.perf = "perf";
    caps.perf_major = 6;
    caps.perf_minor = 1;
    caps.cpu_count = 2;
    caps.perfmon = caps.sys_admin = caps.ipc_lock = true;
    caps.available_bytes = UINT64_C(16) << 30;
    caps.mlock_kb = 516;
    interp.command = "python3";
    interp.libc = "/nonexistent/libc.so.6";
    interp.executable = "/nonexistent/python3";
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    gt_plan_release(&plan);
    gt_buf_release(&caps.installed);
    return 0;
}

static int make(bool detect, enum gt_gil_source source)
{
    struct gt_plan_request request = {
        .gil_source = source,
        .gil_detect = detect,
        .agent_possible = agent_possible,
        .target = target,
    };

    return gt_plan_make(&plan, &request, &caps, &interp, &err);
}

static void test_nothing_to_detect(void **state)
{
    (void)state;
    assert_int_equal(make(false, GT_GIL_AUTO), 0);
    assert_int_equal(plan.gil_source, GT_GIL_NONE);
    assert_int_equal(plan.probes.count, 0);
    assert_string_equal(plan.events.items[0], "dummy:u");
    assert_string_equal(plan.target.items[1], "x.py");
}

enum { STATES = 3 }; /* tracepoints of the scheduler, to judge holders by */

static bool has_event(const char *event)
{
    for (size_t i = 0; i < plan.events.count; i++)
        if (strcmp(plan.events.items[i], event) == 0)
            return true;
    return false;
}

static void test_events_are_kept_apart(void **state)
{
    (void)state;
    strcpy(caps.install_why, "needs root");
    caps.shared_probes = true;
    assert_int_equal(make(true, GT_GIL_UPROBES), 0);
    assert_false(has_event("dummy:uS")); /* an older kernel refuses it */
    gt_plan_release(&plan);
    caps.sample_read = true;
    assert_int_equal(make(true, GT_GIL_UPROBES), 0);
    assert_true(has_event("dummy:uS"));
    gt_plan_release(&plan);
    assert_int_equal(make(true, GT_GIL_FUTEX), 0); /* tracepoints need no breakpoints */
    assert_false(has_event("dummy:uS"));
}

/* By default the agent sees the GIL beside the probes, which a perf of their own records; who
 * asks for probes, or cannot have the agent, has them alone. */
static void test_two_sources(void **state)
{
    (void)state;
    strcpy(caps.install_why, "needs root");
    caps.shared_probes = caps.sample_read = true;
    agent_possible = true;
    assert_int_equal(make(true, GT_GIL_AUTO), 0);
    assert_int_equal(plan.gil_source, GT_GIL_UPROBES);
    assert_true(plan.two_sources && plan.agent);
    assert_int_equal(plan.probe_events.count, 2);
    assert_string_equal(plan.probe_events.items[1], "dummy:uS");
    assert_false(has_event("dummy:uS"));
    assert_false(has_event(plan.probe_events.items[0]));
    gt_plan_release(&plan);
    assert_int_equal(make(true, GT_GIL_UPROBES), 0);
    assert_false(plan.two_sources || plan.agent);
    assert_int_equal(plan.probe_events.count, 0);
    gt_plan_release(&plan);
    agent_possible = false;
    assert_int_equal(make(true, GT_GIL_AUTO), 0);
    assert_false(plan.two_sources || plan.agent);
    assert_true(has_event("dummy:uS"));
}

/* Probes need a libc that is understood, and there is none: tracepoints. */
static void test_futex_by_tracepoints(void **state)
{
    (void)state;
    assert_int_equal(make(true, GT_GIL_FUTEX), 0);
    assert_int_equal(plan.gil_source, GT_GIL_FUTEX);
    assert_true(plan.futex);
    assert_int_equal(plan.probes.count, 0);
    assert_true(plan.probes.group[0]);
    assert_true(has_event("syscalls:sys_enter_futex") && has_event("syscalls:sys_exit_futex"));
}

static void test_no_perf(void **state)
{
    (void)state;
    strcpy(caps.record_why, "perf is not installed");
    assert_int_equal(make(true, GT_GIL_UPROBES), GT_ERR_UNSUPPORTED);
    assert_string_equal(err.message, "perf is not installed");
    gt_plan_release(&plan);
    assert_int_equal(make(true, GT_GIL_AUTO), 0);
    assert_int_equal(plan.gil_source, GT_GIL_AGENT);
    assert_true(plan.agent);
    assert_int_equal(plan.events.count, 0);
    assert_non_null(strstr(plan.notes.items[0], "perf is not installed"));
}

static void test_no_privilege(void **state)
{
    (void)state;
    strcpy(caps.install_why, "needs root");
    assert_int_equal(make(true, GT_GIL_UPROBES), GT_ERR_PERMISSION);
    assert_non_null(strstr(err.message, "needs root"));
}

static void test_installed_probes_are_used(void **state)
{
    (void)state;
    strcpy(caps.install_why, "needs root");
    caps.installed_probes = true;
    gt_buf_adds(&caps.installed, "python:take_gil\npython:take_gil__return\npython:drop_gil\n");
    assert_int_equal(make(true, GT_GIL_AUTO), 0);
    assert_int_equal(plan.gil_source, GT_GIL_FUNCTIONS);
    assert_true(plan.installed_probes);
    assert_int_equal(plan.probes.count, 0);
    assert_int_equal(plan.events.count, 3 + STATES);
    assert_string_equal(plan.events.items[1], "python:take_gil__return");
    assert_int_equal(plan.notes.count, 1);
}

static void test_shared_probes_come_first(void **state)
{
    (void)state;
    strcpy(caps.install_why, "needs root");
    caps.installed_probes = caps.shared_probes = true;
    gt_buf_adds(&caps.installed, "python:take_gil\n");
    assert_int_equal(make(true, GT_GIL_AUTO), 0);
    assert_int_equal(plan.gil_source, GT_GIL_UPROBES);
    assert_int_equal(plan.events.count, 1 + STATES);
    assert_string_equal(plan.events.items[0], "giltracer:*");
    gt_plan_release(&plan);
    assert_int_equal(make(true, GT_GIL_FUNCTIONS), 0);
    assert_int_equal(plan.gil_source, GT_GIL_FUNCTIONS);
    assert_string_equal(plan.events.items[0], "python:take_gil");
}

static void test_installed_probes_cannot_be_recorded(void **state)
{
    (void)state;
    strcpy(caps.install_why, "needs root");
    strcpy(caps.trace_why, "paranoid");
    caps.installed_probes = true;
    assert_int_equal(make(true, GT_GIL_FUNCTIONS), GT_ERR_PERMISSION);
    assert_non_null(strstr(err.message, "paranoid"));
    gt_plan_release(&plan);
    assert_int_equal(make(true, GT_GIL_AUTO), 0);
    assert_int_equal(plan.gil_source, GT_GIL_AGENT);
}

static void test_missing_libc(void **state)
{
    (void)state;
    assert_int_equal(make(true, GT_GIL_AUTO), GT_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "/nonexistent/libc.so.6"));
}

static bool has_word(const struct gt_strvec *words, const char *word)
{
    for (size_t i = 0; i < words->count; i++)
        if (strcmp(words->items[i], word) == 0)
            return true;
    return false;
}

static void test_record_command(void **state)
{
    struct gt_strvec argv;

    (void)state;
    assert_int_equal(make(false, GT_GIL_AUTO), 0);
    gt_strvec_init(&argv);
    assert_int_equal(gt_plan_record_command(&plan, &caps, GT_RECORDED_REST, 42, 3, 4, &argv),
                     0);
    assert_string_equal(argv.items[0], "perf");
    assert_string_equal(argv.items[1], "record");
    assert_true(has_word(&argv, "fd:3,4"));
    assert_true(has_word(&argv, "42"));
    assert_true(has_word(&argv, "-o") && has_word(&argv, "-"));
    assert_true(has_word(&argv, "CLOCK_MONOTONIC"));
    assert_true(has_word(&argv, "-m"));
    gt_strvec_release(&argv);
}

static void test_each_use_of_the_gil_needs_a_larger_buffer(void **state)
{
    (void)state;
    assert_int_equal(make(false, GT_GIL_AUTO), 0);
    assert_int_equal(plan.buffer_bytes, 16 << 20);
    gt_plan_release(&plan);
    caps.shared_probes = true;
    strcpy(caps.install_why, "needs root");
    assert_int_equal(make(true, GT_GIL_UPROBES), 0);
    assert_int_equal(plan.buffer_bytes, 64 << 20);
    assert_int_equal(gt_plan_buffer_bytes(&plan, &caps), 64 << 20);
    gt_plan_release(&plan);
    agent_possible = true; /* apart from the scheduler's records */
    assert_int_equal(make(true, GT_GIL_AUTO), 0);
    assert_int_equal(plan.buffer_bytes, 16 << 20);
    assert_int_equal(plan.probe_buffer_bytes, 64 << 20);
    assert_int_equal(gt_plan_buffer_bytes(&plan, &caps), 64 << 20);
}

static void test_many_cpus_share_a_budget(void **state)
{
    (void)state;
    caps.cpu_count = 4096;
    assert_int_equal(make(false, GT_GIL_AUTO), 0);
    assert_int_equal(plan.buffer_bytes, 0);
}

static void test_users_have_perfs_own_buffer(void **state)
{
    (void)state;
    caps.perfmon = caps.sys_admin = caps.ipc_lock = false;
    caps.perf_event_paranoid = 2;
    assert_int_equal(make(false, GT_GIL_AUTO), 0);
    assert_int_equal(plan.buffer_bytes, 0);
}

static void build_without_gil(void)
{
    interp.free_threaded = true;
    interp.gil_enabled = false;
    interp.implementation = "cpython";
    strcpy(caps.install_why, "needs root");
    caps.installed_probes = true;
    gt_buf_adds(&caps.installed, "python:take_gil\n");
}

static void test_a_build_without_gil_is_noted(void **state)
{
    struct gt_buf text;

    (void)state;
    build_without_gil();
    assert_int_equal(make(true, GT_GIL_AUTO), 0);
    assert_int_equal(plan.notes.count, 2);
    assert_non_null(strstr(plan.notes.items[1], "free-threaded"));
    gt_buf_init(&text);
    assert_int_equal(gt_plan_print(&plan, &caps, &interp, &text), 0);
    assert_non_null(strstr(text.data, "agent"));
    gt_buf_release(&text);
}

/* It calls take_gil without taking one. */
static void test_a_build_without_gil_is_not_seen_by_functions(void **state)
{
    (void)state;
    build_without_gil();
    assert_int_equal(make(true, GT_GIL_AUTO), 0);
    assert_int_equal(plan.gil_source, GT_GIL_AGENT);
    gt_plan_release(&plan);
    assert_int_equal(make(true, GT_GIL_FUNCTIONS), GT_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "free-threaded"));
    gt_plan_release(&plan);
    interp.gil_enabled = true; /* PYTHON_GIL=1 */
    assert_int_equal(make(true, GT_GIL_FUNCTIONS), 0);
    assert_int_equal(plan.gil_source, GT_GIL_FUNCTIONS);
}

static void check_counter(const char *event, const char *spec, const char *shown)
{
    struct gt_buf text;

    gt_buf_init(&text);
    assert_int_equal(gt_counter_spec(event, 99, false, &text), 0);
    assert_string_equal(text.data, spec);
    gt_buf_reset(&text);
    assert_int_equal(gt_counter_shown(event, &text), 0);
    assert_string_equal(text.data, shown);
    gt_buf_release(&text);
}

static void check_stacked(const char *event, const char *spec)
{
    struct gt_buf text;

    gt_buf_init(&text);
    assert_int_equal(gt_counter_spec(event, 99, true, &text), 0);
    assert_string_equal(text.data, spec);
    gt_buf_release(&text);
}

static void test_counters_with_stacks(void **state)
{
    (void)state;
    check_stacked("cycles", "cycles/freq=99,call-graph=dwarf,stack-size=8192/");
    check_stacked("cycles:u", "cycles/freq=99,call-graph=dwarf,stack-size=8192/u");
    check_stacked("cpu/event=0x3c/u",
                  "cpu/event=0x3c,freq=99,call-graph=dwarf,stack-size=8192/u");
    check_stacked("cycles/period=5/", "cycles/period=5,call-graph=dwarf,stack-size=8192/");
    check_stacked("cycles/call-graph=fp/", "cycles/call-graph=fp,freq=99/");
    check_stacked("page-faults:u", "page-faults/call-graph=dwarf,stack-size=2048/u");
    check_stacked("cs", "cs/call-graph=dwarf,stack-size=2048/");
    check_stacked("syscalls:sys_enter_write",
                  "syscalls:sys_enter_write/call-graph=dwarf,stack-size=2048/");
    check_stacked("syscalls:sys_enter_write:u",
                  "syscalls:sys_enter_write/call-graph=dwarf,stack-size=2048/u");
}

static void test_counters(void **state)
{
    (void)state;
    check_counter("cycles", "cycles/freq=99/", "cycles");
    check_counter("cycles:u", "cycles/freq=99/u", "cycles:u");
    check_counter("cpu-clock:ppp", "cpu-clock/freq=99/ppp", "cpu-clock:ppp");
    check_counter("cpu/event=0x3c/u", "cpu/event=0x3c,freq=99/u", "cpu/event=0x3c/u");
    check_counter("cycles/name=hot,period=5/", "cycles/name=hot,period=5/", "hot");
    /* One by one: */
    check_counter("page-faults:u", "page-faults:u", "page-faults:u");
    check_counter("cs", "cs", "cs");
    check_counter("syscalls:sys_enter_write", "syscalls:sys_enter_write",
                  "syscalls:sys_enter_write");
    check_counter("syscalls:sys_enter_write:u", "syscalls:sys_enter_write:u",
                  "syscalls:sys_enter_write");
}

/* What is recorded for the states is not recorded twice. */
static void test_counters_of_what_is_recorded(void **state)
{
    static char *names[] = {"sched:sched_switch", "page-faults", NULL};
    struct gt_plan_request request = {
        .state_detect = true, .call_graph = true, .counters = names, .target = target};
    int switches = 0, faults = 0;

    (void)state;
    assert_int_equal(gt_plan_make(&plan, &request, &caps, &interp, &err), 0);
    for (size_t i = 0; i < plan.events.count; i++) {
        switches += strncmp(plan.events.items[i], "sched:sched_switch", 18) == 0;
        faults += strncmp(plan.events.items[i], "page-faults/call-graph=", 23) == 0;
    }
    assert_int_equal(switches, 1);
    assert_int_equal(faults, 1);
    assert_int_equal(plan.counters.count, 2);
    assert_true(plan.stacks && plan.counter_stacks);
}

static void test_probe_names(void **state)
{
    (void)state;
    assert_true(gt_caps_is_gil_probe("take_gil"));
    assert_true(gt_caps_is_gil_probe("take_gil_12"));
    assert_true(gt_caps_is_gil_probe("take_gil__return"));
    assert_true(gt_caps_is_gil_probe("take_gil__return_1"));
    assert_true(gt_caps_is_gil_probe("take_gil_1__return"));
    assert_true(gt_caps_is_gil_probe("drop_gil_2"));
    assert_false(gt_caps_is_gil_probe("take_gil_"));
    assert_false(gt_caps_is_gil_probe("take_gil_fast"));
    assert_false(gt_caps_is_gil_probe("take"));
    assert_false(gt_caps_is_gil_probe("drop_gil__returns"));
    assert_false(gt_caps_is_gil_probe("enable"));
}

static void test_perf_versions(void **state)
{
    (void)state;
    gt_caps_read_perf_version(&caps, "perf version 6.1.187\n   zlib: [ on  ]  # HAVE_ZLIB\n");
    assert_string_equal(caps.perf_version, "6.1.187");
    assert_int_equal(caps.perf_major * 100 + caps.perf_minor, 601);
    assert_string_equal(caps.record_why, "");
    gt_caps_read_perf_version(&caps, "perf version 5.4.0\n");
    assert_non_null(strstr(caps.record_why, "5.10"));
    caps.record_why[0] = '\0';
    gt_caps_read_perf_version(&caps,
                              "perf version 6.8.12\n  libtraceevent: [ OFF ]  # HAVE_\n");
    assert_non_null(strstr(caps.record_why, "libtraceevent"));
    caps.record_why[0] = '\0';
    gt_caps_read_perf_version(&caps, "perf version 6.8.12\n  libtraceevent: [ on  ]  # HAVE_\n"
                                     "  libbfd: [ OFF ]\n");
    assert_string_equal(caps.record_why, "");
    gt_caps_read_perf_version(&caps, "WARNING: perf not found for kernel 6.2\n");
    assert_non_null(strstr(caps.record_why, "version"));
}

static void test_sources(void **state)
{
    enum gt_gil_source source = GT_GIL_NONE;

    (void)state;
    assert_int_equal(gt_gil_source_parse("uprobes", &source, &err), 0);
    assert_int_equal(source, GT_GIL_UPROBES);
    assert_int_equal(gt_gil_source_parse("", &source, &err), GT_ERR_USAGE);
    assert_null(gt_gil_source_name(GT_GIL_NONE));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_to_detect),
        TEST(test_events_are_kept_apart),
        TEST(test_two_sources),
        TEST(test_futex_by_tracepoints),
        TEST(test_no_perf),
        TEST(test_no_privilege),
        TEST(test_installed_probes_are_used),
        TEST(test_shared_probes_come_first),
        TEST(test_installed_probes_cannot_be_recorded),
        TEST(test_missing_libc),
        TEST(test_record_command),
        TEST(test_each_use_of_the_gil_needs_a_larger_buffer),
        TEST(test_many_cpus_share_a_budget),
        TEST(test_users_have_perfs_own_buffer),
        TEST(test_a_build_without_gil_is_noted),
        TEST(test_a_build_without_gil_is_not_seen_by_functions),
        TEST(test_perf_versions),
        cmocka_unit_test(test_counters),
        cmocka_unit_test(test_counters_with_stacks),
        TEST(test_counters_of_what_is_recorded),
        cmocka_unit_test(test_probe_names),
        cmocka_unit_test(test_sources),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
