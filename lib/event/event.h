/* SPDX-License-Identifier: MIT */
/*
 * Events: what all sources (`perf script` text, agent logs, VizTracer JSON) turn their records
 * into, in the order of time as far as they can. The model has no other input.
 *
 * To add a source: 1. make a folder with NAME_open, NAME_next and NAME_free, where NAME_next
 * fills one struct gt_event; 2. merge it in ingest/ingest.c; 3. say in its header what the
 * source cannot see.
 */
#ifndef GT_EVENT_EVENT_H
#define GT_EVENT_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The name of the process that becomes the target. What it does before that, to measure costs,
 * is not the target's. */
#define GT_GATE_NAME "giltracer-gate"

/* The names in backquotes are members of struct gt_event, which say more. */
enum gt_event_kind {
    GT_EVENT_OTHER, /* any event without a meaning here: it shows that its thread lived */

    /* The GIL, as libc's functions show it (uprobes, agent): `cond`. */
    GT_EVENT_COND_SIGNAL, /* pthread_cond_signal is entered */
    GT_EVENT_COND_WAIT,   /* pthread_cond_timedwait is entered */

    /* The GIL, as CPython's functions show it. They name no GIL: there is one per process. */
    GT_EVENT_TAKE_ENTER,
    GT_EVENT_TAKE_RETURN,
    GT_EVENT_DROP_ENTER,
    GT_EVENT_DROP_RETURN,

    /* A build without a GIL has one from now on, or has none: `gil_switch`. */
    GT_EVENT_GIL_SWITCH,

    /* The futex system call: `futex`, `result`. */
    GT_EVENT_FUTEX_ENTER,
    GT_EVENT_FUTEX_EXIT,

    /* Waiting for a condition variable, as libc shows it: `cond`, `result`. */
    GT_EVENT_BLOCK_ENTER,
    GT_EVENT_BLOCK_EXIT,

    /* Lives of threads and processes. */
    GT_EVENT_FORK, /* pid/tid is the new thread: `creator` */
    GT_EVENT_EXIT, /* pid/tid is the thread that ended */
    GT_EVENT_EXEC, /* pid/tid became another program: `new_name` */
    GT_EVENT_MMAP, /* pid mapped a file: `mapping` */
    GT_EVENT_COMM, /* pid/tid has another name now: `new_name` */
    GT_EVENT_LOST, /* events were lost until time_ns: `lost` */

    /* Scheduling. */
    GT_EVENT_SCHED_SWITCH, /* pid/tid leaves cpu: `switched` */
    GT_EVENT_SCHED_WAKEUP, /* pid/tid made another thread runnable: `woken_tid` */
    GT_EVENT_SCHED_WAKING, /* pid/tid is about to do that: tells less than SCHED_WAKEUP */
    GT_EVENT_SWITCH_IN,    /* pid/tid comes on cpu */
    GT_EVENT_SWITCH_OUT,   /* pid/tid leaves cpu: `switched`, without next_tid */

    /* A hardware or software event, or any other tracepoint or probe: `period`. */
    GT_EVENT_COUNTER,

    /* Functions, as the agent or VizTracer sees them. The calls of a thread mostly nest; not at
     * the ends of a recording, with greenlets, or where filters left some out. So a return ends
     * the innermost open call of its function, and all calls within; if there is none, it means
     * nothing. */
    GT_EVENT_CALL,     /* pid/tid enters a function: `call` */
    GT_EVENT_RETURN,   /* pid/tid leaves it: `call` */
    GT_EVENT_UNTRACED, /* from now on, a function is not recorded in pid any more; its open
                          calls end: `untraced` */
    GT_EVENT_STOPPED, /* from now on, nothing of pid is recorded any more; pid 0: nothing of any
                         process: `stopped` */

    /* What the program itself recorded, through VizTracer: `mark`. */
    GT_EVENT_INSTANT, /* a moment */
    GT_EVENT_SERIES,  /* numbers that are valid from now on */

    /* What a thread does beside holding the GIL, as the agent sees it. */
    GT_EVENT_USAGE, /* the CPU time that it has had so far: `usage` */
    /* Synchronisation operations: `sync`. */
    GT_EVENT_SEM_TAKEN,   /* it waited for a semaphore, such as CPython's locks, and got it */
    GT_EVENT_SEM_GAVE_UP, /* it waited for one, and did not get it */
    GT_EVENT_SEM_POST,    /* it gave one */
    GT_EVENT_QUEUE_GET,   /* it got an item out of a queue */
    GT_EVENT_QUEUE_PUT,   /* it put one in */
    GT_EVENT_BARRIER,     /* it passed a barrier */
    GT_EVENT_JOIN,        /* it joined another thread */
    GT_EVENT_SYNC_EVENT_SET,  /* it set an event of threading, or a future */
    GT_EVENT_SYNC_EVENT_SEEN, /* it found one set, perhaps after waiting */
    GT_EVENT_PERMIT_TAKEN,    /* it took a permit of a semaphore of threading */
    GT_EVENT_PERMIT_GIVEN,    /* it gave one */
    GT_EVENT_SEM_WAITS,       /* it begins to wait for a semaphore, or for a mutex of C's; ends
                                 with SEM_TAKEN, SEM_GAVE_UP or SEM_RETURN: `sync` */
    GT_EVENT_SEM_NEW,         /* it makes a semaphore where there was another: `sync` */
    GT_EVENT_SEM_RETURN,      /* its wait ended: `result` */

    GT_EVENT_SPUN, /* it spun for locks, or gave what it was to park for: `spun` */

    /* The CPU time that a thread which holds the GIL has had, read by that thread, or by one
     * that waits for the GIL: `snapshot`. */
    GT_EVENT_SNAPSHOT,

    /* Where pid/tid was: its stack was recorded on its own, by a clock: `sample`. */
    GT_EVENT_SAMPLE,

    /* Where a thread that has the GIL is asleep, noted by pid/tid, which waits for it.
     * Addresses of its frames are as the headers of their files count, and name nothing yet:
     * `asleep`. */
    GT_EVENT_ASLEEP,

    GT_EVENT_KINDS
};

/* Groups of kinds. */
enum gt_event_group {
    GT_EVENTS_OTHER,
    GT_EVENTS_GIL, /* signals of, and waits for, condition variables; take_gil, drop_gil */
    GT_EVENTS_FUTEX,
    GT_EVENTS_LIFE,
    GT_EVENTS_SCHED,
    GT_EVENTS_COUNTER,
    GT_EVENTS_FUNCTION,
    GT_EVENTS_MARK,
    GT_EVENTS_SYNC, /* what a thread does beside holding the GIL, and the CPU time that it has
                     */
};

static inline enum gt_event_group gt_event_group(enum gt_event_kind kind)
{
    switch (kind) { /* without a default, so that the compiler names kinds that are missing */
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
    case GT_EVENT_GIL_SWITCH:
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
    case GT_EVENT_SEM_WAITS:
    case GT_EVENT_SEM_NEW:
    case GT_EVENT_SEM_RETURN:
    case GT_EVENT_SPUN:
    case GT_EVENT_SNAPSHOT:
    case GT_EVENT_SAMPLE:
    case GT_EVENT_ASLEEP:
        return GT_EVENTS_SYNC;
    case GT_EVENT_OTHER:
    case GT_EVENT_KINDS:
        break;
    }
    return GT_EVENTS_OTHER;
}

/* Why a thread left the CPU, as perf's letters say. */
enum gt_event_state {
    GT_STATE_RUNNABLE = 1 << 0,        /* R, R+: it was preempted */
    GT_STATE_SLEEPING = 1 << 1,        /* S */
    GT_STATE_UNINTERRUPTIBLE = 1 << 2, /* D */
    GT_STATE_STOPPED = 1 << 3,         /* T, t */
    GT_STATE_DEAD = 1 << 4,            /* X, Z */
    GT_STATE_IDLE = 1 << 5,            /* I, P: parked */
};

enum gt_call_flags {
    GT_CALL_RESUME = 1 << 0,   /* call: a generator or coroutine goes on */
    GT_CALL_THROW = 1 << 1,    /* call: it goes on by throw() */
    GT_RETURN_YIELD = 1 << 2,  /* return: it yields, and may go on later */
    GT_RETURN_UNWIND = 1 << 3, /* return: an exception ends it */
};

enum gt_function_flags {
    GT_FUNCTION_C = 1 << 0,  /* a C function: file is the name of its module, line is 0 */
    GT_FUNCTION_GC = 1 << 1, /* a run of the cyclic garbage collector */
    /* No function. GT_EVENT_UNTRACED of it means that calls of C functions from one place in
     * the code are not recorded any more. */
    GT_FUNCTION_PLACES = 1 << 2,
    /* To whom a C function belongs, where that is known. */
    GT_FUNCTION_OF_PYTHON = 1 << 4,  /* the interpreter, or its standard library */
    GT_FUNCTION_OF_PACKAGE = 1 << 5, /* an installed package */
    GT_FUNCTION_OF_PROGRAM = 1 << 6, /* an extension of the program itself */
    /* What the extension was made with. */
    GT_FUNCTION_BY_CYTHON = 1 << 7,
    GT_FUNCTION_BY_PYBIND11 = 1 << 8,
};

/* A function. It belongs to its source, and is valid as long as that. */
struct gt_function {
    uint32_t id; /* equal ids of one source are one function */
    uint32_t line;
    uint32_t flags; /* enum gt_function_flags */
    uint32_t name_length;
    uint32_t file_length;
    const char *name; /* qualified, with a NUL; the target's bytes, like all text: any */
    const char *file;
};

/* What a thread waits for that waits for a semaphore. */
enum gt_wait_for {
    GT_WAIT_FOR_SEMAPHORE, /* for it: up to 3.13 a lock of CPython's is one */
    GT_WAIT_FOR_MUTEX,     /* parked, for a mutex of one byte of CPython's */
    GT_WAIT_FOR_EVENT,     /* parked, for an event; or, as far as is known, for the next */
    GT_WAIT_FOR_ATTACH,    /* parked, until a thread that stopped all others lets them go on */
    GT_WAIT_FOR_NATIVE,    /* for a mutex of C's, which is no semaphore */
};

/* One frame of a stack. Its strings are slices of a buffer of the source. */
struct gt_frame {
    const char *symbol; /* without offset; empty: not known */
    const char *dso;    /* a path, or "[kernel.kallsyms]"; empty: not known */
    uint32_t symbol_length;
    uint32_t dso_length;
    uint64_t address;
};

/* lost.since_ns where nothing was recorded before the loss. */
#define GT_SINCE_BEGINNING 1

/* cond.deadline_ns of a wait whose deadline was not recorded. */
#define GT_NO_DEADLINE 1

/* How many addresses sync.callers has. */
enum { GT_CALLERS = 25 };

/* sync.since_ns of SEM_WAITS and SEM_POST, from a source that does not see semaphores being
 * taken. */
#define GT_NOT_SEEN (-1)

/* Strings and stacks are valid while the event is handed over, unless its source says more. */
struct gt_event {
    enum gt_event_kind kind;
    int32_t cpu;      /* -1: not known */
    int64_t time_ns;  /* CLOCK_MONOTONIC */
    int32_t pid;      /* 0: the source does not know it, and the model looks tid up */
    int32_t tid;      /* -1: the task was gone already */
    const char *comm; /* the name of the thread in this record; ":123" is no name */
    uint32_t comm_length;
    uint32_t name_length;
    const char *name; /* of the event, as perf prints it ("page-faults"); NULL: it has none */
    const struct gt_frame *frames; /* the stack, the innermost frame first, when recorded */
    uint32_t frame_count;
    union { /* by kind */
        /* COND_SIGNAL, COND_WAIT, BLOCK_ENTER */
        struct {
            uint64_t address;    /* of the condition variable */
            int64_t deadline_ns; /* of a wait, in CLOCK_MONOTONIC, or (CPython before 3.8) in
                                    CLOCK_REALTIME; 0: COND_WAIT's was not recorded, BLOCK_ENTER
                                    has none */
            uint64_t mutex;      /* of a wait: its address; 0: it was not recorded */
        } cond;
        /* FUTEX_ENTER */
        struct {
            uint64_t address;   /* of the word */
            uint32_t operation; /* with its flags, as in the call */
            bool timed;         /* it has a timeout */
        } futex;
        /* FUTEX_EXIT: what the system call returned; BLOCK_EXIT: an errno, or 0 */
        int64_t result;
        /* FORK: who created pid/tid; 0: not known */
        struct {
            int32_t pid, tid;
        } creator;
        /* EXEC, COMM */
        struct {
            const char *text;
            uint32_t length;
            bool by_threading; /* Python's threading gave it: better than the kernel's name */
            bool is_command;   /* COMM: the command line of pid, arguments end with NUL */
            bool is_role;      /* COMM: what multiprocessing calls pid */
        } new_name;
        /* MMAP */
        struct {
            uint64_t address;
            uint64_t offset; /* in the file */
            uint64_t inode;  /* 0: inode and device are not known */
            const char *path;
            uint32_t device; /* GT_DEVICE (event/probed_files.h) */
            uint16_t path_length;
            uint16_t pages; /* of 4 KiB; UINT16_MAX: or more */
        } mapping;
        /* LOST */
        struct {
            uint64_t events;
            int64_t since_ns; /* 0: since the last event on cpu; or GT_SINCE_BEGINNING */
            bool of_process;  /* only events of pid were lost */
        } lost;
        /* GIL_SWITCH */
        struct {
            const char *module; /* whose import switched it on; empty: not known */
            uint32_t length;
            bool on;
        } gil_switch;
        /* STOPPED */
        struct {
            const char *why;
            uint32_t why_length;
            bool gil;    /* events of the GIL are not recorded any more, either */
            bool by_end; /* as far as known, because pid ended */
        } stopped;
        /* SCHED_SWITCH, SWITCH_OUT */
        struct {
            uint32_t state;   /* enum gt_event_state; of SWITCH_OUT: RUNNABLE, or 0 */
            int32_t next_tid; /* who comes on cpu */
        } switched;
        /* SCHED_WAKEUP */
        int32_t woken_tid;
        /* COUNTER: for how many events it stands; 0: not recorded */
        uint64_t period;
        /* CALL, RETURN */
        struct {
            const struct gt_function *function;
            uint32_t flags; /* enum gt_call_flags */
        } call;
        /* UNTRACED */
        struct {
            const struct gt_function *function;
            uint64_t calls; /* that were counted, and not recorded */
        } untraced;
        /* INSTANT, SERIES */
        struct {
            const char *name;
            const char *detail; /* a JSON object in ASCII, or empty */
            uint32_t name_length;
            uint32_t detail_length;
        } mark;
        /* USAGE */
        struct {
            int64_t cpu_ns;
            uint64_t sleeps; /* voluntary context switches */
        } usage;
        /* SEM_TAKEN to PERMIT_GIVEN */
        struct {
            uint64_t object; /* its address */
            union {
                int64_t since_ns; /* when it began to wait; 0: not known. SEM_POST: since when
                                     it had the semaphore; 0: it was not known to have it,
                                     GT_NOT_SEEN: who takes one without waiting is not recorded.
                                     SEM_WAITS: 0, or GT_NOT_SEEN */
                /* SEM_WAITS of a probe, before it is fed to the model: GT_CALLERS addresses.
                 * Where the call came from, and what lies on the stack: anything, the places
                 * where those callers were called among it. 0: not recorded */
                const uint64_t *callers;
            };
            uint32_t left;      /* QUEUE_PUT: items in the queue, PERMIT_TAKEN: permits that are
                                   left, plus 1; 0: not known, or any number. SEM_WAITS: enum
                                   gt_wait_for */
            int32_t joined_tid; /* JOIN; SEM_WAITS: who has it; 0: not known */
            uint64_t lock;    /* SEM_WAITS, of a thread that parks: what it waits for. SEM_POST:
                                 what another thread parks for there; 0: not known */
            const char *type; /* SEM_WAITS: that of the object whose lock it is; NULL: not
                                 known */
        } sync;
        /* SPUN: since the last such event */
        struct {
            uint64_t yields, own_posts;
            int64_t ns;
        } spun;
        /* SNAPSHOT */
        struct {
            int32_t tid;     /* of the thread that it is about */
            uint16_t faults; /* page faults that waited for a disk: the low 12 bits */
            uint16_t call; /* the system call that it is in, plus 1; 0: it runs, or not known */
            int64_t cpu_ns;   /* on a CPU */
            int64_t ready_ns; /* ready to run, without a CPU; -1: not known */
        } snapshot;
        /* SAMPLE */
        struct {
            uint32_t stack;    /* in gt_timeline.native_stacks */
            int64_t weight_ns; /* the time on a CPU that it stands for */
        } sample;
        /* ASLEEP */
        struct {
            int32_t tid;    /* of the thread that it is about */
            uint16_t call;  /* the system call that it is in, plus 1 */
            uint32_t stack; /* in gt_timeline.native_stacks, once ingest has named the frames */
        } asleep;
    };
};
/* Parsers clear it and sources copy it for every event. */
_Static_assert(sizeof(void *) != 8 || sizeof(struct gt_event) <= 104, "keep events small");

#endif
