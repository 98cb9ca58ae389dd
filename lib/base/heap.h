/* SPDX-License-Identifier: MIT */
/* A set of small numbers, each with a key, that gives the number of the least key: a binary
 * heap that knows where each number is in it. */
#ifndef GT_BASE_HEAP_H
#define GT_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gt_heap {
    double *keys;    /* by number */
    uint32_t *order; /* the heap, of numbers */
    uint32_t *place; /* by number: in `order`, UINT32_MAX: not in the set */
    size_t count;
};

/* Make an empty set for numbers below `limit`. 0 or -1. */
int gt_heap_init(struct gt_heap *heap, size_t limit);
void gt_heap_release(struct gt_heap *heap);

/* Add a number, or change its key. */
void gt_heap_put(struct gt_heap *heap, uint32_t number, double key);
/* Remove a number, if it is in the set. */
void gt_heap_remove(struct gt_heap *heap, uint32_t number);

/* The number of the least key. The set is not empty. */
static inline uint32_t gt_heap_top(const struct gt_heap *heap)
{
    return heap->order[0];
}

static inline bool gt_heap_has(const struct gt_heap *heap, uint32_t number)
{
    return heap->place[number] != UINT32_MAX;
}

static inline double gt_heap_key(const struct gt_heap *heap, uint32_t number)
{
    return heap->keys[number];
}

/* The least key. The set is not empty. */
static inline double gt_heap_least(const struct gt_heap *heap)
{
    return heap->keys[heap->order[0]];
}

#endif
