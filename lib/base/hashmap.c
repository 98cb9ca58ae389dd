/* SPDX-License-Identifier: MIT */
#include "base/hashmap.h"

#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

enum { CAPACITY_FIRST = 2 }; /* of most maps there are many, with one or two keys each */

void gt_hashmap_init(struct gt_hashmap *map)
{
    memset(map, 0, sizeof(*map));
}

void gt_hashmap_release(struct gt_hashmap *map)
{
    free(map->slots);
    gt_hashmap_init(map);
}

uint64_t gt_hash_seed(void)
{
    static uint64_t seed; /* the same for all threads: a race writes the same value */

    if (seed == 0) {
        const void *random = (const void *)getauxval(AT_RANDOM); /* 16 bytes by the kernel */

        if (random)
            memcpy(&seed, random, sizeof(seed));
        seed |= 1;
    }
    return seed;
}

/* The finaliser of splitmix64: tids and addresses differ in few, low or high bits. Times the
 * seed first, since the finaliser alone can be inverted. */
static size_t hash_of(uint64_t key)
{
    key *= gt_hash_seed();
    key = (key ^ (key >> 30)) * 0xbf58476d1ce4e5b9u;
    key = (key ^ (key >> 27)) * 0x94d049bb133111ebu;
    return (size_t)(key ^ (key >> 31));
}

/* The slot that holds `key`, or the empty one where it would go. */
static struct gt_hashmap_slot *find(const struct gt_hashmap *map, uint64_t key)
{
    size_t mask = map->capacity - 1;
    size_t at = hash_of(key) & mask;

    while (map->slots[at].value != GT_HASHMAP_NONE && map->slots[at].key != key)
        at = (at + 1) & mask;
    return &map->slots[at];
}

uint32_t gt_hashmap_get(const struct gt_hashmap *map, uint64_t key)
{
    return map->count ? find(map, key)->value : GT_HASHMAP_NONE;
}

static int grow(struct gt_hashmap *map)
{
    struct gt_hashmap bigger = {.count = map->count};

    if (map->capacity > UINT32_MAX / 2)
        return -1;
    bigger.capacity = map->capacity ? map->capacity * 2 : CAPACITY_FIRST;
    bigger.slots = calloc(bigger.capacity, sizeof(*bigger.slots));
    if (!bigger.slots)
        return -1;
    for (size_t i = 0; i < bigger.capacity; i++)
        bigger.slots[i].value = GT_HASHMAP_NONE;
    for (size_t i = 0; i < map->capacity; i++)
        if (map->slots[i].value != GT_HASHMAP_NONE)
            *find(&bigger, map->slots[i].key) = map->slots[i];
    free(map->slots);
    *map = bigger;
    return 0;
}

int gt_hashmap_put(struct gt_hashmap *map, uint64_t key, uint32_t value)
{
    struct gt_hashmap_slot *slot = map->capacity ? find(map, key) : NULL;

    if (slot && slot->value != GT_HASHMAP_NONE) {
        slot->value = value;
        return 0;
    }
    if (((uint64_t)map->count + 1) * 4 > (uint64_t)map->capacity * 3) {
        if (grow(map))
            return -1;
        slot = find(map, key);
    }
    map->count++;
    slot->key = key;
    slot->value = value;
    return 0;
}
