/* SPDX-License-Identifier: MIT */
/*
 * Stacks, each stored once: memory grows with the number of different stacks, not of events. A
 * stack is a sequence of frames, the innermost first; a frame is a symbol and its file. Stack 0
 * is the empty one.
 */
#ifndef GT_MODEL_STACKS_H
#define GT_MODEL_STACKS_H

#include "base/hashmap.h"
#include "base/intern.h"
#include "event/event.h"

#include <stdbool.h>

struct gt_stacks {
    struct gt_intern names;     /* symbols and files */
    struct gt_intern frames;    /* pairs of name ids: struct gt_stack_frame */
    struct gt_intern stacks;    /* arrays of uint32_t frame ids */
    struct gt_hashmap build_of; /* id of a file's name → that of its build-id */
};

struct gt_stack_frame {
    uint32_t symbol; /* in names */
    uint32_t dso;
};

void gt_stacks_init(struct gt_stacks *stacks);
void gt_stacks_release(struct gt_stacks *stacks);

/* The id of a stack, which is added when new; UINT32_MAX: memory is exhausted. */
uint32_t gt_stacks_add(struct gt_stacks *stacks, const struct gt_frame *frames, uint32_t count);

/* The frames of a stack: an array of *count ids, the innermost first. */
const uint32_t *gt_stacks_frames(const struct gt_stacks *stacks, uint32_t stack,
                                 uint32_t *count);
/* The symbol and the file of a frame; "": not known. */
const char *gt_stacks_symbol(const struct gt_stacks *stacks, uint32_t frame);
const char *gt_stacks_dso(const struct gt_stacks *stacks, uint32_t frame);

/* Which build of a file it is, in hexadecimal. 0 or -1. */
int gt_stacks_set_build(struct gt_stacks *stacks, const char *dso, size_t length,
                        const char *build_id);
/* The build-id of a frame's file; "": not known. */
const char *gt_stacks_build(const struct gt_stacks *stacks, uint32_t frame);

/* Is this file a Python interpreter or libpython? By its name alone: it may be deleted, or in a
 * container. */
bool gt_stacks_is_python(const char *dso, size_t length);

/*
 * Does a thread with this stack wait for the GIL? Yes if take_gil, or a clone of it, is in the
 * stack, or if the Python interpreter or libpython itself called pthread_cond_timedwait:
 * CPython's locks use semaphores instead (GIL.md).
 */
bool gt_stack_waits_for_gil(const struct gt_frame *frames, uint32_t count);

#endif
