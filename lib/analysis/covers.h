/* SPDX-License-Identifier: MIT */
/*
 * Private to analysis/: what threads did with a GIL as intervals of time: what is known, what
 * may have been besides, and their lives.
 */
#ifndef GT_ANALYSIS_COVERS_H
#define GT_ANALYSIS_COVERS_H

#include "analysis/cover.h"
#include "analysis/members.h"
#include "model/timeline.h"

#include <stdbool.h>

struct gt_covers {
    struct gt_cover known; /* they waited for it; or held it, where that is asked for */
    struct gt_cover maybe; /* they may have, besides: what is lost, or not known after a loss,
                              and what the source of a GIL's events does not tell. Of many lost
                              ranges and threads, from the first to the last range: then it is
                              more than it must be */
    struct gt_cover lives;
};

void gt_covers_init(struct gt_covers *covers);
void gt_covers_release(struct gt_covers *covers);

/* Add what all threads of a GIL did. 0 or -1 (no memory). */
int gt_covers_add_gil(struct gt_covers *covers, const struct gt_timeline *timeline,
                      const struct gt_gil *gil, bool holds);

/* The spans of a GIL by member, for those who ask for one after the other. */
struct gt_covers_index {
    struct gt_members members;
    struct by_member {
        uint32_t *spans; /* indices, member by member */
        size_t *first;   /* of each member, and one more */
    } waits, holds, unknowns;
};
/* 0 or -1 (no memory); release it in either case. */
int gt_covers_index_init(struct gt_covers_index *index, const struct gt_gil *gil);
void gt_covers_index_release(struct gt_covers_index *index);

/* Add what one did. 0 or -1. */
int gt_covers_add_member(struct gt_covers *covers, const struct gt_timeline *timeline,
                         const struct gt_covers_index *index, uint32_t member, bool holds);

/* No more is added. */
void gt_covers_sort(struct gt_covers *covers);

/* When a thread lived while the GIL's program did. An empty range: never. */
struct gt_cover_life {
    int64_t start_ns, end_ns;
};
struct gt_cover_life gt_cover_life(const struct gt_timeline *timeline, const struct gt_gil *gil,
                                   uint32_t thread);

#endif
