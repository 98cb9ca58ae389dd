/*
 * Who waits for which of CPython's locks, and who gives it: they are semaphores of libc, waited
 * for without the GIL only when somebody else has them. Recorded are waits, what is given while
 * somebody waits, and what was had for long; a lock that is taken and given at once costs two
 * reads of the clock.
 */
#ifndef GT_AGENT_SEMAPHORES_H
#define GT_AGENT_SEMAPHORES_H

#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

/* Around a call that may wait: the first returns when it began, for the second. errno is kept.
 */
uint64_t gt_agent_sem_wait_begins(const sem_t *semaphore);
void gt_agent_sem_wait_ended(const sem_t *semaphore, uint64_t began_ticks, bool taken);

/* It was taken without waiting. */
void gt_agent_sem_taken(const sem_t *semaphore);

/* It is about to be given. */
void gt_agent_sem_posts(const sem_t *semaphore);

/* In a forked child: nobody waits. */
void gt_agent_semaphores_forked(void);

#endif
