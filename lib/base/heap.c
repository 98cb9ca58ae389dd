/* SPDX-License-Identifier: MIT */
#include "base/heap.h"

#include <stdlib.h>

int gt_heap_init(struct gt_heap *heap, size_t limit)
{
    *heap = (struct gt_heap){0};
    heap->keys = calloc(limit + 1, sizeof(*heap->keys));
    heap->order = calloc(limit + 1, sizeof(*heap->order));
    heap->place = calloc(limit + 1, sizeof(*heap->place));
    if (!heap->keys || !heap->order || !heap->place)
        return -1;
    for (size_t i = 0; i <= limit; i++)
        heap->place[i] = UINT32_MAX;
    return 0;
}

void gt_heap_release(struct gt_heap *heap)
{
    free(heap->keys);
    free(heap->order);
    free(heap->place);
    *heap = (struct gt_heap){0};
}

static void set(struct gt_heap *heap, size_t at, uint32_t number)
{
    heap->order[at] = number;
    heap->place[number] = (uint32_t)at;
}

/* Put the number where it belongs, from the free place `at`. */
static void settle(struct gt_heap *heap, size_t at, uint32_t number)
{
    double key = heap->keys[number];

    while (at > 0 && heap->keys[heap->order[(at - 1) / 2]] > key) {
        set(heap, at, heap->order[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= heap->count)
            break;
        if (child + 1 < heap->count &&
            heap->keys[heap->order[child + 1]] < heap->keys[heap->order[child]])
            child++;
        if (heap->keys[heap->order[child]] >= key)
            break;
        set(heap, at, heap->order[child]);
        at = child;
    }
    set(heap, at, number);
}

void gt_heap_put(struct gt_heap *heap, uint32_t number, double key)
{
    size_t at = heap->place[number] == UINT32_MAX ? heap->count++ : heap->place[number];

    heap->keys[number] = key;
    heap->order[at] = number; /* a free place, until it is settled */
    settle(heap, at, number);
}

void gt_heap_remove(struct gt_heap *heap, uint32_t number)
{
    size_t at = heap->place[number];

    if (at == UINT32_MAX)
        return;
    heap->place[number] = UINT32_MAX;
    if (at < --heap->count)
        settle(heap, at, heap->order[heap->count]);
}
