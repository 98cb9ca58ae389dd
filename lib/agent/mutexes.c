/* SPDX-License-Identifier: MIT */
/*
 * pthread_mutex_lock, where it blocks: the mutexes of extensions and libraries. The
 * interpreter's own, which guard its GIL, are not recorded. It has no header: the dynamic
 * linker finds the function by its name.
 *
 * It is called before anything else is there, and at all times: what it does beyond libc's own
 * is one attempt without waiting, and records only of a thread that has a log already.
 */
#include "agent/python.h"
#include "agent/semaphores.h"
#include "agent/threads.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>

typedef int lock_fn(pthread_mutex_t *);

static lock_fn *next_lock;

/* Which thread has it: its tid, as glibc notes it; 0: not known. */
static int32_t owner_of(const pthread_mutex_t *mutex)
{
#ifdef __GLIBC__
    return __atomic_load_n(&mutex->__data.__owner, __ATOMIC_RELAXED);
#else
    (void)mutex;
    return 0;
#endif
}

static int lock_after_waiting(pthread_mutex_t *mutex, lock_fn *lock)
{
    int saved = errno;
    uint64_t began = gt_agent_mutex_wait_begins(mutex, owner_of(mutex));
    int rc;

    errno = saved;
    rc = lock(mutex);
    saved = errno;
    gt_agent_mutex_wait_ended(mutex, began, rc == 0 || rc == EOWNERDEAD);
    errno = saved;
    return rc;
}

static __attribute__((noinline)) int lock_slowly(pthread_mutex_t *mutex, bool from_python)
{
    lock_fn *lock = __atomic_load_n(&next_lock, __ATOMIC_RELAXED);
    int rc;

    if (!lock) {
        lock = (lock_fn *)dlsym(RTLD_NEXT, "pthread_mutex_lock");
        __atomic_store_n(&next_lock, lock, __ATOMIC_RELAXED);
    }
    if (!gt_agent_self || from_python)
        return lock(mutex);
    rc = pthread_mutex_trylock(mutex);
    return rc == EBUSY ? lock_after_waiting(mutex, lock) : rc;
}

/* The interpreter calls it three times for each use of the GIL: each instruction counts. */
__attribute__((visibility("default"))) int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    lock_fn *lock = __atomic_load_n(&next_lock, __ATOMIC_RELAXED);
    bool from_python = gt_agent_from_python(__builtin_return_address(0));

    if (GT_AGENT_LIKELY(lock && from_python))
        return lock(mutex);
    return lock_slowly(mutex, from_python);
}
