/* SPDX-License-Identifier: MIT */
#include "analysis/sweep.h"

#include "base/order.h"

#include <stdlib.h>

static int compare_starts(const void *a, const void *b, void *context)
{
    const struct gt_chunks *waits = context;
    int64_t left = gt_span_at(waits, *(const uint32_t *)a)->start_ns;
    int64_t right = gt_span_at(waits, *(const uint32_t *)b)->start_ns;

    return gt_order(left, right);
}

static int compare_ends(const void *a, const void *b, void *context)
{
    const struct gt_chunks *waits = context;
    int64_t left = gt_span_at(waits, *(const uint32_t *)a)->end_ns;
    int64_t right = gt_span_at(waits, *(const uint32_t *)b)->end_ns;

    return gt_order(left, right);
}

/* As a rule they are sorted, or nearly so. */
static void sort(uint32_t *indices, size_t count, const struct gt_chunks *waits,
                 int (*compare)(const void *, const void *, void *))
{
    for (size_t i = 1; i < count; i++)
        if (compare(&indices[i - 1], &indices[i], (void *)waits) > 0) {
            qsort_r(indices, count, sizeof(*indices), compare, (void *)waits);
            return;
        }
}

static int64_t start_of(const struct gt_sweep *sweep, size_t at)
{
    return at < sweep->wait_count ? gt_span_at(&sweep->gil->waits, sweep->starts[at])->start_ns
                                  : INT64_MAX;
}

static int64_t end_of(const struct gt_sweep *sweep, size_t at)
{
    return at < sweep->wait_count ? gt_span_at(&sweep->gil->waits, sweep->ends[at])->end_ns
                                  : INT64_MAX;
}

int gt_sweep_init(struct gt_sweep *sweep, const struct gt_gil *gil)
{
    const struct gt_chunks *waits = &gil->waits;
    size_t count = waits->count;

    *sweep = (struct gt_sweep){.gil = gil};
    sweep->starts = calloc(count + 1, sizeof(*sweep->starts));
    sweep->ends = calloc(count + 1, sizeof(*sweep->ends));
    if (!sweep->starts || !sweep->ends) {
        gt_sweep_release(sweep);
        return -1;
    }
    for (uint32_t i = 0; i < count; i++)
        if (gt_span_at(waits, i)->end_ns > gt_span_at(waits, i)->start_ns) {
            sweep->starts[sweep->wait_count] = i;
            sweep->ends[sweep->wait_count++] = i;
        }
    sort(sweep->starts, sweep->wait_count, waits, compare_starts);
    sort(sweep->ends, sweep->wait_count, waits, compare_ends);
    sweep->next_start_ns = start_of(sweep, 0);
    sweep->next_end_ns = end_of(sweep, 0);
    return 0;
}

void gt_sweep_release(struct gt_sweep *sweep)
{
    free(sweep->starts);
    free(sweep->ends);
    free(sweep->active);
    *sweep = (struct gt_sweep){0};
}

static int begin(struct gt_sweep *sweep, const struct gt_span *wait)
{
    if (sweep->active_count == sweep->active_capacity) {
        size_t capacity = sweep->active_capacity ? sweep->active_capacity * 2 : 16;
        const struct gt_span **grown = reallocarray(sweep->active, capacity, sizeof(*grown));

        if (!grown)
            return -1;
        sweep->active = grown;
        sweep->active_capacity = capacity;
    }
    sweep->active[sweep->active_count++] = wait;
    return 0;
}

static void end(struct gt_sweep *sweep, const struct gt_span *wait)
{
    for (size_t i = 0; i < sweep->active_count; i++)
        if (sweep->active[i] == wait) {
            sweep->active[i] = sweep->active[--sweep->active_count];
            return;
        }
}

/* What began or ended until `time_ns`. Every wait begins before it ends. */
static int catch_up(struct gt_sweep *sweep, int64_t time_ns)
{
    const struct gt_chunks *waits = &sweep->gil->waits;

    while (sweep->next_start_ns <= time_ns) {
        if (begin(sweep, gt_span_at(waits, sweep->starts[sweep->next_start])))
            return -1;
        sweep->next_start_ns = start_of(sweep, ++sweep->next_start);
    }
    while (sweep->next_end_ns <= time_ns) {
        end(sweep, gt_span_at(waits, sweep->ends[sweep->next_end]));
        sweep->next_end_ns = end_of(sweep, ++sweep->next_end);
    }
    return 0;
}

int gt_sweep_advance(struct gt_sweep *sweep, int64_t from_ns, int64_t until_ns,
                     gt_sweep_fn stretch, void *context)
{
    while (from_ns < until_ns) {
        int64_t stop_ns = until_ns;

        if (catch_up(sweep, from_ns))
            return -1;
        if (sweep->next_start_ns < stop_ns)
            stop_ns = sweep->next_start_ns;
        if (sweep->next_end_ns < stop_ns)
            stop_ns = sweep->next_end_ns;
        if (stretch(context, from_ns, stop_ns))
            return -1;
        from_ns = stop_ns;
    }
    return 0;
}

int64_t gt_sweep_first_ns(const struct gt_sweep *sweep)
{
    int64_t first_ns = INT64_MAX;

    if (sweep->gil->holds.count)
        first_ns = gt_span_at(&sweep->gil->holds, 0)->start_ns;
    if (sweep->wait_count &&
        gt_span_at(&sweep->gil->waits, sweep->starts[0])->start_ns < first_ns)
        first_ns = gt_span_at(&sweep->gil->waits, sweep->starts[0])->start_ns;
    return first_ns;
}

int64_t gt_sweep_last_ns(const struct gt_sweep *sweep)
{
    return sweep->wait_count
               ? gt_span_at(&sweep->gil->waits, sweep->ends[sweep->wait_count - 1])->end_ns
               : INT64_MIN;
}
