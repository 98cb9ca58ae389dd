/* SPDX-License-Identifier: MIT */
/* Pauses in which one thread stopped all others (model/stops.h), by what the thread did that
 * asked for them. */
#ifndef GT_ANALYSIS_STOP_CAUSES_H
#define GT_ANALYSIS_STOP_CAUSES_H

#include "analysis/blockers.h"
#include "model/timeline.h"

struct gt_stop_row {
    struct gt_blocker by; /* what asked: doing and thread; the rest means nothing */
    uint64_t count;
    int64_t total_ns, longest_ns; /* from asking until all could go on */
    int64_t until_ns;             /* of that, until all had stopped */
    int64_t lost_ns;              /* by the threads that had to stop, all together */
};

struct gt_stops_found {
    struct gt_chunks rows; /* of struct gt_stop_row; the one by which most was lost first */
    uint64_t count;
    int64_t total_ns, lost_ns;
    int64_t lives_ns; /* of the threads of the processes that were stopped */
    bool matter;      /* threads lost a hundredth of their time, or more */
};

/* 0 or -1 (no memory); release it in either case. */
int gt_stops_find(struct gt_stops_found *found, const struct gt_timeline *timeline);
void gt_stops_found_release(struct gt_stops_found *found);

static inline const struct gt_world_stop *gt_stop_at(const struct gt_timeline *timeline,
                                                     size_t index)
{
    return gt_chunks_at(&timeline->stops, index);
}

static inline struct gt_stop_row *gt_stop_row_at(const struct gt_stops_found *found,
                                                 size_t index)
{
    return gt_chunks_at(&found->rows, index);
}

#endif
