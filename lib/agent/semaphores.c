/* SPDX-License-Identifier: MIT */
#include "agent/semaphores.h"

#include "agent/sem_slots.h"
#include "agent/threads.h"

/* NULL also where the interpreter takes a lock while the agent asks it something: that is not
 * counted as a dropped event. */
static struct gt_agent_thread *enter(void)
{
    return gt_agent_self && gt_agent_self->life.busy ? NULL : gt_agent_enter();
}

static void record(struct gt_agent_thread *self, enum gt_wire_kind kind, const sem_t *semaphore,
                   uint64_t ticks, uint64_t since_ticks)
{
    if (since_ticks)
        gt_agent_put(self, ticks, GT_WIRE_WORD(GT_WIRE_SINCE, ticks - since_ticks));
    gt_agent_put(self, ticks, GT_WIRE_WORD(kind, (uintptr_t)semaphore));
}

void gt_agent_sem_taken(const sem_t *semaphore)
{
    struct gt_agent_thread *self = enter();

    if (!self)
        return;
    gt_agent_sem_slot_take(semaphore, self, gt_agent_ticks());
    gt_agent_leave(self);
}

uint64_t gt_agent_sem_wait_begins(const sem_t *semaphore)
{
    gt_agent_sem_slot_wait(semaphore);
    return gt_agent_ticks_ordered();
}

void gt_agent_sem_wait_ended(const sem_t *semaphore, uint64_t began_ticks, bool taken)
{
    struct gt_agent_thread *self = enter();
    uint64_t ticks;

    gt_agent_sem_slot_wait_ended(semaphore);
    if (!self)
        return;
    ticks = gt_agent_ticks_ordered();
    /* CPython also calls sem_wait for a semaphore that is free: that is no wait. */
    if (ticks - began_ticks > gt_agent_short_ticks() / 8)
        record(self, taken ? GT_WIRE_SEM_TAKEN : GT_WIRE_SEM_GAVE_UP, semaphore, ticks,
               began_ticks);
    if (taken)
        gt_agent_sem_slot_take(semaphore, self, ticks);
    gt_agent_leave(self);
}

void gt_agent_sem_posts(const sem_t *semaphore)
{
    struct gt_agent_thread *self = enter();
    uint64_t ticks, since;

    if (!self)
        return;
    ticks = gt_agent_ticks_ordered();
    since = gt_agent_sem_slot_give(semaphore, self);
    if ((since && ticks - since > gt_agent_short_ticks()) ||
        gt_agent_sem_slot_waiting(semaphore))
        record(self, GT_WIRE_SEM_POST, semaphore, ticks, since);
    gt_agent_leave(self);
}
