/* SPDX-License-Identifier: MIT */
/*
 * Who waits for which of CPython's locks, and who gives it. A lock of CPython's is a semaphore
 * of libc, and a thread waits for it without the GIL only when somebody else has it. Recorded
 * are waits, locks that are given while somebody waits, and locks that were held for long; one
 * that is taken and given at once costs two reads of the clock.
 */
#ifndef GT_AGENT_SEMAPHORES_H
#define GT_AGENT_SEMAPHORES_H

#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

/* Around a call that may wait: the first returns the time when it began, which the second
 * takes. Both preserve errno. */
uint64_t gt_agent_sem_wait_begins(const sem_t *semaphore);
void gt_agent_sem_wait_ended(const sem_t *semaphore, uint64_t began_ticks, bool taken);

/* The semaphore was taken without waiting. */
void gt_agent_sem_taken(const sem_t *semaphore);

/* The semaphore is about to be given. */
void gt_agent_sem_posts(const sem_t *semaphore);

#endif
