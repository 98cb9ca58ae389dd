/* SPDX-License-Identifier: MIT */
#include "analysis/utilization.h"

#include "base/nstime.h"

#include <stdlib.h>

enum { DIGIT_BITS = 11, DIGIT_MASK = (1 << DIGIT_BITS) - 1 };

int gt_utilization_init(struct gt_utilization *utilization, int64_t start_ns, int64_t end_ns)
{
    int64_t length_ns = end_ns > start_ns ? end_ns - start_ns : 0;

    *utilization = (struct gt_utilization){.start_ns = start_ns,
                                           .slice_ns = length_ns / GT_UTILIZATION_SLICES + 1};
    gt_chunks_init(&utilization->latencies, sizeof(int64_t));
    utilization->slices = calloc(GT_UTILIZATION_SLICES, sizeof(*utilization->slices));
    return utilization->slices ? 0 : -1;
}

void gt_utilization_forget(struct gt_utilization *utilization)
{
    free(utilization->slices);
    utilization->slices = NULL;
}

void gt_utilization_release(struct gt_utilization *utilization)
{
    gt_chunks_release(&utilization->latencies);
    gt_utilization_forget(utilization);
}

static int64_t start_of(const struct gt_utilization *utilization, size_t slice)
{
    return utilization->start_ns + (int64_t)slice * utilization->slice_ns;
}

/* As a rule it is the one of the time before, or the next one. */
static size_t slice_of(struct gt_utilization *utilization, int64_t time_ns)
{
    while (utilization->at + 1 < GT_UTILIZATION_SLICES &&
           time_ns >= start_of(utilization, utilization->at + 1))
        utilization->at++;
    while (utilization->at > 0 && time_ns < start_of(utilization, utilization->at))
        utilization->at--;
    return utilization->at;
}

static void add(struct gt_utilization_slice *slice, int64_t ns, size_t waiters, int held)
{
    slice->held_ns += held ? ns : 0;
    slice->contended_ns += waiters ? ns : 0;
    slice->waiting_ns = gt_add_ns(slice->waiting_ns, gt_times_ns(ns, waiters));
    slice->idle_ns += waiters && !held ? ns : 0;
}

void gt_utilization_add(struct gt_utilization *utilization, int64_t from_ns, int64_t until_ns,
                        size_t waiters, int held)
{
    size_t first = slice_of(utilization, from_ns), last = slice_of(utilization, until_ns - 1);

    add(&utilization->total, until_ns - from_ns, waiters, held);
    for (size_t i = first; i <= last; i++) {
        int64_t end_ns = start_of(utilization, i + 1);

        if (i == last || end_ns > until_ns)
            end_ns = until_ns;
        add(&utilization->slices[i], end_ns - from_ns, waiters, held);
        from_ns = end_ns;
    }
}

int gt_utilization_handover(struct gt_utilization *utilization, int64_t time_ns,
                            int64_t latency_ns)
{
    int64_t *latency = gt_chunks_push(&utilization->latencies);

    if (!latency)
        return -1;
    *latency = latency_ns;
    utilization->slices[slice_of(utilization, time_ns)].handovers++;
    utilization->total.handovers++;
    return 0;
}

/* One pass of a radix sort, by the digit at `shift`. */
static void sort_by_digit(const int64_t *from, int64_t *to, size_t count, unsigned shift)
{
    size_t places[(1 << DIGIT_BITS) + 1] = {0};

    for (size_t i = 0; i < count; i++)
        places[((uint64_t)from[i] >> shift & DIGIT_MASK) + 1]++;
    for (size_t i = 0; i < DIGIT_MASK; i++)
        places[i + 1] += places[i];
    for (size_t i = 0; i < count; i++)
        to[places[(uint64_t)from[i] >> shift & DIGIT_MASK]++] = from[i];
}

/* There are about as many as hand-overs, and they are short: two or three passes. */
int gt_utilization_finish(struct gt_utilization *utilization)
{
    size_t count = utilization->latencies.count;
    int64_t *memory = calloc(2 * count + 1, sizeof(*memory)), longest_ns = 0;
    int64_t *sorted = memory, *other;

    if (!memory)
        return -1;
    other = memory + count;
    for (size_t i = 0; i < count; i++) {
        sorted[i] = *(int64_t *)gt_chunks_at(&utilization->latencies, i);
        longest_ns = sorted[i] > longest_ns ? sorted[i] : longest_ns;
    }
    for (unsigned shift = 0; shift < 63 && longest_ns >> shift; shift += DIGIT_BITS) {
        int64_t *last = sorted;

        sort_by_digit(sorted, other, count, shift);
        sorted = other;
        other = last;
    }
    for (size_t i = 0; i < count; i++)
        *(int64_t *)gt_chunks_at(&utilization->latencies, i) = sorted[i];
    free(memory);
    return 0;
}

int64_t gt_utilization_percentile(const struct gt_utilization *utilization, double percent)
{
    size_t count = utilization->latencies.count;
    size_t at = (size_t)((double)count * percent / 100);

    if (count == 0)
        return 0;
    return *(int64_t *)gt_chunks_at(&utilization->latencies, at < count ? at : count - 1);
}
