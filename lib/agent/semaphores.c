/* SPDX-License-Identifier: MIT */
#include "agent/semaphores.h"

#include "agent/lock_types.h"
#include "agent/python.h"
#include "agent/sem_slots.h"
#include "agent/threads.h"

/* NULL also where the interpreter takes a lock while the agent asks it something: that is not
 * counted as a dropped event. */
static struct gt_agent_thread *enter(void)
{
    return gt_agent_self && gt_agent_self->life.busy ? NULL : gt_agent_enter();
}

static void record(struct gt_agent_thread *self, enum gt_wire_kind kind, const void *lock,
                   uint64_t ticks, uint64_t since_ticks)
{
    if (since_ticks)
        gt_agent_put(self, ticks, GT_WIRE_WORD(GT_WIRE_SINCE, ticks - since_ticks));
    gt_agent_put(self, ticks, GT_WIRE_WORD(kind, (uintptr_t)lock));
}

void gt_agent_sem_taken(const sem_t *semaphore)
{
    struct gt_agent_thread *self = enter();

    if (!self)
        return;
    gt_agent_sem_slot_take(semaphore, self, gt_agent_ticks());
    gt_agent_leave(self);
}

/* Is it a word near the beginning of this thread's own state? PyThreadState.state is such a
 * one. */
static bool is_of_own_state(uintptr_t word)
{
    enum { NEAR = 256 };
    const void *state =
        gt_agent_api.version >= 0x030d ? gt_agent_api.PyGILState_GetThisThreadState() : NULL;

    return state && word - (uintptr_t)state < NEAR;
}

/* struct wait_entry { void *park_arg; uintptr_t addr; sem_t sema; … } of parking_lot.c, on this
 * thread's own stack: a PyMutex has an argument, an event has none. A get from a SimpleQueue
 * (_queuemodule.c) has one, too, but parks on a bool, whose value is 1; of a PyMutex the bit of
 * _Py_HAS_PARKED is set while somebody waits (pycore_lock.h). Other semaphores of the
 * interpreter's stack have anything before them (_PyRawMutex_LockSlow), and are no mutex
 * either. */
static enum gt_wire_kind kind_of_parking(const sem_t *semaphore)
{
    enum { HAS_PARKED = 2 };
    const uintptr_t *words = (const uintptr_t *)semaphore;

    if (!words[-2])
        return is_of_own_state(words[-1]) ? GT_WIRE_PARKED_TO_ATTACH : GT_WIRE_PARKED_FOR_EVENT;
    return gt_agent_is_mapped(words[-1]) &&
                   __atomic_load_n((const uint8_t *)words[-1], __ATOMIC_RELAXED) & HAS_PARKED
               ? GT_WIRE_PARKED
               : GT_WIRE_PARKED_FOR_EVENT;
}

static void put_parked(struct gt_agent_thread *self, uint64_t ticks, const sem_t *semaphore)
{
    const uintptr_t *words = (const uintptr_t *)semaphore;
    enum gt_wire_kind kind = kind_of_parking(semaphore);
    uint32_t type = kind == GT_WIRE_PARKED ? gt_agent_lock_type(self, ticks, words[-1]) : 0;

    gt_agent_spun_note(self, ticks);
    if (type)
        gt_agent_put(self, ticks, GT_WIRE_WORD(GT_WIRE_LOCK_TYPE, type));
    gt_agent_put(self, ticks, GT_WIRE_WORD(kind, words[-1]));
}

/* Is it where another thread parks for a mutex? That is in a struct on its stack, and so is the
 * argument that it parked with (_PyMutex_LockTimed of lock.c). What lies before a semaphore at
 * the beginning of a page may not be mapped. */
static bool is_parked_for_mutex(const sem_t *semaphore)
{
    enum { PAGE = 4096, NEAR = 4096, LEAST = 65536 };
    const uintptr_t *words = (const uintptr_t *)semaphore;
    uintptr_t place = (uintptr_t)semaphore;

    return gt_agent_api.version >= 0x030d && place % PAGE >= 2 * sizeof(*words) &&
           words[-2] - place < NEAR && words[-1] >= LEAST;
}

static void put_owner(struct gt_agent_thread *self, uint64_t ticks, const sem_t *semaphore)
{
    const struct gt_agent_thread *owner = gt_agent_sem_slot_owner(semaphore);

    gt_agent_sem_slot_recorded(semaphore);
    if (owner)
        gt_agent_put(self, ticks, GT_WIRE_WORD(GT_WIRE_OWNER, (uint32_t)owner->listed.tid));
}

uint64_t gt_agent_sem_wait_begins(const sem_t *semaphore, bool parking)
{
    struct gt_agent_thread *self = enter();
    uint64_t ticks;

    gt_agent_sem_slot_wait(semaphore);
    ticks = gt_agent_ticks_ordered();
    if (!self)
        return ticks;
    if (parking)
        put_parked(self, ticks, semaphore);
    else
        put_owner(self, ticks, semaphore);
    record(self, GT_WIRE_SEM_WAITS, semaphore, ticks, 0);
    gt_agent_leave(self);
    return ticks;
}

void gt_agent_sem_wait_ended(const sem_t *semaphore, uint64_t began_ticks, bool parking,
                             bool taken)
{
    struct gt_agent_thread *self = enter();
    uint64_t ticks;

    gt_agent_sem_slot_wait_ended(semaphore);
    if (!self)
        return;
    ticks = gt_agent_ticks_ordered();
    if (GT_AGENT_UNLIKELY(began_ticks <
                          gt_agent.process_ticks)) /* before the agent was attached */
        began_ticks = gt_agent.process_ticks;
    record(self, taken ? GT_WIRE_SEM_TAKEN : GT_WIRE_SEM_GAVE_UP, semaphore, ticks,
           began_ticks);
    if (taken && !parking)
        gt_agent_sem_slot_take(semaphore, self, ticks);
    gt_agent_leave(self);
}

void gt_agent_spun_note(struct gt_agent_thread *self, uint64_t ticks)
{
    if (self->spun.yields)
        gt_agent_put(self, ticks,
                     GT_WIRE_WORD(GT_WIRE_SPUN,
                                  GT_WIRE_SPUN_VALUE(self->spun.ticks, self->spun.yields)));
    if (self->spun.own_posts)
        gt_agent_put(self, ticks, GT_WIRE_WORD(GT_WIRE_OWN_POSTS, self->spun.own_posts));
    self->spun.ticks = self->spun.yields = self->spun.own_posts = 0;
}

void gt_agent_spun(uint64_t began_ticks)
{
    enum { AT_ONCE = 128 };
    struct gt_agent_thread *self = enter();
    uint64_t ticks;

    if (!self)
        return;
    ticks = gt_agent_ticks();
    self->spun.ticks += (ticks - began_ticks) * GT_AGENT_SPINS_TIMED;
    if (self->spun.yields >= AT_ONCE)
        gt_agent_spun_note(self, ticks);
    gt_agent_leave(self);
}

void gt_agent_sem_own_post(void)
{
    enum { AT_ONCE = 256 };
    struct gt_agent_thread *self = gt_agent_self;

    if (!self || self->life.busy || ++self->spun.own_posts < AT_ONCE)
        return;
    self = enter();
    if (!self)
        return;
    gt_agent_spun_note(self, gt_agent_ticks());
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
    if (is_parked_for_mutex(semaphore)) {
        gt_agent_put(self, ticks,
                     GT_WIRE_WORD(GT_WIRE_PARKED, ((const uintptr_t *)semaphore)[-1]));
        record(self, GT_WIRE_SEM_POST, semaphore, ticks, 0);
    } else if ((since && ticks - since > gt_agent_short_ticks()) ||
               gt_agent_sem_slot_waiting(semaphore))
        record(self, GT_WIRE_SEM_POST, semaphore, ticks, since);
    gt_agent_leave(self);
}

void gt_agent_sem_made(const sem_t *semaphore)
{
    struct gt_agent_thread *self =
        GT_AGENT_UNLIKELY(gt_agent_sem_slot_renew(semaphore)) ? enter() : NULL;

    if (!self)
        return;
    record(self, GT_WIRE_SEM_NEW, semaphore, gt_agent_ticks_ordered(), 0);
    gt_agent_leave(self);
}

uint64_t gt_agent_mutex_wait_begins(const void *mutex, int32_t owner)
{
    struct gt_agent_thread *self = enter();
    uint64_t ticks = gt_agent_ticks_ordered();

    if (!self)
        return 0;
    if (owner > 0)
        gt_agent_put(self, ticks, GT_WIRE_WORD(GT_WIRE_OWNER, (uint32_t)owner));
    gt_agent_put(self, ticks, GT_WIRE_WORD(GT_WIRE_NATIVE, 1));
    record(self, GT_WIRE_SEM_WAITS, mutex, ticks, 0);
    gt_agent_leave(self);
    return ticks;
}

void gt_agent_mutex_wait_ended(const void *mutex, uint64_t began_ticks, bool taken)
{
    struct gt_agent_thread *self = began_ticks ? enter() : NULL;

    if (!self)
        return;
    record(self, taken ? GT_WIRE_SEM_TAKEN : GT_WIRE_SEM_GAVE_UP, mutex,
           gt_agent_ticks_ordered(), began_ticks);
    gt_agent_leave(self);
}
