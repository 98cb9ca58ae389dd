/* SPDX-License-Identifier: MIT */
/*
 * The agent's log: what libgiltracer-agent.so writes inside the target and agentlog/ reads.
 *
 * The launcher makes a private folder (mode 0700, owned by the user that the target runs as)
 * and names it in the environment; see GT_AGENT_ENV_* below. In it:
 *
 *     control    one struct gt_wire_control, mapped by every process of the run
 *     log        the records of all threads of all processes
 *
 * Whoever comes first makes them: as a rule the launcher, which keeps them open. A process
 * opens both as it starts, and maps what it needs to continue: it still writes after it has
 * dropped its privileges, changed its root, closed all descriptors, or lost the folder. What
 * was written survives SIGKILL, since it is in shared memory of the file, or in the file. Space
 * is allocated before it is used: a full disk stops the records of a process, it never raises
 * SIGBUS.
 *
 * `log` has its final length from the beginning, and is sparse. It consists of units of
 * GT_WIRE_CHUNK_BYTES. Threads take units from number 1 on; gt_wire_control.units are taken,
 * and a unit that is taken may still be a hole. A unit is a chunk: it begins with struct
 * gt_wire_chunk and belongs to one thread and to one of three streams. The GIL's stream holds
 * struct gt_wire_record, that of calls holds words, that of notes holds struct gt_wire_note.
 * For each stream that it uses, a thread has a slot, which is a unit that it maps. When a slot
 * is full, the thread copies it to a new unit, and empties it. So a stream is its copies in the
 * order of their numbers, followed by its slot.
 *
 * The GIL's slot also holds the thread's header. A chunk ends early where the next record did
 * not fit. The unwritten rest is zero: a record exists once its word is not zero, a note once
 * its `size` is not zero; both are stored last.
 *
 * A process may be killed while it copies or empties a slot. The header's `copies` says which
 * of the two is valid then.
 *
 * When the log of a process cannot grow, an entry in `stops` says so: from then on nothing is
 * known of the process.
 *
 * Times are ticks: of the CPU's counter, or nanoseconds where that cannot be trusted. The
 * control file's anchors map ticks to CLOCK_MONOTONIC, for all processes of the run.
 *
 * Integers have the machine's own byte order. To change the format, increase GT_WIRE_VERSION.
 * agentlog refuses other versions except 3 (agentlog/files_v3.c), of which users have logs:
 * therefore records, words and notes must keep their meaning.
 */
#ifndef GT_AGENT_WIRE_H
#define GT_AGENT_WIRE_H

#include <stdint.h>

#define GT_WIRE_VERSION       5
#define GT_WIRE_MAGIC_CONTROL 0x314c52544e4f4347u /* "GCONTRL1" in memory */
#define GT_WIRE_MAGIC_THREAD  0x3144414552485447u /* "GTHREAD1" in memory */
#define GT_WIRE_MAGIC_CHUNK   0x4b4e4843u         /* "CHNK" in memory */

/* The agent's environment. Only the first is required; without it the agent does nothing. */
#define GT_AGENT_ENV_DIR       "GILTRACER_AGENT_DIR"       /* absolute path of the folder */
#define GT_AGENT_ENV_MAX_BYTES "GILTRACER_AGENT_MAX_BYTES" /* of all logs; 2 GiB */
#define GT_AGENT_ENV_PYTHON    "GILTRACER_AGENT_PYTHON"    /* "1": trace functions */
#define GT_AGENT_ENV_MAX_DEPTH "GILTRACER_AGENT_MAX_DEPTH" /* calls deeper are left out */
#define GT_AGENT_ENV_MIN_NS    "GILTRACER_AGENT_MIN_NS"    /* calls shorter are left out */
#define GT_AGENT_ENV_INCLUDE   "GILTRACER_AGENT_INCLUDE"   /* globs on files, by newline */
#define GT_AGENT_ENV_EXCLUDE   "GILTRACER_AGENT_EXCLUDE"   /* likewise; wins */
#define GT_AGENT_ENV_C_CALLS   "GILTRACER_AGENT_C_CALLS"   /* "0": Python functions only */
#define GT_AGENT_ENV_BUDGET    "GILTRACER_AGENT_BUDGET"    /* percent; 3.12+; 0: none */
#define GT_AGENT_ENV_IMPORT    "GILTRACER_AGENT_IMPORT"    /* a,b: import these first */

/* What a late agent exports (agent/late.h). */
#define GT_AGENT_ATTACH "gt_agent_attach"
#define GT_AGENT_DETACH "gt_agent_detach"

#define GT_WIRE_CONTROL_NAME "control"
#define GT_WIRE_LOG_NAME     "log"
#define GT_WIRE_LIBRARY_NAME "libgiltracer-agent.so" /* in another root: agent/root.h */
#define GT_WIRE_ROOTS_NAME   "roots"                 /* may not be there: agent/root.h */

enum {
    GT_WIRE_CHUNK_BYTES = 64 * 1024, /* a multiple of every page's size */
    GT_WIRE_SPARSE = 16,             /* the log's length is so many times its bound */
    GT_WIRE_ANCHORS = 16384,
    GT_WIRE_STOPS = 1024,
    GT_WIRE_PATH_SIZE = 256,
    GT_WIRE_GIL_CALLS = 64,  /* a thread adds so many at a time to gt_wire_control.gil_calls */
    GT_WIRE_TEXT_MAX = 4095, /* bytes of a note's name, and of its file */
};

enum gt_wire_tick_source {
    GT_WIRE_TICKS_UNKNOWN,
    GT_WIRE_TICKS_COUNTER, /* rdtsc, cntvct_el0 */
    GT_WIRE_TICKS_MONOTONIC,
};

/* One moment on both clocks. `ticks` is stored last; 0 means not written. */
struct gt_wire_anchor {
    uint64_t time_ns;
    uint64_t ticks;
};

/* One moment on the machine's CLOCK_MONOTONIC and on CLOCK_REALTIME; zeros: not written. */
struct gt_wire_wall {
    int64_t monotonic_ns, realtime_ns;
    int64_t within_ns, error_ns; /* as in struct gt_clock_anchor (event/clocks.h) */
};

/* A process records nothing from then on. `ticks` is stored last; 0 means not written. */
struct gt_wire_stop {
    uint64_t ticks;
    uint64_t process_ticks;
    int32_t pid;
    int32_t parent_pid;
    int32_t error; /* the errno that was the reason; 0: no unit was left */
    int32_t pad;
};

/* What else is to say where the probes were taken out. */
enum gt_wire_perf_out {
    GT_WIRE_REST_OUT = 1 << 0,  /* perf recorded nothing else from there on, either */
    GT_WIRE_PERF_DIED = 1 << 1, /* the launcher did not do it: perf was killed, or failed */
    GT_WIRE_REST_LOST = 1 << 2, /* what the user wanted of it is known until then */
};

/* All zeros are its valid first state: each process sets what is not set yet. */
struct gt_wire_control {
    uint64_t magic;
    uint32_t version;
    uint32_t tick_source;       /* enum gt_wire_tick_source, chosen by the first process */
    uint64_t next_anchor_ticks; /* when the next anchor is due */
    uint32_t anchor_count;      /* above GT_WIRE_ANCHORS: some were not kept */
    uint32_t trouble_claimed;   /* the process that changes it from 0 to 1 writes `trouble` */
    char trouble[240];          /* why the first agent switched itself off; "": none did */
    uint32_t cpus;              /* how many the first process may use; 0: not known */
    uint32_t stop_count;        /* above GT_WIRE_STOPS: recording stopped for all */
    uint32_t owned;             /* whoever attached the agent keeps this file locked (flock) */
    uint32_t over;              /* the process that it was attached in has been detached from */
    struct gt_wire_wall walls[2]; /* as the launcher's recording began, and as it ended */
    int64_t
        shift_ns; /* what the time namespace adds to CLOCK_MONOTONIC, in anchors and ticks */
    char boot_id[40]; /* /proc/sys/kernel/random/boot_id, with a NUL; "": not known */
    uint64_t pad0[7];
    uint64_t copied_ns[3]; /* CPU time that copying full slots took, by stream */
    /* These are written more often, and have a cache line of their own. */
    uint64_t used_bytes; /* of all logs */
    uint64_t
        stopped_ticks; /* when used_bytes reached its bound and recording stopped; 0: not */
    uint32_t next_function_id; /* ids of functions are unique in the run; the first one is 1 */
    uint32_t troubles;         /* how many agents switched themselves off */
    uint64_t units;            /* of the log that are taken; may be more than it has */
    uint64_t kept_units;       /* those that were taken when the log was kept; 0: it was not */
    uint64_t gil_calls;        /* events of the GIL in all processes, less those that each
                                  thread has not added yet (GT_WIRE_GIL_CALLS) */
    uint64_t probes_out_ns;    /* the launcher took the probes out then (CLOCK_MONOTONIC); 0:
                                  it did not */
    uint64_t perf_out;         /* … enum gt_wire_perf_out */
    struct gt_wire_stop stops[GT_WIRE_STOPS];
    struct gt_wire_anchor anchors[GT_WIRE_ANCHORS];
};

/* The length of the control file, in whole pages of any size. */
#define GT_WIRE_CONTROL_BYTES                                                                  \
    ((sizeof(struct gt_wire_control) + GT_WIRE_CHUNK_BYTES - 1) &                              \
     ~(size_t)(GT_WIRE_CHUNK_BYTES - 1))

/* What all logs of a run may take of the disk, where nothing else was said. */
#define GT_WIRE_DEFAULT_BYTES (UINT64_C(2) << 30)

/* The length of a log that may take so many bytes of the disk: it is sparse. */
static inline uint64_t gt_wire_log_length(uint64_t max_bytes)
{
    const uint64_t least = UINT64_C(64) * GT_WIRE_CHUNK_BYTES;
    uint64_t length = max_bytes < UINT64_MAX / GT_WIRE_SPARSE / 2 ? max_bytes * GT_WIRE_SPARSE
                                                                  : UINT64_MAX / 2;

    return length < least ? least : length;
}

enum gt_wire_stream {
    GT_WIRE_STREAM_GIL,
    GT_WIRE_STREAM_CALLS,
    GT_WIRE_STREAM_NOTES,
    GT_WIRE_STREAMS
};

#define GT_WIRE_COPIES(word) ((word) >> 2)
#define GT_WIRE_STALE(word)  ((int)((word)&3) - 1) /* -1: no slot */

struct gt_wire_chunk {
    uint32_t magic;
    uint16_t stream;
    uint16_t data_offset; /* from the chunk's start to its first record or note */
    uint32_t thread;      /* whose it is: the unit of that thread's GIL slot */
    uint32_t copy;        /* 0: it is a slot; else its number among the thread's copies */
};

enum gt_wire_thread_flags {
    GT_WIRE_FORKED = 1 << 0,   /* its process was forked by parent_pid/parent_tid */
    GT_WIRE_ENDED = 1 << 1,    /* its process ended at exit_ticks, by this thread */
    GT_WIRE_EXECED = 1 << 2,   /* it executed another program then */
    GT_WIRE_ATTACHED = 1 << 3, /* the thread was there when the agent was attached */
};

/* Follows struct gt_wire_chunk in the GIL's slot. */
struct gt_wire_thread {
    uint64_t magic;
    uint32_t version;
    uint32_t flags;
    int32_t pid;
    int32_t tid;
    int32_t parent_pid;     /* of the process */
    int32_t parent_tid;     /* of the process, when forked under the agent; else parent_pid */
    uint64_t process_ticks; /* fork, or the agent's start in this program */
    uint64_t start_ticks;   /* when the thread's log began */
    uint64_t exit_ticks;    /* when the thread ended; 0 while it runs, or when it was killed */
    uint64_t copies; /* how many are complete << 2 | 1 + the stream whose slot holds the same as
                        the last copy; | 0: no slot does */
    uint32_t slots[3]; /* units of the streams' slots; 0: none */
    uint32_t pad;
    uint64_t ident;   /* pthread_self(): threading's ident */
    uint64_t dropped; /* events not recorded: those in signal handlers, or without space */
    char comm[16];
    char program[GT_WIRE_PATH_SIZE]; /* /proc/self/exe, cut */
};

enum gt_wire_kind {
    GT_WIRE_SIGNAL = 1, /* pthread_cond_signal(value) */
    GT_WIRE_WAIT = 2,   /* pthread_cond_timedwait(value) */
    GT_WIRE_CREATE = 3, /* pthread_create made the thread whose ident is value */

    /* What threads do without the GIL. CPython's locks are semaphores of libc. */
    GT_WIRE_USAGE = 4,       /* the thread's CPU time so far: GT_WIRE_USAGE_VALUE */
    GT_WIRE_SEM_TAKEN = 5,   /* waited for the semaphore at value, and took it */
    GT_WIRE_SEM_GAVE_UP = 6, /* waited, and did not take it: timeout, or a signal */
    GT_WIRE_SEM_POST = 7,    /* gives it, while somebody waits, or after holding it for long; of
                                one    where another thread parks, what it parks for goes before */
    GT_WIRE_QUEUE_GET = 8,   /* got an item out of the queue at value */
    GT_WIRE_QUEUE_PUT = 9,   /* put one in */
    GT_WIRE_BARRIER = 10,    /* came through the barrier at value */
    GT_WIRE_JOIN = 11,       /* joined the thread whose ident is value */
    GT_WIRE_SINCE = 12,      /* the operation that the next record ends began value ticks ago */
    GT_WIRE_SYNC_EVENT_SET = 13,  /* set the event or future at value */
    GT_WIRE_SYNC_EVENT_SEEN = 14, /* found it set, after a wait or without one */
    GT_WIRE_PERMIT_TAKEN = 15,    /* took a permit of the semaphore at value, ready to wait */
    GT_WIRE_PERMIT_GIVEN = 16,    /* gave a permit of threading's semaphore at value */
    GT_WIRE_LEFT = 17, /* value - 1 permits are left after the operation of the next record;
                          of a QUEUE_PUT: so many items the queue can hold */

    GT_WIRE_DEADLINE = 18, /* the next WAIT ends after value ns at the latest */
    /* The state of a thread that holds the GIL and was requested to give it up: */
    GT_WIRE_ON_CPU = 19,   /* it was on a CPU for value ns so far, */
    GT_WIRE_READY = 20,    /* it was ready without a CPU for value - 1 ns (0: not known), */
    GT_WIRE_SNAPSHOT = 21, /* and it is the thread GT_WIRE_SNAPSHOT_TID(value) */

    /* Uses of a GIL that nobody else wants come in millions per second. Signals of its two
     * condition variables in turn are one run of records, each signal but the first one or two
     * of the bytes that a record has before its kind: how long it came after the one before, as
     * the run tells that one's time. Bytes: 0: it has not come yet, or is in the next record;
     * below 128: that many ticks, shifted left by the run's shift, and a remainder that the
     * next one is longer by; else its lower 7 bits, and 8 higher ones in the next byte: ticks.
     */
    GT_WIRE_FIRST = 22,  /* in this chunk, runs begin with the condition variable at value, */
    GT_WIRE_SECOND = 23, /* and the other one is at value */
    GT_WIRE_RUN = 24,    /* a signal of the first one; value: the shift in its lowest byte, then
                            6 bytes of more */
    GT_WIRE_RUN_ON = 25, /* the run goes on: 15 bytes. Always the next record */

    GT_WIRE_SEM_WAITS = 32, /* begins to wait for the semaphore, or mutex of C's, at value */
    GT_WIRE_SEM_NEW = 33,   /* makes a semaphore at value, where another one was waited for */
    /* What else is known of the next record: */
    GT_WIRE_OWNER = 34,  /* the thread of this tid has what is waited for */
    GT_WIRE_PARKED = 35, /* the semaphore is where a thread parks that waits for value, a
                            mutex of CPython's */
    GT_WIRE_PARKED_FOR_EVENT = 36, /* the same for an event of CPython's */
    GT_WIRE_NATIVE = 37,           /* it is a mutex of C's */
    GT_WIRE_PARKED_TO_ATTACH = 38, /* the same as 36, for a word of the thread's own state: all
                                      threads but one were stopped */
    GT_WIRE_LOCK_TYPE = 39,        /* what is waited for is the lock of an object whose type has
                                      the note with this id */
    GT_WIRE_SPUN = 40, /* it called sched_yield, since a mutex of CPython's was not free, since
                          the last such record: GT_WIRE_SPUN_VALUE; the ticks are estimated */
    GT_WIRE_OWN_POSTS = 41, /* value times since the last such record it gave, as it was about
                               to park for a lock, that lock itself: no wait is recorded */
};

#define GT_WIRE_SPUN_VALUE(ticks, times)                                                       \
    ((uint64_t)((times)&0xffff) << 40 |                                                        \
     ((ticks) < GT_WIRE_SPUN_MASK ? (ticks) : GT_WIRE_SPUN_MASK))
#define GT_WIRE_SPUN_MASK         ((UINT64_C(1) << 40) - 1)
#define GT_WIRE_SPUN_TICKS(value) ((value)&GT_WIRE_SPUN_MASK)
#define GT_WIRE_SPUN_TIMES(value) ((value) >> 40)

/* Bytes in their order in memory, which is that of time. */
#define GT_WIRE_RUN_BYTES     15
#define GT_WIRE_RUN_BEGINS    9 /* in the record of the first signal */
#define GT_WIRE_RUN_SHORT     (UINT64_C(1) << 7)
#define GT_WIRE_RUN_LONG      (UINT64_C(1) << 15)
#define GT_WIRE_RUN_SHIFT_MAX 15

/* Its page faults that waited for a disk so far (they wrap around), and the system call that it
 * is in, plus 1 (0: none, or not known). */
#define GT_WIRE_SNAPSHOT_VALUE(tid, faults, call)                                              \
    ((uint64_t)(uint32_t)(tid) | (uint64_t)((faults)&0xfff) << 32 |                            \
     (uint64_t)((call)&0xfff) << 44)
#define GT_WIRE_SNAPSHOT_TID(value)    ((int32_t)(uint32_t)(value))
#define GT_WIRE_SNAPSHOT_FAULTS(value) ((unsigned)((value) >> 32 & 0xfff))
#define GT_WIRE_SNAPSHOT_CALL(value)   ((unsigned)((value) >> 44 & 0xfff))

/* Its µs on a CPU, and its voluntary context switches; both wrap around. */
#define GT_WIRE_USAGE_SLEEP_BITS        20
#define GT_WIRE_USAGE_VALUE(us, sleeps) ((uint64_t)(us) << 20 | ((sleeps)&0xfffff))
#define GT_WIRE_USAGE_US(value)         ((value) >> 20 & 0xfffffffff)
#define GT_WIRE_USAGE_SLEEPS(value)     ((value)&0xfffff)

/* The GIL stream. */
struct gt_wire_record {
    uint64_t ticks;
    uint64_t word; /* kind << 56 | value */
};

#define GT_WIRE_VALUE_MASK ((UINT64_C(1) << 56) - 1)
#define GT_WIRE_WORD(kind, value)                                                              \
    ((uint64_t)(kind) << 56 | ((uint64_t)(value)&GT_WIRE_VALUE_MASK))
#define GT_WIRE_KIND(word) ((unsigned)((word) >> 56))

/*
 * The calls stream has one word per call or return, since there may be ten million in a second.
 * A word holds the low bits of the time; the high ones are those of the last GT_WIRE_BASE
 * before it. Each chunk begins with a GT_WIRE_BASE.
 */
enum gt_wire_call_kind {
    GT_WIRE_CALL = 1,
    GT_WIRE_RESUME = 2, /* call of a generator or coroutine that ran before */
    GT_WIRE_THROW = 3,  /* the same, by throw() */
    GT_WIRE_RETURN = 4,
    GT_WIRE_YIELD = 5,  /* return that may be resumed */
    GT_WIRE_UNWIND = 6, /* return by an exception */
    GT_WIRE_BASE = 7,   /* kind << 60 | ticks */
};

#define GT_WIRE_TICK_BITS  40
#define GT_WIRE_TICK_MASK  ((UINT64_C(1) << GT_WIRE_TICK_BITS) - 1)
#define GT_WIRE_ID_MAX     ((UINT32_C(1) << 20) - 1)
#define GT_WIRE_BASE_TICKS ((UINT64_C(1) << 60) - 1)
#define GT_WIRE_CALL_WORD(kind, id, ticks)                                                     \
    ((uint64_t)(kind) << 60 | (uint64_t)(id) << GT_WIRE_TICK_BITS | ((ticks)&GT_WIRE_TICK_MASK))
#define GT_WIRE_CALL_KIND(word) ((unsigned)((word) >> 60))
#define GT_WIRE_CALL_ID(word)   ((uint32_t)((word) >> GT_WIRE_TICK_BITS) & GT_WIRE_ID_MAX)

enum gt_wire_note_kind {
    GT_WIRE_NOTE_FUNCTION = 1, /* id; line; flags; name; file (or module, for C functions) */
    GT_WIRE_NOTE_NAME = 2,     /* thread `id` (a tid) is called name, says threading */
    GT_WIRE_NOTE_UNTRACED =
        3,                    /* function id is not traced any more; count: calls seen so far */
    GT_WIRE_NOTE_MESSAGE = 4, /* name: one line for the user */
    GT_WIRE_NOTE_COMM = 5,    /* thread `id` (a tid) is called name, says the kernel */
    GT_WIRE_NOTE_COST = 6,    /* what `id` (enum gt_wire_cost) costs: count picoseconds */
    GT_WIRE_NOTE_COMMAND = 7, /* name: the command line of the process from now on, as it is in
                                 memory: arguments end with NUL */
    GT_WIRE_NOTE_ROLE = 8,    /* name: what multiprocessing calls the process */
    GT_WIRE_NOTE_GIL = 9,   /* of a build without a GIL: there is one from now on (count 1), or
                               none (0); name: the module whose import brought it, if known */
    GT_WIRE_NOTE_TYPE = 10, /* id, of the same numbers as functions; name: "module.Class" */
    GT_WIRE_NOTE_ASLEEP = 11, /* thread `id` (a tid), which has the GIL, is asleep in a system
                                 call, number count - 1; name: its stack, the innermost frame
                                 first. A frame is the address in its file, in hexadecimal, and,
                                 where the file is not that of the frame before, a blank and its
                                 path ("": the program itself); it ends with NUL */
};

enum gt_wire_cost {
    GT_WIRE_COST_EVENT = 1,  /* an event of the GIL's */
    GT_WIRE_COST_CALL = 2,   /* a call of a Python function, and its return */
    GT_WIRE_COST_C_CALL = 3, /* the same of a function of C */
    GT_WIRE_COST_CODE = 4,   /* count is the permille by which Python code is slower while it is
                                traced, without the calls */
};

/* The file of the functions that the agent itself calls to measure: they are not the target's.
 */
#define GT_WIRE_OWN_FILE "<giltracer>"

/* A variable of the scripts by which the agent is loaded (agent/module.c): they are not the
 * target's either. */
#define GT_WIRE_OWN_VARIABLE "giltracer_symbol"

enum gt_wire_function_flags {
    GT_WIRE_FUNCTION_C = 1 << 0,  /* of C; file is the module's name */
    GT_WIRE_FUNCTION_GC = 1 << 1, /* a run of the cyclic garbage collector */
    /* It stands for all C functions: there is an UNTRACED note for each place in the code from
     * which calls of C functions are not recorded any more. */
    GT_WIRE_FUNCTION_PLACES = 1 << 2,
    /* To whom a C function belongs, as far as that is known: */
    GT_WIRE_OWNER_PYTHON = 1 << 4,    /* the interpreter, or its standard library */
    GT_WIRE_OWNER_INSTALLED = 1 << 5, /* a package in site-packages */
    GT_WIRE_OWNER_PROGRAM = 1 << 6,   /* an extension elsewhere */
    /* With what the last two were made: */
    GT_WIRE_MADE_BY_CYTHON = 1 << 7,
    GT_WIRE_MADE_BY_PYBIND11 = 1 << 8,
};

struct gt_wire_note {
    uint32_t size; /* bytes, this header included; a multiple of 8 */
    uint16_t kind;
    uint16_t flags;
    uint64_t ticks;
    uint64_t count;
    uint32_t id;
    uint32_t line;
    uint16_t name_length; /* the text begins with the name, the file follows */
    uint16_t file_length;
    uint32_t zero;
};

#endif
