/* SPDX-License-Identifier: MIT */
#include "agent/map.h"

#include "agent/process.h"

#include <stdlib.h>

static void insert(struct gt_agent_slots *slots, uint64_t key, void *value)
{
    size_t at = gt_agent_map_place(key);

    while (slots->slots[at & (slots->capacity - 1)].key)
        at++;
    slots->slots[at & (slots->capacity - 1)].value = value;
    __atomic_store_n(&slots->slots[at & (slots->capacity - 1)].key, key, __ATOMIC_RELEASE);
    slots->count++;
}

static struct gt_agent_slots *grow(const struct gt_agent_slots *old)
{
    size_t capacity = old ? old->capacity * 2 : 1024;
    struct gt_agent_slots *slots =
        calloc(1, sizeof(*slots) + capacity * sizeof(slots->slots[0]));

    if (!slots)
        return NULL;
    slots->capacity = capacity;
    for (size_t i = 0; old && i < old->capacity; i++)
        if (old->slots[i].key)
            insert(slots, old->slots[i].key, old->slots[i].value);
    return slots;
}

bool gt_agent_map_add(struct gt_agent_map *map, uint64_t key, void *value)
{
    struct gt_agent_slots *slots;

    if (!gt_agent_try_lock(&map->adding))
        return false;
    slots = map->now;
    if (!slots || slots->count * 2 >= slots->capacity) {
        slots = grow(slots);
        if (slots)
            __atomic_store_n(&map->now, slots, __ATOMIC_RELEASE);
    }
    if (slots && !gt_agent_map_get(map, key))
        insert(slots, key, value);
    gt_agent_unlock(&map->adding);
    return slots != NULL;
}

void gt_agent_map_forget(struct gt_agent_map *map)
{
    __atomic_store_n(&map->now, NULL, __ATOMIC_RELEASE);
}
