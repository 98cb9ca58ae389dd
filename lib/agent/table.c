#include "agent/table.h"

#include "agent/process.h"

#include <stdlib.h>

static void insert(struct gt_agent_slots *slots, uint64_t key, void *value)
{
    size_t at = (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 20);

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

bool gt_agent_table_add(struct gt_agent_table *table, uint64_t key, void *value)
{
    struct gt_agent_slots *slots;
    int32_t adding = 0;

    if (!__atomic_compare_exchange_n(&table->adding, &adding, gt_agent.pid, false,
                                     __ATOMIC_ACQUIRE, __ATOMIC_RELAXED) &&
        adding == gt_agent.pid)
        return false;
    table->adding = gt_agent.pid; /* maybe of a thread that a fork left in the parent */
    slots = table->now;
    if (!slots || slots->count * 2 >= slots->capacity) {
        slots = grow(slots);
        if (slots)
            __atomic_store_n(&table->now, slots, __ATOMIC_RELEASE);
    }
    if (slots && !gt_agent_table_get(table, key))
        insert(slots, key, value);
    __atomic_store_n(&table->adding, 0, __ATOMIC_RELEASE);
    return slots != NULL;
}
