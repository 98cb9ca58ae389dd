/* SPDX-License-Identifier: MIT */
#include "base/chunks.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <bsd/stdlib.h>

void gt_chunks_init(struct gt_chunks *list, size_t element_size)
{
    memset(list, 0, sizeof(*list));
    list->element_size = (uint32_t)element_size;
}

void gt_chunks_release(struct gt_chunks *list)
{
    for (uint32_t i = 0; i < list->chunk_count; i++)
        free(list->chunks[i]);
    free(list->chunks);
    gt_chunks_init(list, list->element_size);
}

/* The first chunk doubles until it is full size: a list of three elements costs little. */
static int grow_first(struct gt_chunks *list)
{
    uint32_t room = list->first_room ? list->first_room * 2 : 1;
    unsigned char *chunk = reallocarray(list->chunks[0], room, list->element_size);

    if (!chunk)
        return -1;
    list->chunks[0] = chunk;
    list->first_room = room;
    return 0;
}

static int add_chunk(struct gt_chunks *list)
{
    unsigned char *chunk = NULL;

    if (list->chunk_count == list->chunk_capacity) {
        uint32_t capacity = list->chunk_capacity ? list->chunk_capacity * 2 : 1;
        unsigned char **chunks = reallocarray(list->chunks, capacity, sizeof(*chunks));

        if (!chunks)
            return -1;
        list->chunks = chunks;
        list->chunk_capacity = capacity;
    }
    if (list->chunk_count) {
        chunk = reallocarray(NULL, GT_CHUNK_ELEMENTS, list->element_size);
        if (!chunk)
            return -1;
    }
    list->chunks[list->chunk_count++] = chunk;
    return 0;
}

void *gt_chunks_push(struct gt_chunks *list)
{
    size_t chunk = list->count >> GT_CHUNK_SHIFT;

    if (chunk == list->chunk_count && add_chunk(list))
        return NULL;
    if (chunk == 0 && list->count == list->first_room && grow_first(list))
        return NULL;
    return gt_chunks_at(list, list->count++);
}

static int64_t time_at(const struct gt_chunks *list, size_t index, size_t offset)
{
    return *(const int64_t *)((const unsigned char *)gt_chunks_at(list, index) + offset);
}

static size_t first(const struct gt_chunks *list, size_t low, size_t offset, int64_t time_ns,
                    bool later)
{
    size_t high = list->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int64_t there_ns = time_at(list, middle, offset);

        if (there_ns > time_ns || (there_ns == time_ns && !later))
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

size_t gt_chunks_first_from(const struct gt_chunks *list, size_t low, size_t offset,
                            int64_t time_ns)
{
    return first(list, low, offset, time_ns, false);
}

size_t gt_chunks_first_after(const struct gt_chunks *list, size_t low, size_t offset,
                             int64_t time_ns)
{
    return first(list, low, offset, time_ns, true);
}

int gt_chunks_sort(struct gt_chunks *list, int (*compare)(const void *, const void *))
{
    size_t size = list->element_size, ordered = 1;
    unsigned char *copy;

    while (ordered < list->count &&
           compare(gt_chunks_at(list, ordered - 1), gt_chunks_at(list, ordered)) <= 0)
        ordered++;
    if (ordered >= list->count)
        return 0;
    copy = reallocarray(NULL, list->count, size);
    if (!copy)
        return -1;
    for (size_t i = 0; i < list->count; i++)
        memcpy(copy + i * size, gt_chunks_at(list, i), size);
    qsort(copy, list->count, size, compare);
    for (size_t i = 0; i < list->count; i++)
        memcpy(gt_chunks_at(list, i), copy + i * size, size);
    free(copy);
    return 0;
}
