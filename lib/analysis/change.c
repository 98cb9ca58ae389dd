/* SPDX-License-Identifier: MIT */
#include "analysis/change.h"

#include <math.h>
#include <stdlib.h>

enum { KNOWN_RUNS = 4 };

static int compare_values(const void *a, const void *b)
{
    const double *left = a, *right = b;

    return (*left > *right) - (*left < *right);
}

struct gt_spread gt_spread_of(double *values, uint32_t count)
{
    if (count == 0)
        return (struct gt_spread){0};
    qsort(values, count, sizeof(*values), compare_values);
    return (struct gt_spread){values[0], (values[(count - 1) / 2] + values[count / 2]) / 2,
                              values[count - 1]};
}

double gt_spread_noise(const struct gt_spread *spread)
{
    return (spread->greatest - spread->least) / 2;
}

bool gt_spread_matters(const struct gt_spread *spread, bool share)
{
    enum { LEAST_NS = 100000 };

    return share || !(spread->median < LEAST_NS);
}

bool gt_change_noise_is_known(uint32_t runs_before, uint32_t runs_after)
{
    return runs_before + runs_after >= KNOWN_RUNS;
}

/*
 * How much of the noise the medians of so many runs differ by in one case of fifty, as a rule:
 * found by drawing values that are distributed normally. (Three runs on each side: 2.8; 1.5 of
 * five, 0.8 of ten.)
 */
static double by_chance(uint32_t runs)
{
    enum { FEW_RUNS = 17 };

    if (runs == KNOWN_RUNS)
        return 8;
    if (runs == KNOWN_RUNS + 1)
        return 4;
    return runs < FEW_RUNS ? (double)FEW_RUNS / runs : 1;
}

/* Runs of one program can all have the same tiny share, and so no noise at all. */
static bool is_nothing(double by, bool share)
{
    static const double least_share = 0.005;

    return share ? fabs(by) < least_share : by == 0;
}

struct gt_change gt_change_between(const struct gt_spread *before, uint32_t runs_before,
                                   const struct gt_spread *after, uint32_t runs_after,
                                   bool share)
{
    double noise_before = gt_spread_noise(before), noise_after = gt_spread_noise(after);
    struct gt_change change = {.by = after->median - before->median,
                               .noise =
                                   noise_before > noise_after ? noise_before : noise_after};

    change.noise *= by_chance(runs_before + runs_after);

    if (is_nothing(change.by, share))
        change.kind = GT_CHANGE_SAME;
    else if (!gt_change_noise_is_known(runs_before, runs_after))
        change.kind = GT_CHANGE_UNKNOWN;
    else if (fabs(change.by) <= change.noise)
        change.kind = GT_CHANGE_NOISE;
    else
        change.kind = change.by > 0 ? GT_CHANGE_MORE : GT_CHANGE_LESS;
    return change;
}
