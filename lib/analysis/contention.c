/* SPDX-License-Identifier: MIT */
#include "analysis/contention.h"

#include "base/order.h"

#include <stdlib.h>

/* What one waiter waited for each holder, while its waits are looked at. */
struct tally {
    int64_t *ns;       /* by member; 0 but for those in `holders` */
    uint32_t *holders; /* in the order of first sight */
    size_t count;
    int64_t nobody_ns;
    size_t near; /* a hold about where the last wait was */
};

/* Index of the first hold that ends after `time_ns`, likely at `near` or soon after it; holds
 * never overlap, so their ends are in order. */
static size_t first_hold_after(const struct gt_gil *gil, size_t near, int64_t time_ns)
{
    enum { SOON = 8 };
    size_t low = 0;

    if (near < gil->holds.count &&
        (near == 0 || gt_span_at(&gil->holds, near - 1)->end_ns <= time_ns)) {
        low = near;
        for (size_t i = 0; i < SOON && low < gil->holds.count; i++, low++)
            if (gt_span_at(&gil->holds, low)->end_ns > time_ns)
                return low;
    }
    return gt_chunks_first_after(&gil->holds, low, offsetof(struct gt_span, end_ns), time_ns);
}

/* A waiter's waits come in the order of time. */
static void add_wait(struct tally *tally, const struct gt_gil *gil, const struct gt_span *wait)
{
    size_t at = first_hold_after(gil, tally->near, wait->start_ns);

    tally->near = at;
    tally->nobody_ns += wait->end_ns - wait->start_ns;
    for (; at < gil->holds.count; at++) {
        const struct gt_span *hold = gt_span_at(&gil->holds, at);
        int64_t from_ns = hold->start_ns > wait->start_ns ? hold->start_ns : wait->start_ns;
        int64_t until_ns = hold->end_ns < wait->end_ns ? hold->end_ns : wait->end_ns;
        uint32_t holder;

        if (hold->start_ns >= wait->end_ns)
            break;
        if (until_ns <= from_ns)
            continue;
        holder = gt_hashmap_get(&gil->member_of, hold->thread);
        if (tally->ns[holder] == 0)
            tally->holders[tally->count++] = holder;
        tally->ns[holder] += until_ns - from_ns;
        tally->nobody_ns -= until_ns - from_ns;
    }
}

static int compare_holders(const void *a, const void *b, void *context)
{
    const int64_t *ns = context;
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

    if (ns[left] != ns[right])
        return ns[left] > ns[right] ? -1 : 1;
    return gt_order(left, right);
}

static int push(struct gt_contention *contention, uint32_t waiter, uint32_t holder, int64_t ns)
{
    struct gt_blame *blame;

    if (ns == 0)
        return 0;
    blame = gt_chunks_push(&contention->blames);
    if (!blame)
        return -1;
    *blame = (struct gt_blame){waiter, holder, ns};
    return 0;
}

/* The waiter's blames; the tally is empty again. 0 or -1. */
static int settle(struct gt_contention *contention, uint32_t waiter, size_t max,
                  struct tally *tally)
{
    int64_t others_ns = 0;
    int rc = 0;

    qsort_r(tally->holders, tally->count, sizeof(*tally->holders), compare_holders, tally->ns);
    for (size_t i = 0; i < tally->count; i++) {
        uint32_t holder = tally->holders[i];

        if (i < max && rc == 0)
            rc = push(contention, waiter, holder, tally->ns[holder]);
        else
            others_ns += tally->ns[holder];
        tally->ns[holder] = 0;
    }
    if (rc == 0)
        rc = push(contention, waiter, GT_OTHERS, others_ns);
    if (rc == 0)
        rc = push(contention, waiter, GT_NO_INDEX, tally->nobody_ns);
    tally->count = 0;
    tally->nobody_ns = 0;
    return rc;
}

/* The indices of the waits, by waiter; those of member m end at ends[m]. */
static void group_waits(const struct gt_gil *gil, uint32_t *waits, size_t *ends)
{
    size_t sum = 0;

    for (size_t i = 0; i < gil->waits.count; i++)
        ends[gt_hashmap_get(&gil->member_of, gt_span_at(&gil->waits, i)->thread)]++;
    for (size_t member = 0; member < gil->members.count; member++) {
        size_t count = ends[member];

        ends[member] = sum;
        sum += count;
    }
    for (uint32_t i = 0; i < gil->waits.count; i++)
        waits[ends[gt_hashmap_get(&gil->member_of, gt_span_at(&gil->waits, i)->thread)]++] = i;
}

static int charge_all(struct gt_contention *contention, const struct gt_gil *gil,
                      struct tally *tally, uint32_t *waits, size_t *ends)
{
    enum { PAIRS = 1 << 20, LEAST = 16 };
    size_t members = gil->members.count, at = 0;
    size_t max = members && PAIRS / members > LEAST ? PAIRS / members : LEAST;
    int rc = 0;

    group_waits(gil, waits, ends);
    for (uint32_t waiter = 0; rc == 0 && waiter < members; waiter++) {
        for (; at < ends[waiter]; at++)
            add_wait(tally, gil, gt_span_at(&gil->waits, waits[at]));
        rc = settle(contention, waiter, max, tally);
    }
    return rc;
}

int gt_contention_init(struct gt_contention *contention, const struct gt_gil *gil,
                       struct gt_error *err)
{
    size_t members = gil->members.count;
    uint32_t *waits = calloc(gil->waits.count + 1, sizeof(*waits));
    size_t *ends = calloc(members + 1, sizeof(*ends));
    struct tally tally = {.ns = calloc(members + 1, sizeof(*tally.ns)),
                          .holders = calloc(members + 1, sizeof(*tally.holders))};
    int rc = -1;

    gt_chunks_init(&contention->blames, sizeof(struct gt_blame));
    if (waits && ends && tally.ns && tally.holders)
        rc = charge_all(contention, gil, &tally, waits, ends);
    free(waits);
    free(ends);
    free(tally.ns);
    free(tally.holders);
    if (rc) {
        gt_contention_release(contention);
        return gt_error_memory(err);
    }
    return 0;
}

void gt_contention_release(struct gt_contention *contention)
{
    gt_chunks_release(&contention->blames);
}

size_t gt_contention_of(const struct gt_contention *contention, uint32_t waiter, size_t *count)
{
    size_t first = 0, high = contention->blames.count;

    while (first < high) {
        size_t middle = first + (high - first) / 2;

        if (gt_blame_at(contention, middle)->waiter < waiter)
            first = middle + 1;
        else
            high = middle;
    }
    *count = 0;
    while (first + *count < contention->blames.count &&
           gt_blame_at(contention, first + *count)->waiter == waiter)
        ++*count;
    return first;
}
