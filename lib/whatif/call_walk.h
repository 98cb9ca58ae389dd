/* SPDX-License-Identifier: MIT */
/* Goes through the calls of one thread, and knows which calls are open around each. */
#ifndef GT_WHATIF_CALL_WALK_H
#define GT_WHATIF_CALL_WALK_H

#include "model/timeline.h"

enum { GT_WALK_DEPTH = 512 }; /* deeper calls are left out of `open` */

struct gt_call_walk {
    const struct gt_timeline *timeline;
    const struct gt_calls *calls;
    size_t next;
    uint32_t open[GT_WALK_DEPTH]; /* calls around the last one, as indices; outermost first */
    uint32_t depth;
};

/* `calls` may be NULL: there are none. */
static inline void gt_call_walk_init(struct gt_call_walk *walk,
                                     const struct gt_timeline *timeline,
                                     const struct gt_calls *calls)
{
    walk->timeline = timeline;
    walk->calls = calls;
    walk->next = 0;
    walk->depth = 0;
}

static inline const struct gt_call_span *gt_call_walk_span(const struct gt_call_walk *walk,
                                                           uint32_t index)
{
    return gt_chunks_at(&walk->calls->spans, index);
}

static inline const struct gt_function_info *
gt_function_info_of(const struct gt_timeline *timeline, uint32_t function)
{
    return gt_chunks_at(&timeline->functions, function);
}

/* The index of the next call; walk->open holds those around it. GT_NO_INDEX: there is none. */
static inline uint32_t gt_call_walk_next(struct gt_call_walk *walk)
{
    const struct gt_call_span *span, *last;

    if (!walk->calls || walk->next >= walk->calls->spans.count)
        return GT_NO_INDEX;
    span = gt_call_walk_span(walk, (uint32_t)walk->next);
    if (walk->next > 0 && walk->depth < GT_WALK_DEPTH)
        walk->open[walk->depth++] = (uint32_t)walk->next - 1;
    while (walk->depth > 0) {
        last = gt_call_walk_span(walk, walk->open[walk->depth - 1]);
        if (last->end_ns > span->start_ns ||
            (last->end_ns == span->start_ns && last->depth < span->depth))
            break;
        walk->depth--;
    }
    return (uint32_t)walk->next++;
}

/* Of the `depth` outermost open calls, the innermost one that is a Python function's: its index
 * in walk->open, plus 1. 0: none is. */
static inline uint32_t gt_call_walk_python(const struct gt_call_walk *walk, uint32_t depth)
{
    while (depth > 0 &&
           gt_function_info_of(walk->timeline,
                               gt_call_walk_span(walk, walk->open[depth - 1])->function)
                   ->flags &
               GT_FUNCTION_C)
        depth--;
    return depth;
}

#endif
