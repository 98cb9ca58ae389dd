/* SPDX-License-Identifier: MIT */
#include "analysis/utilization.h"

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

/* As a rule it is the next one. */
void gt_utilization_go_to(struct gt_utilization *utilization, int64_t time_ns)
{
    size_t at = utilization->at;

    while (at + 1 < GT_UTILIZATION_SLICES && time_ns >= start_of(utilization, at + 1))
        at++;
    while (at > 0 && time_ns < start_of(utilization, at))
        at--;
    utilization->at = at;
    utilization->at_start_ns = at > 0 ? start_of(utilization, at) : INT64_MIN;
    utilization->at_end_ns =
        at + 1 < GT_UTILIZATION_SLICES ? start_of(utilization, at + 1) : INT64_MAX;
}

int gt_utilization_handover(struct gt_utilization *utilization, int64_t time_ns,
                            int64_t latency_ns)
{
    int64_t *latency = gt_chunks_push(&utilization->latencies);

    if (!latency)
        return -1;
    *latency = latency_ns;
    gt_utilization_at(utilization, time_ns)->handovers++;
    return 0;
}

static void sum_slices(struct gt_utilization *utilization)
{
    struct gt_utilization_slice *total = &utilization->total;

    for (size_t i = 0; i < GT_UTILIZATION_SLICES; i++) {
        const struct gt_utilization_slice *slice = &utilization->slices[i];

        total->held_ns += slice->held_ns;
        total->contended_ns += slice->contended_ns;
        total->waiting_ns = gt_add_ns(total->waiting_ns, slice->waiting_ns);
        total->idle_ns += slice->idle_ns;
        total->handovers += slice->handovers;
    }
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

    sum_slices(utilization);
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
