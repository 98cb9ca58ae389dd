/* SPDX-License-Identifier: MIT */
#include "analysis/contention.h"

#include "analysis/charges.h"
#include "analysis/members.h"
#include "analysis/sweep.h"
#include "base/nstime.h"
#include "base/order.h"

#include <stdlib.h>
#include <string.h>

/* The number of pairs grows with the square of the members: waiters are looked at in groups,
 * each in one walk over the holds. */
enum { PAIRS = 1 << 20 };

/* One group of waiters. */
struct walk {
    struct gt_contention *out;
    const struct gt_gil *gil;
    struct gt_members members;
    struct gt_sweep sweep;
    struct gt_charges charges; /* keys: positions in `holders` */
    uint32_t first, count;     /* its members */
    uint32_t *holders;         /* that anyone of the group waited for */
    uint32_t holder_count;
    uint32_t *key_of;     /* by member: its position in `holders`, plus 1; 0: none */
    int64_t *ns;          /* by waiter of the group and key */
    int64_t *wait_ns;     /* by waiter of the group */
    struct gt_blame *row; /* of one waiter */
    uint32_t key;         /* of the hold at hand */
};

static int64_t *cell(const struct walk *walk, uint32_t waiter, uint32_t key)
{
    return &walk->ns[(size_t)waiter * walk->gil->members.count + key];
}

static int charge(void *context, uint32_t waiter, uint32_t key, int64_t ns)
{
    struct walk *walk = context;

    *cell(walk, waiter, key) += ns;
    return 0;
}

static void change_wait(void *context, const struct gt_span *wait, bool begins)
{
    struct walk *walk = context;
    uint32_t waiter = gt_members_of(&walk->members, wait->thread) - walk->first;

    if (begins)
        gt_charges_begin(&walk->charges, waiter);
    else
        gt_charges_end(&walk->charges, waiter);
}

static int charge_hold(void *context, int64_t from_ns, int64_t until_ns)
{
    struct walk *walk = context;

    if (walk->sweep.active_count == 0)
        return 0;
    return gt_charges_add(&walk->charges, walk->key, until_ns - from_ns);
}

static uint32_t key_of(struct walk *walk, const struct gt_span *hold)
{
    uint32_t holder = gt_members_of(&walk->members, hold->thread);

    if (walk->key_of[holder] == 0) {
        walk->holders[walk->holder_count++] = holder;
        walk->key_of[holder] = walk->holder_count;
    }
    return walk->key_of[holder] - 1;
}

static int walk_holds(struct walk *walk)
{
    const struct gt_chunks *holds = &walk->gil->holds;
    uint32_t holder = GT_NO_INDEX;

    for (size_t at = 0; at < holds->count; at++) {
        const struct gt_span *hold = gt_span_at(holds, at);

        if (gt_sweep_is_empty(&walk->sweep, hold->end_ns)) {
            if (walk->sweep.next_start_ns == INT64_MAX)
                break;
            at = gt_chunks_first_after(holds, at, offsetof(struct gt_span, end_ns),
                                       walk->sweep.next_start_ns);
            if (at == holds->count)
                break;
            hold = gt_span_at(holds, at);
        }
        if (hold->thread != holder) {
            holder = hold->thread;
            walk->key = key_of(walk, hold);
        }
        if (gt_sweep_advance(&walk->sweep, hold->start_ns, hold->end_ns, charge_hold, walk))
            return -1;
    }
    return gt_charges_finish(&walk->charges);
}

/* --- the blames of a group --- */

static int compare_blames(const void *a, const void *b)
{
    const struct gt_blame *left = a, *right = b;

    if (left->ns != right->ns)
        return left->ns > right->ns ? -1 : 1;
    return gt_order(left->holder, right->holder);
}

static int push(struct gt_contention *contention, struct gt_blame blame)
{
    struct gt_blame *pushed = blame.ns ? gt_chunks_push(&contention->blames) : NULL;

    if (pushed)
        *pushed = blame;
    return blame.ns && !pushed ? -1 : 0;
}

/* The waiter's blames; its row of the table is empty again. */
static int settle(struct walk *walk, uint32_t waiter, size_t max)
{
    uint32_t member = walk->first + waiter;
    int64_t others_ns = 0, nobody_ns = walk->wait_ns[waiter];
    size_t count = 0;
    int rc = 0;

    for (uint32_t key = 0; key < walk->holder_count; key++) {
        int64_t *ns = cell(walk, waiter, key);

        if (*ns)
            walk->row[count++] = (struct gt_blame){member, walk->holders[key], *ns};
        nobody_ns -= *ns;
        *ns = 0;
    }
    qsort(walk->row, count, sizeof(*walk->row), compare_blames);
    for (size_t i = 0; i < count; i++) {
        if (i < max && rc == 0)
            rc = push(walk->out, walk->row[i]);
        else
            others_ns = gt_add_ns(others_ns, walk->row[i].ns);
    }
    if (rc == 0)
        rc = push(walk->out, (struct gt_blame){member, GT_OTHERS, others_ns});
    if (rc == 0)
        rc = push(walk->out, (struct gt_blame){member, GT_NO_INDEX, nobody_ns});
    return rc;
}

static int settle_all(struct walk *walk)
{
    enum { LEAST = 16 };
    size_t members = walk->gil->members.count;
    size_t max = PAIRS / members > LEAST ? PAIRS / members : LEAST;
    int rc = 0;

    for (uint32_t waiter = 0; rc == 0 && waiter < walk->count; waiter++)
        rc = settle(walk, waiter, max);
    for (uint32_t key = 0; key < walk->holder_count; key++)
        walk->key_of[walk->holders[key]] = 0;
    walk->holder_count = 0;
    return rc;
}

/* --- all groups --- */

/* Waits are grouped by waiter, in their order; those of member m end at ends[m]. */
static void group_waits(const struct walk *walk, uint32_t *waits, size_t *ends)
{
    const struct gt_gil *gil = walk->gil;
    size_t sum = 0;

    for (size_t i = 0; i < gil->waits.count; i++)
        ends[gt_members_of(&walk->members, gt_span_at(&gil->waits, i)->thread)]++;
    for (size_t member = 0; member < gil->members.count; member++) {
        size_t count = ends[member];

        ends[member] = sum;
        sum += count;
    }
    for (uint32_t i = 0; i < gil->waits.count; i++)
        waits[ends[gt_members_of(&walk->members, gt_span_at(&gil->waits, i)->thread)]++] = i;
}

static void sum_waits(const struct walk *walk, const uint32_t *waits, size_t count)
{
    memset(walk->wait_ns, 0, walk->count * sizeof(*walk->wait_ns));
    for (size_t i = 0; i < count; i++) {
        const struct gt_span *wait = gt_span_at(&walk->gil->waits, waits[i]);
        uint32_t waiter = gt_members_of(&walk->members, wait->thread) - walk->first;

        walk->wait_ns[waiter] = gt_add_ns(walk->wait_ns[waiter], wait->end_ns - wait->start_ns);
    }
}

/* The waits of walk->count members from walk->first on. */
static int charge_group(struct walk *walk, const uint32_t *waits, size_t count)
{
    int rc;

    if (count == 0)
        return 0;
    sum_waits(walk, waits, count);
    rc = gt_charges_init(&walk->charges, walk->count, charge, walk);
    if (rc == 0)
        rc = gt_sweep_init_some(&walk->sweep, walk->gil, waits, count, change_wait, walk);
    if (rc == 0)
        rc = walk_holds(walk);
    if (rc == 0)
        rc = settle_all(walk);
    gt_charges_release(&walk->charges);
    gt_sweep_release(&walk->sweep);
    return rc;
}

static int charge_all(struct walk *walk, uint32_t *waits, size_t *ends)
{
    uint32_t members = (uint32_t)walk->gil->members.count;
    uint32_t most = PAIRS / members > 1 ? PAIRS / members : 1;
    size_t done = 0;
    int rc = 0;

    most = most < members ? most : members;
    walk->holders = calloc(members, sizeof(*walk->holders));
    walk->key_of = calloc(members, sizeof(*walk->key_of));
    walk->ns = calloc((size_t)most * members, sizeof(*walk->ns));
    walk->wait_ns = calloc(most, sizeof(*walk->wait_ns));
    walk->row = calloc(members, sizeof(*walk->row));
    if (!walk->holders || !walk->key_of || !walk->ns || !walk->wait_ns || !walk->row)
        return -1;
    group_waits(walk, waits, ends);
    for (; rc == 0 && walk->first < members; walk->first += walk->count) {
        walk->count = members - walk->first < most ? members - walk->first : most;
        rc = charge_group(walk, waits + done, ends[walk->first + walk->count - 1] - done);
        done = ends[walk->first + walk->count - 1];
    }
    return rc;
}

int gt_contention_init(struct gt_contention *contention, const struct gt_gil *gil,
                       struct gt_error *err)
{
    struct walk walk = {.out = contention, .gil = gil};
    uint32_t *waits = calloc(gil->waits.count + 1, sizeof(*waits));
    size_t *ends = calloc(gil->members.count + 1, sizeof(*ends));
    int rc = waits && ends ? gt_members_init(&walk.members, gil) : -1;

    gt_chunks_init(&contention->blames, sizeof(struct gt_blame));
    if (rc == 0 && gil->waits.count)
        rc = charge_all(&walk, waits, ends);
    gt_members_release(&walk.members);
    free(waits);
    free(ends);
    free(walk.holders);
    free(walk.key_of);
    free(walk.ns);
    free(walk.wait_ns);
    free(walk.row);
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
