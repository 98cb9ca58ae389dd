/* SPDX-License-Identifier: MIT */
/*
 * Where holders of a GIL were in native code while others waited for it: samples of their
 * stacks, by blocker. Only samples inside a hold count, and only while somebody waited; nothing
 * is inferred for holds without samples. Of those who slept with the GIL, in the same form: the
 * stacks that waiters saw.
 */
#ifndef GT_ANALYSIS_NATIVE_H
#define GT_ANALYSIS_NATIVE_H

#include "analysis/blockers.h"
#include "base/chunks.h"
#include "base/error.h"
#include "base/hashmap.h"
#include "base/intern.h"
#include "model/timeline.h"

/* Of fewer samples, counts are told, and no shares. */
enum { GT_NATIVE_FEW = 10, GT_NATIVE_WAY_MAX = 64 };

struct gt_native_sum {
    uint64_t samples;
    int64_t weight_ns;
};

/* One stack of one blocker. */
struct gt_native_use {
    uint32_t next;  /* in gt_native.uses, of the same blocker; GT_NO_INDEX: none */
    uint32_t stack; /* in gt_timeline.native_stacks */
    uint32_t path;  /* gt_native_path of it, interned in gt_native.paths */
    struct gt_native_sum sum;
};

struct gt_native_row {
    struct gt_native_sum all;
    uint32_t first; /* in gt_native.uses; GT_NO_INDEX: none */
};

struct gt_native {
    struct gt_intern paths;   /* arrays of frames, the outermost first */
    struct gt_chunks uses;    /* of struct gt_native_use */
    struct gt_chunks rows;    /* of struct gt_native_row, as gt_blockers.rows; none where nobody
                                 waited, or nothing was sampled */
    struct gt_hashmap use_of; /* private: row and stack → use */
};

/* One function on the way. */
struct gt_native_step {
    uint32_t frame; /* in gt_timeline.native_stacks */
    struct gt_native_sum inclusive;
};

/*
 * The way from the function that Python called to the native function that the blocker spent
 * most of its time in: from step to step the one in which most samples are, as long as these
 * are half of all. `count` is 0 where no function has half.
 */
struct gt_native_way {
    struct gt_native_sum all; /* samples of the blocker */
    struct gt_native_step steps[GT_NATIVE_WAY_MAX];
    uint32_t count;
    uint32_t self;                 /* the frame that was innermost most often; GT_NO_INDEX */
    struct gt_native_sum self_sum; /* … so often */
};

/* Of one GIL, whose blockers they are. 0 or negative. */
int gt_native_init(struct gt_native *native, const struct gt_timeline *timeline, uint32_t gil,
                   const struct gt_blockers *blockers, struct gt_error *err);
void gt_native_release(struct gt_native *native);

/* The same of sleeps with the GIL, after somebody had asked for it: a sample is a sleep, and
 * its time what the holder slept, which is divided among the sleeps that were seen in one hold.
 */
int gt_native_init_sleeps(struct gt_native *native, const struct gt_timeline *timeline,
                          const struct gt_blockers *blockers, struct gt_error *err);

/* The frames of a path: an array of *count, the outermost first. */
static inline const uint32_t *gt_native_frames(const struct gt_native *native, uint32_t path,
                                               uint32_t *count)
{
    *count = (uint32_t)(gt_intern_length(&native->paths, path) / sizeof(uint32_t));
    return (const uint32_t *)(const void *)gt_intern_text(&native->paths, path);
}

/* 0 or -1. */
int gt_native_way(const struct gt_native *native, uint32_t row, struct gt_native_way *way);

#endif
