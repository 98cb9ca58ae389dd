/* SPDX-License-Identifier: MIT */
/* ingest/align: clocks of several machines, whose truth is made up here, come onto one. */
#include "ingest/align.h"

#include "base/nstime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define S   ((int64_t)GT_NS_PER_S)
#define NOW (1800000000 * S)

/* Of a machine whose clock shows `shift_ns` at NOW, and whose wall clock goes `rate` faster. */
static struct gt_clock_anchor anchor(int64_t shift_ns, double rate, int64_t after_ns)
{
    return (struct gt_clock_anchor){.monotonic_ns = shift_ns + after_ns,
                                    .realtime_ns =
                                        NOW + after_ns + (int64_t)((double)after_ns * rate),
                                    .within_ns = 200,
                                    .error_ns = 1000};
}

static struct gt_aligned made(const char *boot, int64_t shift_ns, double rate)
{
    struct gt_aligned aligned = {.name = boot,
                                 .clocks = {.first = anchor(shift_ns, rate, 0),
                                            .last = anchor(shift_ns, rate, 100 * S)}};

    for (size_t i = 0; boot[i]; i++)
        aligned.clocks.boot_id[i] = boot[i];
    return aligned;
}

/* One boot has one clock: nothing changes, whatever its wall clock did, or was not read. */
static void test_one_boot(void **state)
{
    struct gt_aligned list[] = {made("a", 5 * S, 0), made("a", 5 * S, 0.1),
                                made("a", 7 * S, 0)};
    struct gt_alignment alignment;
    struct gt_error err;

    (void)state;
    list[2].clocks.first = list[2].clocks.last = (struct gt_clock_anchor){0};
    assert_int_equal(gt_align(list, 3, &alignment, &err), 0);
    assert_int_equal(alignment.machines, 1);
    assert_int_equal(alignment.error_ns, 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(gt_clock_map_ns(&list[i].map, 1234567890123), 1234567890123);
}

/* The same moment is the same time, at the start, at the end, between and around. */
static void check_moments(const struct gt_aligned *list, size_t count, const int64_t *shifts_ns,
                          const double *rates, int64_t within_ns)
{
    for (int64_t at_ns = -S; at_ns <= 101 * S; at_ns += S / 2)
        for (size_t i = 1; i < count; i++) {
            /* On its own clock, when the wall clocks show NOW + at_ns. */
            int64_t first_ns = shifts_ns[0] + (int64_t)((double)at_ns / (1 + rates[0]));
            int64_t own_ns = shifts_ns[i] + (int64_t)((double)at_ns / (1 + rates[i]));
            int64_t apart_ns =
                gt_clock_map_ns(&list[i].map, own_ns) - gt_clock_map_ns(&list[0].map, first_ns);

            assert_in_range(llabs(apart_ns), 0, within_ns);
        }
}

static void test_drift_is_taken_out(void **state)
{
    const int64_t shifts_ns[] = {900 * S, 5 * S, 40000 * S};
    const double rates[] = {0, 50e-6, -50e-6};
    struct gt_aligned list[3];
    struct gt_alignment alignment;
    struct gt_error err;

    (void)state;
    for (int i = 0; i < 3; i++)
        list[i] = made((const char *[]){"a", "b", "c"}[i], shifts_ns[i], rates[i]);
    assert_int_equal(gt_align(list, 3, &alignment, &err), 0);
    assert_int_equal(alignment.machines, 3);
    assert_int_equal(alignment.unknown, 0);
    assert_int_equal(alignment.error_ns, 2 * (200 + 1000));
    assert_true(alignment.drift_ppm > 49.9 && alignment.drift_ppm < 50.1);
    check_moments(list, 3, shifts_ns, rates, alignment.error_ns);
}

/* A wall clock that somebody set is no rate: all of the step is in the stated error. */
static void test_a_step_is_no_rate(void **state)
{
    struct gt_aligned list[] = {made("a", 900 * S, 0), made("b", 5 * S, 0)};
    struct gt_alignment alignment;
    struct gt_error err;

    (void)state;
    list[1].clocks.last.realtime_ns += 3 * S;
    list[1].clocks.last.error_ns = -1;
    assert_int_equal(gt_align(list, 2, &alignment, &err), 0);
    assert_int_equal(alignment.set_ns, 3 * S);
    assert_int_equal(alignment.unknown, 1);
    assert_true(alignment.error_ns >= 3 * S && alignment.error_ns < 3 * S + 10000);
    assert_int_equal(
        gt_clock_map_ns(&list[1].map, 55 * S) - gt_clock_map_ns(&list[0].map, 950 * S), 0);
}

/* Times are those of the machine whose recording is the earliest, so none is below 0. */
static void test_the_earliest_is_the_base(void **state)
{
    struct gt_aligned list[] = {made("late", S, 0), made("early", 900 * S, 0)};
    struct gt_alignment alignment;
    struct gt_error err;

    (void)state;
    list[1].clocks.first.realtime_ns -= 500 * S;
    list[1].clocks.last.realtime_ns -= 500 * S;
    assert_int_equal(gt_align(list, 2, &alignment, &err), 0);
    assert_int_equal(gt_clock_map_ns(&list[1].map, 900 * S), 900 * S);
    assert_int_equal(gt_clock_map_ns(&list[0].map, S), 1400 * S);
}

static void test_what_cannot_be_aligned(void **state)
{
    struct gt_aligned list[] = {made("a", S, 0), made("b", S, 0)};
    struct gt_alignment alignment;
    struct gt_error err;

    (void)state;
    list[1].clocks.first.realtime_ns += 20 * 366 * 86400 * S;
    list[1].clocks.last.realtime_ns += 20 * 366 * 86400 * S;
    assert_int_equal(gt_align(list, 2, &alignment, &err), GT_ERR_FORMAT);
    assert_non_null(strstr(err.message, "20.0 years after a"));
    list[1] = made("b", S, 0);
    list[1].clocks.first = list[1].clocks.last = (struct gt_clock_anchor){0};
    assert_int_equal(gt_align(list, 2, &alignment, &err), GT_ERR_FORMAT);
    assert_non_null(strstr(err.message, "b keeps no reading of the wall clock"));
    /* Nonsense is as if it were not there. */
    list[1] = made("b", S, 0);
    list[1].clocks.first.monotonic_ns = list[1].clocks.last.monotonic_ns = -5;
    assert_int_equal(gt_align(list, 2, &alignment, &err), GT_ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_boot),
        cmocka_unit_test(test_drift_is_taken_out),
        cmocka_unit_test(test_a_step_is_no_rate),
        cmocka_unit_test(test_the_earliest_is_the_base),
        cmocka_unit_test(test_what_cannot_be_aligned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
