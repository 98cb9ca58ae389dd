/* SPDX-License-Identifier: MIT */
#include "script/rounds.h"

#include <stdlib.h>
#include <string.h>

void gt_rounds_release(struct gt_rounds *rounds)
{
    free(rounds->queue);
    free(rounds->spare);
    *rounds = (struct gt_rounds){0};
}

int gt_rounds_add(struct gt_rounds *rounds, uint64_t time_ns, uint64_t offset)
{
    if (rounds->count == rounds->capacity) {
        size_t capacity = rounds->capacity ? rounds->capacity * 2 : 1024;
        struct gt_queued *queue = reallocarray(rounds->queue, capacity, sizeof(*queue));
        struct gt_queued *spare;

        if (!queue)
            return -1;
        rounds->queue = queue;
        spare = reallocarray(rounds->spare, capacity, sizeof(*spare));
        if (!spare)
            return -1;
        rounds->spare = spare;
        rounds->capacity = capacity;
    }
    rounds->queue[rounds->count++] = (struct gt_queued){time_ns, offset};
    if (time_ns > rounds->newest_ns)
        rounds->newest_ns = time_ns;
    return 0;
}

/* Where the run of records in order that begins at `first` ends. */
static size_t run_end(const struct gt_rounds *rounds, size_t first)
{
    size_t end = first + 1;

    while (end < rounds->count && rounds->queue[end - 1].time_ns <= rounds->queue[end].time_ns)
        end++;
    return end;
}

static void merge(const struct gt_queued *left, size_t left_count,
                  const struct gt_queued *right, size_t right_count, struct gt_queued *to)
{
    while (left_count && right_count) {
        if (right->time_ns < left->time_ns) {
            *to++ = *right++;
            right_count--;
        } else {
            *to++ = *left++;
            left_count--;
        }
    }
    memcpy(to, left, left_count * sizeof(*to));
    memcpy(to + left_count, right, right_count * sizeof(*to));
}

/* Merge each two neighbours; there is a run for each CPU, or some. True: it was one run. */
static int merge_pairs(struct gt_rounds *rounds)
{
    struct gt_queued *merged = rounds->spare;
    size_t first = 0, middle = run_end(rounds, 0);

    if (middle >= rounds->count)
        return 1;
    while (first < rounds->count) {
        size_t end = middle < rounds->count ? run_end(rounds, middle) : middle;

        merge(rounds->queue + first, middle - first, rounds->queue + middle, end - middle,
              merged + first);
        first = end;
        if (first < rounds->count)
            middle = run_end(rounds, first);
    }
    rounds->spare = rounds->queue;
    rounds->queue = merged;
    return 0;
}

size_t gt_rounds_end(struct gt_rounds *rounds, int final)
{
    size_t low = 0, high = rounds->count;

    if (rounds->count == 0)
        return 0;
    while (!merge_pairs(rounds))
        ;
    while (!final && low < high) {
        size_t middle = low + (high - low) / 2;

        if (rounds->queue[middle].time_ns <= rounds->limit_ns)
            low = middle + 1;
        else
            high = middle;
    }
    rounds->limit_ns = rounds->newest_ns;
    return high;
}

void gt_rounds_drop(struct gt_rounds *rounds, size_t count)
{
    if (count == 0)
        return;
    rounds->count -= count;
    memmove(rounds->queue, rounds->queue + count, rounds->count * sizeof(*rounds->queue));
}
