/* SPDX-License-Identifier: MIT */
/* Stands in for all of the folder in a build without it (CMake's GT_WHATIF): nothing is
 * estimated, and the gap says so. */
#include "whatif/estimate.h"

int gt_whatif_init(struct gt_whatif *whatif, const struct gt_recorded *recorded,
                   const struct gt_analysis *analysis, char *const *asked, double usable_cpus,
                   struct gt_error *err)
{
    const struct gt_timeline *timeline = recorded->timeline;

    (void)analysis;
    (void)asked;
    (void)err;
    *whatif = (struct gt_whatif){.gap = GT_WHATIF_LEFT_OUT,
                                 .cores = usable_cpus > 0 ? usable_cpus : 1,
                                 .recorded_ns = timeline->end_ns - timeline->start_ns,
                                 .replayed_ns = -1};
    gt_chunks_init(&whatif->estimates, sizeof(struct gt_estimate));
    return 0;
}

void gt_whatif_release(struct gt_whatif *whatif)
{
    gt_chunks_release(&whatif->estimates);
}

double gt_whatif_error(const struct gt_whatif *whatif)
{
    (void)whatif;
    return 0;
}
