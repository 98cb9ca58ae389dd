/* SPDX-License-Identifier: MIT */
/* lib/analysis/change: the median and the noise of several runs, and what is more than noise.
 */
#include "analysis/change.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct gt_spread STEADY = {90, 100, 110}; /* its noise is 10 */

static void the_median_is_of_the_values_in_order(void **state)
{
    double odd[] = {30, 10, 20}, even[] = {40, 10, 30, 20}, one[] = {7};
    struct gt_spread spread = gt_spread_of(odd, 3);

    (void)state;
    assert_true(spread.least == 10 && spread.median == 20 && spread.greatest == 30);
    assert_true(gt_spread_noise(&spread) == 10);
    spread = gt_spread_of(even, 4);
    assert_true(spread.least == 10 && spread.median == 25 && spread.greatest == 40);
    spread = gt_spread_of(one, 1);
    assert_true(spread.least == 7 && spread.median == 7 && spread.greatest == 7);
    assert_true(gt_spread_noise(&spread) == 0);
    spread = gt_spread_of(NULL, 0);
    assert_true(spread.least == 0 && spread.median == 0 && spread.greatest == 0);
}

static void short_times_do_not_matter_and_small_shares_do(void **state)
{
    const struct gt_spread below = {0, 99999, 1e9}, at = {0, 100000, 1e9}, share = {0, 0, 0};

    (void)state;
    assert_false(gt_spread_matters(&below, false));
    assert_true(gt_spread_matters(&at, false));
    assert_true(gt_spread_matters(&share, true));
}

static void check_change(const struct gt_spread *after, uint32_t runs_before,
                         uint32_t runs_after, enum gt_change_kind kind)
{
    struct gt_change change = gt_change_between(&STEADY, runs_before, after, runs_after, false);

    assert_int_equal(change.kind, kind);
    assert_true(change.by == after->median - STEADY.median);
}

static void a_change_is_what_exceeds_the_noise(void **state)
{
    const struct gt_spread same = {100, 110, 112}, more = {111, 111, 111}, less = {89, 89, 89};

    (void)state;
    check_change(&same, 9, 8, GT_CHANGE_NOISE); /* by just as much as the noise */
    check_change(&more, 9, 8, GT_CHANGE_MORE);
    check_change(&less, 9, 8, GT_CHANGE_LESS);
}

static void the_noise_is_that_of_the_noisier_side(void **state)
{
    const struct gt_spread noisy = {80, 120, 140}; /* 30 */
    struct gt_change change = gt_change_between(&STEADY, 10, &noisy, 10, false);

    (void)state;
    assert_int_equal(change.kind, GT_CHANGE_NOISE);
    assert_true(change.noise == 30);
    change = gt_change_between(&noisy, 10, &STEADY, 10, false);
    assert_int_equal(change.kind, GT_CHANGE_NOISE);
    assert_true(change.noise == 30 && change.by == -20);
}

/* Three runs lie together by chance, and three others beside them. */
static void the_fewer_the_runs_the_more_is_noise(void **state)
{
    const struct gt_spread by_28 = {128, 128, 128}, by_29 = {129, 129, 129};
    const struct gt_spread by_80 = {180, 180, 180}, by_81 = {181, 181, 181};

    (void)state;
    check_change(&by_28, 3, 3, GT_CHANGE_NOISE);
    check_change(&by_29, 3, 3, GT_CHANGE_MORE);
    check_change(&by_28, 5, 5, GT_CHANGE_MORE);
    check_change(&by_80, 3, 1, GT_CHANGE_NOISE);
    check_change(&by_81, 3, 1, GT_CHANGE_MORE);
}

static void one_run_on_each_side_tells_no_noise(void **state)
{
    const struct gt_spread more = {200, 200, 200};

    (void)state;
    check_change(&more, 1, 1, GT_CHANGE_UNKNOWN);
    check_change(&more, 2, 1, GT_CHANGE_UNKNOWN);
    check_change(&more, 1, 2, GT_CHANGE_UNKNOWN);
    check_change(&more, 1, 3, GT_CHANGE_MORE);
}

static enum gt_change_kind kind_of_shares(double before, double after, uint32_t runs)
{
    const struct gt_spread one = {before, before, before}, other = {after, after, after};

    return gt_change_between(&one, runs, &other, runs, true).kind;
}

static void less_than_half_a_percent_of_the_time_is_no_change(void **state)
{
    (void)state;
    assert_int_equal(kind_of_shares(0.0001, 0.0002, 3), GT_CHANGE_SAME); /* without noise */
    assert_int_equal(kind_of_shares(0.5, 0.4951, 3), GT_CHANGE_SAME);
    assert_int_equal(kind_of_shares(0.25, 0.25 + 0.0051, 3), GT_CHANGE_MORE);
    assert_int_equal(kind_of_shares(0.5, 0.49, 3), GT_CHANGE_LESS);
    assert_int_equal(kind_of_shares(0.1, 0.1, 1), GT_CHANGE_SAME);
    assert_int_equal(kind_of_shares(0.1, 0.2, 1), GT_CHANGE_UNKNOWN);
    assert_int_equal(gt_change_between(&STEADY, 3, &STEADY, 3, false).kind, GT_CHANGE_SAME);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_median_is_of_the_values_in_order),
        cmocka_unit_test(short_times_do_not_matter_and_small_shares_do),
        cmocka_unit_test(a_change_is_what_exceeds_the_noise),
        cmocka_unit_test(the_noise_is_that_of_the_noisier_side),
        cmocka_unit_test(the_fewer_the_runs_the_more_is_noise),
        cmocka_unit_test(one_run_on_each_side_tells_no_noise),
        cmocka_unit_test(less_than_half_a_percent_of_the_time_is_no_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
