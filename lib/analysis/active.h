/* SPDX-License-Identifier: MIT */
/*
 * Which traced functions a thread is in at a moment, and where in its stack they belong: in the
 * place of the interpreter's frames.
 */
#ifndef GT_ANALYSIS_ACTIVE_H
#define GT_ANALYSIS_ACTIVE_H

#include "model/timeline.h"

/* Goes forward through the life of a thread. */
struct gt_active {
    const struct gt_calls *calls; /* NULL: none were traced */
    size_t next;                  /* the first span that was not looked at */
    struct gt_chunks open;        /* of uint32_t: indices of the spans around now */
};

static inline void gt_active_init(struct gt_active *active, const struct gt_timeline *timeline,
                                  uint32_t thread)
{
    *active = (struct gt_active){.calls = gt_calls_of(timeline, thread)};
    gt_chunks_init(&active->open, sizeof(uint32_t));
}

static inline void gt_active_release(struct gt_active *active)
{
    gt_chunks_release(&active->open);
}

/* Go on to `time_ns`, which never decreases. 0 or -1. */
int gt_active_advance(struct gt_active *active, int64_t time_ns);

/* The open call with that index, of active->open.count, the outermost first. */
static inline const struct gt_call_span *gt_active_span(const struct gt_active *active,
                                                        size_t index)
{
    return gt_chunks_at(&active->calls->spans,
                        *(const uint32_t *)gt_chunks_at(&active->open, index));
}

bool gt_active_is_interpreter(const struct gt_stacks *stacks, uint32_t frame);

/* How many of the frames, which come with the innermost first, are inside the functions: all up
 * to the outermost one of the interpreter, or all. The start of the program, alone outside
 * libc's frames, does not count as such a frame. */
uint32_t gt_active_place(const struct gt_stacks *stacks, const uint32_t *frames,
                         uint32_t count);

#endif
