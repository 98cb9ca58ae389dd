/* SPDX-License-Identifier: MIT */
/*
 * The agent in threads that contend for a GIL, end and are followed by others, under
 * ThreadSanitizer where the compiler has it: that sees no race in an object that is preloaded.
 *
 * So the agent is part of this program. Its stand-ins for functions of libc have other names
 * here, under which the test, which plays the interpreter, calls them.
 */
#include "agent/wire.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* Those that the sanitizer watches: dlsym may find libc's. */
static int (*const real_signal)(pthread_cond_t *) = pthread_cond_signal;
static int (*const real_timedwait)(pthread_cond_t *, pthread_mutex_t *,
                                   const struct timespec *) = pthread_cond_timedwait;
static int (*const real_create)(pthread_t *, const pthread_attr_t *, void *(*)(void *),
                                void *) = pthread_create;
static int (*const real_wait)(sem_t *) = sem_wait;
static int (*const real_post)(sem_t *) = sem_post;

#define pthread_cond_signal    agent_cond_signal
#define pthread_cond_timedwait agent_cond_timedwait
#define pthread_cond_clockwait agent_cond_clockwait
#define pthread_create         agent_create
#define pthread_setname_np     agent_setname
#define sem_init               agent_sem_init
#define sem_wait               agent_sem_wait
#define sem_trywait            agent_sem_trywait
#define sem_timedwait          agent_sem_timedwait
#define sem_clockwait          agent_sem_clockwait
#define sem_post               agent_sem_post
#define prctl                  agent_prctl
#define _exit                  agent_exit
#define _Exit                  agent_Exit
#define execv                  agent_execv
#define execve                 agent_execve
#define fexecve                agent_fexecve

/* The agent looks at whence it is called. */
#define CALLED __attribute__((noinline))
CALLED int agent_cond_signal(pthread_cond_t *);
CALLED int agent_cond_timedwait(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
CALLED int agent_cond_clockwait(pthread_cond_t *, pthread_mutex_t *, clockid_t,
                                const struct timespec *);
CALLED int agent_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
CALLED int agent_setname(pthread_t, const char *);
CALLED int agent_sem_init(sem_t *, int, unsigned);
CALLED int agent_sem_wait(sem_t *);
CALLED int agent_sem_trywait(sem_t *);
CALLED int agent_sem_timedwait(sem_t *, const struct timespec *);
CALLED int agent_sem_clockwait(sem_t *, clockid_t, const struct timespec *);
CALLED int agent_sem_post(sem_t *);
CALLED int agent_prctl(int, ...);
CALLED void agent_exit(int);
CALLED void agent_Exit(int);
CALLED int agent_execv(const char *, char *const[]);
CALLED int agent_execve(const char *, char *const[], char *const[]);
CALLED int agent_fexecve(int, char *const[], char *const[]);

#include "../../lib/agent/interpose.c"

enum {
    THREADS = 4,
    WAVES = 6,
    TURNS = 400,
    ASK_NS = 200000, /* the switch interval */
    KEEP_US = 400,   /* now and then a thread keeps the GIL for longer */
    CALLS = 3000,    /* of a thread: more than a slot has room for, so that it is copied */
};

/* As CPython keeps it (model/GIL.md). */
static struct {
    pthread_cond_t cond, switch_cond;
    pthread_mutex_t mutex;
    bool locked;
} gil = {PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, false};

static sem_t lock;

static void take_gil(void)
{
    pthread_mutex_lock(&gil.mutex);
    while (gil.locked) {
        struct timespec deadline;

        clock_gettime(CLOCK_REALTIME, &deadline);
        deadline.tv_nsec += ASK_NS;
        if (deadline.tv_nsec >= 1000000000) {
            deadline.tv_sec++;
            deadline.tv_nsec -= 1000000000;
        }
        agent_cond_timedwait(&gil.cond, &gil.mutex, &deadline);
    }
    gil.locked = true;
    agent_cond_signal(&gil.switch_cond);
    pthread_mutex_unlock(&gil.mutex);
}

static void drop_gil(void)
{
    pthread_mutex_lock(&gil.mutex);
    gil.locked = false;
    agent_cond_signal(&gil.cond);
    pthread_mutex_unlock(&gil.mutex);
}

static void call_functions(void)
{
    struct gt_agent_thread *self = gt_agent_enter();
    struct gt_wire_note note = {.kind = GT_WIRE_NOTE_FUNCTION, .id = 1};

    if (!self)
        return;
    gt_agent_note(self, &note, "function", 8, "file", 4);
    for (int i = 0; i < CALLS; i++)
        gt_agent_put_call(self, gt_agent_ticks(), i % 2 ? GT_WIRE_RETURN : GT_WIRE_CALL, 1);
    gt_agent_leave(self);
}

static void *work(void *unused)
{
    for (int i = 0; i < TURNS; i++) {
        take_gil();
        if (i % 50 == 0)
            usleep(KEEP_US);
        if (i % 200 == 0)
            call_functions();
        drop_gil();
        if (i % 8 == 0) {
            agent_sem_wait(&lock);
            agent_sem_post(&lock);
        }
        if (i % 100 == 0)
            agent_setname(pthread_self(), "a name");
    }
    return unused;
}

static char folder[] = "/tmp/gt-races-XXXXXX";

static int begin(void **state)
{
    (void)state;
    if (!mkdtemp(folder) || setenv(GT_AGENT_ENV_DIR, folder, 1))
        return -1;
    start(); /* the agent's constructor, which found no folder before */
    gt_agent_python.text_end = UINTPTR_MAX; /* all code is the interpreter's */
    next_signal = real_signal;
    next_timedwait = real_timedwait;
    next_create = real_create;
    next_sem_wait = real_wait;
    next_sem_post = real_post;
    return agent_sem_init(&lock, 0, 1);
}

static int finish(void **state)
{
    static const char *const names[] = {GT_WIRE_CONTROL_NAME, GT_WIRE_LOG_NAME};
    char path[64];

    (void)state;
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

static void test_threads_that_contend_and_end(void **state)
{
    pthread_t threads[THREADS];

    (void)state;
    assert_true(gt_agent.recording);
    for (int wave = 0; wave < WAVES; wave++) {
        for (int i = 0; i < THREADS; i++)
            assert_int_equal(agent_create(&threads[i], NULL, work, NULL), 0);
        for (int i = 0; i < THREADS; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_true(gt_agent.recording);
    assert_true(gt_agent.control->gil_calls >= WAVES * THREADS * (uint64_t)TURNS);
}

/* The bound is reached while all of them record. */
static void test_recording_stops(void **state)
{
    pthread_t threads[THREADS];

    (void)state;
    gt_agent.max_bytes = gt_agent.control->used_bytes + 3 * GT_WIRE_CHUNK_BYTES;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(agent_create(&threads[i], NULL, work, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_false(gt_agent.recording);
    assert_true(gt_agent.control->stopped_ticks != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_threads_that_contend_and_end),
                                       cmocka_unit_test(test_recording_stops)};

    return cmocka_run_group_tests(tests, begin, finish);
}
