/* SPDX-License-Identifier: MIT */
/*
 * How long the run would have taken if a function released the GIL, if there were no GIL, or on
 * another number of cores. Each estimate is a replay of what was recorded (build.h,
 * simulator.h) under other rules. A replay under unchanged rules must find the length of the
 * recorded run.
 *
 * It is assumed that threads do the same work in the same steps, that timers, files, sockets
 * and other programs take as long as they did, and that nothing slows down because more runs at
 * once. What cannot be known is not estimated, and gt_whatif.gap says why. A single estimate
 * may be withheld: threads may have worked until a time, or may have done one another's jobs.
 * Then both is tried, and nothing is estimated where the results differ.
 */
#ifndef GT_WHATIF_ESTIMATE_H
#define GT_WHATIF_ESTIMATE_H

#include "analysis/analysis.h"
#include "whatif/result.h"

/* `asked`: names of functions that are asked about with everything under them (named.h), which
 * ends with NULL and outlives the estimates; NULL: none. `usable_cpus` is how many CPUs the
 * program could use, as a quota allows (1.5, say). 0: not known; then those count that the
 * agent or the recording saw. Negative: the number changed while the program ran. Returns 0 or
 * negative. */
int gt_whatif_init(struct gt_whatif *whatif, const struct gt_recorded *recorded,
                   const struct gt_analysis *analysis, char *const *asked, double usable_cpus,
                   struct gt_error *err);
void gt_whatif_release(struct gt_whatif *whatif);

/* The error of the replay: 0.02 when it finds a run that is 2% longer than the recorded one. */
double gt_whatif_error(const struct gt_whatif *whatif);

#endif
