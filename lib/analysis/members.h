/* SPDX-License-Identifier: MIT */
/* Private to analysis/: which member of a GIL a thread is, asked for each of its spans. */
#ifndef GT_ANALYSIS_MEMBERS_H
#define GT_ANALYSIS_MEMBERS_H

#include "model/timeline.h"

struct gt_members {
    const struct gt_gil *gil; /* borrowed */
    uint32_t *members;        /* by thread, from `first` on; NULL: the GIL's own map tells */
    uint32_t first;
};

/* 0 or -1. */
int gt_members_init(struct gt_members *members, const struct gt_gil *gil);
void gt_members_release(struct gt_members *members);

/* `thread` is one that holds the GIL or waits for it. */
static inline uint32_t gt_members_of(const struct gt_members *members, uint32_t thread)
{
    return members->members ? members->members[thread - members->first]
                            : gt_hashmap_get(&members->gil->member_of, thread);
}

#endif
