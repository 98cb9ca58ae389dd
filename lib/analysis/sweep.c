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

static bool takes_time(const struct gt_chunks *waits, uint32_t index)
{
    return gt_span_at(waits, index)->end_ns > gt_span_at(waits, index)->start_ns;
}

int gt_sweep_init_some(struct gt_sweep *sweep, const struct gt_gil *gil, const uint32_t *some,
                       size_t count, gt_sweep_change_fn change, void *context)
{
    const struct gt_chunks *waits = &gil->waits;

    *sweep = (struct gt_sweep){
        .gil = gil, .now_ns = INT64_MIN, .change = change, .context = context};
    sweep->starts = calloc(count + 1, sizeof(*sweep->starts));
    sweep->ends = calloc(count + 1, sizeof(*sweep->ends));
    if (!sweep->starts || !sweep->ends) {
        gt_sweep_release(sweep);
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t index = some ? some[i] : (uint32_t)i;

        if (takes_time(waits, index)) {
            sweep->starts[sweep->wait_count] = index;
            sweep->ends[sweep->wait_count++] = index;
        }
    }
    sort(sweep->starts, sweep->wait_count, waits, compare_starts);
    sort(sweep->ends, sweep->wait_count, waits, compare_ends);
    sweep->next_start_ns = start_of(sweep, 0);
    sweep->next_end_ns = end_of(sweep, 0);
    return 0;
}

int gt_sweep_init(struct gt_sweep *sweep, const struct gt_gil *gil, gt_sweep_change_fn change,
                  void *context)
{
    return gt_sweep_init_some(sweep, gil, NULL, gil->waits.count, change, context);
}

void gt_sweep_release(struct gt_sweep *sweep)
{
    free(sweep->starts);
    free(sweep->ends);
    *sweep = (struct gt_sweep){0};
}

static void change(const struct gt_sweep *sweep, uint32_t wait, bool begins)
{
    if (sweep->change)
        sweep->change(sweep->context, gt_span_at(&sweep->gil->waits, wait), begins);
}

/* Every wait begins before it ends. */
void gt_sweep_catch_up(struct gt_sweep *sweep, int64_t time_ns)
{
    while (sweep->next_start_ns <= time_ns || sweep->next_end_ns <= time_ns) {
        if (sweep->next_end_ns <= sweep->next_start_ns) {
            sweep->active_count--;
            change(sweep, sweep->ends[sweep->next_end], false);
            sweep->next_end_ns = end_of(sweep, ++sweep->next_end);
        } else {
            sweep->active_count++;
            change(sweep, sweep->starts[sweep->next_start], true);
            sweep->next_start_ns = start_of(sweep, ++sweep->next_start);
        }
    }
}

int64_t gt_sweep_earliest_ns(const struct gt_sweep *sweep, size_t *cursor, int64_t after_ns)
{
    for (; *cursor < sweep->next_start; ++*cursor) {
        const struct gt_span *wait = gt_span_at(&sweep->gil->waits, sweep->starts[*cursor]);

        if (wait->start_ns > after_ns && wait->end_ns > sweep->now_ns)
            return wait->start_ns;
    }
    return INT64_MAX;
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
