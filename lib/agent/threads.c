/* SPDX-License-Identifier: MIT */
#include "agent/threads.h"

#include "agent/sem_slots.h"
#include "agent/usage.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

__thread struct gt_agent_thread *gt_agent_self __attribute__((tls_model("initial-exec")));
/* This thread's log is closed, and what its last destructors do is not recorded. */
static __thread bool gone __attribute__((tls_model("initial-exec")));

static struct gt_agent_thread *threads;
static pthread_key_t exit_key;
static uint64_t no_guard = 1; /* stands in where the kernel cannot wipe */

/* Destructors of thread-specific data run in rounds. Other destructors may still use the GIL
 * in this round, so the log is closed in the last one. A test needs another number, since
 * ThreadSanitizer's own destructor is in that round, too. */
#ifndef GT_AGENT_LAST_EXIT_ROUND
#define GT_AGENT_LAST_EXIT_ROUND 4
#endif

static void fill_header(struct gt_agent_thread *self, uint64_t ticks)
{
    struct gt_wire_thread *header = self->log.header;

    header->version = GT_WIRE_VERSION;
    header->flags = gt_agent.forked ? GT_WIRE_FORKED : 0;
    header->pid = gt_agent.pid;
    header->tid = self->listed.tid;
    header->parent_pid = gt_agent.parent_pid;
    header->parent_tid = gt_agent.parent_tid;
    header->process_ticks = gt_agent.process_ticks;
    header->start_ticks = ticks;
    header->slots[GT_WIRE_STREAM_GIL] = self->log.unit;
    header->ident = self->listed.ident;
    prctl(PR_GET_NAME, header->comm);
    memcpy(header->program, gt_agent.program, sizeof(header->program));
    __atomic_store_n(&header->magic, GT_WIRE_MAGIC_THREAD, __ATOMIC_RELEASE);
}

/* Memory of a thread that ended, or new. It is mapped, not malloc'd: malloc may be the
 * target's own. */
static struct gt_agent_thread *claim_memory(void)
{
    struct gt_agent_thread *self;

    for (self = __atomic_load_n(&threads, __ATOMIC_ACQUIRE); self; self = self->listed.next) {
        uint32_t free_now = 0;

        if (__atomic_compare_exchange_n(&self->listed.live, &free_now, 1, false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            return self;
    }
    self =
        mmap(NULL, sizeof(*self), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (self == MAP_FAILED)
        return NULL;
    self->listed.live = 1;
    self->listed.next = __atomic_load_n(&threads, __ATOMIC_ACQUIRE);
    while (!__atomic_compare_exchange_n(&threads, &self->listed.next, self, true,
                                        __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        ;
    return self;
}

/* Other threads may be looking. */
static void list_as(struct gt_agent_thread *self, int32_t tid, uint64_t ident)
{
    __atomic_store_n(&self->listed.tid, tid, __ATOMIC_RELAXED);
    __atomic_store_n(&self->listed.ident, ident, __ATOMIC_RELAXED);
}

static void forget_signals(struct gt_agent_thread *self)
{
    __atomic_store_n(&self->signalled.cond, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&self->signalled.ticks, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&self->asked.ticks, 0, __ATOMIC_RELAXED);
}

static bool is_live(const struct gt_agent_thread *thread)
{
    return __atomic_load_n(&thread->listed.live, __ATOMIC_ACQUIRE);
}

static struct gt_agent_thread *new_thread(void)
{
    uint64_t ticks = gt_agent_ticks_ordered();
    struct gt_agent_thread *self = claim_memory();

    if (!self) {
        gt_agent_stop(errno);
        return NULL;
    }
    list_as(self, (int32_t)syscall(SYS_gettid), (uint64_t)pthread_self());
    if (!gt_agent_new_slot(self, GT_WIRE_STREAM_GIL)) {
        __atomic_store_n(&self->listed.live, 0, __ATOMIC_RELEASE);
        return NULL;
    }
    fill_header(self, ticks);
    return self;
}

/* This is a child made by fork: the parent's logs are not its own, so it begins anew. */
static void become_child(void)
{
    struct gt_agent_thread *forker = gt_agent_self;

    gt_agent.process_ticks = gt_agent_ticks_ordered();
    gt_agent.parent_pid = gt_agent.pid;
    gt_agent.parent_tid = forker ? forker->listed.tid : gt_agent.pid;
    gt_agent.pid = getpid();
    gt_agent.forked = true;
    gt_agent_record(gt_agent_is_recording() || gt_agent.stopped); /* the child may be able to */
    gt_agent.stopped = false;
    gt_agent_self = NULL;
    threads = NULL; /* other threads' memory stays: a page each, and none of them is here */
    *gt_agent.fork_guard = 1;
    gt_agent_sem_slots_reset();
}

static void fork_child(void)
{
    if (gt_agent.control && gt_agent.pid != getpid())
        become_child();
}

struct gt_agent_thread *gt_agent_enter_slow(void)
{
    struct gt_agent_thread *self;
    int error = errno;

    if (!*gt_agent.fork_guard)
        become_child();
    self = gt_agent_self;
    if (self && self->life.busy) {
        self->log.header->dropped++;
        return NULL;
    }
    if (!self && !gone) {
        self = new_thread();
        gt_agent_self = self;
        if (self)
            pthread_setspecific(exit_key, self);
    }
    if (self)
        self->life.busy = true;
    errno = error;
    return self;
}

void gt_agent_say(const char *text)
{
    struct gt_agent_thread *self = gt_agent_enter();

    if (!self)
        return;
    gt_agent_message(self, text);
    gt_agent_leave(self);
}

static void note_exit(struct gt_agent_thread *self)
{
    uint64_t ticks = gt_agent_ticks_ordered();

    self->log.header->exit_ticks = ticks;
    if (!self->life.exit_rounds)
        gt_agent_usage_note(self, ticks);
}

static void close_log(struct gt_agent_thread *self)
{
    gt_agent_log_close(self);
    if (self->calls.stack)
        munmap(self->calls.stack, GT_AGENT_STACK_BYTES);
    /* Other threads may be reading what is listed: its link stays, and `live` changes last. */
    memset(self, 0, offsetof(struct gt_agent_thread, listed));
    list_as(self, 0, 0);
    forget_signals(self);
    __atomic_store_n(&self->listed.live, 0, __ATOMIC_RELEASE);
}

static void thread_exit(void *value)
{
    struct gt_agent_thread *self = gt_agent_self;
    int error = errno;

    (void)value;
    if (!self || !*gt_agent.fork_guard)
        return;
    note_exit(self);
    if (++self->life.exit_rounds < GT_AGENT_LAST_EXIT_ROUND) {
        pthread_setspecific(exit_key, self);
    } else {
        gone = true;
        gt_agent_self = NULL;
        close_log(self);
    }
    errno = error;
}

/* False in a vfork child, say, which could not execute, or where nothing is recorded: then no
 * process of the agent's ends here. */
static bool is_ours(void)
{
    return gt_agent.control && *gt_agent.fork_guard && gt_agent.pid == getpid();
}

static void note_process_end(uint32_t flags)
{
    struct gt_agent_thread *self = gt_agent_self;

    /* A thread without a log may end a process that has logs. */
    if (!self && __atomic_load_n(&threads, __ATOMIC_ACQUIRE) && (self = gt_agent_enter()))
        gt_agent_leave(self);
    if (self) {
        note_exit(self);
        self->log.header->flags |= flags;
    }
}

void gt_agent_process_exit(void)
{
    int error = errno;

    if (is_ours()) {
        note_process_end(GT_WIRE_ENDED);
        gt_agent_clock_anchor(gt_agent.control);
    }
    errno = error;
}

static bool is_python(const char *program)
{
    const char *base = program ? strrchr(program, '/') : NULL;

    return program && !strncmp(base ? base + 1 : program, "python", 6);
}

bool gt_agent_process_execs(const char *program)
{
    int error = errno;
    bool ours = is_ours();

    if (ours) {
        note_process_end(GT_WIRE_ENDED | GT_WIRE_EXECED);
        if (is_python(program))
            gt_agent_note_unseen();
    }
    errno = error;
    return ours;
}

void gt_agent_process_goes_on(void)
{
    struct gt_agent_thread *self = gt_agent_self;

    gt_agent_forget_unseen();
    if (!self)
        return;
    self->log.header->flags &= ~(uint32_t)(GT_WIRE_ENDED | GT_WIRE_EXECED);
    self->log.header->exit_ticks = 0;
}

struct gt_agent_thread *gt_agent_thread_of_ident(uint64_t ident)
{
    struct gt_agent_thread *thread = __atomic_load_n(&threads, __ATOMIC_ACQUIRE);

    for (; thread; thread = thread->listed.next)
        if (is_live(thread) &&
            __atomic_load_n(&thread->listed.ident, __ATOMIC_RELAXED) == ident)
            return thread;
    return NULL;
}

struct gt_agent_thread *gt_agent_thread_of_signal(uint64_t cond)
{
    enum { NEIGHBOUR = 1024 }; /* `cond` and `switch_cond` lie in one structure, or one file */
    struct gt_agent_thread *thread = __atomic_load_n(&threads, __ATOMIC_ACQUIRE);
    struct gt_agent_thread *found = NULL;
    uint64_t newest = 0;

    for (; thread; thread = thread->listed.next) {
        uint64_t signalled = __atomic_load_n(&thread->signalled.cond, __ATOMIC_RELAXED);
        uint64_t ticks = __atomic_load_n(&thread->signalled.ticks, __ATOMIC_RELAXED);

        if (is_live(thread) && signalled && signalled - (cond - NEIGHBOUR) <= 2 * NEIGHBOUR &&
            ticks > newest) {
            newest = ticks;
            found = signalled == cond ? NULL : thread; /* it has released */
        }
    }
    return found;
}

#ifdef __GLIBC__
/* What pthread_atfork, which is linked statically, calls. Programs of musl do not have it. */
extern int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void),
                             void *object) __attribute__((weak));
extern void *__dso_handle;

static int watch_forks(void)
{
    int (*atfork)(void (*)(void), void (*)(void), void (*)(void));

    if (__register_atfork)
        return __register_atfork(NULL, NULL, fork_child, __dso_handle);
    *(void **)&atfork = dlsym(RTLD_DEFAULT, "pthread_atfork");
    return atfork ? atfork(NULL, NULL, fork_child) : -1;
}
#else
static int watch_forks(void)
{
    return pthread_atfork(NULL, NULL, fork_child);
}
#endif

bool gt_agent_threads_init(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint64_t *guard =
        mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    gt_agent.fork_guard = &no_guard;
    if (guard != MAP_FAILED && !madvise(guard, page, MADV_WIPEONFORK)) {
        gt_agent.fork_guard = guard;
        gt_agent.wipe_on_fork = true;
        *guard = 1;
    }
    return !pthread_key_create(&exit_key, thread_exit) && !watch_forks();
}
