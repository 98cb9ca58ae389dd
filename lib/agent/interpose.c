/* SPDX-License-Identifier: MIT */
/*
 * The libc calls that tell about the GIL, and the agent's start and end. It has no header: the
 * dynamic linker finds its functions by their names, or a late agent by gt_agent_replaced.
 *
 * CPython's ceval_gil signals one condition variable as it drops the GIL and another as it
 * takes it, both inside the GIL's mutex, and waits on the first with a timeout
 * (model/GIL.md). Only calls from the interpreter's own code are recorded, since the condition
 * variables of other libraries have nothing to do with the GIL.
 */
#include "agent/begin.h"
#include "agent/gil_uses.h"
#include "agent/got.h"
#include "agent/holder.h"
#include "agent/measure.h"
#include "agent/names.h"
#include "agent/python.h"
#include "agent/root.h"
#include "agent/semaphores.h"
#include "agent/start.h"
#include "agent/threads.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
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
typedef int yield_fn(void);
typedef int sem_timedwait_fn(sem_t *, const struct timespec *);
typedef int sem_clockwait_fn(sem_t *, clockid_t, const struct timespec *);
typedef int chroot_fn(const char *);
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
static yield_fn *next_yield;
static sem_timedwait_fn *next_sem_timedwait;
static sem_clockwait_fn *next_sem_clockwait;
static chroot_fn *next_chroot;
static exit_fn *next_exit;
static execv_fn *next_execv;
static execve_fn *next_execve;
static fexecve_fn *next_fexecve;

#ifdef COND_VERSION
#pragma weak dlvsym /* programs of musl get this object, too, when one of glibc starts them */
#endif

static void *next_cond(void *scope, const char *name)
{
    void *found = NULL;

#ifdef COND_VERSION
    if (&dlvsym)
        found = dlvsym(scope, name, COND_VERSION);
#endif
    return found ? found : dlsym(scope, name);
}

/* Other libraries' constructors may call these functions before the agent's own has run. */
static void resolve(void *scope)
{
    next_clockwait = (clockwait_fn *)dlsym(scope, "pthread_cond_clockwait");
    next_create = (create_fn *)dlsym(scope, "pthread_create");
    next_sem_init = (sem_init_fn *)dlsym(scope, "sem_init");
    next_setname = (setname_fn *)dlsym(scope, "pthread_setname_np");
    next_prctl = (prctl_fn *)dlsym(scope, "prctl");
    next_sem_wait = (sem_fn *)dlsym(scope, "sem_wait");
    next_sem_trywait = (sem_fn *)dlsym(scope, "sem_trywait");
    next_sem_post = (sem_fn *)dlsym(scope, "sem_post");
    next_sem_timedwait = (sem_timedwait_fn *)dlsym(scope, "sem_timedwait");
    next_sem_clockwait = (sem_clockwait_fn *)dlsym(scope, "sem_clockwait");
    next_yield = (yield_fn *)dlsym(scope, "sched_yield");
    next_chroot = (chroot_fn *)dlsym(scope, "chroot");
    next_exit = (exit_fn *)dlsym(scope, "_exit");
    next_execv = (execv_fn *)dlsym(scope, "execv");
    next_execve = (execve_fn *)dlsym(scope, "execve");
    next_fexecve = (fexecve_fn *)dlsym(scope, "fexecve");
    next_timedwait = (timedwait_fn *)next_cond(scope, "pthread_cond_timedwait");
    __atomic_store_n(&next_signal, (signal_fn *)next_cond(scope, "pthread_cond_signal"),
                     __ATOMIC_RELEASE);
}

static inline void resolve_once(void)
{
    if (GT_AGENT_UNLIKELY(!next_signal))
        resolve(RTLD_NEXT);
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
    if (gt_agent_from_python(__builtin_return_address(0)))
        gt_agent_sem_made(semaphore);
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
    if (gt_agent_from_python(__builtin_return_address(0))) {
        if (GT_AGENT_UNLIKELY(gt_agent_sem_is_parking(semaphore, __builtin_frame_address(0))))
            gt_agent_sem_own_post();
        else
            gt_agent_sem_posts(semaphore);
    }
    return next_sem_post(semaphore);
}

/* Without waiting, before the call that waits: an event is recorded only of a real wait. A
 * thread that parks may have posted its semaphore itself, over and over. */
static bool take_at_once(sem_t *semaphore, bool parking)
{
    int saved = errno;

    if (next_sem_trywait(semaphore)) {
        errno = saved;
        return false;
    }
    if (!parking)
        gt_agent_sem_taken(semaphore);
    return true;
}

EXPORT int sem_wait(sem_t *semaphore)
{
    bool parking = gt_agent_sem_is_parking(semaphore, __builtin_frame_address(0));
    uint64_t began;
    int rc;

    resolve_once();
    if (!gt_agent_from_python(__builtin_return_address(0)))
        return next_sem_wait(semaphore);
    if (take_at_once(semaphore, parking))
        return 0;
    began = gt_agent_sem_wait_begins(semaphore, parking);
    rc = next_sem_wait(semaphore);
    gt_agent_sem_wait_ended(semaphore, began, parking, rc == 0);
    return rc;
}

EXPORT int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict deadline)
{
    bool parking = gt_agent_sem_is_parking(semaphore, __builtin_frame_address(0));
    uint64_t began;
    int rc;

    resolve_once();
    if (!gt_agent_from_python(__builtin_return_address(0)))
        return next_sem_timedwait(semaphore, deadline);
    if (take_at_once(semaphore, parking))
        return 0;
    began = gt_agent_sem_wait_begins(semaphore, parking);
    rc = next_sem_timedwait(semaphore, deadline);
    gt_agent_sem_wait_ended(semaphore, began, parking, rc == 0);
    return rc;
}

/* Since glibc 2.30, like pthread_cond_clockwait. */
EXPORT int sem_clockwait(sem_t *restrict semaphore, clockid_t clock,
                         const struct timespec *restrict deadline)
{
    bool parking = gt_agent_sem_is_parking(semaphore, __builtin_frame_address(0));
    uint64_t began;
    int rc;

    resolve_once();
    if (!next_sem_clockwait) {
        errno = EINVAL;
        return -1;
    }
    if (!gt_agent_from_python(__builtin_return_address(0)))
        return next_sem_clockwait(semaphore, clock, deadline);
    if (take_at_once(semaphore, parking))
        return 0;
    began = gt_agent_sem_wait_begins(semaphore, parking);
    rc = next_sem_clockwait(semaphore, clock, deadline);
    gt_agent_sem_wait_ended(semaphore, began, parking, rc == 0);
    return rc;
}

static __attribute__((noinline)) int first_signal(pthread_cond_t *cond)
{
    resolve(RTLD_NEXT);
    return next_signal(cond);
}

static __attribute__((noinline)) int record_and_signal(pthread_cond_t *cond)
{
    gt_agent_record_signal((uintptr_t)cond);
    resolve_once();
    return next_signal(cond);
}

static __attribute__((noinline)) int yield_timed(void)
{
    uint64_t began = gt_agent_ticks();
    int rc = next_yield();

    gt_agent_spun(began);
    return rc;
}

/* A million times in a second, by a thread alone: most of them take nothing but these few
 * steps.
 */
EXPORT int sched_yield(void)
{
    struct gt_agent_thread *self = gt_agent_self;

    resolve_once();
    if (self && gt_agent_from_lock(__builtin_return_address(0)) && !self->life.busy &&
        GT_AGENT_UNLIKELY(self->spun.yields++ % GT_AGENT_SPINS_TIMED == 0))
        return yield_timed();
    return next_yield();
}

EXPORT int pthread_cond_signal(pthread_cond_t *cond)
{
    if (GT_AGENT_LIKELY(gt_agent_from_python(__builtin_return_address(0))) &&
        !gt_agent_record_simple_signal((uintptr_t)cond))
        return record_and_signal(cond);
    if (GT_AGENT_UNLIKELY(!next_signal))
        return first_signal(cond);
    return next_signal(cond);
}

EXPORT int pthread_cond_timedwait(pthread_cond_t *restrict cond,
                                  pthread_mutex_t *restrict mutex,
                                  const struct timespec *restrict deadline)
{
    bool record_it = gt_agent_from_python(__builtin_return_address(0));
    int rc;

    if (record_it)
        gt_agent_record_wait((uintptr_t)cond, deadline);
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
        gt_agent_record_wait((uintptr_t)cond, deadline);
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
    /* A build without a GIL may make no other call of these before. */
    if (GT_AGENT_UNLIKELY(gt_agent_start_due) && record_it)
        gt_agent_start_try();
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

/* By chroot(1), which then executes a program, or by the program itself. */
EXPORT int chroot(const char *path)
{
    struct gt_agent_root root;
    bool ours = gt_agent_process_is_ours();
    int rc;

    resolve_once();
    if (ours)
        gt_agent_root_before(&root, path);
    rc = next_chroot(path);
    if (ours)
        gt_agent_root_after(&root, rc == 0);
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
void gt_agent_use_as_python(void *cond)
{
    if (!gt_agent_from_python(__builtin_return_address(0)) &&
        !gt_agent_record_simple_signal((uintptr_t)cond))
        gt_agent_record_signal((uintptr_t)cond);
    resolve_once();
}

/* The functions above by names that are not interposed: theirs may lead to libc. */
#define TEXT_(name) #name
#define TEXT(name)  TEXT_(name)
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 9
#define SAME(name) __attribute__((copy(name)))
#else
#define SAME(name)
#endif
#define OWN(name, next)                                                                        \
    extern __typeof__(name) own_##name SAME(name)                                              \
        __attribute__((alias(TEXT(name)), visibility("hidden")));
#define OWNED(X)                                                                               \
    X(pthread_cond_signal, next_signal)                                                        \
    X(pthread_cond_timedwait, next_timedwait)                                                  \
    X(pthread_cond_clockwait, next_clockwait)                                                  \
    X(pthread_create, next_create)                                                             \
    X(pthread_setname_np, next_setname)                                                        \
    X(prctl, next_prctl)                                                                       \
    X(sem_wait, next_sem_wait)                                                                 \
    X(sem_trywait, next_sem_trywait)                                                           \
    X(sem_post, next_sem_post)                                                                 \
    X(sem_timedwait, next_sem_timedwait)                                                       \
    X(sem_clockwait, next_sem_clockwait)                                                       \
    X(sched_yield, next_yield)                                                                 \
    X(_exit, next_exit)                                                                        \
    X(_Exit, next_exit)                                                                        \
    X(execv, next_execv)                                                                       \
    X(execve, next_execve)                                                                     \
    X(fexecve, next_fexecve)

OWNED(OWN)

#define ENTRY(name, next) {TEXT(name), (void *)own_##name, (void **)&(next)},
const struct gt_agent_replaced gt_agent_replaced[] = {
    OWNED(ENTRY){"dlopen", gt_agent_dlopen, &gt_agent_next_dlopen},
    {NULL, NULL, NULL},
};

/* Whatever was preloaded is called by us, as we are called before libc. */
static void resolve_late(void)
{
    gt_agent_next_dlopen = dlsym(RTLD_NEXT, "dlopen");
    for (const struct gt_agent_replaced *one = gt_agent_replaced; one->name; one++) {
        void *next = next_cond(RTLD_DEFAULT, one->name);

        if (next && !gt_agent_in_executable(next))
            *one->next = next;
    }
}

__attribute__((constructor)) static void start(void)
{
    resolve(RTLD_NEXT);
    gt_agent.late = gt_agent_loaded_late((void *)own_pthread_cond_signal, (void *)next_signal);
    if (gt_agent.late) {
        resolve_late();
        return;
    }
    gt_agent.began = !gt_agent_begin();
    if (!gt_agent.began || !gt_agent_is_recording() || !gt_agent_python_find())
        return;
    gt_agent_measure_event(
        gt_agent_use_as_python); /* first: later, a use of the GIL may start the tracing */
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
