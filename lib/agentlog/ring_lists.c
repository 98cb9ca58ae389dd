/* SPDX-License-Identifier: MIT */
/* The lists of threads and processes. */
#include "agentlog/ring_internal.h"

#include <stdlib.h>

void *gt_ring_grow(void *list, size_t count, size_t *capacity, size_t size)
{
    void *grown;

    if (count < *capacity)
        return list;
    grown = reallocarray(list, *capacity ? *capacity * 2 : 64, size);
    if (grown)
        *capacity = *capacity ? *capacity * 2 : 64;
    return grown;
}

size_t gt_ring_place(const struct gt_ring *ring, uint32_t unit)
{
    size_t low = 0, high = ring->thread_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (ring->threads[middle].unit < unit)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct gt_ring_thread *gt_ring_thread(const struct gt_ring *ring, uint32_t unit)
{
    size_t at = gt_ring_place(ring, unit);

    return at < ring->thread_count && ring->threads[at].unit == unit ? &ring->threads[at]
                                                                     : NULL;
}

struct gt_ring_process *gt_ring_process(const struct gt_ring *ring, uint32_t number)
{
    size_t low = 0, high = ring->process_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (ring->processes[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < ring->process_count && ring->processes[low].number == number
               ? &ring->processes[low]
               : NULL;
}
