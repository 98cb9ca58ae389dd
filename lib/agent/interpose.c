/* SPDX-License-Identifier: MIT */
/*
 * The libc calls that tell about the GIL, and the agent's start and end. It has no header: the
 * dynamic linker finds its functions by their names.
 *
 * CPython's ceval_gil signals one condition variable as it drops the GIL and another as it
 * takes it, both inside the GIL's mutex, and waits on the first with a timeout
 * (model/GIL.md). Only calls from the interpreter's own code are recorded, since the condition
 * variables of other libraries have nothing to do with the GIL.
 */
#include "agent/begin.h"
#include "agent/holder.h"
#include "agent/measure.h"
#include "agent/names.h"
#include "agent/profile_hook.h"
#include "agent/python.h"
#include "agent/semaphores.h"
#include "agent/start.h"
#include "agent/threads.h"
#include "agent/usage.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { LATE_ATTEMPTS = 256 }; /* to find an interpreter that was not there at the start */

#define EXPORT __attribute__((visibility("default")))

/* The version of the symbols that today's programs link to. dlsym may prefer an older one, for
 * which the condition variable has another layout. musl has one version of everything. */
#if defined(__GLIBC__) && defined(__x86_64__)
#define COND_VERSION "GLIBC_2.3.2"
#elif defined(__GLIBC__) && defined(__aarch64__)
#define COND_VERSION "GLIBC_2.17"
#endif

typedef int signal_fn(pthread_cond_t *);
typedef int timedwait_fn(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
typedef int clockwait_fn(pthread_cond_t *, pthread_mutex_t *, clockid_t,
                         const struct timespec *);
typedef int create_fn(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
typedef int sem_init_fn(sem_t *, int, unsigned);
typedef int setname_fn(pthread_t, const char *);
typedef int prctl_fn(int, ...);
typedef int sem_fn(sem_t *);
typedef int sem_timedwait_fn(sem_t *, const struct timespec *);
typedef int sem_clockwait_fn(sem_t *, clockid_t, const struct timespec *);
typedef void exit_fn(int);
typedef int execv_fn(const char *, char *const[]);
typedef int execve_fn(const char *, char *const[], char *const[]);
typedef int fexecve_fn(int, char *const[], char *const[]);

static signal_fn *next_signal;
static timedwait_fn *next_timedwait;
static clockwait_fn *next_clockwait;
static create_fn *next_create;
static sem_init_fn *next_sem_init;
static setname_fn *next_setname;
static prctl_fn *next_prctl;
static sem_fn *next_sem_wait, *next_sem_trywait, *next_sem_post;
static sem_timedwait_fn *next_sem_timedwait;
static sem_clockwait_fn *next_sem_clockwait;
static exit_fn *next_exit;
static execv_fn *next_execv;
static execve_fn *next_execve;
static fexecve_fn *next_fexecve;

#ifdef COND_VERSION
#pragma weak dlvsym /* programs of musl get this object, too, when one of glibc starts them */
#endif

static void *next_cond(const char *name)
{
    void *found = NULL;

#ifdef COND_VERSION
    if (&dlvsym)
        found = dlvsym(RTLD_NEXT, name, COND_VERSION);
#endif
    return found ? found : dlsym(RTLD_NEXT, name);
}

/* Other libraries' constructors may call these functions before the agent's own has run. */
static void resolve(void)
{
    next_clockwait = (clockwait_fn *)dlsym(RTLD_NEXT, "pthread_cond_clockwait");
    next_create = (create_fn *)dlsym(RTLD_NEXT, "pthread_create");
    next_sem_init = (sem_init_fn *)dlsym(RTLD_NEXT, "sem_init");
    next_setname = (setname_fn *)dlsym(RTLD_NEXT, "pthread_setname_np");
    next_prctl = (prctl_fn *)dlsym(RTLD_NEXT, "prctl");
    next_sem_wait = (sem_fn *)dlsym(RTLD_NEXT, "sem_wait");
    next_sem_trywait = (sem_fn *)dlsym(RTLD_NEXT, "sem_trywait");
    next_sem_post = (sem_fn *)dlsym(RTLD_NEXT, "sem_post");
    next_sem_timedwait = (sem_timedwait_fn *)dlsym(RTLD_NEXT, "sem_timedwait");
    next_sem_clockwait = (sem_clockwait_fn *)dlsym(RTLD_NEXT, "sem_clockwait");
    next_exit = (exit_fn *)dlsym(RTLD_NEXT, "_exit");
    next_execv = (execv_fn *)dlsym(RTLD_NEXT, "execv");
    next_execve = (execve_fn *)dlsym(RTLD_NEXT, "execve");
    next_fexecve = (fexecve_fn *)dlsym(RTLD_NEXT, "fexecve");
    next_timedwait = (timedwait_fn *)next_cond("pthread_cond_timedwait");
    __atomic_store_n(&next_signal, (signal_fn *)next_cond("pthread_cond_signal"),
                     __ATOMIC_RELEASE);
}

static inline void resolve_once(void)
{
    if (GT_AGENT_UNLIKELY(!next_signal))
        resolve();
}

/* The launcher looks at the sum while the program runs: each of them may be a probe's hit. */
static inline void count_call(struct gt_agent_thread *self)
{
    if (GT_AGENT_UNLIKELY(++self->gil.calls % GT_WIRE_GIL_CALLS == 0))
        __atomic_fetch_add(&gt_agent.control->gil_calls, GT_WIRE_GIL_CALLS, __ATOMIC_RELAXED);
}

static inline void record_signal(uint64_t cond)
{
    struct gt_agent_thread *self = gt_agent_enter();
    bool name_due = false;

    if (self) {
        uint64_t ticks = gt_agent_ticks_in_order();

        /* The usage is read first: a thread whose time slice is used up loses its CPU in that
         * system call, and the signal has not happened yet then. So read the time again. */
        if (gt_agent_usage_if_due(self, ticks, 1))
            ticks = gt_agent_ticks_in_order();
        if (GT_AGENT_UNLIKELY(__atomic_load_n(&self->asked.ticks, __ATOMIC_RELAXED))) {
            gt_agent_holder_gives_up(self);
            ticks = gt_agent_ticks_in_order();
        }
        __atomic_store_n(&self->signalled.cond, cond, __ATOMIC_RELAXED);
        __atomic_store_n(&self->signalled.ticks, ticks, __ATOMIC_RELAXED);
        gt_agent_put(self, ticks, GT_WIRE_WORD(GT_WIRE_SIGNAL, cond));
        count_call(self);
        if (GT_AGENT_UNLIKELY(gt_agent_profiling))
            gt_agent_profile_thread(self);
        name_due = gt_agent_name_wanted(self);
        gt_agent_leave(self);
    }
    if (GT_AGENT_UNLIKELY(name_due))
        gt_agent_names_due();
    if (GT_AGENT_UNLIKELY(gt_agent_start_due))
        gt_agent_start_try();
}

static uint64_t ns_of(const struct timespec *time)
{
    return (uint64_t)time->tv_sec * 1000000000u + (uint64_t)time->tv_nsec;
}

/* How long it is until the deadline. CPython waits by CLOCK_MONOTONIC since 3.8, and by
 * CLOCK_REALTIME before: a deadline that is more than a day away is of the latter. */
static uint64_t left_until(const struct timespec *deadline)
{
    enum { DAY_S = 86400 };
    struct timespec now;
    uint64_t end = ns_of(deadline);

    clock_gettime(CLOCK_MONOTONIC, &now);
    if (deadline->tv_sec - DAY_S > now.tv_sec)
        clock_gettime(CLOCK_REALTIME, &now);
    return end > ns_of(&now) ? end - ns_of(&now) : 0;
}

static void record_wait(uint64_t cond, const struct timespec *deadline)
{
    struct gt_agent_thread *self = gt_agent_enter();
    uint64_t ticks;

    if (!self)
        return;
    ticks = gt_agent_ticks_in_order();
    if (gt_agent_usage_if_due(self, ticks, 1))
        ticks = gt_agent_ticks_in_order();
    gt_agent_put(self, ticks, GT_WIRE_WORD(GT_WIRE_DEADLINE, left_until(deadline)));
    gt_agent_put(self, ticks, GT_WIRE_WORD(GT_WIRE_WAIT, cond));
    count_call(self);
    gt_agent_leave(self);
}

/* A program that embeds Python may load it at any time. */
static void find_late(void)
{
    static unsigned attempts;

    if (gt_agent_python.text_end || !gt_agent_is_recording() || attempts >= LATE_ATTEMPTS)
        return;
    attempts++;
    if (gt_agent_python_find())
        gt_agent_start_init();
}

/* CPython makes a semaphore for every lock. The first one after its initialisation is made by
 * the first import: an earlier and calmer moment to start tracing than a use of the GIL. */
EXPORT int sem_init(sem_t *semaphore, int shared, unsigned value)
{
    find_late();
    if (GT_AGENT_UNLIKELY(gt_agent_start_due) &&
        gt_agent_from_python(__builtin_return_address(0)))
        gt_agent_start_try();
    resolve_once();
    return next_sem_init(semaphore, shared, value);
}

EXPORT int sem_trywait(sem_t *semaphore)
{
    int rc;

    resolve_once();
    rc = next_sem_trywait(semaphore);
    if (!rc && gt_agent_from_python(__builtin_return_address(0)))
        gt_agent_sem_taken(semaphore);
    return rc;
}

EXPORT int sem_post(sem_t *semaphore)
{
    resolve_once();
    if (gt_agent_from_python(__builtin_return_address(0)))
        gt_agent_sem_posts(semaphore);
    return next_sem_post(semaphore);
}

EXPORT int sem_wait(sem_t *semaphore)
{
    uint64_t began;
    int rc;

    resolve_once();
    if (!gt_agent_from_python(__builtin_return_address(0)))
        return next_sem_wait(semaphore);
    began = gt_agent_sem_wait_begins(semaphore);
    rc = next_sem_wait(semaphore);
    gt_agent_sem_wait_ended(semaphore, began, rc == 0);
    return rc;
}

EXPORT int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict deadline)
{
    uint64_t began;
    int rc;

    resolve_once();
    if (!gt_agent_from_python(__builtin_return_address(0)))
        return next_sem_timedwait(semaphore, deadline);
    began = gt_agent_sem_wait_begins(semaphore);
    rc = next_sem_timedwait(semaphore, deadline);
    gt_agent_sem_wait_ended(semaphore, began, rc == 0);
    return rc;
}

/* Since glibc 2.30, like pthread_cond_clockwait. */
EXPORT int sem_clockwait(sem_t *restrict semaphore, clockid_t clock,
                         const struct timespec *restrict deadline)
{
    uint64_t began;
    int rc;

    resolve_once();
    if (!next_sem_clockwait) {
        errno = EINVAL;
        return -1;
    }
    if (!gt_agent_from_python(__builtin_return_address(0)))
        return next_sem_clockwait(semaphore, clock, deadline);
    began = gt_agent_sem_wait_begins(semaphore);
    rc = next_sem_clockwait(semaphore, clock, deadline);
    gt_agent_sem_wait_ended(semaphore, began, rc == 0);
    return rc;
}

EXPORT int pthread_cond_signal(pthread_cond_t *cond)
{
    if (gt_agent_from_python(__builtin_return_address(0)))
        record_signal((uintptr_t)cond);
    resolve_once();
    return next_signal(cond);
}

EXPORT int pthread_cond_timedwait(pthread_cond_t *restrict cond,
                                  pthread_mutex_t *restrict mutex,
                                  const struct timespec *restrict deadline)
{
    bool record_it = gt_agent_from_python(__builtin_return_address(0));
    int rc;

    if (record_it)
        record_wait((uintptr_t)cond, deadline);
    resolve_once();
    rc = next_timedwait(cond, mutex, deadline);
    if (rc == ETIMEDOUT && record_it)
        gt_agent_holder_asked(cond);
    return rc;
}

/* Since glibc 2.30: only a caller that found it in libc calls it. */
EXPORT int pthread_cond_clockwait(pthread_cond_t *restrict cond,
                                  pthread_mutex_t *restrict mutex, clockid_t clock,
                                  const struct timespec *restrict deadline)
{
    bool record_it = gt_agent_from_python(__builtin_return_address(0));
    int rc;

    if (record_it)
        record_wait((uintptr_t)cond, deadline);
    resolve_once();
    rc = next_clockwait ? next_clockwait(cond, mutex, clock, deadline) : EINVAL;
    if (rc == ETIMEDOUT && record_it)
        gt_agent_holder_asked(cond);
    return rc;
}

/* The new thread's first event may come long after it was made: so its creator records when. */
EXPORT int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attributes,
                          void *(*start)(void *), void *restrict argument)
{
    bool record_it = gt_agent_from_python(__builtin_return_address(0));
    uint64_t ticks = record_it ? gt_agent_ticks_ordered() : 0;
    struct gt_agent_thread *self;
    int rc;

    resolve_once();
    find_late();
    rc = next_create(thread, attributes, start, argument);
    self = !rc && record_it ? gt_agent_enter() : NULL;
    if (self) {
        gt_agent_put(self, ticks, GT_WIRE_WORD(GT_WIRE_CREATE, (uint64_t)*thread));
        gt_agent_leave(self);
    }
    return rc;
}

/* Somebody gives a thread a name in the kernel: libraries, ctypes, CPython since 3.14. */
EXPORT int pthread_setname_np(pthread_t thread, const char *name)
{
    int rc;

    resolve_once();
    rc = next_setname ? next_setname(thread, name) : ENOSYS; /* musl has had it since 1.1.16 */
    if (!rc)
        gt_agent_comm_changed((uint64_t)thread, name);
    return rc;
}

EXPORT int prctl(int option, ...)
{
    unsigned long rest[4];
    va_list list;
    int rc;

    va_start(list, option);
    for (unsigned i = 0; i < 4;
         i++) /* to read more than were passed does no harm: libc does so, too */
        rest[i] = va_arg(list, unsigned long);
    va_end(list);
    resolve_once();
    rc = next_prctl(option, rest[0], rest[1], rest[2], rest[3]);
    if (!rc && option == PR_SET_NAME && gt_agent.pid == getpid()) /* not a vfork child's */
        gt_agent_comm_changed((uint64_t)pthread_self(), (const char *)rest[0]);
    return rc;
}

/* By os._exit, and at the end of multiprocessing's forked children, after their last GIL event.
 */
EXPORT void _exit(int status)
{
    gt_agent_process_exit();
    resolve_once();
    next_exit(status);
    __builtin_unreachable();
}

EXPORT void _Exit(int status)
{
    _exit(status);
}

/* By os.exec*: the program ends here, while it holds the GIL. */
EXPORT int execv(const char *path, char *const arguments[])
{
    bool ours = gt_agent_process_execs(path);
    int rc;

    resolve_once();
    rc = next_execv(path, arguments);
    if (ours)
        gt_agent_process_goes_on();
    return rc;
}

EXPORT int execve(const char *path, char *const arguments[], char *const environment[])
{
    bool ours = gt_agent_process_execs(path);
    int rc;

    resolve_once();
    rc = next_execve(path, arguments, environment);
    if (ours)
        gt_agent_process_goes_on();
    return rc;
}

EXPORT int fexecve(int fd, char *const arguments[], char *const environment[])
{
    bool ours = gt_agent_process_execs(NULL);
    int rc;

    resolve_once();
    rc = next_fexecve(fd, arguments, environment);
    if (ours)
        gt_agent_process_goes_on();
    return rc;
}

/* For measure.h: what pthread_cond_signal does for a call by CPython, without the call of
 * libc's own function, which may have probes. */
static void use_as_python(void *cond)
{
    if (!gt_agent_from_python(__builtin_return_address(0)))
        record_signal((uintptr_t)cond);
    resolve_once();
}

__attribute__((constructor)) static void start(void)
{
    resolve();
    gt_agent_begin();
    if (!gt_agent_is_recording() || !gt_agent_python_find())
        return;
    gt_agent_measure_event(
        use_as_python); /* first: later, a use of the GIL may start the tracing */
    gt_agent_start_init();
    /* The main thread's log begins with the program, so that its lifetime is whole. */
    struct gt_agent_thread *self = gt_agent_enter();

    if (self) {
        gt_agent_clock_anchor(gt_agent.control);
        gt_agent_usage_note(self, gt_agent_ticks_ordered());
        gt_agent_leave(self);
    }
}

__attribute__((destructor)) static void end(void)
{
    gt_agent_process_exit();
}
