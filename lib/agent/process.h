/* SPDX-License-Identifier: MIT */
/*
 * This process as the agent knows it, and the control file that it shares with the run's other
 * processes (wire.h).
 *
 * Recording stops for one of three reasons: the run's log has reached its bound, this process
 * cannot write its log any more (gt_agent_stop), or the agent does not work here at all
 * (gt_agent_trouble). None of them disturbs the target.
 */
#ifndef GT_AGENT_PROCESS_H
#define GT_AGENT_PROCESS_H

#include "agent/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What a forked child finds cleared, where the kernel does that. */
struct gt_agent_guard {
    uint64_t known;  /* 0: a child that has not been set up */
    uint64_t simple; /* 1: a signal on a condition variable is recorded, and nothing else is due
                        at it (interpose.c) */
};

struct gt_agent {
    bool recording;    /* false: off, for good or not yet on; any thread stops */
    bool wipe_on_fork; /* the kernel clears the guard in children */
    struct gt_agent_guard *guard;
    struct gt_wire_control *control; /* NULL: the agent has nothing to do in this process */
    uint64_t max_bytes;              /* of all logs of the run */
    uint64_t process_ticks;          /* when the process was forked, or the agent began in it */
    pid_t pid;
    pid_t parent_pid;
    pid_t parent_tid; /* the thread that forked it, where the agent saw that; else parent_pid */
    bool late;        /* the agent does not interpose: it was loaded by dlopen */
    bool began;       /* it was preloaded, and told to record by the environment */
    const void *preparer; /* the thread (gt_agent_thread) that attaches the agent, while it
                             alone may record; else NULL */
    bool attached;        /* by gt_agent_attach, in this process or its parent */
    bool files_open;      /* of the last recording that it was attached for */
    bool forked;          /* from a process with the agent */
    bool stopped;         /* and the control file says so */
    char dir[GT_WIRE_PATH_SIZE];     /* the folder of the log */
    char program[GT_WIRE_PATH_SIZE]; /* /proc/self/exe */
};

extern struct gt_agent gt_agent;

static inline bool gt_agent_is_recording(void)
{
    return __atomic_load_n(&gt_agent.recording, __ATOMIC_RELAXED);
}

/* Something is due at the next signal from here on: called after what makes it so. */
static inline void gt_agent_not_simple(void)
{
    __atomic_exchange_n(&gt_agent.guard->simple, 0, __ATOMIC_ACQ_REL);
}

static inline void gt_agent_record(bool recording)
{
    __atomic_store_n(&gt_agent.recording, recording, __ATOMIC_RELAXED);
    gt_agent_not_simple();
}

/* A lock for which nothing waits, not even for a thread that a fork left in the parent: the pid
 * of the process in which a thread has it, 0 while it is free. False: another thread has it. */
static inline bool gt_agent_try_lock(int32_t *lock)
{
    int32_t owner = 0;

    if (__atomic_compare_exchange_n(lock, &owner, gt_agent.pid, false, __ATOMIC_ACQUIRE,
                                    __ATOMIC_RELAXED))
        return true;
    if (owner == gt_agent.pid)
        return false;
    *lock =
        gt_agent.pid; /* the owner was a thread of the parent's, which is not in this child */
    return true;
}

static inline void gt_agent_unlock(int32_t *lock)
{
    __atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

/* Map the control file of the folder that the settings name, and agree with the run's other
 * processes on a clock. 0, or an errno: nothing can be recorded; EINVAL: no private folder is
 * named. Preserves errno. */
int gt_agent_process_init(void);

/* Let go of the control file. What other threads may still store into it is lost. */
void gt_agent_process_end(void);

/* Count bytes against the run's bound. False when it is reached: recording stops, and the
 * control file holds the time. */
bool gt_agent_take_bytes(size_t size);

/* Nothing of this process is recorded from here on; `error` is why, 0: the log is full. */
void gt_agent_stop(int error);

/* Switch off in this process and note why: "text: strerror(error)" when error is not 0. */
void gt_agent_trouble(const char *text, int error);

/* Note that a program which this process is about to execute will have no log, if another user,
 * or another root, may not write it. */
void gt_agent_note_unseen(void);
/* Take that note back: the program was not executed. */
void gt_agent_forget_unseen(void);

#endif
