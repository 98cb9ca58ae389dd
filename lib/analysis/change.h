/* SPDX-License-Identifier: MIT */
/* The same figure in several runs of one program: its median, its noise, and whether it changed
 * between two sets of runs. */
#ifndef GT_ANALYSIS_CHANGE_H
#define GT_ANALYSIS_CHANGE_H

#include <stdbool.h>
#include <stdint.h>

/* Of a figure, one value per run. All 0 where there is none. */
struct gt_spread {
    double least, median, greatest;
};

/* Sorts `values`. */
struct gt_spread gt_spread_of(double *values, uint32_t count);

/* Half of the range from the least to the greatest, over its own runs; 0 of one run. */
double gt_spread_noise(const struct gt_spread *spread);

/* Is it worth a line? Times that are too short to matter are not; `share`: it is no time. */
bool gt_spread_matters(const struct gt_spread *spread, bool share);

enum gt_change_kind {
    GT_CHANGE_UNKNOWN, /* the noise is not known */
    GT_CHANGE_SAME,    /* less than matters, whatever the noise */
    GT_CHANGE_NOISE,   /* no more than the noise of either side */
    GT_CHANGE_MORE,
    GT_CHANGE_LESS,
};

struct gt_change {
    enum gt_change_kind kind;
    double by;    /* of the medians; negative: it is less */
    double noise; /* the medians of so many runs of one program differ by more in one case of
                     fifty: the greater noise of both sides, more where runs are few */
};

/* Of fewer than four runs, those of both sides together, no noise is known. */
bool gt_change_noise_is_known(uint32_t runs_before, uint32_t runs_after);

/* Of shares (`share`: they are of time, from 0 to 1) half a percent of the time matters. */
struct gt_change gt_change_between(const struct gt_spread *before, uint32_t runs_before,
                                   const struct gt_spread *after, uint32_t runs_after,
                                   bool share);

#endif
