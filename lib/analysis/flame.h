/* SPDX-License-Identifier: MIT */
/*
 * Time in a state, or events, by stack: a tree whose root is everything and whose leaves are
 * the innermost frames. Made from the stacks that were recorded when threads went to sleep, of
 * samples of native stacks, and of events (-e with --call-graph).
 */
#ifndef GT_ANALYSIS_FLAME_H
#define GT_ANALYSIS_FLAME_H

#include "base/buf.h"
#include "base/chunks.h"
#include "base/intern.h"
#include "model/timeline.h"

/* A stack has at most 256 frames (script/source.h), two frames for process and thread, and
 * Python functions: the outermost ones where there are more than GT_FLAME_PYTHON_MAX. */
enum { GT_FLAME_PYTHON_MAX = 512, GT_FLAME_DEPTH_MAX = 260 + GT_FLAME_PYTHON_MAX };

struct gt_flame_node {
    uint32_t name; /* interned in gt_flame.names; UTF-8, no ';', no newline */
    uint32_t parent;
    uint32_t first_child; /* children are chained, GT_NO_INDEX ends */
    uint32_t next_sibling;
    int64_t total_ns; /* with everything below; of events their number */
    int64_t self_ns;
    uint32_t depth;  /* the root's is 0 */
    uint32_t thread; /* with GT_FLAME_APART: whose it is, GT_NO_INDEX of the root */
};

struct gt_flame {
    struct gt_chunks nodes; /* of struct gt_flame_node; [0] is the root */
    struct gt_intern names;
    struct gt_hashmap child_of; /* parent and name → node */
    uint32_t max_depth;
    uint64_t spans;           /* in the state */
    uint64_t spans_unstacked; /* of these, those without a stack */
    /* Of samples of stacks: uint32_t, the node that each one counts for, in their order. */
    struct gt_chunks sampled;
    bool counts; /* what is added up are events, not nanoseconds */
};

enum gt_flame_flags {
    GT_FLAME_BY_THREAD = 1 << 0, /* a frame with the thread's label below the process's */
    GT_FLAME_KEEP_INTERPRETER = 1 << 1, /* the interpreter's frames stay, below the functions */
    /* Of samples and events: only those with a GIL, only those without one. */
    GT_FLAME_WITH_GIL = 1 << 2,
    GT_FLAME_WITHOUT_GIL = 1 << 3,
    GT_FLAME_APART = 1 << 4, /* no two threads share a node, whatever they are called */
};

/*
 * Adds up the spans in `state`. `flags` are of enum gt_flame_flags. Where functions were traced
 * (gt_calls), the functions that a thread was in when the state began take the place of the
 * interpreter's frames: they stand where the outermost of these was, or outermost where the
 * stack has none. Frames of C libraries and of the kernel keep their places. 0 or negative.
 *
 * Of threads that run no stack is known but by samples: where native stacks were sampled, these
 * are added up for GT_SCHED_RUNNING, each with the CPU time that it stands for.
 */
int gt_flame_init(struct gt_flame *flame, const struct gt_timeline *timeline,
                  enum gt_sched_state state, unsigned flags, struct gt_error *err);
/* The same of the events of one counter, each of which stands for its period. */
int gt_flame_init_counter(struct gt_flame *flame, const struct gt_timeline *timeline,
                          uint32_t counter, unsigned flags, struct gt_error *err);
void gt_flame_release(struct gt_flame *flame);

static inline struct gt_flame_node *gt_flame_at(const struct gt_flame *flame, uint32_t index)
{
    return gt_chunks_at(&flame->nodes, index);
}

#endif
