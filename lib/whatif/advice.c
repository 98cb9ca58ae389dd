/* SPDX-License-Identifier: MIT */
#include "whatif/advice.h"

static const double TOLD_SPEEDUP = 1.1; /* from here on an estimate is worth a sentence, … */
static const double TABLE_SPEEDUP = 1.05;  /* … and some number of cores a table */
static const double BETTER_SPEEDUP = 1.05; /* of two estimates, the simpler one is told unless
                                              the other is better by that */

enum {
    CORES_PART = 10,      /* more cores are told of where they save one part in so many, … */
    MORE_CORES_PART = 20, /* … and more of them still where those save one in so many */
    TRACED_PART = 10, /* of the run: where recording took more, the run is called a traced one
                       */
};

/* The cores that would help most, if more than the recorded ones do. */
static uint32_t best_cores(const struct gt_whatif *whatif, const struct gt_estimate *estimate)
{
    uint32_t best = GT_WHATIF_CORES;
    int64_t least_ns = estimate->wall_ns - estimate->wall_ns / CORES_PART;

    for (uint32_t i = 0; i < whatif->core_counts; i++)
        if (whatif->core_count[i] > whatif->cores && estimate->by_cores_ns[i] >= 0 &&
            estimate->by_cores_ns[i] < least_ns) {
            best = i;
            least_ns = estimate->by_cores_ns[i] - estimate->by_cores_ns[i] / MORE_CORES_PART;
        }
    return best;
}

/* Estimates come with the simplest change first. */
static const struct gt_estimate *find_told(const struct gt_whatif *whatif)
{
    const struct gt_estimate *best = NULL;

    for (size_t i = 0; i < whatif->estimates.count; i++) {
        const struct gt_estimate *estimate = gt_estimate_at(whatif, i);
        double speedup = gt_whatif_speedup(whatif, estimate->wall_ns);

        if (speedup > TOLD_SPEEDUP &&
            (!best || speedup > BETTER_SPEEDUP * gt_whatif_speedup(whatif, best->wall_ns)))
            best = estimate;
    }
    return best;
}

/* That it is not known what would happen is worth it, too, and what somebody asked for. */
static bool is_worth_a_table(const struct gt_whatif *whatif, const struct gt_estimate *estimate)
{
    if (estimate->asked)
        return true;
    if (estimate->withheld != GT_WITHHELD_NOT && estimate->withheld != GT_WITHHELD_STUCK)
        return true;
    for (uint32_t i = 0; i < whatif->core_counts; i++)
        if (whatif->core_count[i] >= whatif->cores &&
            gt_whatif_speedup(whatif, estimate->by_cores_ns[i]) > TABLE_SPEEDUP)
            return true;
    return false;
}

void gt_whatif_advise(struct gt_whatif *whatif, int64_t cost_ns)
{
    whatif->of_traced_run = cost_ns > whatif->recorded_ns / TRACED_PART;
    for (size_t i = 0; i < whatif->estimates.count; i++) {
        struct gt_estimate *estimate = gt_chunks_at(&whatif->estimates, i);

        estimate->best_cores = best_cores(whatif, estimate);
        whatif->worth_a_table = whatif->worth_a_table || is_worth_a_table(whatif, estimate);
    }
    whatif->told = find_told(whatif);
}
