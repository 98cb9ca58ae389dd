/* SPDX-License-Identifier: MIT */
/*
 * Private to analysis/: charges time to each of the threads that wait meanwhile, without a step
 * for each of them.
 *
 * A stretch of time is charged under a key: who held the GIL, or what it did. A member that
 * waits most of the time is counted as waiting throughout: the sum of each key since then is
 * charged to it at once in the end, and what passed while it did not wait is taken back. A
 * member that rarely waits is charged when it does. So a stretch takes a step for each member
 * that is not as it usually is. A member changes sides where that has cost more than changing.
 */
#ifndef GT_ANALYSIS_CHARGES_H
#define GT_ANALYSIS_CHARGES_H

#include "base/nstime.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Adds `ns`, which may be below 0, to what was charged to the member under the key. 0 or -1. */
typedef int (*gt_charge_fn)(void *context, uint32_t member, uint32_t key, int64_t ns);

struct gt_charges {
    gt_charge_fn charge;
    void *context;
    struct gt_charged *members;
    size_t member_count;
    int64_t *sums; /* by key: of all stretches */
    uint32_t key_count, key_capacity;
    uint32_t *exceptions; /* members that are not as they usually are */
    size_t exception_count;
    uint64_t stretches;  /* so many were charged */
    size_t before_count; /* numbers in all `before` */
};

/* Nobody waits yet. 0 or -1. */
int gt_charges_init(struct gt_charges *charges, size_t members, gt_charge_fn charge,
                    void *context);
void gt_charges_release(struct gt_charges *charges);

/* From now on the member waits, or does not. */
void gt_charges_begin(struct gt_charges *charges, uint32_t member);
void gt_charges_end(struct gt_charges *charges, uint32_t member);

/* Private: have sums up to this key; charge `ns` to the exceptions. 0 or -1. */
int gt_charges_make_key(struct gt_charges *charges, uint32_t key);
int gt_charges_settle(struct gt_charges *charges, uint32_t key, int64_t ns);

/* Charge `ns` to all members that wait. Keys are small numbers. 0 or -1. Inline, since as a
 * rule there is no exception. */
static inline int gt_charges_add(struct gt_charges *charges, uint32_t key, int64_t ns)
{
    if (key >= charges->key_count && gt_charges_make_key(charges, key))
        return -1;
    charges->sums[key] = gt_add_ns(charges->sums[key], ns);
    charges->stretches++;
    return charges->exception_count ? gt_charges_settle(charges, key, ns) : 0;
}

/* Charge what is still to be charged; the last call. 0 or -1. */
int gt_charges_finish(struct gt_charges *charges);

#endif
