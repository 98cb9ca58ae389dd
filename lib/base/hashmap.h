/* SPDX-License-Identifier: MIT */
/*
 * An open-addressing hash map from uint64_t keys to uint32_t values (indices into lists).
 * It never shrinks, and nothing can be deleted from it.
 */
#ifndef GT_BASE_HASHMAP_H
#define GT_BASE_HASHMAP_H

#include <stddef.h>
#include <stdint.h>

#define GT_HASHMAP_NONE UINT32_MAX /* "no such key"; not usable as a value */

struct gt_hashmap {
    struct gt_hashmap_slot {
        uint64_t key;
        uint32_t value; /* GT_HASHMAP_NONE in an empty slot */
    } * slots;
    uint32_t count;
    uint32_t capacity; /* a power of two, or 0 */
};

void gt_hashmap_init(struct gt_hashmap *map);
void gt_hashmap_release(struct gt_hashmap *map);

/* An odd number that differs in every run. Keys come from the target, which must not be able to
 * choose ones that collide. */
uint64_t gt_hash_seed(void);

/* The value of `key`, or GT_HASHMAP_NONE. */
uint32_t gt_hashmap_get(const struct gt_hashmap *map, uint64_t key);
/* Insert or replace. Returns 0, or -1 when memory is exhausted. */
int gt_hashmap_put(struct gt_hashmap *map, uint64_t key, uint32_t value);

#endif
