/* SPDX-License-Identifier: MIT */
/*
 * An append-only sequence of fixed-size elements, kept in chunks: growth copies the first chunk
 * at most, and wastes at most one, so memory per element is its size, also at the peak.
 * Elements move while there are fewer than GT_CHUNK_ELEMENTS, and never later.
 */
#ifndef GT_BASE_CHUNKS_H
#define GT_BASE_CHUNKS_H

#include <stddef.h>
#include <stdint.h>

/* The first chunk begins with room for one element, since of most lists there are many, and
 * they stay short; the following chunks are full size. */
enum { GT_CHUNK_SHIFT = 11, GT_CHUNK_ELEMENTS = 1 << GT_CHUNK_SHIFT };

struct gt_chunks {
    unsigned char **chunks;
    size_t count; /* elements in all */
    uint32_t chunk_count;
    uint32_t chunk_capacity;
    uint32_t element_size; /* bytes */
    uint32_t first_room;   /* elements that fit in the first chunk, which grows */
};

void gt_chunks_init(struct gt_chunks *list, size_t element_size);
void gt_chunks_release(struct gt_chunks *list);

/* Append one element and return it, uninitialised; NULL when memory is exhausted.
 * Appending to a list of fewer than GT_CHUNK_ELEMENTS may move its elements. */
void *gt_chunks_push(struct gt_chunks *list);

/* Element `index`, which must be < count. */
static inline void *gt_chunks_at(const struct gt_chunks *list, size_t index)
{
    return list->chunks[index >> GT_CHUNK_SHIFT] +
           (index & (GT_CHUNK_ELEMENTS - 1)) * list->element_size;
}

/* The last element; NULL when the list is empty. */
static inline void *gt_chunks_last(const struct gt_chunks *list)
{
    return list->count ? gt_chunks_at(list, list->count - 1) : NULL;
}

/*
 * The elements are sorted by a time, which is the int64_t `offset` bytes into each. Return the
 * index of the first element, from index `low` on, whose time is at or after `time_ns`
 * (_first_from), or after it (_first_after); the count when there is none.
 */
size_t gt_chunks_first_from(const struct gt_chunks *list, size_t low, size_t offset,
                            int64_t time_ns);
size_t gt_chunks_first_after(const struct gt_chunks *list, size_t low, size_t offset,
                             int64_t time_ns);

/* Put the elements in the order of `compare`, as qsort does. Where they are in order already,
 * they are only looked at. 0, or -1: no memory for a copy of all, and nothing is changed. */
int gt_chunks_sort(struct gt_chunks *list, int (*compare)(const void *, const void *));

/* Forget all elements from `count` on; keeps memory. */
static inline void gt_chunks_truncate(struct gt_chunks *list, size_t count)
{
    if (count < list->count)
        list->count = count;
}

#endif
