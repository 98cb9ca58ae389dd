#include "analysis/contention.h"

#include "base/hashmap.h"

#include <stdlib.h>

struct charging {
    struct gt_contention *contention;
    const struct gt_gil *gil;
    struct gt_hashmap index_of; /* by waiter and holder */
    uint64_t last_key;          /* cache of it: one wait goes on over many holds */
    uint32_t last_index;
    size_t near; /* a hold about where the last wait was */
};

static int charge(struct charging *charging, uint32_t waiter, uint32_t holder, int64_t ns)
{
    struct gt_contention *contention = charging->contention;
    struct gt_hashmap *index_of = &charging->index_of;
    uint64_t key = (uint64_t)waiter << 32 | holder;
    uint32_t index =
        key == charging->last_key ? charging->last_index : gt_hashmap_get(index_of, key);
    struct gt_blame *blame;

    if (index == GT_HASHMAP_NONE) {
        index = (uint32_t)contention->blames.count;
        blame = gt_chunks_push(&contention->blames);
        if (!blame || gt_hashmap_put(index_of, key, index))
            return -1;
        *blame = (struct gt_blame){waiter, holder, 0};
    }
    charging->last_key = key;
    charging->last_index = index;
    blame = gt_chunks_at(&contention->blames, index);
    blame->ns += ns;
    return 0;
}

/* Index of the first hold that ends after `time_ns`, near `at`; holds never overlap, so their
 * ends are in order. */
static size_t first_hold_after(const struct gt_gil *gil, size_t at, int64_t time_ns)
{
    while (at < gil->holds.count && gt_span_at(&gil->holds, at)->end_ns <= time_ns)
        at++;
    while (at > 0 && gt_span_at(&gil->holds, at - 1)->end_ns > time_ns)
        at--;
    return at;
}

/* Waits come in the order of their ends. */
static int charge_wait(struct charging *charging, const struct gt_span *wait)
{
    const struct gt_gil *gil = charging->gil;
    uint32_t waiter = gt_hashmap_get(&gil->member_of, wait->thread);
    int64_t unheld_ns = wait->end_ns - wait->start_ns;
    size_t at = first_hold_after(gil, charging->near, wait->start_ns);

    charging->near = at;

    for (; at < gil->holds.count; at++) {
        const struct gt_span *hold = gt_span_at(&gil->holds, at);
        int64_t from_ns = hold->start_ns > wait->start_ns ? hold->start_ns : wait->start_ns;
        int64_t until_ns = hold->end_ns < wait->end_ns ? hold->end_ns : wait->end_ns;

        if (hold->start_ns >= wait->end_ns)
            break;
        if (until_ns <= from_ns)
            continue;
        if (charge(charging, waiter, gt_hashmap_get(&gil->member_of, hold->thread),
                   until_ns - from_ns))
            return -1;
        unheld_ns -= until_ns - from_ns;
    }
    return unheld_ns ? charge(charging, waiter, GT_NO_INDEX, unheld_ns) : 0;
}

static int compare_blames(const void *a, const void *b)
{
    const struct gt_blame *left = a, *right = b;
    bool left_nobody = left->holder == GT_NO_INDEX, right_nobody = right->holder == GT_NO_INDEX;

    if (left->waiter != right->waiter)
        return left->waiter < right->waiter ? -1 : 1;
    if (left_nobody != right_nobody)
        return left_nobody ? 1 : -1;
    if (left->ns != right->ns)
        return left->ns > right->ns ? -1 : 1;
    return (left->holder > right->holder) - (left->holder < right->holder);
}

static int sort_blames(struct gt_contention *contention)
{
    size_t count = contention->blames.count;
    struct gt_blame *blames = calloc(count ? count : 1, sizeof(*blames));

    if (!blames)
        return -1;
    for (size_t i = 0; i < count; i++)
        blames[i] = *gt_blame_at(contention, i);
    qsort(blames, count, sizeof(*blames), compare_blames);
    for (size_t i = 0; i < count; i++)
        *(struct gt_blame *)gt_chunks_at(&contention->blames, i) = blames[i];
    free(blames);
    return 0;
}

int gt_contention_init(struct gt_contention *contention, const struct gt_gil *gil,
                       struct gt_error *err)
{
    struct charging charging = {.contention = contention, .gil = gil, .last_key = UINT64_MAX};
    int rc = 0;

    gt_chunks_init(&contention->blames, sizeof(struct gt_blame));
    gt_hashmap_init(&charging.index_of);
    for (size_t i = 0; rc == 0 && i < gil->waits.count; i++)
        rc = charge_wait(&charging, gt_span_at(&gil->waits, i));
    if (rc == 0)
        rc = sort_blames(contention);
    gt_hashmap_release(&charging.index_of);
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
