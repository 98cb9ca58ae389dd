/* SPDX-License-Identifier: MIT */
/*
 * Who took which semaphore last, and how many wait for it: a table of fixed size, without
 * locks. Semaphores whose addresses hash alike share a slot: then it may be forgotten who took
 * one, or one may seem to have waiters that has none.
 */
#ifndef GT_AGENT_SEM_SLOTS_H
#define GT_AGENT_SEM_SLOTS_H

#include <stddef.h>
#include <stdint.h>

enum { GT_AGENT_SEM_SLOT_BITS = 12 };

struct gt_agent_sem_slot {
    const void *semaphore;  /* taken last; NULL: given since */
    const void *owner;      /* the thread that took it, … */
    uint64_t ticks;         /* … and when */
    const void *waited_for; /* a wait for it was recorded last; NULL: it is another one since */
    uint32_t waiting;
};

extern struct gt_agent_sem_slot gt_agent_sem_slots[1 << GT_AGENT_SEM_SLOT_BITS];

static inline struct gt_agent_sem_slot *gt_agent_sem_slot_of(const void *semaphore)
{
    return &gt_agent_sem_slots[(uintptr_t)semaphore / 16 * UINT64_C(0x9e3779b97f4a7c15) >>
                               (64 - GT_AGENT_SEM_SLOT_BITS)];
}

/* `owner` took the semaphore: nobody else writes this slot now, except for another semaphore
 * that shares it. */
static inline void gt_agent_sem_slot_take(const void *semaphore, const void *owner,
                                          uint64_t ticks)
{
    struct gt_agent_sem_slot *slot = gt_agent_sem_slot_of(semaphore);

    __atomic_store_n(&slot->semaphore, NULL, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->owner, owner, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->ticks, ticks, __ATOMIC_RELEASE);
    __atomic_store_n(&slot->semaphore, semaphore, __ATOMIC_RELEASE);
}

/* `owner` is about to give the semaphore: since when it had it, 0: it is not known to have it.
 */
static inline uint64_t gt_agent_sem_slot_give(const void *semaphore, const void *owner)
{
    struct gt_agent_sem_slot *slot = gt_agent_sem_slot_of(semaphore);
    uint64_t since;

    if (__atomic_load_n(&slot->semaphore, __ATOMIC_ACQUIRE) != semaphore ||
        __atomic_load_n(&slot->owner, __ATOMIC_RELAXED) != owner)
        return 0;
    since = __atomic_load_n(&slot->ticks, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->semaphore, NULL, __ATOMIC_RELAXED);
    return since;
}

/* The thread that took the semaphore last, and did not give it since; NULL: not known. */
static inline const void *gt_agent_sem_slot_owner(const void *semaphore)
{
    const struct gt_agent_sem_slot *slot = gt_agent_sem_slot_of(semaphore);
    const void *owner = __atomic_load_n(&slot->owner, __ATOMIC_RELAXED);

    return __atomic_load_n(&slot->semaphore, __ATOMIC_ACQUIRE) == semaphore ? owner : NULL;
}

/* A wait for the semaphore is recorded. */
static inline void gt_agent_sem_slot_recorded(const void *semaphore)
{
    __atomic_store_n(&gt_agent_sem_slot_of(semaphore)->waited_for, semaphore, __ATOMIC_RELAXED);
}

/* A new semaphore begins there. Was a wait recorded for the one that it replaces? */
static inline int gt_agent_sem_slot_renew(const void *semaphore)
{
    struct gt_agent_sem_slot *slot = gt_agent_sem_slot_of(semaphore);
    const void *expected = semaphore;

    if (__atomic_load_n(&slot->semaphore, __ATOMIC_RELAXED) == semaphore)
        __atomic_store_n(&slot->semaphore, NULL, __ATOMIC_RELAXED);
    return __atomic_load_n(&slot->waited_for, __ATOMIC_RELAXED) == semaphore &&
           __atomic_compare_exchange_n(&slot->waited_for, &expected, NULL, 0, __ATOMIC_RELAXED,
                                       __ATOMIC_RELAXED);
}

/* A thread begins to wait for the semaphore, or ends to. */
static inline void gt_agent_sem_slot_wait(const void *semaphore)
{
    __atomic_fetch_add(&gt_agent_sem_slot_of(semaphore)->waiting, 1, __ATOMIC_SEQ_CST);
}

static inline void gt_agent_sem_slot_wait_ended(const void *semaphore)
{
    struct gt_agent_sem_slot *slot = gt_agent_sem_slot_of(semaphore);

    if (__atomic_load_n(&slot->waiting, __ATOMIC_RELAXED)) /* 0: reset meanwhile, by a fork */
        __atomic_fetch_sub(&slot->waiting, 1, __ATOMIC_SEQ_CST);
}

/* How many wait for it. */
static inline uint32_t gt_agent_sem_slot_waiting(const void *semaphore)
{
    return __atomic_load_n(&gt_agent_sem_slot_of(semaphore)->waiting, __ATOMIC_SEQ_CST);
}

/* Empty all slots: in a forked child nobody waits. */
void gt_agent_sem_slots_reset(void);

/* Forget who took which: some were given unseen. */
void gt_agent_sem_slots_forget(void);

#endif
