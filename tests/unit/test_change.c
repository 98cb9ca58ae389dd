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
    struct gt_change change = gt_change_between(&STEADY, runs_before, after, runs_after);

    assert_int_equal(change.kind, kind);
    assert_true(change.by == after->median - STEADY.median);
}

static void a_change_is_what_exceeds_the_noise(void **state)
{
    const struct gt_spread same = {100, 110, 112}, more = {111, 111, 111}, less = {89, 89, 89};

    (void)state;
    check_change(&same, 3, 3, GT_CHANGE_NOISE); /* by just as much as the noise */
    check_change(&more, 3, 3, GT_CHANGE_MORE);
    check_change(&less, 3, 3, GT_CHANGE_LESS);
}

static void the_noise_is_that_of_the_noisier_side(void **state)
{
    const struct gt_spread noisy = {80, 120, 140}; /* 30 */
    struct gt_change change = gt_change_between(&STEADY, 3, &noisy, 3);

    (void)state;
    assert_int_equal(change.kind, GT_CHANGE_NOISE);
    assert_true(change.noise == 30);
    change = gt_change_between(&noisy, 3, &STEADY, 3);
    assert_int_equal(change.kind, GT_CHANGE_NOISE);
    assert_true(change.noise == 30 && change.by == -20);
}

static void one_run_on_each_side_tells_no_noise(void **state)
{
    const struct gt_spread more = {200, 200, 200};

    (void)state;
    check_change(&more, 1, 1, GT_CHANGE_UNKNOWN);
    check_change(&more, 2, 1, GT_CHANGE_MORE);
    check_change(&more, 1, 2, GT_CHANGE_MORE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_median_is_of_the_values_in_order),
        cmocka_unit_test(short_times_do_not_matter_and_small_shares_do),
        cmocka_unit_test(a_change_is_what_exceeds_the_noise),
        cmocka_unit_test(the_noise_is_that_of_the_noisier_side),
        cmocka_unit_test(one_run_on_each_side_tells_no_noise),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
