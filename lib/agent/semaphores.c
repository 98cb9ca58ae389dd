#include "agent/semaphores.h"

#include "agent/usage.h"

#include <string.h>

enum { SLOT_BITS = 12, SLOTS = 1 << SLOT_BITS };

/* Semaphores whose addresses hash alike share one: then it may be forgotten who had one, or a
 * post be recorded that nobody waited for. */
static struct slot {
    const sem_t *semaphore; /* taken last, by */
    const struct gt_agent_thread *owner;
    uint64_t ticks; /* since then */
    uint32_t waiting;
} slots[SLOTS];

static struct slot *slot_of(const sem_t *semaphore)
{
    return &slots[(uintptr_t)semaphore / 16 * UINT64_C(0x9e3779b97f4a7c15) >> (64 - SLOT_BITS)];
}

/* Locks that the interpreter takes while the agent asks it something are no loss. */
static struct gt_agent_thread *enter(void)
{
    return gt_agent_self && gt_agent_self->busy ? NULL : gt_agent_enter();
}

static void record(struct gt_agent_thread *self, enum gt_wire_kind kind, const sem_t *semaphore,
                   uint64_t ticks, uint64_t since_ticks)
{
    if (since_ticks)
        gt_agent_put(self, ticks, GT_WIRE_WORD(GT_WIRE_SINCE, ticks - since_ticks));
    gt_agent_put(self, ticks, GT_WIRE_WORD(kind, (uintptr_t)semaphore));
}

/* Whoever took it is alone with its fields, but for those of another semaphore's slot. */
static void remember(const struct gt_agent_thread *self, const sem_t *semaphore, uint64_t ticks)
{
    struct slot *slot = slot_of(semaphore);

    __atomic_store_n(&slot->semaphore, NULL, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->owner, self, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->ticks, ticks, __ATOMIC_RELEASE);
    __atomic_store_n(&slot->semaphore, semaphore, __ATOMIC_RELEASE);
}

void gt_agent_sem_taken(const sem_t *semaphore)
{
    struct gt_agent_thread *self = enter();

    if (!self)
        return;
    remember(self, semaphore, gt_agent_ticks());
    gt_agent_leave(self);
}

uint64_t gt_agent_sem_wait_begins(const sem_t *semaphore)
{
    __atomic_fetch_add(&slot_of(semaphore)->waiting, 1, __ATOMIC_SEQ_CST);
    return gt_agent_ticks_ordered();
}

void gt_agent_sem_wait_ended(const sem_t *semaphore, uint64_t began_ticks, bool taken)
{
    struct gt_agent_thread *self = enter();
    struct slot *slot = slot_of(semaphore);
    uint64_t ticks;

    if (__atomic_load_n(&slot->waiting, __ATOMIC_RELAXED)) /* 0: forked meanwhile */
        __atomic_fetch_sub(&slot->waiting, 1, __ATOMIC_SEQ_CST);
    if (!self)
        return;
    ticks = gt_agent_ticks_ordered();
    if (ticks - began_ticks >
        gt_agent_short_ticks / 8) /* CPython waits for some that are free */
        record(self, taken ? GT_WIRE_SEM_TAKEN : GT_WIRE_SEM_GAVE_UP, semaphore, ticks,
               began_ticks);
    if (taken)
        remember(self, semaphore, ticks);
    gt_agent_leave(self);
}

void gt_agent_sem_posts(const sem_t *semaphore)
{
    struct gt_agent_thread *self = enter();
    struct slot *slot = slot_of(semaphore);
    uint64_t ticks, since = 0;

    if (!self)
        return;
    ticks = gt_agent_ticks_ordered();
    if (__atomic_load_n(&slot->semaphore, __ATOMIC_ACQUIRE) == semaphore &&
        __atomic_load_n(&slot->owner, __ATOMIC_RELAXED) == self) {
        since = __atomic_load_n(&slot->ticks, __ATOMIC_RELAXED);
        __atomic_store_n(&slot->semaphore, NULL, __ATOMIC_RELAXED);
    }
    if ((since && ticks - since > gt_agent_short_ticks) ||
        __atomic_load_n(&slot->waiting, __ATOMIC_SEQ_CST))
        record(self, GT_WIRE_SEM_POST, semaphore, ticks, since);
    gt_agent_leave(self);
}

void gt_agent_semaphores_forked(void)
{
    memset(slots, 0, sizeof(slots));
}
