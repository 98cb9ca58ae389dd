/* SPDX-License-Identifier: MIT */
/*
 * A map from 64-bit keys to pointers, which many threads may read while one adds. Readers take
 * no lock. A thread that wants to add gives up when another one is adding: so nothing here
 * waits, not even for a thread that a fork left in the parent. Nothing is removed but all at
 * once.
 */
#ifndef GT_AGENT_MAP_H
#define GT_AGENT_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gt_agent_slot {
    uint64_t key; /* 0: empty */
    void *value;
};

struct gt_agent_slots {
    size_t capacity; /* a power of two */
    size_t count;
    struct gt_agent_slot slots[];
};

struct gt_agent_map {
    struct gt_agent_slots *now; /* smaller ones are not freed: readers may be in them */
    int32_t adding;             /* gt_agent_try_lock: a thread is adding */
};

/* Where the search for a key begins, modulo the capacity: the middle bits of a Fibonacci hash.
 */
static inline size_t gt_agent_map_place(uint64_t key)
{
    return (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 20);
}

/* The value of a key that is not 0; NULL when there is none. */
static inline void *gt_agent_map_get(const struct gt_agent_map *map, uint64_t key)
{
    const struct gt_agent_slots *now = __atomic_load_n(&map->now, __ATOMIC_ACQUIRE);
    size_t at = gt_agent_map_place(key);

    if (!now)
        return NULL;
    for (;; at++) {
        const struct gt_agent_slot *slot = &now->slots[at & (now->capacity - 1)];
        uint64_t found = __atomic_load_n(&slot->key, __ATOMIC_ACQUIRE);

        if (found == key)
            return slot->value;
        if (!found)
            return NULL;
    }
}

/* Add a value for a key that is not 0; one that it has stays. False when that is not possible
 * now. */
bool gt_agent_map_add(struct gt_agent_map *map, uint64_t key, void *value);

/* Forget all of it, when nobody adds. Readers may go on: its memory is not freed. */
void gt_agent_map_forget(struct gt_agent_map *map);

#endif
