/* SPDX-License-Identifier: MIT */
#include "agent/sem_slots.h"

#include <string.h>

struct gt_agent_sem_slot gt_agent_sem_slots[1 << GT_AGENT_SEM_SLOT_BITS];

void gt_agent_sem_slots_reset(void)
{
    memset(gt_agent_sem_slots, 0, sizeof(gt_agent_sem_slots));
}
