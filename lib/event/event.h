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

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The process that becomes the target: what it does before then, to measure, is not the
 * program's. */
#define GT_GATE_NAME "giltracer-gate"

/* Behind each group: the member of struct gt_event that says more of them. */
enum gt_event_kind {
    GT_EVENT_OTHER, /* an event of no meaning to us; shows only that the thread lived */

    /* The GIL, seen from libc (uprobes, agent): `cond`. */
    GT_EVENT_COND_SIGNAL, /* pthread_cond_signal is entered */
    GT_EVENT_COND_WAIT,   /* pthread_cond_timedwait is entered */

    /* The GIL, seen from CPython's own functions. No address: one GIL per process. */
    GT_EVENT_TAKE_ENTER,
    GT_EVENT_TAKE_RETURN,
    GT_EVENT_DROP_ENTER,
    GT_EVENT_DROP_RETURN,

    /* The futex system call: `futex`, `result`. */
    GT_EVENT_FUTEX_ENTER,
    GT_EVENT_FUTEX_EXIT,

    /* A condition variable is waited for, seen from libc: `cond`, `result`. */
    GT_EVENT_BLOCK_ENTER,
    GT_EVENT_BLOCK_EXIT,

    /* Lives of threads and processes. */
    GT_EVENT_FORK, /* pid/tid is the new thread: `creator` */
    GT_EVENT_EXIT, /* pid/tid is the thread that ended */
    GT_EVENT_EXEC, /* pid/tid became another program: `new_name` */
    GT_EVENT_MMAP, /* pid mapped a file: `mapping` */
    GT_EVENT_COMM, /* pid/tid is now called so: `new_name` */
    GT_EVENT_LOST, /* events were lost before time_ns: `lost` */

    /* Scheduling. */
    GT_EVENT_SCHED_SWITCH, /* pid/tid leaves cpu: `switched` */
    GT_EVENT_SCHED_WAKEUP, /* pid/tid made another thread runnable: `woken_tid` */
    GT_EVENT_SCHED_WAKING, /* pid/tid is about to do that: nothing more is read of it */
    GT_EVENT_SWITCH_IN,    /* pid/tid is on cpu from now */
    GT_EVENT_SWITCH_OUT,   /* pid/tid leaves cpu: `switched`, but for who follows */

    /* A hardware or software event, or any other tracepoint: `period`, and what is of all. */
    GT_EVENT_COUNTER,

    /* Functions, seen by the agent or VizTracer. Calls and returns nest per thread but for the
     * ends of a recording, greenlets, and what filters left out: a return closes the innermost
     * open call of its function and all inside it; without one it is void. */
    GT_EVENT_CALL,     /* pid/tid enters a function: `call` */
    GT_EVENT_RETURN,   /* pid/tid leaves it: `call` */
    GT_EVENT_UNTRACED, /* a function is not recorded from here on, in pid, and its open calls
                          end: `untraced` */
    GT_EVENT_STOPPED,  /* nothing is recorded from here on, of pid, or, where that is 0, of
                          anyone: `stopped` */

    /* What the program itself recorded, through VizTracer: `mark`. */
    GT_EVENT_INSTANT, /* a moment */
    GT_EVENT_SERIES,  /* numbers that are valid from here on */

    /* What a thread does beside holding the GIL, seen by the agent. */
    GT_EVENT_USAGE, /* what it has had of the CPUs so far: `usage` */
    /* All the following: `sync`. */
    GT_EVENT_SEM_TAKEN,   /* waited for a semaphore (CPython's locks are such), and got it */
    GT_EVENT_SEM_GAVE_UP, /* waited, and did not */
    GT_EVENT_SEM_POST,
    GT_EVENT_QUEUE_GET, /* got an item out of a queue */
    GT_EVENT_QUEUE_PUT,
    GT_EVENT_BARRIER,         /* came through it */
    GT_EVENT_JOIN,            /* joined another thread */
    GT_EVENT_SYNC_EVENT_SET,  /* set an event of threading's, or a future */
    GT_EVENT_SYNC_EVENT_SEEN, /* found it set, having waited or not */
    GT_EVENT_PERMIT_TAKEN,    /* out of threading's semaphore */
    GT_EVENT_PERMIT_GIVEN,

    /* What another thread of the process has had of the CPUs, read by itself, or by a thread
     * that waits for the GIL which that one holds: `snapshot`. */
    GT_EVENT_SNAPSHOT,

    GT_EVENT_KINDS
};

/* What kinds have in common. Ask this instead of comparing kinds. */
enum gt_event_group {
    GT_EVENTS_OTHER,
    GT_EVENTS_GIL, /* signals of, and waits for, condition variables; take_gil, drop_gil */
    GT_EVENTS_FUTEX,
    GT_EVENTS_LIFE,
    GT_EVENTS_SCHED,
    GT_EVENTS_COUNTER,
    GT_EVENTS_FUNCTION,
    GT_EVENTS_MARK,
    GT_EVENTS_SYNC, /* what a thread does beside holding the GIL, and what it has of the CPUs */
};

static inline enum gt_event_group gt_event_group(enum gt_event_kind kind)
{
    switch (kind) { /* without a default: compilers tell of kinds that are missing */
    case GT_EVENT_COND_SIGNAL:
    case GT_EVENT_COND_WAIT:
    case GT_EVENT_TAKE_ENTER:
    case GT_EVENT_TAKE_RETURN:
    case GT_EVENT_DROP_ENTER:
    case GT_EVENT_DROP_RETURN:
        return GT_EVENTS_GIL;
    case GT_EVENT_FUTEX_ENTER:
    case GT_EVENT_FUTEX_EXIT:
    case GT_EVENT_BLOCK_ENTER:
    case GT_EVENT_BLOCK_EXIT:
        return GT_EVENTS_FUTEX;
    case GT_EVENT_FORK:
    case GT_EVENT_EXIT:
    case GT_EVENT_EXEC:
    case GT_EVENT_MMAP:
    case GT_EVENT_COMM:
    case GT_EVENT_LOST:
        return GT_EVENTS_LIFE;
    case GT_EVENT_SCHED_SWITCH:
    case GT_EVENT_SCHED_WAKEUP:
    case GT_EVENT_SCHED_WAKING:
    case GT_EVENT_SWITCH_IN:
    case GT_EVENT_SWITCH_OUT:
        return GT_EVENTS_SCHED;
    case GT_EVENT_COUNTER:
        return GT_EVENTS_COUNTER;
    case GT_EVENT_CALL:
    case GT_EVENT_RETURN:
    case GT_EVENT_UNTRACED:
    case GT_EVENT_STOPPED:
        return GT_EVENTS_FUNCTION;
    case GT_EVENT_INSTANT:
    case GT_EVENT_SERIES:
        return GT_EVENTS_MARK;
    case GT_EVENT_USAGE:
    case GT_EVENT_SEM_TAKEN:
    case GT_EVENT_SEM_GAVE_UP:
    case GT_EVENT_SEM_POST:
    case GT_EVENT_QUEUE_GET:
    case GT_EVENT_QUEUE_PUT:
    case GT_EVENT_BARRIER:
    case GT_EVENT_JOIN:
    case GT_EVENT_SYNC_EVENT_SET:
    case GT_EVENT_SYNC_EVENT_SEEN:
    case GT_EVENT_PERMIT_TAKEN:
    case GT_EVENT_PERMIT_GIVEN:
    case GT_EVENT_SNAPSHOT:
        return GT_EVENTS_SYNC;
    case GT_EVENT_OTHER:
    case GT_EVENT_KINDS:
        break;
    }
    return GT_EVENTS_OTHER;
}

/* Why a thread left the CPU. `R`, `R+`: still runnable. */
enum gt_event_state {
    GT_STATE_RUNNABLE = 1 << 0,        /* R, R+ */
    GT_STATE_SLEEPING = 1 << 1,        /* S */
    GT_STATE_UNINTERRUPTIBLE = 1 << 2, /* D */
    GT_STATE_STOPPED = 1 << 3,         /* T, t */
    GT_STATE_DEAD = 1 << 4,            /* X, Z */
    GT_STATE_IDLE = 1 << 5,            /* I, P: parked */
};

enum gt_call_flags {
    GT_CALL_RESUME = 1 << 0,   /* call: of a generator or coroutine that ran before */
    GT_CALL_THROW = 1 << 1,    /* call: resumed by throw() */
    GT_RETURN_YIELD = 1 << 2,  /* return: may be resumed */
    GT_RETURN_UNWIND = 1 << 3, /* return: by an exception */
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

/* Of a condition variable's wait: it has a deadline, which was not recorded. */
#define GT_NO_DEADLINE 1

/* All text is valid during the call that hands the event over, if the source says no more. */
struct gt_event {
    enum gt_event_kind kind;
    int32_t cpu;      /* -1 unknown */
    int64_t time_ns;  /* CLOCK_MONOTONIC */
    int32_t pid;      /* 0 when the source does not know it: the model looks tid up */
    int32_t tid;      /* -1 when the task was gone already */
    const char *comm; /* the thread's name in this record; may be ":123" for unknown */
    uint32_t comm_length;
    uint32_t name_length;
    const char *name; /* what perf calls the event ("page-faults"); NULL: it is not perf's */
    const struct gt_frame *frames; /* the event's stack, when recorded */
    uint32_t frame_count;
    union {
        struct {
            uint64_t address;    /* of the condition variable */
            int64_t deadline_ns; /* of a wait: CLOCK_MONOTONIC, or (CPython before 3.8)
                                    CLOCK_REALTIME. 0: COND_WAIT's was not recorded, BLOCK_ENTER
                                    has none */
        } cond;                  /* COND_SIGNAL, COND_WAIT, BLOCK_ENTER */
        struct {
            uint64_t address;   /* of the word */
            uint32_t operation; /* with its flags, as in the call */
            bool timed;         /* it has a timeout */
        } futex;                /* FUTEX_ENTER */
        int64_t result;         /* FUTEX_EXIT: of the system call; BLOCK_EXIT: an errno, or 0 */
        struct {
            int32_t pid, tid; /* 0: not known */
        } creator;            /* FORK */
        struct {
            const char *text;
            uint32_t length;
            bool by_threading; /* Python's threading says so: better than the kernel's */
        } new_name;            /* EXEC, COMM */
        struct {
            uint64_t address;
            uint64_t offset; /* in the file */
            uint64_t inode;  /* 0: it and the device are not known */
            const char *path;
            uint32_t path_length;
            uint32_t device; /* GT_DEVICE (event/probed_files.h) */
        } mapping;           /* MMAP */
        struct {
            uint64_t events;
            int64_t since_ns; /* 0: not known: on cpu */
            bool of_process;  /* of pid only */
        } lost;               /* LOST */
        struct {
            const char *why;
            uint32_t why_length;
            bool gil;    /* the GIL's events, too */
            bool by_end; /* as far as known, pid ended then */
        } stopped;       /* STOPPED */
        struct {
            uint32_t state;   /* enum gt_event_state bits */
            int32_t next_tid; /* SCHED_SWITCH: who is on cpu now */
        } switched;        /* SCHED_SWITCH, SWITCH_OUT: GT_STATE_RUNNABLE if preempted, or 0 */
        int32_t woken_tid; /* SCHED_WAKEUP */
        uint64_t period;   /* COUNTER: how many events this one stands for; 0: not recorded */
        struct {
            const struct gt_function *function;
            uint32_t flags; /* enum gt_call_flags */
        } call;             /* CALL, RETURN */
        struct {
            const struct gt_function *function;
            uint64_t calls; /* that were counted only */
        } untraced;         /* UNTRACED */
        struct {
            const char *name;
            const char *detail; /* a JSON object in ASCII, or empty */
            uint32_t name_length;
            uint32_t detail_length;
        } mark; /* INSTANT, SERIES */
        struct {
            int64_t cpu_ns;
            uint64_t sleeps; /* voluntary context switches */
        } usage;             /* USAGE */
        struct {
            uint64_t object;  /* an address */
            int64_t since_ns; /* began to wait then; SEM_POST: has had it since; 0 not known */
            uint32_t left;    /* QUEUE_PUT: how many items it holds, PERMIT_TAKEN: permits
                                 left; plus 1; 0: any number, or not known */
            int32_t joined_tid; /* JOIN */
        } sync;                 /* SEM_TAKEN to PERMIT_GIVEN */
        struct {
            int32_t tid;     /* of whom it is */
            uint16_t faults; /* page faults that had to wait for a disk: the low 12 bits */
            uint16_t call; /* the system call that it is in, plus 1; 0: not known, or it runs */
            int64_t cpu_ns;   /* on a CPU */
            int64_t ready_ns; /* ready without one; -1: not known */
        } snapshot;           /* SNAPSHOT */
    };
};

#endif
