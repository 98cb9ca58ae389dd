/* SPDX-License-Identifier: MIT */
/*
 * Holding the GIL, waiting for it, and waiting for locks by stack of functions: a tree per
 * thread, for profile formats. The root of a thread stands for what was done outside every
 * known function. Of stacks that are deeper than GT_PROFILE_DEPTH_MAX, the outermost functions
 * are kept, and the innermost one.
 *
 * Where native stacks were sampled, the part of a function's holding that the samples stand for
 * is below it, in the native functions that they show.
 */
#ifndef GT_ANALYSIS_PROFILE_H
#define GT_ANALYSIS_PROFILE_H

#include "analysis/blocked.h"
#include "base/chunks.h"
#include "base/error.h"
#include "base/hashmap.h"
#include "model/timeline.h"

/* Functions: CPython's own limit, if nobody raised it; and with native ones. */
enum { GT_PROFILE_DEPTH_MAX = 1000, GT_PROFILE_STACK_MAX = GT_PROFILE_DEPTH_MAX + 256 };

struct gt_profile_node {
    uint32_t parent;   /* GT_NO_INDEX: the root of a thread */
    uint32_t function; /* index in gt_timeline.functions; of a root: GT_NO_INDEX */
    uint32_t native; /* a native one: its frame in gt_timeline.native_stacks, and `function` is
                        GT_NO_INDEX; else GT_NO_INDEX */
    uint32_t thread;
    int64_t wait_ns, hold_ns; /* while this function was innermost */
    int64_t lock_ns;          /* waiting for locks, likewise */
    uint64_t holds;           /* that began in it */
};

struct gt_profile {
    struct gt_chunks nodes; /* of struct gt_profile_node; parents come first */
    struct gt_hashmap child_of, native_child_of;
    struct gt_hashmap root_of; /* by thread */
};

/* 0 or negative. */
int gt_profile_init(struct gt_profile *profile, const struct gt_timeline *timeline,
                    const struct gt_blocked *blocked, struct gt_error *err);
void gt_profile_release(struct gt_profile *profile);

static inline struct gt_profile_node *gt_profile_at(const struct gt_profile *profile,
                                                    size_t index)
{
    return gt_chunks_at(&profile->nodes, index);
}

#endif
