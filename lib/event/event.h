/*
 * The one vocabulary that all sources speak: `perf script` text, agent logs, VizTracer JSON.
 * A source turns its records into these, in the order of time as far as it can; the model
 * knows no other input.
 *
 * To add a source: 1. a folder to the left of model/ that fills struct gt_event; 2. feed
 * them to gt_timeline_feed; 3. say in the source's header what it cannot see.
 */
#ifndef GT_EVENT_EVENT_H
#define GT_EVENT_EVENT_H

#include <stddef.h>
#include <stdint.h>

/* The process that becomes the target: what it does before then, to measure, is not the
 * program's. */
#define GT_GATE_NAME "giltracer-gate"

enum gt_event_kind {
    GT_EVENT_OTHER, /* an event of no meaning to us; shows only that the thread lived */

    /* GIL, seen from libc (uprobes, agent). value: address of the condition variable. */
    GT_EVENT_COND_SIGNAL, /* pthread_cond_signal(value) is entered */
    GT_EVENT_COND_WAIT, /* pthread_cond_timedwait(value) is entered; other_value: its deadline,
                           ns of CLOCK_MONOTONIC, or (CPython before 3.8) of CLOCK_REALTIME;
                           0: not recorded */

    /* GIL, seen from CPython's own functions. No address: one GIL per process. */
    GT_EVENT_TAKE_ENTER,
    GT_EVENT_TAKE_RETURN,
    GT_EVENT_DROP_ENTER,
    GT_EVENT_DROP_RETURN,

    /* The futex system call. ENTER: value: uaddr, flags: op, other_value: utime (0: no
     * timeout). EXIT: value: the result, as 64 bits. */
    GT_EVENT_FUTEX_ENTER,
    GT_EVENT_FUTEX_EXIT,

    /* A condition variable is waited for, seen from libc. ENTER: value: its address,
     * other_value: the deadline as above, 0 without a timeout, GT_NO_DEADLINE where it was not
     * recorded. EXIT: value: the result, an errno. */
    GT_EVENT_BLOCK_ENTER,
    GT_EVENT_BLOCK_EXIT,

    /* Lives of threads and processes. */
    GT_EVENT_FORK, /* pid/tid: the new thread; other_pid/other_tid: who made it */
    GT_EVENT_EXIT, /* pid/tid: the thread that ended */
    GT_EVENT_EXEC, /* pid/tid became the program named by text */
    GT_EVENT_MMAP, /* pid mapped the file text at value; other_value: offset in it; inode, and
                      flags: its device (major << 20 | minor); inode 0: not known */
    GT_EVENT_COMM, /* pid/tid is now called text; flags: GT_COMM_THREADING */
    GT_EVENT_LOST, /* value: how many events were lost, at some time before time_ns: on cpu; or
                      since other_value, where that is not 0; flags: gt_lost_flags */

    /* Scheduling. */
    GT_EVENT_SCHED_SWITCH, /* pid/tid leaves cpu; flags: gt_event_state bits */
    GT_EVENT_SCHED_WAKEUP, /* other_tid becomes runnable; value: target cpu */
    GT_EVENT_SCHED_WAKING, /* other_tid is about to become runnable, woken by pid/tid */
    GT_EVENT_SWITCH_IN,    /* pid/tid is on cpu from now */
    GT_EVENT_SWITCH_OUT,   /* pid/tid leaves cpu; flags: GT_STATE_RUNNABLE if preempted */

    /* Counters. text: event name; value: period. */
    GT_EVENT_COUNTER,

    /* Functions, seen by the agent or VizTracer. function: which. Calls and returns nest per
     * thread but for the ends of a recording, greenlets, and what filters left out: a return
     * closes the innermost open call of its function and all inside it; without one it is
     * void. */
    GT_EVENT_CALL,     /* pid/tid enters function; flags: gt_call_flags */
    GT_EVENT_RETURN,   /* pid/tid leaves function; flags: gt_call_flags */
    GT_EVENT_UNTRACED, /* function is not recorded from here on, in pid, and its open calls end;
                          value: calls seen */
    GT_EVENT_STOPPED,  /* nothing is recorded from here on, of pid, or, where that is 0, of
                          anyone; text: why; flags: gt_stopped_flags */

    /* What the program itself recorded, through VizTracer. text: its name; detail. */
    GT_EVENT_INSTANT, /* a moment */
    GT_EVENT_SERIES,  /* numbers that are valid from here on */

    /* What a thread does beside holding the GIL, seen by the agent. value: an address, if not
     * said otherwise; other_value: since when, 0 not known. */
    GT_EVENT_USAGE,     /* value: ns on a CPU so far; other_value: voluntary context switches */
    GT_EVENT_SEM_TAKEN, /* waited for a semaphore (CPython's locks are such), and got it */
    GT_EVENT_SEM_GAVE_UP, /* waited, and did not */
    GT_EVENT_SEM_POST,    /* gives it; other_value: has had it since then */
    GT_EVENT_QUEUE_GET,   /* got an item out of a queue */
    GT_EVENT_QUEUE_PUT,   /* flags: how many it holds, plus 1; 0: any number, or not known */
    GT_EVENT_BARRIER,     /* came through it */
    GT_EVENT_JOIN,        /* joined other_tid */
    GT_EVENT_FLAG_SET,    /* set an event of threading's, or a future */
    GT_EVENT_FLAG_SEEN,   /* found it set, having waited or not */
    GT_EVENT_TOKEN_TAKEN, /* out of threading's semaphore; flags: left in it, plus 1; 0 not
                             known */
    GT_EVENT_TOKEN_GIVEN,

    /* What thread other_tid of the process has had of the CPUs, read by itself, or by a thread
     * that waits for the GIL which other_tid holds. value: ns on a CPU; other_value: ns ready
     * without one, GT_NOT_KNOWN; flags: GT_SNAPSHOT_*. */
    GT_EVENT_SNAPSHOT,

    GT_EVENT_KINDS
};

#define GT_NO_DEADLINE 1

/* Why a thread left the CPU. `R`, `R+`: still runnable. */
enum gt_event_state {
    GT_STATE_RUNNABLE = 1 << 0,        /* R, R+ */
    GT_STATE_SLEEPING = 1 << 1,        /* S */
    GT_STATE_UNINTERRUPTIBLE = 1 << 2, /* D */
    GT_STATE_STOPPED = 1 << 3,         /* T, t */
    GT_STATE_DEAD = 1 << 4,            /* X, Z */
    GT_STATE_IDLE = 1 << 5,            /* I, P: parked */
};

enum gt_comm_flags {
    GT_COMM_THREADING = 1 << 0, /* Python's threading says so: better than the kernel's name */
};

enum gt_call_flags {
    GT_CALL_RESUME = 1 << 0,   /* call: of a generator or coroutine that ran before */
    GT_CALL_THROW = 1 << 1,    /* call: resumed by throw() */
    GT_RETURN_YIELD = 1 << 2,  /* return: may be resumed */
    GT_RETURN_UNWIND = 1 << 3, /* return: by an exception */
};

#define GT_NOT_KNOWN UINT64_MAX

/* Flags of a snapshot: page faults that had to wait for a disk, of which the low bits are
 * known; the system call that it is in, plus 1 (0: not known, or it runs). */
#define GT_SNAPSHOT_FAULTS(flags) ((flags)&0xfff)
#define GT_SNAPSHOT_CALL(flags)   ((flags) >> 12 & 0xfff)
#define GT_SNAPSHOT_FLAGS(faults, call)                                                        \
    (((uint32_t)(faults)&0xfff) | ((uint32_t)(call)&0xfff) << 12)

enum gt_lost_flags {
    GT_LOST_OF_PROCESS = 1 << 0, /* of pid only */
};

enum gt_stopped_flags {
    GT_STOPPED_GIL = 1 << 0,    /* the GIL's events, too */
    GT_STOPPED_BY_END = 1 << 1, /* as far as known, pid ended then */
};

enum gt_function_flags {
    GT_FUNCTION_C = 1 << 0,  /* of C; file is the name of its module, line 0 */
    GT_FUNCTION_GC = 1 << 1, /* a run of the cyclic garbage collector */
    /* No function: an UNTRACED of it is a place in the code from where calls of C functions
     * are not recorded any more. */
    GT_FUNCTION_PLACES = 1 << 2,
    /* Of C functions: whose they are, where that is known, … */
    GT_FUNCTION_OF_PYTHON = 1 << 4,  /* the interpreter's, or its standard library's */
    GT_FUNCTION_OF_PACKAGE = 1 << 5, /* an installed package's */
    GT_FUNCTION_OF_PROGRAM = 1 << 6, /* the program's own extension's */
    GT_FUNCTION_BY_CYTHON = 1 << 7,  /* … and what these were made with */
    GT_FUNCTION_BY_PYBIND11 = 1 << 8,
};

/* A function that was called. The source's, valid as long as the source. */
struct gt_function {
    uint32_t id; /* of the source: equal ids are one function */
    uint32_t line;
    uint32_t flags; /* enum gt_function_flags */
    uint32_t name_length;
    uint32_t file_length;
    const char *name; /* qualified; the target's bytes, hostile like all text; NUL-ended */
    const char *file;
};

/* One frame of a stack, innermost first. Slices of the source's buffer. */
struct gt_frame {
    const char *symbol; /* without offset; empty when unknown */
    const char *dso;    /* path or "[kernel.kallsyms]"; empty when unknown */
    uint32_t symbol_length;
    uint32_t dso_length;
    uint64_t address;
};

struct gt_event {
    enum gt_event_kind kind;
    uint32_t flags;
    int64_t time_ns; /* CLOCK_MONOTONIC */
    int32_t pid;     /* 0 when the source does not know it: the model looks tid up */
    int32_t tid;     /* -1 when the task was gone already */
    int32_t cpu;     /* -1 unknown */
    int32_t other_pid;
    int32_t other_tid;
    uint32_t comm_length;
    uint64_t value;
    uint64_t other_value;
    const char *comm; /* the thread's name in this record; may be ":123" for unknown */
    const char *text; /* what the kind says; valid during the call only, like comm */
    uint32_t text_length;
    uint32_t frame_count;
    const struct gt_frame *frames;      /* the event's stack, when recorded */
    const struct gt_function *function; /* of calls and returns, else NULL */
    const char *detail; /* of instants and series: a JSON object in ASCII, or empty */
    uint32_t detail_length;
    uint64_t inode;
};

#endif
