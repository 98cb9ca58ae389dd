/* SPDX-License-Identifier: MIT */
#include "agent/threads.h"

#include "agent/ending.h"
#include "agent/sem_slots.h"
#include "agent/semaphores.h"
#include "agent/title.h"
#include "agent/units.h"
#include "agent/usage.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
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
static uint32_t unrecorded; /* events of this process while recording is off */

/* Destructors of thread-specific data run in rounds. Other destructors may still use the GIL
 * in this round, so the log is closed in the last one. A test needs another number, since
 * ThreadSanitizer's own destructor is in that round, too. */
#ifndef GT_AGENT_LAST_EXIT_ROUND
#define GT_AGENT_LAST_EXIT_ROUND 4
#endif

enum { FREE, LIVE, CLOSING }; /* gt_agent_thread.listed.live */

/* Memory of a thread that ended, or new. It is mapped, not malloc'd: malloc may be the
 * target's own. */
static struct gt_agent_thread *claim_memory(void)
{
    struct gt_agent_thread *self;

    for (self = __atomic_load_n(&threads, __ATOMIC_ACQUIRE); self; self = self->listed.next) {
        uint32_t free_now = FREE;

        if (__atomic_compare_exchange_n(&self->listed.live, &free_now, LIVE, false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            return self;
    }
    self =
        mmap(NULL, sizeof(*self), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (self == MAP_FAILED)
        return NULL;
    self->listed.live = LIVE;
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
    __atomic_store_n(&self->asked.quiet_until, 0, __ATOMIC_RELAXED);
}

static bool is_live(const struct gt_agent_thread *thread)
{
    return __atomic_load_n(&thread->listed.live, __ATOMIC_ACQUIRE) != FREE;
}

/* Only one thread at a time closes a log: its own as it ends, or the one that detaches. */
static void begin_closing(struct gt_agent_thread *self)
{
    uint32_t live = LIVE;

    while (!__atomic_compare_exchange_n(&self->listed.live, &live, CLOSING, false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
        live = LIVE;
        sched_yield();
    }
}

static void end_closing(struct gt_agent_thread *self, uint32_t live)
{
    __atomic_store_n(&self->listed.live, live, __ATOMIC_RELEASE);
}

static bool take_expected(struct gt_agent_thread *thread)
{
    uint32_t expected = 1;

    return __atomic_compare_exchange_n(&thread->listed.expected, &expected, 0, false,
                                       __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/* The log that was begun for a thread of this tid. */
static struct gt_agent_thread *find_expected(int32_t tid)
{
    struct gt_agent_thread *thread = __atomic_load_n(&threads, __ATOMIC_ACQUIRE);

    for (; thread; thread = thread->listed.next)
        if (__atomic_load_n(&thread->listed.expected, __ATOMIC_ACQUIRE) &&
            __atomic_load_n(&thread->listed.tid, __ATOMIC_RELAXED) == tid &&
            take_expected(thread))
            return thread;
    return NULL;
}

/* This thread's memory, from here to its end. NULL: there is none. */
static struct gt_agent_thread *new_thread(void)
{
    int32_t tid = (int32_t)syscall(SYS_gettid);
    struct gt_agent_thread *self = gt_agent.attached ? find_expected(tid) : NULL;

    if (!self && (self = claim_memory()))
        list_as(self, tid, (uint64_t)pthread_self());
    if (self)
        pthread_setspecific(exit_key, self);
    gt_agent_self = self;
    return self;
}

struct gt_agent_thread *gt_agent_thread_here(void)
{
    return gt_agent_self ? gt_agent_self : new_thread();
}

struct gt_agent_thread *gt_agent_thread_expect(int32_t tid, uint64_t ident, const char *comm)
{
    struct gt_agent_thread *thread = gt_agent_thread_of_ident(ident);

    if (!thread && (thread = claim_memory())) {
        list_as(thread, tid, ident);
        __atomic_store_n(&thread->listed.expected, 1, __ATOMIC_RELEASE);
    }
    return thread && gt_agent_log_begin(thread, comm) ? thread : NULL;
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
    *gt_agent.guard = (struct gt_agent_guard){.known = 1};
    gt_agent_sem_slots_reset();
    unrecorded = 0;
}

/* It was forked while another thread of its parent's attached the agent. That thread is not
 * here, and nothing has been changed yet but that files are mapped. */
static void drop_attachment(void)
{
    gt_agent.preparer = NULL;
    gt_agent.attached = gt_agent.files_open = false;
    gt_agent_units_release();
    gt_agent_process_end();
}

static void fork_child(void)
{
    if (gt_agent.control && gt_agent.pid != getpid())
        become_child();
    if (gt_agent.preparer)
        drop_attachment();
}

/* The log is full, or closed: now nothing else leads to the end. */
static void look_for_the_end(void)
{
    enum { LOOK_EVERY = 64 };

    if (gt_agent.attached &&
        __atomic_add_fetch(&unrecorded, 1, __ATOMIC_RELAXED) % LOOK_EVERY == 0)
        gt_agent_ending_look();
}

struct gt_agent_thread *gt_agent_enter_slow(void)
{
    struct gt_agent_thread *self = gt_agent_self;
    bool known = self != NULL;
    int error = errno;

    if (!gt_agent_is_recording()) {
        look_for_the_end();
        if (!self || self != gt_agent.preparer || self->life.busy)
            return NULL;
        self->life.busy = true;
        return self;
    }
    if (!gt_agent.guard->known)
        become_child();
    self = gt_agent_self;
    if (self && self->life.busy) {
        if (self->log.header)
            self->log.header->dropped++;
        return NULL;
    }
    if (!self && !gone && !(self = new_thread()))
        gt_agent_stop(errno);
    if (self)
        self->life.busy = true;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (self &&
        (!gt_agent_is_recording() || (!self->log.header && !gt_agent_log_begin(self, NULL)))) {
        self->life.busy = false;
        self = NULL;
    }
    if (self && !known) /* whoever began its log may not have been able to read it */
        prctl(PR_GET_NAME, self->log.header->comm);
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

    if (!self->log.header)
        return;
    self->log.header->exit_ticks = ticks;
    gt_agent_spun_note(self, ticks);
    if (!self->life.exit_rounds)
        gt_agent_usage_note(self, ticks);
}

/* All that is of its log. */
static void close_log(struct gt_agent_thread *self)
{
    const size_t rest = offsetof(struct gt_agent_thread, gil);

    gt_agent_log_close(self);
    if (self->calls.stack)
        munmap(self->calls.stack, GT_AGENT_STACK_BYTES);
    memset((char *)self + rest, 0, offsetof(struct gt_agent_thread, listed) - rest);
    forget_signals(self);
}

/* Other threads may be reading what is listed: its link stays, and `live` changes last. */
static void free_memory(struct gt_agent_thread *self)
{
    memset(&self->life, 0, sizeof(self->life));
    list_as(self, 0, 0);
    end_closing(self, FREE);
}

static void thread_exit(void *value)
{
    struct gt_agent_thread *self = gt_agent_self;
    int error = errno;

    (void)value;
    if (!self || !gt_agent.guard->known)
        return;
    begin_closing(self);
    note_exit(self);
    if (++self->life.exit_rounds < GT_AGENT_LAST_EXIT_ROUND) {
        end_closing(self, LIVE);
        pthread_setspecific(exit_key, self);
    } else {
        gone = true;
        gt_agent_self = NULL;
        close_log(self);
        free_memory(self);
    }
    errno = error;
}

/* Is it outside of gt_agent_enter and _leave? Recording is off, so that it stays so. */
static bool is_idle(const struct gt_agent_thread *thread, uint64_t patience_ns)
{
    const struct timespec moment = {0, 100000};
    uint64_t end_ns = gt_agent_monotonic_ns() + patience_ns;

    while (__atomic_load_n(&thread->life.busy, __ATOMIC_ACQUIRE)) {
        if (gt_agent_monotonic_ns() > end_ns)
            return false;
        nanosleep(&moment, NULL);
    }
    return true;
}

bool gt_agent_threads_close(void)
{
    enum { PATIENCE_NS = 50000000 };
    const struct timespec drained = {0, 200000};
    struct gt_agent_thread *thread;
    bool all = true;

    /* A thread that sees that recording is on has stored `busy` before that, in its CPU's
     * buffer of stores at least, which is empty in less than a microsecond. */
    nanosleep(&drained, NULL);
    for (thread = __atomic_load_n(&threads, __ATOMIC_ACQUIRE); thread;
         thread = thread->listed.next) {
        if (!is_live(thread) || !thread->log.header)
            continue;
        if (!is_idle(thread, all ? PATIENCE_NS : 0)) {
            all = false;
            continue;
        }
        begin_closing(thread);
        close_log(thread);
        if (take_expected(thread))
            free_memory(thread);
        else
            end_closing(thread, LIVE);
    }
    return all;
}

/* False in a vfork child, say, which could not execute, or where nothing is recorded: then no
 * process of the agent's ends here. */
bool gt_agent_process_is_ours(void)
{
    return gt_agent.control && gt_agent.guard->known && gt_agent.pid == getpid();
}

static void note_process_end(uint32_t flags)
{
    struct gt_agent_thread *self = gt_agent_self;

    /* A thread without a log may end a process that has logs. */
    if (!self && __atomic_load_n(&threads, __ATOMIC_ACQUIRE) && (self = gt_agent_enter()))
        gt_agent_leave(self);
    if (self && self->log.header) {
        gt_agent_title_look(self);
        note_exit(self);
        self->log.header->flags |= flags;
    }
}

void gt_agent_process_exit(void)
{
    int error = errno;

    if (gt_agent_process_is_ours()) {
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
    bool ours = gt_agent_process_is_ours();

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
    if (!self || !self->log.header)
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
    static bool done;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct gt_agent_guard *guard;

    if (done)
        return true;
    guard = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (guard != MAP_FAILED && !madvise(guard, page, MADV_WIPEONFORK)) {
        gt_agent.guard = guard;
        gt_agent.wipe_on_fork = true;
        guard->known = 1;
    }
    done = !pthread_key_create(&exit_key, thread_exit) && !watch_forks();
    return done;
}
