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

struct gt_agent {
    bool recording;                  /* false: off, for good or not yet on; any thread stops */
    bool wipe_on_fork;               /* the kernel clears fork_guard in children */
    uint64_t *fork_guard;            /* 0 in a forked child that has not been set up */
    struct gt_wire_control *control; /* NULL: the agent has nothing to do in this process */
    uint64_t max_bytes;              /* of all logs of the run */
    uint64_t process_ticks;          /* when the process was forked, or the agent began in it */
    pid_t pid;
    pid_t parent_pid;
    pid_t parent_tid; /* the thread that forked it, where the agent saw that; else parent_pid */
    bool forked;      /* from a process with the agent */
    bool stopped;     /* and the control file says so */
    char dir[GT_WIRE_PATH_SIZE];     /* the folder of the log */
    char program[GT_WIRE_PATH_SIZE]; /* /proc/self/exe */
};

extern struct gt_agent gt_agent;

static inline bool gt_agent_is_recording(void)
{
    return __atomic_load_n(&gt_agent.recording, __ATOMIC_RELAXED);
}

static inline void gt_agent_record(bool recording)
{
    __atomic_store_n(&gt_agent.recording, recording, __ATOMIC_RELAXED);
}

/* Map the control file of the folder that the environment names, and agree with the run's other
 * processes on a clock. False: nothing is to be recorded. Preserves errno. */
bool gt_agent_process_init(void);

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
