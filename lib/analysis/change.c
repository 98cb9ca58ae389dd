/* SPDX-License-Identifier: MIT */
#include "analysis/change.h"

#include <math.h>
#include <stdlib.h>

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
    return runs_before > 1 || runs_after > 1;
}

struct gt_change gt_change_between(const struct gt_spread *before, uint32_t runs_before,
                                   const struct gt_spread *after, uint32_t runs_after)
{
    double noise_before = gt_spread_noise(before), noise_after = gt_spread_noise(after);
    struct gt_change change = {.by = after->median - before->median,
                               .noise =
                                   noise_before > noise_after ? noise_before : noise_after};

    if (!gt_change_noise_is_known(runs_before, runs_after))
        change.kind = GT_CHANGE_UNKNOWN;
    else if (fabs(change.by) <= change.noise)
        change.kind = GT_CHANGE_NOISE;
    else
        change.kind = change.by > 0 ? GT_CHANGE_MORE : GT_CHANGE_LESS;
    return change;
}
