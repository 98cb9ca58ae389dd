/* SPDX-License-Identifier: MIT */
/*
 * Holding and waiting by stack of functions: a tree per thread, for profile formats. The root
 * of a thread stands for what was done outside every known function. Of stacks that are deeper
 * than GT_PROFILE_DEPTH_MAX, the outermost functions are kept, and the innermost one.
 */
#ifndef GT_ANALYSIS_PROFILE_H
#define GT_ANALYSIS_PROFILE_H

#include "base/chunks.h"
#include "base/error.h"
#include "base/hashmap.h"
#include "model/timeline.h"

enum { GT_PROFILE_DEPTH_MAX = 1000 }; /* functions: CPython's own limit, if nobody raised it */

struct gt_profile_node {
    uint32_t parent;   /* GT_NO_INDEX: the root of a thread */
    uint32_t function; /* index in gt_timeline.functions; of a root: GT_NO_INDEX */
    uint32_t thread;
    int64_t wait_ns, hold_ns; /* while this function was innermost */
    uint64_t holds;           /* that began in it */
};

struct gt_profile {
    struct gt_chunks nodes; /* of struct gt_profile_node; parents come first */
    struct gt_hashmap child_of;
    struct gt_hashmap root_of; /* by thread */
};

/* 0 or negative. */
int gt_profile_init(struct gt_profile *profile, const struct gt_timeline *timeline,
                    struct gt_error *err);
void gt_profile_release(struct gt_profile *profile);

static inline struct gt_profile_node *gt_profile_at(const struct gt_profile *profile,
                                                    size_t index)
{
    return gt_chunks_at(&profile->nodes, index);
}

#endif
