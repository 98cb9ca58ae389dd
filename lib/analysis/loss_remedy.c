/* SPDX-License-Identifier: MIT */
#include "analysis/loss_remedy.h"

enum { EVENT_BYTES = 128 }; /* of one in the buffer: a probe's hit takes some 80 */

static uint64_t most_at_once(const struct gt_timeline *timeline)
{
    uint64_t most = 0;

    for (size_t i = 0; i < timeline->lost.count; i++) {
        const struct gt_lost_range *range = gt_chunks_at(&timeline->lost, i);

        most = range->events > most ? range->events : most;
    }
    return most;
}

/* Sizes are powers of 2. */
static uint64_t larger(uint64_t used, uint64_t lost_events, uint64_t most)
{
    uint64_t bytes = used;

    if (most < used * 2)
        return 0;
    do
        bytes *= 2;
    while (bytes <= most / 2 && (bytes - used) / EVENT_BYTES < lost_events);
    return bytes;
}

struct gt_loss_remedy gt_loss_remedy(const struct gt_timeline *timeline,
                                     const struct gt_run_info *info)
{
    struct gt_loss_remedy remedy = {.used_bytes = info->buffer_bytes,
                                    .agent = info->agent_instead};

    if (remedy.used_bytes)
        remedy.larger_bytes =
            larger(remedy.used_bytes, most_at_once(timeline), info->buffer_most);
    return remedy;
}
