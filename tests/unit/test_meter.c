/* SPDX-License-Identifier: MIT */
/* lib/launch/meter: when probes cost too much. */
#include "agent/wire.h"
#include "launch/meter.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { MS = 1000000, US = 1000 };

static void the_rule(void **state)
{
    (void)state;
    /* 10 ms on top of 90. */
    assert_true(gt_cost_too_dear(10 * MS, 100 * MS, 11));
    assert_false(gt_cost_too_dear(10 * MS, 100 * MS, 12));
    /* Threads that are hit at once may have cost more than has passed. */
    assert_true(gt_cost_too_dear(1000 * MS, 100 * MS, 10000));
    assert_false(gt_cost_too_dear(1000 * MS, 100 * MS, 0));
    /* A few milliseconds of a start are no reason. */
    assert_false(gt_cost_too_dear(9 * MS, 20 * MS, 15));
}

static void set(int fd, size_t offset, const void *value, size_t size)
{
    assert_int_equal(pwrite(fd, value, size, (off_t)offset), size);
}

static bool too_dear(const struct gt_meter *meter, int64_t hit_ns, int64_t now_ns)
{
    const struct gt_gate_report costs = {.hit_ns = hit_ns, .switch_ns = -1};

    return gt_meter_too_dear(meter, &costs, now_ns);
}

static void agents_count(void **state)
{
    char path[] = "/tmp/gt-test-meter-XXXXXX";
    uint64_t calls = 10000, ticks = 5;
    uint32_t one = 1, none = 0;
    int fd = mkstemp(path);
    struct gt_meter meter = {.probes_path = "/nonexistent", .percent = 15, .control_fd = fd};

    (void)state;
    assert_true(fd >= 0);
    unlink(path);
    /* No agent has come yet. */
    assert_false(too_dear(&meter, 10 * US, 200 * MS));
    assert_int_equal(ftruncate(fd, sizeof(struct gt_wire_control)), 0);
    assert_false(too_dear(&meter, 10 * US, 200 * MS));
    set(fd, offsetof(struct gt_wire_control, gil_calls), &calls, sizeof(calls));
    assert_true(too_dear(&meter, 10 * US, 200 * MS));
    assert_false(too_dear(&meter, 1 * US, 2000 * MS));
    /* Unknown: as in a virtual machine. */
    assert_true(too_dear(&meter, -1, 200 * MS));
    /* An agent that does not go on cannot stand in for the probes. */
    set(fd, offsetof(struct gt_wire_control, troubles), &one, sizeof(one));
    assert_false(too_dear(&meter, 10 * US, 200 * MS));
    set(fd, offsetof(struct gt_wire_control, troubles), &none, sizeof(none));
    set(fd, offsetof(struct gt_wire_control, stop_count), &one, sizeof(one));
    assert_false(too_dear(&meter, 10 * US, 200 * MS));
    set(fd, offsetof(struct gt_wire_control, stop_count), &none, sizeof(none));
    set(fd, offsetof(struct gt_wire_control, stopped_ticks), &ticks, sizeof(ticks));
    assert_false(too_dear(&meter, 10 * US, 200 * MS));
    close(fd);
}

/* Where nobody asked for what is recorded beside the probes, its cost counts, too. */
static void switches_count(void **state)
{
    char path[] = "/tmp/gt-test-meter-XXXXXX", data[] = "/tmp/gt-test-meter-XXXXXX";
    const struct gt_gate_report costs = {.hit_ns = 1 * US, .switch_ns = 2 * US};
    uint64_t calls = 64;
    int fd = mkstemp(path), data_fd = mkstemp(data);
    struct gt_meter meter = {
        .probes_path = "/nonexistent", .rest_path = data, .percent = 15, .control_fd = fd};

    (void)state;
    assert_true(fd >= 0 && data_fd >= 0);
    unlink(path);
    assert_int_equal(ftruncate(fd, sizeof(struct gt_wire_control)), 0);
    set(fd, offsetof(struct gt_wire_control, gil_calls), &calls, sizeof(calls));
    assert_int_equal(ftruncate(data_fd, 20000 * 280), 0);
    assert_true(gt_meter_too_dear(&meter, &costs, 200 * MS));
    assert_false(gt_meter_too_dear(&meter, &costs, 400 * MS));
    assert_false(too_dear(&meter, 1 * US, 200 * MS));
    meter.rest_path = NULL;
    assert_false(gt_meter_too_dear(&meter, &costs, 200 * MS));
    unlink(data);
    close(fd);
    close(data_fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rule),
        cmocka_unit_test(agents_count),
        cmocka_unit_test(switches_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
