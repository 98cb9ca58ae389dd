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
 * opens both as it starts, and maps what it needs to go on: one that has dropped its
 * privileges, changed its root, closed all descriptors, or whose folder is removed still
 * writes. What was written outlives SIGKILL: it goes to mapped, shared memory, or to the file.
 * Space is allocated before it is used: a full disk stops the records of a process, it never
 * raises SIGBUS.
 *
 * `log` is as long as it will ever be, and sparse. It consists of units of
 * GT_WIRE_CHUNK_BYTES; from number 1 on, gt_wire_control.units of them are taken, by whoever
 * needed one, and what was taken may still be a hole. A unit is a chunk: it begins with struct
 * gt_wire_chunk and belongs to one thread and to one of three streams: GIL holds struct
 * gt_wire_record, calls hold words, notes hold struct gt_wire_note. A thread has a slot for
 * each stream that it uses: a unit that is mapped. When a slot is full, a copy of it is made in
 * a new unit, and it is emptied. So a stream is its copies in the order of their numbers, then
 * its slot.
 *
 * The GIL's slot also holds the thread's header. A chunk ends early where what came next did
 * not fit. The unwritten rest is zero: a record exists once its word is not zero, a note once
 * its `size` is not zero; both are stored last.
 *
 * A process may be killed as it copies or empties a slot: the header's `copies` tells what is
 * valid then.
 *
 * A process whose log cannot grow says so in `stops`: from then on nothing of it is known.
 *
 * Times are ticks: of the CPU's counter, or nanoseconds where that cannot be trusted. The
 * control file's anchors map ticks to CLOCK_MONOTONIC, for all processes of the run.
 *
 * Integers are of the machine's own byte order. To change the format: bump
 * GT_WIRE_VERSION; agentlog refuses other versions, but for 3 (agentlog/files_v3.c), of which
 * logs were kept: records, words and notes must keep their meaning.
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

#define GT_WIRE_CONTROL_NAME "control"
#define GT_WIRE_LOG_NAME     "log"

enum {
    GT_WIRE_CHUNK_BYTES = 64 * 1024, /* a multiple of every page's size */
    GT_WIRE_SPARSE = 16,             /* the log is as long as so many times its bound */
    GT_WIRE_ANCHORS = 16384,
    GT_WIRE_STOPS = 1024,
    GT_WIRE_PATH_SIZE = 256,
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

/* A process records nothing from here on. `ticks` is stored last; 0 means not written. */
struct gt_wire_stop {
    uint64_t ticks;
    uint64_t process_ticks;
    int32_t pid;
    int32_t parent_pid;
    int32_t error; /* an errno: why; 0: no unit was left */
    int32_t pad;
};

/* Zeros are its valid first state: whoever comes first sets what is not set. */
struct gt_wire_control {
    uint64_t magic;
    uint32_t version;
    uint32_t tick_source;       /* enum gt_wire_tick_source, by the first process */
    uint64_t next_anchor_ticks; /* a new anchor is due */
    uint32_t anchor_count;      /* may exceed GT_WIRE_ANCHORS: then some were not kept */
    uint32_t trouble_claimed;   /* who turns it from 0 to 1 may write `trouble` */
    char trouble[240];          /* why an agent switched itself off first; "" is none */
    uint32_t cpus;              /* that the first process may use; 0: not known */
    uint32_t stop_count;        /* may exceed GT_WIRE_STOPS: then all is stopped */
    uint64_t pad0[25];
    /* Written more often: a cache line of its own. */
    uint64_t used_bytes;       /* of all logs */
    uint64_t stopped_ticks;    /* recording stopped as used_bytes reached its bound; 0: no */
    uint32_t next_function_id; /* function ids are of the whole run; the first one is 1 */
    uint32_t troubles;         /* how many agents switched themselves off */
    uint64_t units;            /* of the log that are taken; may exceed its length */
    uint64_t pad2[4];
    struct gt_wire_stop stops[GT_WIRE_STOPS];
    struct gt_wire_anchor anchors[GT_WIRE_ANCHORS];
};

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
    uint32_t thread;      /* whose: unit of its GIL's slot */
    uint32_t copy;        /* 0: a slot; else its number among the thread's copies */
};

enum gt_wire_thread_flags {
    GT_WIRE_FORKED = 1 << 0, /* its process was forked by parent_pid/parent_tid */
    GT_WIRE_ENDED = 1 << 1,  /* its process ended at exit_ticks, by this thread */
    GT_WIRE_EXECED = 1 << 2, /* it executed another program then */
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
    uint64_t start_ticks;   /* this file was made */
    uint64_t exit_ticks;    /* the thread ended; 0 while it runs, or when it was killed */
    uint64_t copies;   /* complete ones << 2 | 1 + the stream whose slot is but a copy of the
                          last of them; 0: none is */
    uint32_t slots[3]; /* units of the streams' slots; 0: none */
    uint32_t pad;
    uint64_t ident;   /* pthread_self(): threading's ident */
    uint64_t dropped; /* events not recorded: from signal handlers, or out of space */
    char comm[16];
    char program[GT_WIRE_PATH_SIZE]; /* /proc/self/exe, cut */
};

enum gt_wire_kind {
    GT_WIRE_SIGNAL = 1, /* pthread_cond_signal(value) */
    GT_WIRE_WAIT = 2,   /* pthread_cond_timedwait(value) */
    GT_WIRE_CREATE = 3, /* pthread_create made the thread whose ident is value */

    /* What threads do without the GIL. CPython's locks are semaphores. */
    GT_WIRE_USAGE = 4,        /* of the CPU by this thread so far: GT_WIRE_USAGE_VALUE */
    GT_WIRE_SEM_TAKEN = 5,    /* waited for the semaphore at value, and has it */
    GT_WIRE_SEM_GAVE_UP = 6,  /* waited, and has it not: its time was up, or a signal came */
    GT_WIRE_SEM_POST = 7,     /* gives it: when somebody waits, or it was had for long */
    GT_WIRE_QUEUE_GET = 8,    /* got an item out of the queue at value */
    GT_WIRE_QUEUE_PUT = 9,    /* put one in */
    GT_WIRE_BARRIER = 10,     /* came through the barrier at value */
    GT_WIRE_JOIN = 11,        /* joined the thread whose ident is value */
    GT_WIRE_SINCE = 12,       /* what the next record ends began value ticks ago */
    GT_WIRE_FLAG_SET = 13,    /* set the event or future at value */
    GT_WIRE_FLAG_SEEN = 14,   /* found it set, having waited or not */
    GT_WIRE_TOKEN_TAKEN = 15, /* took one of the semaphore at value, ready to wait for it */
    GT_WIRE_TOKEN_GIVEN = 16, /* gave one of threading's semaphore at value */
    GT_WIRE_LEFT = 17,        /* value - 1 tokens are left after what the next record says; of
                                 QUEUE_PUT: so many items it holds */

    GT_WIRE_DEADLINE = 18, /* the next WAIT ends after value ns, at the latest */
    /* A thread that holds the GIL and was asked for it, as it is now: */
    GT_WIRE_ON_CPU = 19,   /* value ns on a CPU so far, … */
    GT_WIRE_READY = 20,    /* … value - 1 ns ready without one (0: not known), … */
    GT_WIRE_SNAPSHOT = 21, /* … it is GT_WIRE_SNAPSHOT_TID(value) */
};

/* Page faults that waited for a disk, so far (they wrap around); the system call that it is in,
 * plus 1, or 0. */
#define GT_WIRE_SNAPSHOT_VALUE(tid, faults, call)                                              \
    ((uint64_t)(uint32_t)(tid) | (uint64_t)((faults)&0xfff) << 32 |                            \
     (uint64_t)((call)&0xfff) << 44)
#define GT_WIRE_SNAPSHOT_TID(value)    ((int32_t)(uint32_t)(value))
#define GT_WIRE_SNAPSHOT_FAULTS(value) ((unsigned)((value) >> 32 & 0xfff))
#define GT_WIRE_SNAPSHOT_CALL(value)   ((unsigned)((value) >> 44 & 0xfff))

/* Microseconds on a CPU, and its voluntary context switches; both wrap around. */
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
 * The calls stream: one word per call or return, since there may be ten million in a second.
 * It holds the low bits of the time; the high ones are those of the last GT_WIRE_BASE before
 * it. Each chunk begins with one.
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
    GT_WIRE_NOTE_UNTRACED = 3, /* id is traced no more; count: calls seen. Budget, or its end */
    GT_WIRE_NOTE_MESSAGE = 4,  /* name: one line for the user */
    GT_WIRE_NOTE_COMM = 5,     /* thread `id` (a tid) is called name, says the kernel */
    GT_WIRE_NOTE_COST = 6,     /* of what `id` (enum gt_wire_cost) says: count picoseconds */
};

enum gt_wire_cost {
    GT_WIRE_COST_EVENT = 1,  /* an event of the GIL's */
    GT_WIRE_COST_CALL = 2,   /* a call of a Python function, and its return */
    GT_WIRE_COST_C_CALL = 3, /* the same of a function of C */
    GT_WIRE_COST_CODE = 4, /* count: permille by which Python code is slower while it is traced,
                              without the calls */
};

/* The file of functions that the agent itself calls, to measure: not the target's. */
#define GT_WIRE_OWN_FILE "<giltracer>"

enum gt_wire_function_flags {
    GT_WIRE_FUNCTION_C = 1 << 0,  /* of C; file is the module's name */
    GT_WIRE_FUNCTION_GC = 1 << 1, /* a run of the cyclic garbage collector */
    /* Stands for all C functions: an UNTRACED note per place in the code whose calls of them
     * are not looked at any more. */
    GT_WIRE_FUNCTION_PLACES = 1 << 2,
    /* Of C functions: whose they are, as far as that is known, … */
    GT_WIRE_OWNER_PYTHON = 1 << 4,    /* the interpreter's, or its standard library's */
    GT_WIRE_OWNER_INSTALLED = 1 << 5, /* a package's in site-packages */
    GT_WIRE_OWNER_PROGRAM = 1 << 6,   /* an extension's elsewhere */
    /* … and what the last two were made with. */
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
