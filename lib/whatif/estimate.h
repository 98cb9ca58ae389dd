/*
 * What it would be worth: how long the run would have taken if a function released the GIL, if
 * there were no GIL, on more or fewer cores. Each is a replay of what was recorded
 * (build.h) under other rules, set against a replay under the same rules, which must
 * find the length of the recorded run.
 *
 * Assumed is that the threads do the same work in the same pieces, that timers, files, sockets
 * and other programs take as long as they did, and that nothing else slows down when more runs
 * at once. What cannot be known is not estimated; `gap` says why, and `withheld` of a single
 * estimate: where threads may have worked until a time, or may have done one another's jobs,
 * both is tried, and what differs is not told.
 */
#ifndef GT_WHATIF_ESTIMATE_H
#define GT_WHATIF_ESTIMATE_H

#include "analysis/analysis.h"
#include "whatif/result.h"

/* `usable_cpus` is how many CPUs the program could use, as a quota allows (1.5, say). 0: not
 * known; then those count that the agent or the recording saw. Negative: the number changed
 * while the program ran. Returns 0 or negative. */
int gt_whatif_init(struct gt_whatif *whatif, const struct gt_recorded *recorded,
                   const struct gt_analysis *analysis, double usable_cpus,
                   struct gt_error *err);
void gt_whatif_release(struct gt_whatif *whatif);

/* The replay's error: 0.02 when it finds a run that is 2% longer than the recorded one. */
double gt_whatif_error(const struct gt_whatif *whatif);

#endif
