/* SPDX-License-Identifier: MIT */
#include "model/lost.h"

#include "base/order.h"
#include "model/builder.h"

const struct gt_chunks *gt_lost_of(const struct gt_timeline *timeline, uint32_t process)
{
    uint32_t list = gt_process_at(timeline, process)->lost_list;

    return list ? gt_chunks_at(&timeline->lost_of, list - 1) : &timeline->lost;
}

size_t gt_lost_after(const struct gt_chunks *lost, int64_t time_ns)
{
    return gt_chunks_first_after(lost, 0, offsetof(struct gt_lost_range, end_ns), time_ns);
}

/* Its part in [start, end]; not more than 0 where it has none. */
static int64_t part_ns(const struct gt_lost_range *range, int64_t start_ns, int64_t end_ns)
{
    int64_t from_ns = range->start_ns > start_ns ? range->start_ns : start_ns;
    int64_t until_ns = range->end_ns < end_ns ? range->end_ns : end_ns;

    return until_ns - from_ns;
}

struct sum {
    int64_t all_ns, longest_ns;
};

static struct sum sum_within(const struct gt_chunks *lost, int64_t start_ns, int64_t end_ns)
{
    struct sum sum = {0};

    for (size_t i = gt_lost_after(lost, start_ns); i < lost->count; i++) {
        const struct gt_lost_range *range = gt_chunks_at(lost, i);
        int64_t ns;

        if (range->start_ns >= end_ns)
            break;
        ns = part_ns(range, start_ns, end_ns);
        sum.all_ns += ns;
        if (ns > sum.longest_ns)
            sum.longest_ns = ns;
    }
    return sum;
}

int64_t gt_lost_within(const struct gt_chunks *lost, int64_t start_ns, int64_t end_ns)
{
    return sum_within(lost, start_ns, end_ns).all_ns;
}

int64_t gt_lost_longest(const struct gt_chunks *lost, int64_t start_ns, int64_t end_ns)
{
    return sum_within(lost, start_ns, end_ns).longest_ns;
}

static int compare_ranges(const void *a, const void *b)
{
    const struct gt_lost_range *left = a, *right = b;

    return gt_order(left->start_ns, right->start_ns);
}

int gt_lost_merge(struct gt_chunks *lost)
{
    size_t kept = 0;

    if (gt_chunks_sort(lost, compare_ranges))
        return -1;
    for (size_t i = 0; i < lost->count; i++) {
        struct gt_lost_range range = *(struct gt_lost_range *)gt_chunks_at(lost, i);
        struct gt_lost_range *into = kept ? gt_chunks_at(lost, kept - 1) : NULL;

        if (into && range.start_ns <= into->end_ns) {
            if (range.end_ns > into->end_ns)
                into->end_ns = range.end_ns;
            into->events += range.events;
        } else {
            *(struct gt_lost_range *)gt_chunks_at(lost, kept++) = range;
        }
    }
    gt_chunks_truncate(lost, kept);
    return 0;
}

/* Ranges are merged: sorted, and no two touch. Join each `step` neighbours. */
static void join_each(struct gt_chunks *lost, size_t step)
{
    size_t kept = 0;

    for (size_t i = 0; i < lost->count; i++) {
        const struct gt_lost_range *range = gt_chunks_at(lost, i);
        struct gt_lost_range *into = gt_chunks_at(lost, kept ? kept - 1 : 0);

        if (i % step == 0) {
            *(struct gt_lost_range *)gt_chunks_at(lost, kept++) = *range;
            continue;
        }
        into->end_ns = range->end_ns;
        into->events += range->events;
    }
    gt_chunks_truncate(lost, kept);
}

void gt_lost_join(struct gt_timeline *timeline, struct gt_chunks *lost, size_t most)
{
    size_t count = lost->count;

    if (count <= most)
        return;
    join_each(lost, (count + most - 1) / most);
    timeline->left_out.lost_ranges += count - lost->count;
}
