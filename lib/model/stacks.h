/*
 * Stacks stored once: memory grows with distinct stacks, not with events. A stack is a
 * sequence of frame ids, innermost first; a frame is a symbol and the file it is in. Id 0 is
 * the empty stack.
 */
#ifndef GT_MODEL_STACKS_H
#define GT_MODEL_STACKS_H

#include "base/intern.h"
#include "event/event.h"

#include <stdbool.h>

struct gt_stacks {
    struct gt_intern names;  /* symbols and files */
    struct gt_intern frames; /* pairs of name ids: struct gt_stack_frame */
    struct gt_intern stacks; /* arrays of uint32_t frame ids */
};

struct gt_stack_frame {
    uint32_t symbol; /* in names */
    uint32_t dso;
};

void gt_stacks_init(struct gt_stacks *stacks);
void gt_stacks_release(struct gt_stacks *stacks);

/* The id of a stack; UINT32_MAX when memory is exhausted. */
uint32_t gt_stacks_add(struct gt_stacks *stacks, const struct gt_frame *frames, uint32_t count);

/* Its frames: an array of *count ids, innermost first. */
const uint32_t *gt_stacks_frames(const struct gt_stacks *stacks, uint32_t stack,
                                 uint32_t *count);
/* A frame's symbol and file; "" when not known. */
const char *gt_stacks_symbol(const struct gt_stacks *stacks, uint32_t frame);
const char *gt_stacks_dso(const struct gt_stacks *stacks, uint32_t frame);

/* "/usr/bin/python3.11", "…/libpython3.11.so.1.0", also when deleted or in a container: is
 * this file Python itself? */
bool gt_stacks_is_python(const char *dso, size_t length);

/*
 * Does this stack wait for the GIL? `take_gil` (or a clone of it) is in it, or
 * pthread_cond_timedwait was called straight from the Python executable or libpython
 * (CPython's own locks use semaphores: GIL.md).
 */
bool gt_stack_waits_for_gil(const struct gt_frame *frames, uint32_t count);

#endif
