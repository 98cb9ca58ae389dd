/* SPDX-License-Identifier: MIT */
#include "agent/sem_slots.h"

#include <string.h>

struct gt_agent_sem_slot gt_agent_sem_slots[1 << GT_AGENT_SEM_SLOT_BITS];

void gt_agent_sem_slots_reset(void)
{
    memset(gt_agent_sem_slots, 0, sizeof(gt_agent_sem_slots));
}

void gt_agent_sem_slots_forget(void)
{
    for (size_t i = 0; i < sizeof(gt_agent_sem_slots) / sizeof(gt_agent_sem_slots[0]); i++)
        __atomic_store_n(&gt_agent_sem_slots[i].semaphore, NULL, __ATOMIC_RELAXED);
}
