/* SPDX-License-Identifier: MIT */
#include "whatif/candidates.h"

#include "analysis/judgement.h"
#include "base/nstime.h"
#include "base/order.h"

#include <stdlib.h>
#include <string.h>

enum {
    CALLS_MIN = 5,     /* with fewer, all may have been preempted */
    LEAST_PERCENT = 1, /* of all waiting: functions that caused less are not asked about */
};

static int64_t waiting_of(const struct gt_timeline *timeline)
{
    int64_t sum_ns = 0;

    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        const struct gt_gil *gil = gt_gil_at(timeline, i);

        for (uint32_t m = 0; m < gil->members.count; m++)
            sum_ns = gt_add_ns(sum_ns, gt_gil_thread_at(gil, m)->wait_ns);
    }
    return sum_ns;
}

/* Recording makes it slow to start a thread: perf opens its events anew for each thread. */
static bool starts_threads(const struct gt_timeline *timeline, const struct gt_blocker *row)
{
    const struct gt_function_info *called =
        gt_chunks_at(&timeline->functions, row->doing.function);

    return strncmp(gt_intern_text(&timeline->names, called->name), "start_", 6) == 0 &&
           strcmp(gt_intern_text(&timeline->names, called->file), "_thread") == 0;
}

/*
 * Does it keep the GIL, and might it release it? Not the collector, and not an import. That a C
 * function keeps the GIL is seen where a call outlasts the switch interval. Of shorter calls it
 * is assumed where most are not too short to release the GIL for, and none was seen to release
 * it.
 */
static bool is_candidate(const struct gt_timeline *timeline, const struct gt_blocker *row)
{
    if (row->waiting_ns <= 0)
        return false;
    if (row->doing.kind == GT_DOING_C)
        return gt_blocker_keeps(row) ||
               (!row->retakes && row->count >= CALLS_MIN && row->long_count * 2 >= row->count &&
                !starts_threads(timeline, row));
    return row->doing.kind == GT_DOING_PYTHON && gt_blocker_keeps(row);
}

bool gt_candidate_is_same(const struct gt_timeline *timeline, uint32_t one, uint32_t two)
{
    const struct gt_function_info *left = gt_chunks_at(&timeline->functions, one);
    const struct gt_function_info *right = gt_chunks_at(&timeline->functions, two);

    return one == two || (left->name == right->name && left->file == right->file &&
                          left->line == right->line && left->flags == right->flags);
}

static void note_candidate(const struct gt_timeline *timeline, struct gt_candidate *all,
                           size_t *count, uint32_t gil, uint32_t row,
                           const struct gt_blocker *blocker)
{
    struct gt_candidate *one = all;

    while (one < all + *count &&
           !gt_candidate_is_same(timeline, one->function, blocker->doing.function))
        one++;
    if (one == all + *count) {
        *one = (struct gt_candidate){
            .function = blocker->doing.function, .row_ns = -1, .last_gil = GT_NO_INDEX};
        ++*count;
    }
    one->gils += one->last_gil != gil;
    one->last_gil = gil;
    if (blocker->waiting_ns > one->row_ns) {
        one->row_ns = blocker->waiting_ns;
        one->gil = gil;
        one->row = row;
    }
    one->kept = one->kept || gt_blocker_keeps(blocker);
    one->waiting_ns = gt_add_ns(one->waiting_ns, blocker->waiting_ns);
    one->kept_hold_ns = gt_add_ns(one->kept_hold_ns, blocker->kept_hold_ns);
    one->asked_hold_ns = gt_add_ns(one->asked_hold_ns, blocker->asked_hold_ns);
}

static int compare_candidates(const void *a, const void *b)
{
    const struct gt_candidate *left = a, *right = b;

    if (left->waiting_ns != right->waiting_ns)
        return gt_order(right->waiting_ns, left->waiting_ns);
    return gt_order(left->function, right->function);
}

int gt_candidates_find(struct gt_candidates *candidates, const struct gt_timeline *timeline,
                       const struct gt_blockers *blockers)
{
    enum { ROWS_MAX = 64 }; /* of a GIL: they come with the most waiting first */
    size_t gils = timeline->gils.count, count = 0;
    struct gt_candidate *all = calloc(gils * ROWS_MAX + 1, sizeof(*all));
    int64_t least_ns = waiting_of(timeline) / 100 * LEAST_PERCENT;

    if (!all)
        return -1;
    for (uint32_t gil = 0; gil < gils; gil++)
        for (uint32_t i = 0; i < blockers[gil].rows.count && i < ROWS_MAX; i++) {
            const struct gt_blocker *row = gt_blocker_at(&blockers[gil], i);

            if (is_candidate(timeline, row))
                note_candidate(timeline, all, &count, gil, i, row);
        }
    qsort(all, count, sizeof(*all), compare_candidates);
    candidates->count = 0;
    for (size_t i = 0; i < count && i < GT_BUILD_FUNCTIONS && all[i].waiting_ns >= least_ns;
         i++)
        candidates->list[candidates->count++] = all[i];
    free(all);
    return 0;
}
