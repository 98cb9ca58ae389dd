/* SPDX-License-Identifier: MIT */
/*
 * Who waits for which lock, and who gives it. Up to 3.13 a lock of CPython's is a semaphore of
 * libc; a lock of one byte (PyMutex, and from 3.14 threading's, too) has its waiters park, each
 * on a semaphore on its own stack (model/GIL.md). Recorded are waits, from when they begin,
 * semaphores that are given while somebody waits, or were held for long. One that is taken and
 * given at once costs two reads of the clock.
 */
#ifndef GT_AGENT_SEMAPHORES_H
#define GT_AGENT_SEMAPHORES_H

#include "agent/thread.h"

#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

enum { GT_AGENT_SPINS_TIMED = 64 };

/* Does a thread park there, whose function with this frame was called to wait for it? */
static inline bool gt_agent_sem_is_parking(const sem_t *semaphore, const void *frame)
{
    enum { NEAR = 4096 }; /* _PyParkingLot_Park and what it calls have small frames */

    return (uintptr_t)semaphore - (uintptr_t)frame < NEAR;
}

/* Around a call that waits, since the semaphore was not free: the first returns the time when
 * it began, which the second takes. Both preserve errno. */
uint64_t gt_agent_sem_wait_begins(const sem_t *semaphore, bool parking);
void gt_agent_sem_wait_ended(const sem_t *semaphore, uint64_t began_ticks, bool parking,
                             bool taken);

/* The semaphore was taken without waiting. */
void gt_agent_sem_taken(const sem_t *semaphore);

/* The semaphore is about to be given, … */
void gt_agent_sem_posts(const sem_t *semaphore);
/* … which is one on which the thread itself is about to park. */
void gt_agent_sem_own_post(void);

/* A semaphore is about to be made. */
void gt_agent_sem_made(const sem_t *semaphore);

/* The thread spins for a mutex of one byte: of its calls of sched_yield, which the caller
 * counts (spun.yields), one of GT_AGENT_SPINS_TIMED is timed, and has returned. */
void gt_agent_spun(uint64_t began_ticks);

/* Record what was only counted so far: before a wait, and as the thread ends. */
void gt_agent_spun_note(struct gt_agent_thread *self, uint64_t ticks);

/* The same of a mutex of C's, which the thread of this tid has (0: not known). */
uint64_t gt_agent_mutex_wait_begins(const void *mutex, int32_t owner);
void gt_agent_mutex_wait_ended(const void *mutex, uint64_t began_ticks, bool taken);

#endif
