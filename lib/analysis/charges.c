/* SPDX-License-Identifier: MIT */
#include "analysis/charges.h"

#include <stdlib.h>
#include <string.h>

enum { BEFORE_MAX = 1 << 22 }; /* numbers, 32 MiB */

struct gt_charged {
    bool waits;
    bool usually;          /* counted as waiting throughout */
    uint32_t place;        /* in `exceptions`, if waits != usually */
    uint64_t excess;       /* stretches in which it was an exception, less those in between */
    uint64_t usual_since;  /* stretches until it was no exception any more */
    int64_t *before;       /* if `usually`: the sums when that began, */
    uint32_t before_count; /* … of so many keys; later ones were 0 */
};

int gt_charges_init(struct gt_charges *charges, size_t members, gt_charge_fn charge,
                    void *context)
{
    *charges = (struct gt_charges){
        .charge = charge,
        .context = context,
        .members = calloc(members + 1, sizeof(*charges->members)),
        .exceptions = calloc(members + 1, sizeof(*charges->exceptions)),
        .member_count = members,
    };
    if (charges->members && charges->exceptions)
        return 0;
    gt_charges_release(charges);
    return -1;
}

void gt_charges_release(struct gt_charges *charges)
{
    for (size_t i = 0; charges->members && i < charges->member_count; i++)
        free(charges->members[i].before);
    free(charges->members);
    free(charges->exceptions);
    free(charges->sums);
    *charges = (struct gt_charges){0};
}

static void add_exception(struct gt_charges *charges, uint32_t index)
{
    struct gt_charged *member = &charges->members[index];
    uint64_t usual = charges->stretches - member->usual_since;

    member->excess = member->excess > usual ? member->excess - usual : 0;
    member->place = (uint32_t)charges->exception_count;
    charges->exceptions[charges->exception_count++] = index;
}

static void remove_exception(struct gt_charges *charges, uint32_t index)
{
    uint32_t last = charges->exceptions[--charges->exception_count];

    charges->exceptions[charges->members[index].place] = last;
    charges->members[last].place = charges->members[index].place;
    charges->members[index].usual_since = charges->stretches;
}

static void change(struct gt_charges *charges, uint32_t index, bool waits)
{
    struct gt_charged *member = &charges->members[index];

    if (member->waits == waits)
        return;
    member->waits = waits;
    if (waits == member->usually)
        remove_exception(charges, index);
    else
        add_exception(charges, index);
}

void gt_charges_begin(struct gt_charges *charges, uint32_t member)
{
    change(charges, member, true);
}

void gt_charges_end(struct gt_charges *charges, uint32_t member)
{
    change(charges, member, false);
}

/* From here on it is counted as waiting throughout. Where that would take too much memory it
 * is not. */
static int settle_in(struct gt_charges *charges, struct gt_charged *member)
{
    if (charges->before_count + charges->key_count > BEFORE_MAX)
        return 0;
    member->before =
        reallocarray(NULL, (size_t)charges->key_count + 1, sizeof(*member->before));
    if (!member->before)
        return -1;
    memcpy(member->before, charges->sums, charges->key_count * sizeof(*member->before));
    member->before_count = charges->key_count;
    charges->before_count += member->before_count;
    member->usually = true;
    return 0;
}

static int settle_up(struct gt_charges *charges, uint32_t index)
{
    struct gt_charged *member = &charges->members[index];
    int rc = 0;

    for (uint32_t key = 0; rc == 0 && key < charges->key_count; key++) {
        int64_t before_ns = key < member->before_count ? member->before[key] : 0;

        if (charges->sums[key] != before_ns)
            rc = charges->charge(charges->context, index, key, charges->sums[key] - before_ns);
    }
    charges->before_count -= member->before_count;
    free(member->before);
    member->before = NULL;
    member->usually = false;
    return rc;
}

/* It was an exception for longer than a change costs: make that the rule. */
static int change_sides(struct gt_charges *charges, uint32_t index)
{
    struct gt_charged *member = &charges->members[index];
    int rc = member->usually ? settle_up(charges, index) : settle_in(charges, member);

    member->excess = 0;
    if (rc == 0 && member->waits == member->usually)
        remove_exception(charges, index);
    return rc;
}

int gt_charges_make_key(struct gt_charges *charges, uint32_t key)
{
    if (key >= charges->key_capacity) {
        uint32_t capacity = key < UINT32_MAX / 4 ? key * 2 + 16 : UINT32_MAX;
        int64_t *grown = reallocarray(charges->sums, capacity, sizeof(*grown));

        if (!grown)
            return -1;
        charges->sums = grown;
        charges->key_capacity = capacity;
    }
    while (charges->key_count <= key)
        charges->sums[charges->key_count++] = 0;
    return 0;
}

int gt_charges_settle(struct gt_charges *charges, uint32_t key, int64_t ns)
{
    for (size_t i = 0; i < charges->exception_count;) {
        uint32_t index = charges->exceptions[i];
        struct gt_charged *member = &charges->members[index];
        size_t count = charges->exception_count;

        if (charges->charge(charges->context, index, key, member->waits ? ns : -ns))
            return -1;
        if (++member->excess > charges->key_count / 4 + 4 && change_sides(charges, index))
            return -1;
        i += charges->exception_count == count; /* else another one is in its place */
    }
    return 0;
}

int gt_charges_finish(struct gt_charges *charges)
{
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && i < charges->member_count; i++)
        if (charges->members[i].usually)
            rc = settle_up(charges, i);
    return rc;
}
