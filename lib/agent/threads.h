/* SPDX-License-Identifier: MIT */
/*
 * Lives of threads and processes: each thread gets a log at its first event, which ends with
 * the thread; in a forked child all begin anew. And the way into the agent for what a thread
 * wants to record, gt_agent_enter.
 */
#ifndef GT_AGENT_THREADS_H
#define GT_AGENT_THREADS_H

#include "agent/log.h"

/* NULL until the thread's first event. */
extern __thread struct gt_agent_thread *gt_agent_self
    __attribute__((tls_model("initial-exec")));

/* Watch for forks and ends of threads, once. False: that is not possible here. */
bool gt_agent_threads_init(void);

/* gt_agent_enter where there is more to do: the thread or the process is new. Preserves errno.
 */
struct gt_agent_thread *gt_agent_enter_slow(void);

/* This thread's state, made when it is new. NULL when nothing is recorded, or when the thread
 * is inside the agent already: it is a signal handler that asks then. Ends with gt_agent_leave.
 */
static inline struct gt_agent_thread *gt_agent_enter(void)
{
    struct gt_agent_thread *self = gt_agent_self;

    if (GT_AGENT_UNLIKELY(!self || self->life.busy || !gt_agent.guard->known))
        return gt_agent_enter_slow();
    self->life.busy = true;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    /* In this order: gt_agent_threads_close waits for who is busy after recording is off. */
    if (GT_AGENT_UNLIKELY(!gt_agent_is_recording())) {
        self->life.busy = false;
        return gt_agent_enter_slow();
    }
    return self;
}

static inline void gt_agent_leave(struct gt_agent_thread *self)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    self->life.busy = false;
}

/* This thread's state, also while nothing is recorded; NULL: no memory. */
struct gt_agent_thread *gt_agent_thread_here(void);

/* Begin the log of another thread of this process, which takes it over at its first event: for
 * gt_agent.preparer. `comm` is what the kernel calls it. NULL: it is not possible. */
struct gt_agent_thread *gt_agent_thread_expect(int32_t tid, uint64_t ident, const char *comm);

/* Recording is off: close the logs of all threads, which may begin others when it is on again.
 * False: some threads were inside of gt_agent_enter and _leave for so long that theirs are
 * still open. */
bool gt_agent_threads_close(void);

/* A message for the user, from outside of gt_agent_enter and _leave. */
void gt_agent_say(const char *text);

/* A live thread of this process by its pthread_self; NULL when it has no log. */
struct gt_agent_thread *gt_agent_thread_of_ident(uint64_t ident);

/* The thread that holds the GIL whose waiters wait on the condition variable at `cond`: the
 * last that signalled its neighbour. The caller has the GIL's mutex. NULL: none is known. */
struct gt_agent_thread *gt_agent_thread_of_signal(uint64_t cond);

/* Is there a log of this process? Not in a vfork child, say, or where nothing is recorded. */
bool gt_agent_process_is_ours(void);

/* The process ends now, by this thread. Preserves errno. */
void gt_agent_process_exit(void);

/* This process is about to execute the program at this path (NULL: not known). False: it is not
 * the agent's, as a vfork child is not. Preserves errno. */
bool gt_agent_process_execs(const char *program);
/* After a true gt_agent_process_execs: the program was not executed. */
void gt_agent_process_goes_on(void);

#endif
