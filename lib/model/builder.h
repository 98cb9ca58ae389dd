/* SPDX-License-Identifier: MIT */
/*
 * Private to model/: what is needed while the timeline is built, and not afterwards.
 *
 * feed.c hands each event to the file that knows about its kind. tasks.c follows threads and
 * processes, earlier.c those that ran before the recording began (beginning.c says from when on
 * they are known), thread_names.c their names, mapped.c which programs cannot be seen.
 * gil_detect.c finds out which condition variables belong to a GIL, and gil.c turns the events
 * of a GIL into spans; futex.c and futex_holds.c do both from futex calls. calls.c, counters.c,
 * holes.c, marks.c, sched.c and sync.c each make one list of the timeline. lock_ops.c notes who
 * waits for which lock, and locks.c makes holds and waits of it (lock_parked.c those of locks
 * of one byte). limits.c says what is too much. finalize.c ends what is open, cuts lost ranges
 * out (unknown.c finds what is not known after them), checks the invariants and sums up.
 *
 * Where building needs more than the timeline keeps, the struct that the timeline keeps is part
 * of a larger one here: gt_gil of gt_gil_state, gt_calls of gt_calls_state, gt_sched of
 * gt_scheduling. In the end it is moved to the timeline.
 *
 * Functions return 0, or -1 when memory is exhausted, if their comment does not say otherwise.
 */
#ifndef GT_MODEL_BUILDER_H
#define GT_MODEL_BUILDER_H

#include "event/probed_files.h"
#include "model/feed.h"
#include "model/locks.h"

#include <stddef.h>

enum gt_cond_role {
    GT_COND_UNKNOWN,
    GT_COND_RELEASED, /* waiters wait for it, and a release signals it: CPython's `cond` */
    GT_COND_ACQUIRED, /* an acquisition signals it: CPython's `switch_cond` */
};

/* From `cond` to `switch_cond` since CPython 3.7: sizeof(pthread_cond_t) +
 * sizeof(pthread_mutex_t), which is 48 + 40 on x86-64 (glibc and musl) and 48 + 48 on aarch64
 * (glibc). */
enum { GT_DISTANCE_X86_64 = 88, GT_DISTANCE_AARCH64 = 96 };

/* A condition variable of one program (an exec begins another one). */
struct gt_cond {
    uint64_t address;
    uint32_t gil; /* index in builder.gils, when role is known */
    enum gt_cond_role role;
    uint64_t partner; /* role not known: what its thread had signalled before it */
    uint32_t score;   /* how often in a row that was the same address */
};

/* A signal of, or a wait for, a condition variable whose role is not known yet. */
struct gt_pending {
    int64_t time_ns;
    int64_t deadline_ns; /* of a wait; 0: not known */
    uint64_t address;
    uint32_t thread; /* GT_NO_INDEX: it was understood meanwhile */
    enum gt_event_kind kind;
};

/* How many of them are remembered per process: the newest. A power of two. */
enum { GT_PENDING_MAX = 1024 };

struct gt_process_state {
    struct gt_hashmap cond_of; /* address → index in builder.conds */
    uint32_t recent[2];        /* the last two of them that were looked up */
    uint32_t first_gil;        /* in builder.gils: the first of a chain; GT_NO_INDEX: none */
    uint32_t last_gil;
    uint32_t function_gil;          /* the one that take_gil and drop_gil tell of, likewise */
    int64_t image_start_ns;         /* of its program: the last exec, or its start */
    uint32_t image;                 /* the number of its program */
    uint32_t gil_count;             /* in the chain */
    bool saw_gil;                   /* it had a GIL that not only futex calls told of */
    uint32_t pending_capacity;      /* grows to GT_PENDING_MAX */
    struct gt_pending *pending;     /* a ring of the newest */
    uint32_t pending_count;         /* how many were ever added */
    struct gt_hashmap candidate_of; /* address → index in builder.candidates */
    uint64_t runtime_start;         /* of _PyRuntime; 0: not known */
    uint64_t runtime_end;
    uint32_t hole;        /* the hole in which it is now; GT_NO_INDEX: it is recorded */
    uint32_t mapped;      /* its program in builder.mapped; GT_NO_INDEX: none */
    bool executed;        /* an exec of it was recorded */
    bool name_is_threads; /* until a better name comes, it has that of a thread other than main
                           */
    bool guessed;         /* the text names no pids: threads are thought to be one process */
};

struct gt_thread_state {
    uint64_t last_signal;     /* the last address without a role that it signalled; 0: none */
    uint32_t signal_activity; /* `activity` at that time */
    uint32_t activity;        /* its events of known GILs */
    uint32_t owned;           /* GILs that it holds */
    uint64_t futex_wait; /* the condition variable for which it is in a system call; 0: none */
    uint64_t futex_loop; /* the one for which it waits in a loop, until it has the GIL */
};

/* The switch interval of a GIL, while it is found out (interval.c). */
enum { GT_INTERVAL_RUN = 16 };

struct gt_intervals_state {
    struct gt_intervals intervals;
    uint32_t count,
        agreeing;           /* samples since the newest interval began; how many are near it */
    uint32_t lower_count;   /* how many of the newest samples, in a row, are lower than it */
    int64_t lower_since_ns; /* time of the first of these */
    int64_t *lower_ns;      /* GT_INTERVAL_RUN: the last of these; NULL: there were none */
};

/* Of spans, beside enum gt_span_flags, until sums are made: the beginning, or the end, was
 * inferred from what another event tells. */
enum { GT_SPAN_INFERRED = 1 << 2, GT_SPAN_END_INFERRED = 1 << 3 };

/* What a thread does with a GIL. */
struct gt_gil_thread_state {
    uint32_t thread;
    uint32_t lost_seen;     /* how many lost ranges are taken into account below */
    int64_t wait_since_ns;  /* -1: it does not wait */
    int64_t enter_since_ns; /* of functions: it is in take_gil; -1: it is not */
    int64_t asked_ns;       /* when it called its newest timed wait */
    int64_t deadline_ns;    /* of that call, in CLOCK_MONOTONIC; 0: not known */
    int64_t waited_ns;      /* when its last wait ended; 0: there was none */
    bool contended;         /* of functions: as it entered take_gil, another one had the GIL */
};

struct gt_gil_state {
    struct gt_gil gil; /* without its members and its switch interval */
    struct gt_intervals_state intervals;
    struct gt_chunks members; /* of struct gt_gil_thread_state, as in gil.member_of */
    uint32_t owner;           /* a member; GT_NO_INDEX: nobody, or not known */
    uint32_t waiting;         /* how many members wait */
    int64_t owner_since_ns;
    int64_t known_since_ns; /* before this, it is not known who had it */
    int64_t now_ns;         /* time of the newest event; later events are not older */
    int64_t last_change_ns; /* when it was acquired or released last; -1: never */
    int64_t last_acquired_ns;
    uint32_t last_acquirer; /* a member */
    uint32_t lost_seen;     /* how many lost ranges are taken into account above */
    uint64_t transitions;   /* acquisitions and releases that were seen */
    uint64_t misfits;       /* how many of these did not alternate */
    uint32_t next;          /* the next GIL of its process; GT_NO_INDEX: it is the last */
    bool owner_inferred;    /* that it acquired was inferred, from its release */
    bool distrusted;        /* it may be no GIL: it proves nothing about other candidates */
    bool closed;            /* its program ended, or the process executed another one */
};

/* A thread's calls. */
struct gt_calls_state {
    struct gt_calls calls;
    struct gt_chunks open; /* of uint32_t: indices of spans that are open, the innermost last */
    struct gt_hashmap open_of; /* function → how often it is open, if counts_open */
    bool counts_open;          /* since the stack was deep */
    size_t earlier_count;      /* so many were open when the recording began, the first ones */
};

/* The scheduler states of a thread. */
struct gt_scheduling {
    struct gt_sched sched;
    struct gt_state_span current; /* its state since start_ns; GT_SCHED_NONE: not known */
    uint32_t lost_seen;           /* how many lost ranges are taken into account above */
};

/* A thread acquired a GIL while another one held it, as far as known. */
struct gt_suspect {
    int64_t since_ns; /* of the hold */
    int64_t time_ns;  /* of the acquisition */
    uint32_t gil;     /* in builder.gils */
};

/* A thread that ran before. */
struct gt_earlier {
    int32_t pid, tid;
    uint32_t number;             /* among the threads of its process, from 1 */
    uint32_t comm;               /* interned; 0: not known */
    uint32_t python_name;        /* likewise: threading's */
    uint32_t thread;             /* index, once it made an event; GT_NO_INDEX: it has not yet */
    bool ended;                  /* before the recording began */
    struct gt_calls_state calls; /* those that are open, until the thread makes an event */
};

/* A program, and what the files that it maps tell of it. */
struct gt_image {
    uint32_t process;
    uint32_t image; /* its number */
    uint32_t name;  /* interned */
    uint32_t file;  /* interned: its libc or its interpreter, whichever has probes; 0: none */
    bool python;    /* it runs Python */
    bool musl;
    bool has_file; /* it maps a probed file, known by its inode */
    bool has_path; /* it maps a probed file, or the first file that was seen at its path */
};

/* The first file that was mapped at the path of a probed one. */
struct gt_first_file {
    uint64_t inode;
    uint32_t device;
    bool known;
};

/* What a thread waits for, from GT_EVENT_SEM_WAITS on. */
struct gt_lock_waiting {
    int64_t since_ns;   /* 0: it does not wait */
    uint64_t semaphore; /* or mutex of C's */
    uint64_t lock;      /* the same, or what the thread parks for */
    enum gt_wait_for wait_for;
    bool unseen;   /* who takes the semaphore without waiting is not recorded */
    uint32_t type; /* of the object whose lock it is, as in struct gt_lock */
    size_t losses; /* so many had been noted by then */
};

enum gt_lock_op_kind {
    GT_LOCK_OP_PARKS, /* it begins to wait, or to sleep again, for what is not free: a mutex of
                         one byte, or a semaphore that others may take unseen */
    GT_LOCK_OP_OWNED, /* `thread` has it, as `waiter` begins to wait */
    GT_LOCK_OP_TAKEN, /* it waited since since_ns, and got it */
    GT_LOCK_OP_GAVE_UP,
    GT_LOCK_OP_OPEN,   /* it still waited as it ended */
    GT_LOCK_OP_POST,   /* since_ns as in struct gt_event */
    GT_LOCK_OP_RENEWED /* from now on another lock has that address */
};

/* 40 bytes. */
struct gt_lock_op {
    int64_t time_ns;
    int64_t since_ns;
    uint64_t lock;
    uint32_t thread;
    uint32_t waiter;   /* OWNED; POST: who parks there; else GT_NO_INDEX */
    uint32_t type;     /* of the object whose lock it is, as in struct gt_lock */
    uint16_t kind;     /* enum gt_lock_op_kind */
    uint16_t wait_for; /* enum gt_wait_for */
};

static inline bool gt_lock_ends_wait(const struct gt_lock_op *op)
{
    return op->kind == GT_LOCK_OP_TAKEN || op->kind == GT_LOCK_OP_GAVE_UP ||
           op->kind == GT_LOCK_OP_OPEN;
}

struct gt_builder {
    struct gt_timeline timeline;     /* what is built; first, for gt_builder_of */
    struct gt_chunks process_states; /* of struct gt_process_state, by process index */
    struct gt_chunks thread_states;  /* of struct gt_thread_state, by thread index */
    struct gt_chunks gils;           /* of struct gt_gil_state */
    struct gt_chunks calls;          /* of struct gt_calls_state, by thread; may be shorter */
    struct gt_chunks scheds;         /* of struct gt_scheduling, likewise */
    struct gt_chunks conds;          /* of struct gt_cond */
    struct gt_chunks suspects;       /* of struct gt_suspect */
    struct gt_chunks candidates;     /* of struct gt_candidate (futex.h) */
    struct gt_hashmap function_of;   /* gt_function.id → function index */
    struct gt_hashmap thread_of;     /* tid → thread index */
    struct gt_hashmap process_of;    /* pid → process index */
    struct gt_hashmap guess_of;      /* address → process, where the text names no pids */
    struct gt_chunks lock_ops;       /* of struct gt_lock_op, as they came */
    struct gt_chunks lock_waiting;   /* of struct gt_lock_waiting, by thread; may be shorter */
    struct gt_hashmap parked_of;     /* process and semaphore → thread that parks there */
    int64_t *cpu_last_ns;            /* by CPU: its last event; -1: none */
    size_t cpu_count;
    int64_t left_out_ns;   /* since when something was left out, of any process; -1: never */
    int64_t lost_until_ns; /* the latest end of a lost range; they come in no order */
    int32_t recent_tid;    /* the last one looked up in thread_of; -1: none */
    uint32_t recent_thread;
    uint32_t images;              /* how many programs ran, of all processes */
    bool single_gil;              /* as in gt_timeline_new */
    int64_t since_ns;             /* earlier.c: when the recording began; 0: with the program */
    int64_t until_ns;             /* and when it ended; INT64_MAX: with the program */
    int64_t interval_ns;          /* the switch interval by then; 0: not known */
    struct gt_chunks earlier;     /* of struct gt_earlier */
    struct gt_hashmap earlier_of; /* tid → index in builder.earlier */
    int64_t realtime_ns;          /* CLOCK_REALTIME minus CLOCK_MONOTONIC; 0: not known */
    struct gt_chunks mapped;      /* of struct gt_image */
    const struct gt_probed *probed; /* may be NULL */
    struct gt_first_file first_files[GT_PROBED_MAX];
    bool saw_probed_file;             /* one was mapped: inodes of stat and of perf are alike */
    const struct gt_runtime *runtime; /* may be NULL */
};

_Static_assert(offsetof(struct gt_builder, timeline) == 0, "gt_builder_of casts");

/* The builder of a timeline that is not finished. It changes also where the timeline does not:
 * it remembers what was looked up last. */
static inline struct gt_builder *gt_builder_of(const struct gt_timeline *timeline)
{
    return (struct gt_builder *)timeline;
}

static inline struct gt_process_state *gt_process_state_at(const struct gt_timeline *timeline,
                                                           uint32_t process)
{
    return gt_chunks_at(&gt_builder_of(timeline)->process_states, process);
}

static inline struct gt_thread_state *gt_thread_state_at(const struct gt_timeline *timeline,
                                                         uint32_t thread)
{
    return gt_chunks_at(&gt_builder_of(timeline)->thread_states, thread);
}

static inline struct gt_gil_state *gt_gil_state_at(const struct gt_timeline *timeline,
                                                   uint32_t gil)
{
    return gt_chunks_at(&gt_builder_of(timeline)->gils, gil);
}

static inline struct gt_gil_thread_state *
gt_gil_thread_state_at(const struct gt_gil_state *state, uint32_t index)
{
    return gt_chunks_at(&state->members, index);
}

/* For who builds the timeline: gt_process_at, gt_thread_at, gt_span_at are constant. */
static inline struct gt_process *gt_process_mutable(struct gt_timeline *timeline,
                                                    uint32_t index)
{
    return gt_chunks_at(&timeline->processes, index);
}

static inline struct gt_thread *gt_thread_mutable(struct gt_timeline *timeline, uint32_t index)
{
    return gt_chunks_at(&timeline->threads, index);
}

static inline struct gt_span *gt_span_mutable(struct gt_chunks *spans, size_t index)
{
    return gt_chunks_at(spans, index);
}

/* tasks.c. The process of a pid, and the thread that an event is of, made when new;
 * GT_NO_INDEX: memory is exhausted. */
uint32_t gt_process_of_pid(struct gt_timeline *timeline, int32_t pid, int64_t time_ns);
uint32_t gt_thread_of_event(struct gt_timeline *timeline, const struct gt_event *event);
/* Is the event the first one of its thread, or of its process, and are there too many? */
bool gt_task_is_too_many(const struct gt_timeline *timeline, const struct gt_event *event);
int gt_task_fork(struct gt_timeline *timeline, const struct gt_event *event);
int gt_task_exit(struct gt_timeline *timeline, const struct gt_event *event);
/* The process of `thread` executes another program. */
int gt_task_exec(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event);

/* A life, a name, or a call, of before the recording began. */
int gt_task_earlier(struct gt_timeline *timeline, const struct gt_event *event);
/* A thread which made no event, and is known from `known_ns` on. Its index, or GT_NO_INDEX. */
uint32_t gt_thread_earlier(struct gt_timeline *timeline, int32_t pid, int32_t tid,
                           int64_t known_ns);

/* earlier.c */
void gt_earlier_init(struct gt_timeline *timeline);
void gt_earlier_release(struct gt_timeline *timeline);
/* The one with this tid, or NULL. */
struct gt_earlier *gt_earlier_of(const struct gt_timeline *timeline, int32_t tid);
/* It runs another program. */
void gt_earlier_forget_calls(struct gt_earlier *earlier);
/* The one with this tid, added where there is none; NULL: memory is exhausted. */
struct gt_earlier *gt_earlier_add(struct gt_timeline *timeline, uint32_t process, int32_t tid);
/* The thread made its first event: it has the name that the kernel had for it, and the calls
 * that were open are its own from its start on. */
int gt_earlier_seen(struct gt_timeline *timeline, uint32_t thread);
/* GT_EVENT_UNTRACED of before the recording began. */
int gt_earlier_untraced(struct gt_timeline *timeline, const struct gt_event *event);
/* The tid belongs to a new thread. */
void gt_earlier_replaced(struct gt_timeline *timeline, int32_t tid);
/* Is it the tid of a thread that ran before, and made no event yet? */
bool gt_earlier_is_unseen(const struct gt_timeline *timeline, int32_t tid);
/* The thread releases a GIL of which no event came before. */
void gt_earlier_held(struct gt_timeline *timeline, const struct gt_gil_state *state,
                     uint32_t thread);

/* beginning.c */
int gt_beginning_finish(struct gt_timeline *timeline);

/* thread_names.c. Intern a name; `*name` stays as it is when there are too many. */
int gt_name_intern(struct gt_timeline *timeline, const char *text, uint32_t length,
                   uint32_t *name);
/* The comm of a thread that is known by nothing else, interned. */
void gt_name_from_comm(struct gt_timeline *timeline, uint32_t thread, uint32_t comm);
/* GT_EVENT_COMM: */
int gt_name_from_event(struct gt_timeline *timeline, uint32_t thread,
                       const struct gt_event *event);
/* Of these, what the process is. */
int gt_name_of_process(struct gt_timeline *timeline, uint32_t process,
                       const struct gt_event *event);
/* Any other event: it carries the name of its thread, too. Text may have no COMM records, and
 * those of threads that ran before the recording come before anything else is known. */
int gt_name_from_line(struct gt_timeline *timeline, uint32_t thread,
                      const struct gt_event *event);
/* GT_EVENT_EXEC: */
int gt_name_from_exec(struct gt_timeline *timeline, uint32_t thread,
                      const struct gt_event *event);
/* A new thread has the name of its creator. */
void gt_name_from_creator(struct gt_timeline *timeline, uint32_t thread, int32_t creator_tid);
/* Intern the path of GT_EVENT_MMAP; `*name` stays as it is when there are too many names. */
int gt_name_of_file(struct gt_timeline *timeline, const struct gt_event *event, uint32_t *name);
/* Set GT_THREAD_NAMESAKE. */
int gt_names_finish(struct gt_timeline *timeline);

/* gil_detect.c. GT_EVENT_COND_SIGNAL or GT_EVENT_COND_WAIT, of each process in the order of
 * time:
 */
int gt_gil_detect(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event);

/* There are no more events: forget what was remembered to detect GILs. */
void gt_gil_detect_end(struct gt_timeline *timeline);

/* gil.c. `gil` is an index in builder.gils. A new one; GT_NO_INDEX: memory is exhausted. */
uint32_t gt_gil_new(struct gt_timeline *timeline, uint32_t process, enum gt_gil_origin source,
                    uint64_t address, uint64_t acquired);
void gt_gil_release(struct gt_gil *gil);
void gt_gil_state_release(struct gt_gil_state *state);
/* The thread waits for it, until `deadline_ns` of CLOCK_MONOTONIC (0: not known); has acquired
 * it; has released it. */
int gt_gil_wait(struct gt_timeline *timeline, uint32_t gil, uint32_t thread, int64_t time_ns,
                int64_t deadline_ns);
int gt_gil_acquired(struct gt_timeline *timeline, uint32_t gil, uint32_t thread,
                    int64_t time_ns);
int gt_gil_released(struct gt_timeline *timeline, uint32_t gil, uint32_t thread,
                    int64_t time_ns);
/* GT_EVENT_TAKE_ENTER to GT_EVENT_DROP_RETURN: */
int gt_gil_function(struct gt_timeline *timeline, uint32_t thread,
                    const struct gt_event *event);
/* GT_EVENT_COND_WAIT: within take_gil it is a wait for the GIL. */
int gt_gil_function_wait(struct gt_timeline *timeline, uint32_t thread,
                         const struct gt_event *event);
/* The thread ended: end its waits and holds. */
int gt_gil_thread_exit(struct gt_timeline *timeline, uint32_t thread, int64_t time_ns);
/* The program ended: end all waits and holds. */
int gt_gil_close(struct gt_timeline *timeline, struct gt_gil_state *state, int64_t time_ns);
/* It is not known what happened to the GIL between these times. */
int gt_gil_lose(struct gt_timeline *timeline, struct gt_gil_state *state, int64_t start_ns,
                int64_t end_ns);
/* Did acquisitions and releases often not alternate, though nothing was lost? Then it is no
 * GIL: two condition variables looked like one for a while. */
bool gt_gil_is_impostor(const struct gt_timeline *timeline, const struct gt_gil_state *state);

int gt_gil_ask(struct gt_gil *gil, struct gt_ask ask);
/* The member that is this thread, made when new; GT_NO_INDEX: memory is exhausted. */
uint32_t gt_gil_thread_of(const struct gt_timeline *timeline, struct gt_gil_state *state,
                          uint32_t thread);
int gt_gil_push(struct gt_chunks *spans, uint32_t thread, int64_t start_ns, int64_t end_ns,
                uint32_t flags);

/* futex.c */
void gt_futex_init(struct gt_timeline *timeline);
void gt_futex_release(struct gt_timeline *timeline);
int gt_futex_feed(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event);
void gt_futex_runtime(struct gt_timeline *timeline, uint32_t process, uint64_t start,
                      uint64_t end);
/* GT_EVENT_COND_WAIT, recorded together with futex calls: its deadline tells the switch
 * interval. */
int gt_futex_deadline(struct gt_timeline *timeline, uint32_t thread,
                      const struct gt_event *event);
/* The thread did what no thread does that waits for a GIL. */
int gt_futex_left(struct gt_timeline *timeline, uint32_t thread, int64_t time_ns);
int gt_futex_finish(struct gt_timeline *timeline);

/* mapped.c. GT_EVENT_MMAP: */
int gt_mapped_feed(struct gt_timeline *timeline, uint32_t process,
                   const struct gt_event *event);
/* Fill gt_timeline.unseen. */
int gt_mapped_finish(struct gt_timeline *timeline);

/* calls.c */
int gt_calls_feed(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event);
/* End all calls of the thread. */
void gt_calls_ended(struct gt_timeline *timeline, uint32_t thread, int64_t time_ns);
/* Of before the recording began: what is open is kept in `state`. */
int gt_calls_feed_earlier(struct gt_timeline *timeline, struct gt_calls_state *state,
                          const struct gt_event *event);
/* They are the thread's, which is new: open since its start. `earlier` is empty then. */
int gt_calls_adopt(struct gt_timeline *timeline, uint32_t thread,
                   struct gt_calls_state *earlier);
int gt_calls_finish(struct gt_timeline *timeline);
/* After that: fill gt_calls.lowest, for gt_calls_innermost_at and gt_calls_python_at. */
int gt_calls_index(struct gt_timeline *timeline);
void gt_calls_state_init(struct gt_calls_state *state);
void gt_calls_state_release(struct gt_calls_state *state);
void gt_calls_release(struct gt_timeline *timeline);

/* counters.c */
int gt_counters_feed(struct gt_timeline *timeline, uint32_t thread,
                     const struct gt_event *event);
int gt_counters_finish(struct gt_timeline *timeline);
void gt_counters_release(struct gt_timeline *timeline);

/* holes.c */
void gt_holes_init(struct gt_timeline *timeline);
void gt_holes_release(struct gt_timeline *timeline);
int gt_holes_lost(struct gt_timeline *timeline, uint32_t process, const struct gt_event *event);
int gt_holes_stopped(struct gt_timeline *timeline, uint32_t process,
                     const struct gt_event *event);
/* The process executes another program, which is recorded again. */
void gt_holes_resume(struct gt_timeline *timeline, uint32_t process, int64_t time_ns);
/* Is the event to be ignored, since its process has stopped recording what it is about? */
bool gt_holes_hide(const struct gt_timeline *timeline, uint32_t process,
                   const struct gt_event *event);
/* After the lives of processes are known, and gt_timeline.lost is merged. */
int gt_holes_finish(struct gt_timeline *timeline);

/* interval.c */
void gt_intervals_init(struct gt_intervals_state *state);
void gt_intervals_release(struct gt_intervals *intervals);
void gt_intervals_state_release(struct gt_intervals_state *state);
/* What was found out, which is the caller's then; the state begins anew. */
struct gt_intervals gt_intervals_take(struct gt_intervals_state *state);
/* A timed wait was called at `time_ns`, that is `left_ns` before its deadline. */
int gt_intervals_add(struct gt_intervals_state *state, int64_t time_ns, int64_t left_ns);
/* No deadlines were recorded: find the interval out from gaps, which are sorted in place. */
int gt_intervals_from_gaps(struct gt_intervals *intervals, int64_t *gaps_ns, size_t count);

/* The deadline of a `cond` event in CLOCK_MONOTONIC; 0: not known. */
int64_t gt_deadline_ns(const struct gt_timeline *timeline, const struct gt_event *event);

/* limits.c. The event is of a thread or process that is not kept. */
int gt_limits_leave_out(struct gt_timeline *timeline, const struct gt_event *event);
/* A GIL of the process is not kept. */
int gt_limits_no_gil(struct gt_timeline *timeline, uint32_t process, int64_t time_ns);

/* lost.c. After gt_lost_merge: join neighbours, where there are more than `most`, and count
 * that. */
void gt_lost_join(struct gt_timeline *timeline, struct gt_chunks *lost, size_t most);

/* gil_switch.c */
int gt_gil_switch_feed(struct gt_timeline *timeline, uint32_t thread,
                       const struct gt_event *event);
/* A member that waits signals that the GIL is released. In a build without a GIL, that which
 * there is while an extension is loaded may be off again: take_gil does so, and returns without
 * it. */
bool gt_gil_switched_off(const struct gt_timeline *timeline, const struct gt_gil_state *state,
                         uint32_t at);
/* A GIL that was switched on in mid-run begins then. */
int gt_gil_switch_cut(const struct gt_timeline *timeline, struct gt_gil *gil);

/* stops.c. After gt_lock_ops_end: fill gt_timeline.stops and stopped. */
int gt_stops_finish(struct gt_timeline *timeline);

/* marks.c */
int gt_marks_feed(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event);

/* sched.c. What a scheduling event tells of its own thread: */
int gt_sched_feed(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event);
/* What it tells of another thread: that it was woken, or is next on the CPU. Its own thread may
 * be any, also the idle task. */
int gt_sched_other(struct gt_timeline *timeline, const struct gt_event *event);
/* The thread caused some other event: it runs, unless more is known. */
int gt_sched_seen(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event);
int gt_sched_started(struct gt_timeline *timeline, uint32_t thread, int64_t time_ns);
/* Forget what the thread did so far: its life begins now. */
void gt_sched_restart(struct gt_timeline *timeline, uint32_t thread);
int gt_sched_ended(struct gt_timeline *timeline, uint32_t thread, int64_t time_ns);
/* The states of a thread so far; NULL: none. */
struct gt_scheduling *gt_scheduling_of(const struct gt_timeline *timeline, uint32_t thread);
/* Take the lost ranges into account, before they are merged. */
int gt_sched_catch_up(struct gt_timeline *timeline);
/* After the spans of GILs are final: mark the states of waits for a GIL, and sum up. */
int gt_sched_finish(struct gt_timeline *timeline);
void gt_sched_release(struct gt_timeline *timeline);

/* lock_ops.c */
void gt_locks_init(struct gt_timeline *timeline);
void gt_locks_release(struct gt_timeline *timeline);
/* GT_EVENT_SEM_…: `*lock` is the address of the lock that it is about, 0: of none that is
 * known. */
int gt_lock_feed(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event,
                 uint64_t *lock);
/* The thread sleeps: if for a semaphore, then that is not free. */
int gt_lock_sleeps(struct gt_timeline *timeline, uint32_t thread, int64_t time_ns);
int gt_lock_spun(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event);
/* End the waits that go on, after the lives of threads are known. */
int gt_lock_ops_end(struct gt_timeline *timeline);

/* locks.c. After GILs and calls are final: fill gt_timeline.locks. */
int gt_locks_finish(struct gt_timeline *timeline);

/* lock_kind.c. Does the thread wait there, for a mutex of one byte, until another thread tells
 * it something? */
bool gt_lock_is_for_news(const struct gt_timeline *timeline, const struct gt_lock_op *wait);
/* Is it a semaphore of which it is not recorded who takes it without waiting? The ops of one
 * lock, in the order of time. */
bool gt_lock_is_unseen(const struct gt_lock_op *const *ops, size_t count);
/* Is it a lock, which threads take and give, or do they tell each other something
 * by it? The ops of one lock, in the order of time. */
bool gt_lock_is_lock(const struct gt_timeline *timeline, const struct gt_lock_op *const *ops,
                     size_t count);

/* sync.c */
void gt_sync_init(struct gt_timeline *timeline);
int gt_usage_feed(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event);
int gt_snapshot_feed(struct gt_timeline *timeline, const struct gt_event *event);
/* Any of GT_EVENT_SEM_TAKEN to GT_EVENT_SEM_RETURN. */
int gt_sync_feed(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event);
int gt_sync_woke(struct gt_timeline *timeline, uint32_t waker, uint32_t woken, int64_t time_ns);
void gt_sync_release(struct gt_timeline *timeline);

/* unknown.c. Fill gt_gil.unknowns, after its spans were cut; they are not sorted yet. */
int gt_unknown_find(const struct gt_timeline *timeline, struct gt_gil *gil);
/* gt_gil.unsure_ns, after all spans are sorted. */
int64_t gt_unknown_unwaited(const struct gt_gil *gil, const struct gt_chunks *lost);

/* finalize.c */
int gt_finalize(struct gt_timeline *timeline);

#endif
