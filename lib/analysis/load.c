#include "analysis/load.h"

#include "base/nstime.h"

#include <stdlib.h>

void gt_load_init(struct gt_load *load, int64_t start_ns, int64_t end_ns)
{
    int64_t length_ns = end_ns > start_ns ? end_ns - start_ns : 0;

    *load = (struct gt_load){.start_ns = start_ns, .slice_ns = length_ns / GT_LOAD_SLICES + 1};
    gt_chunks_init(&load->latencies, sizeof(int64_t));
}

void gt_load_release(struct gt_load *load)
{
    gt_chunks_release(&load->latencies);
}

static size_t slice_of(const struct gt_load *load, int64_t time_ns)
{
    int64_t slice = time_ns > load->start_ns ? (time_ns - load->start_ns) / load->slice_ns : 0;

    return slice < GT_LOAD_SLICES ? (size_t)slice : GT_LOAD_SLICES - 1;
}

static void add(struct gt_load_slice *slice, int64_t ns, size_t waiters, int held)
{
    slice->held_ns += held ? ns : 0;
    slice->contended_ns += waiters ? ns : 0;
    slice->waiting_ns = gt_add_ns(slice->waiting_ns, gt_times_ns(ns, waiters));
}

void gt_load_add(struct gt_load *load, int64_t from_ns, int64_t until_ns, size_t waiters,
                 int held)
{
    size_t last = slice_of(load, until_ns - 1);

    add(&load->total, until_ns - from_ns, waiters, held);
    load->idle_ns += waiters && !held ? until_ns - from_ns : 0;
    for (size_t i = slice_of(load, from_ns); i <= last; i++) {
        int64_t end_ns = load->start_ns + (int64_t)(i + 1) * load->slice_ns;

        if (i == last || end_ns > until_ns)
            end_ns = until_ns;
        add(&load->slices[i], end_ns - from_ns, waiters, held);
        from_ns = end_ns;
    }
}

int gt_load_handover(struct gt_load *load, int64_t time_ns, int64_t latency_ns)
{
    int64_t *latency = gt_chunks_push(&load->latencies);

    if (!latency)
        return -1;
    *latency = latency_ns;
    load->slices[slice_of(load, time_ns)].handovers++;
    load->total.handovers++;
    return 0;
}

static int compare(const void *a, const void *b)
{
    const int64_t *left = a, *right = b;

    return (*left > *right) - (*left < *right);
}

int gt_load_finish(struct gt_load *load)
{
    size_t count = load->latencies.count;
    int64_t *sorted = calloc(count ? count : 1, sizeof(*sorted));

    if (!sorted)
        return -1;
    for (size_t i = 0; i < count; i++)
        sorted[i] = *(int64_t *)gt_chunks_at(&load->latencies, i);
    qsort(sorted, count, sizeof(*sorted), compare);
    for (size_t i = 0; i < count; i++)
        *(int64_t *)gt_chunks_at(&load->latencies, i) = sorted[i];
    free(sorted);
    return 0;
}

int64_t gt_load_percentile(const struct gt_load *load, double percent)
{
    size_t count = load->latencies.count;
    size_t at = (size_t)((double)count * percent / 100);

    if (count == 0)
        return 0;
    return *(int64_t *)gt_chunks_at(&load->latencies, at < count ? at : count - 1);
}
