/*
 * Private to model/: what is known while events stream in and not needed afterwards.
 *
 * Who does what: feed.c hands each event on. tasks.c follows threads and processes,
 * thread_names.c what they are called, mapped.c which programs cannot be seen. gil_detect.c
 * finds out which condition variables are a GIL's, gil.c turns a GIL's events into spans,
 * futex.c and futex_holds.c do both from futex calls. finalize.c closes, cuts lost ranges out
 * and sums up.
 *
 * What needs more than the timeline keeps of it, while it is built, is a part of a struct here:
 * gt_gil of gt_gil_state, gt_calls of gt_calls_state, gt_sched of gt_scheduling. _finish moves
 * the part to the timeline.
 */
#ifndef GT_MODEL_BUILDER_H
#define GT_MODEL_BUILDER_H

#include "event/probed_files.h"
#include "model/feed.h"

enum gt_cond_role {
    GT_COND_UNKNOWN,
    GT_COND_RELEASED, /* waited on, and signalled by a release: `cond` in CPython */
    GT_COND_ACQUIRED, /* signalled by an acquisition: `switch_cond` in CPython */
};

/* From the released to the acquired one since CPython 3.7: sizeof(pthread_cond_t) +
 * sizeof(pthread_mutex_t), 48 + 40 on x86-64 glibc and musl alike, 48 + 48 on aarch64 glibc. */
enum { GT_DISTANCE_X86_64 = 88, GT_DISTANCE_AARCH64 = 96 };

/* A condition variable of one program image. */
struct gt_cond {
    uint64_t address;
    uint32_t gil; /* index in builder.gils, when role is known */
    enum gt_cond_role role;
    uint64_t partner; /* candidate: the address its thread signalled before it */
    uint32_t score;   /* how often in a row that was so */
};

/* A signal or wait on a condition variable whose meaning is not known yet. */
struct gt_pending {
    int64_t time_ns;
    int64_t deadline_ns; /* of waits; 0: not known */
    uint64_t address;
    uint32_t thread; /* GT_NO_INDEX: consumed */
    enum gt_event_kind kind;
};

/* How many unexplained events of one process are remembered: the newest. A power of two. */
enum { GT_PENDING_MAX = 1024 };

struct gt_process_state {
    struct gt_hashmap cond_of; /* address → index in builder.conds */
    uint32_t recent[2];        /* the last two looked up */
    uint32_t first_gil;        /* in builder.gils; chain through next; GT_NO_INDEX */
    uint32_t last_gil;
    uint32_t function_gil;          /* GT_NO_INDEX */
    int64_t image_start_ns;         /* last exec, or the start */
    uint32_t image;                 /* serial number of the program it runs */
    uint32_t gil_count;             /* in the chain */
    bool saw_gil;                   /* ever, and not from futex calls alone */
    uint32_t pending_capacity;      /* grows to GT_PENDING_MAX */
    struct gt_pending *pending;     /* ring of the newest */
    uint32_t pending_count;         /* ever added */
    struct gt_hashmap candidate_of; /* futex.c: cond address → candidate */
    uint64_t runtime_start;         /* _PyRuntime; 0 when not known */
    uint64_t runtime_end;
    uint32_t hole;   /* nothing is recorded of it since that one began; GT_NO_INDEX: it is */
    uint32_t mapped; /* in builder.mapped, of this image; GT_NO_INDEX */
    bool executed;   /* an exec of it was recorded */
    bool name_is_threads; /* its name is that of a thread that is not the main one: for now */
    bool guessed;         /* its pid was not in the text: a guess from one tid */
};

struct gt_thread_state {
    uint64_t last_signal;     /* last unexplained address it signalled; 0: none */
    uint32_t signal_activity; /* `activity` at that time */
    uint32_t activity;        /* events of known GILs by this thread */
    uint32_t owned;           /* GILs it holds */
    uint64_t futex_wait;      /* futex.c: the cond it is in a system call for; 0: none */
    uint64_t futex_loop;      /* the cond that it waits for, again and again until it owns */
};

/* The switch interval of a GIL, while it is learned. */
enum { GT_INTERVAL_RUN = 16 };

struct gt_intervals_state {
    struct gt_intervals intervals;
    uint32_t count, agreeing; /* samples since the newest one began; those near it */
    uint32_t lower_count;     /* of the newest samples, how many in a row are less, … */
    int64_t lower_since_ns;   /* … since when, … */
    int64_t lower_ns[GT_INTERVAL_RUN]; /* … and the last of them */
};

/* A thread's part in a GIL. */
struct gt_gil_thread_state {
    uint32_t thread;
    uint32_t lost_seen;     /* lost ranges that the following knows of */
    int64_t wait_since_ns;  /* -1: not waiting */
    int64_t enter_since_ns; /* functions: in take_gil since; -1: not */
    int64_t asked_ns;       /* newest of the timed waits that a wait consists of … */
    int64_t deadline_ns;    /* … and its deadline, of CLOCK_MONOTONIC; 0: not known */
    int64_t waited_ns;      /* the last wait ended; 0: there was none */
    bool contended;         /* functions: the GIL was another's at the entry */
};

struct gt_gil_state {
    struct gt_gil gil; /* all but its members and its switch interval */
    struct gt_intervals_state intervals;
    struct gt_chunks members; /* of struct gt_gil_thread_state; gil.member_of tells which */
    uint32_t owner;           /* member; GT_NO_INDEX: nobody or not known */
    uint32_t waiting;         /* members that wait now */
    int64_t owner_since_ns;
    int64_t known_since_ns; /* ownership before this is not known */
    int64_t now_ns;         /* of the newest event: the next one is not older */
    int64_t last_change_ns; /* last time it was acquired or released; -1: never */
    int64_t last_acquired_ns;
    uint32_t last_acquirer; /* member */
    uint32_t lost_seen;     /* lost ranges that the above knows of */
    uint64_t transitions;   /* acquired and released, as seen */
    uint64_t misfits;       /* of these, how many broke the alternation */
    uint32_t next;          /* the process's next GIL, GT_NO_INDEX ends */
    bool distrusted;        /* looks like an impostor so far: proves nothing about others */
    bool closed;            /* its process executed another program, or ended */
};

/* A thread's calls. */
struct gt_calls_state {
    struct gt_calls calls;
    struct gt_chunks open;     /* of uint32_t: indices of the open spans, innermost last */
    struct gt_hashmap open_of; /* function → how often it is open; once that matters */
    bool counts_open;
};

/* A thread's scheduler states. */
struct gt_scheduling {
    struct gt_sched sched;
    struct gt_state_span current; /* state GT_SCHED_NONE: not known since `start_ns` */
    uint32_t lost_seen;           /* lost ranges that it knows of */
};

/* Somebody acquired a GIL while another was known to hold it. */
struct gt_suspect {
    int64_t since_ns; /* of the hold */
    int64_t time_ns;  /* of the acquisition */
    uint32_t gil;     /* in builder.gils */
};

/* A program, as far as the files that it maps tell. */
struct gt_image {
    uint32_t process;
    uint32_t image; /* serial number */
    uint32_t name;  /* interned */
    uint32_t file;  /* interned: of its libc, or interpreter, whichever is probed; 0: none */
    bool python;    /* it runs Python */
    bool musl;
    bool has_file; /* it maps a probed file, by inode; … */
    bool has_path; /* … or the first one at that path */
};

/* The first file that was mapped at a probed path. */
struct gt_first_file {
    uint64_t inode;
    uint32_t device;
    bool known;
};

struct gt_builder {
    struct gt_chunks process_states; /* of struct gt_process_state, by process index */
    struct gt_chunks thread_states;  /* of struct gt_thread_state, by thread index */
    struct gt_chunks gils;           /* of struct gt_gil_state */
    struct gt_chunks calls;          /* of struct gt_calls_state, by thread; shorter when … */
    struct gt_chunks scheds;         /* … none came; of struct gt_scheduling, likewise */
    struct gt_chunks conds;          /* of struct gt_cond */
    struct gt_chunks suspects;       /* of struct gt_suspect */
    struct gt_chunks candidates;     /* futex.c */
    struct gt_hashmap function_of;   /* a source's function id → function index */
    struct gt_hashmap thread_of;     /* tid → thread index */
    struct gt_hashmap process_of;    /* pid → process index */
    struct gt_hashmap guess_of;      /* cond address → process, where no pid is in the text */
    int64_t *cpu_last_ns;            /* by cpu: its last event */
    size_t cpu_count;
    int64_t lost_until_ns; /* the greatest end of a lost range; they come in no order */
    int32_t recent_tid;    /* cache of thread_of */
    uint32_t recent_thread;
    uint32_t images; /* how many programs ran, in all processes */
    bool single_gil;
    int64_t realtime_ns;            /* CLOCK_REALTIME less CLOCK_MONOTONIC; 0: not known */
    struct gt_chunks mapped;        /* of struct gt_image */
    const struct gt_probed *probed; /* may be NULL */
    struct gt_first_file first_files[GT_PROBED_MAX];
    bool saw_probed_file;             /* by its inode, so that files can be told by it */
    const struct gt_runtime *runtime; /* of the interpreter that was found; may be NULL */
};

static inline struct gt_process_state *gt_process_state_at(const struct gt_timeline *timeline,
                                                           uint32_t process)
{
    return gt_chunks_at(&timeline->builder->process_states, process);
}

static inline struct gt_thread_state *gt_thread_state_at(const struct gt_timeline *timeline,
                                                         uint32_t thread)
{
    return gt_chunks_at(&timeline->builder->thread_states, thread);
}

static inline struct gt_gil_state *gt_gil_state_at(const struct gt_timeline *timeline,
                                                   uint32_t gil)
{
    return gt_chunks_at(&timeline->builder->gils, gil);
}

static inline struct gt_gil_thread_state *
gt_gil_thread_state_at(const struct gt_gil_state *state, uint32_t index)
{
    return gt_chunks_at(&state->members, index);
}

/* The timeline's own, to be changed. */
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

/* tasks.c. GT_NO_INDEX, or -1, when memory is exhausted. */
uint32_t gt_process_of_pid(struct gt_timeline *timeline, int32_t pid, int64_t time_ns);
/* The thread that an event is of, made when new. */
uint32_t gt_thread_of_event(struct gt_timeline *timeline, const struct gt_event *event);
int gt_task_fork(struct gt_timeline *timeline, const struct gt_event *event);
int gt_task_exit(struct gt_timeline *timeline, const struct gt_event *event);
/* The process runs another program now: its GILs are gone, and so are its other threads. */
int gt_task_exec(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event);

/* thread_names.c. All return 0, or -1 when memory is exhausted. A COMM event: */
int gt_name_from_event(struct gt_timeline *timeline, uint32_t thread,
                       const struct gt_event *event);
/* Any other event, which carries the thread's comm: text may have no COMM records, and those of
 * what ran before the recording come too early. */
int gt_name_from_line(struct gt_timeline *timeline, uint32_t thread,
                      const struct gt_event *event);
/* The program's name, and its main thread's. */
int gt_name_from_exec(struct gt_timeline *timeline, uint32_t thread,
                      const struct gt_event *event);
/* A thread is born with its creator's comm. */
void gt_name_from_creator(struct gt_timeline *timeline, uint32_t thread, int32_t creator_tid);
/* The name of an event's file, interned into `*name`; as it was where there are too many. */
int gt_name_of_file(struct gt_timeline *timeline, const struct gt_event *event, uint32_t *name);
/* Mark the threads that their names do not tell apart. */
int gt_names_finish(struct gt_timeline *timeline);

/* gil_detect.c: an event on a condition variable, in time order per process. 0 or -1. */
int gt_gil_detect(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event);

/* gil.c. All return 0, or -1 when memory is exhausted. `gil` is an index in builder.gils. */
uint32_t gt_gil_new(struct gt_timeline *timeline, uint32_t process, enum gt_gil_origin source,
                    uint64_t address, uint64_t acquired);
void gt_gil_release(struct gt_gil *gil);
void gt_gil_state_release(struct gt_gil_state *state);
/* `deadline_ns`: of CLOCK_MONOTONIC; 0: not known. */
int gt_gil_wait(struct gt_timeline *timeline, uint32_t gil, uint32_t thread, int64_t time_ns,
                int64_t deadline_ns);
int gt_gil_acquired(struct gt_timeline *timeline, uint32_t gil, uint32_t thread,
                    int64_t time_ns);
int gt_gil_released(struct gt_timeline *timeline, uint32_t gil, uint32_t thread,
                    int64_t time_ns);
int gt_gil_function(struct gt_timeline *timeline, uint32_t thread,
                    const struct gt_event *event);
/* A timed wait, seen beside function probes: of a thread in take_gil, it is for the GIL. */
int gt_gil_function_wait(struct gt_timeline *timeline, uint32_t thread,
                         const struct gt_event *event);
/* A deadline as it was recorded, in ns of CLOCK_MONOTONIC; 0 where it is not known. */
int64_t gt_gil_deadline_ns(const struct gt_timeline *timeline, const struct gt_event *event);
/* The thread ended: it neither waits nor holds any more. */
int gt_gil_thread_exit(struct gt_timeline *timeline, uint32_t thread, int64_t time_ns);
/* The program image ended: close every open span at `time_ns`. */
int gt_gil_close(struct gt_timeline *timeline, struct gt_gil_state *state, int64_t time_ns);
/* What happened to the GIL between these is not known. */
int gt_gil_lose(struct gt_timeline *timeline, struct gt_gil_state *state, int64_t start_ns,
                int64_t end_ns);
/* The end of the newest lost range, 0 when nothing was lost. */
int64_t gt_lost_until_ns(const struct gt_timeline *timeline);

/* Do its holders alternate wrongly, again and again, though nothing was lost? Then it is two
 * condition variables that looked like a GIL's for a while. */
bool gt_gil_is_impostor(const struct gt_timeline *timeline, const struct gt_gil_state *state);

int gt_gil_ask(struct gt_gil *gil, struct gt_ask ask);
/* The thread's member index, made when new; GT_NO_INDEX when memory is exhausted. */
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
/* A timed wait, seen beside futex calls: its deadline tells the switch interval. */
int gt_futex_deadline(struct gt_timeline *timeline, uint32_t thread,
                      const struct gt_event *event);
/* The thread did what nobody does who waits for a GIL. */
int gt_futex_left(struct gt_timeline *timeline, uint32_t thread, int64_t time_ns);
int gt_futex_finish(struct gt_timeline *timeline);

/* mapped.c: a process mapped a file; and who could not be seen. 0 or -1. */
int gt_mapped_feed(struct gt_timeline *timeline, uint32_t process,
                   const struct gt_event *event);
int gt_mapped_finish(struct gt_timeline *timeline);

/* calls.c */
int gt_calls_feed(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event);
void gt_calls_ended(struct gt_timeline *timeline, uint32_t thread, int64_t time_ns);
int gt_calls_finish(struct gt_timeline *timeline);
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
/* It runs another program: that one's log begins. */
void gt_holes_resume(struct gt_timeline *timeline, uint32_t process, int64_t time_ns);
/* Is what such an event says not to be believed, since the process has stopped recording? */
bool gt_holes_hide(const struct gt_timeline *timeline, uint32_t process,
                   const struct gt_event *event);
/* Lives are known, gt_timeline.lost is merged. */
int gt_holes_finish(struct gt_timeline *timeline);

/* interval.c */
void gt_intervals_init(struct gt_intervals_state *state);
void gt_intervals_release(struct gt_intervals *intervals);
/* A timed wait was called at `time_ns`, `left_ns` before its deadline. */
int gt_intervals_add(struct gt_intervals_state *state, int64_t time_ns, int64_t left_ns);
/* Without deadlines: learn from gaps, which are sorted in place. */
int gt_intervals_from_gaps(struct gt_intervals *intervals, int64_t *gaps_ns, size_t count);

/* lost.c: sort lost ranges and merge those that touch. */
int gt_lost_merge(struct gt_chunks *lost);

/* marks.c */
int gt_marks_feed(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event);

/* sched.c. What a scheduling event says of the thread that it is an event of. */
int gt_sched_feed(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event);
/* What it says of another one: woken, or next on the CPU. The event may be anybody's, the idle
 * task's too. */
int gt_sched_other(struct gt_timeline *timeline, const struct gt_event *event);
/* The thread itself caused an event: it runs, if nothing else was known. */
int gt_sched_seen(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event);
int gt_sched_started(struct gt_timeline *timeline, uint32_t thread, int64_t time_ns);
/* Forget what the thread did so far: it runs from now on. */
void gt_sched_restart(struct gt_timeline *timeline, uint32_t thread);
int gt_sched_ended(struct gt_timeline *timeline, uint32_t thread, int64_t time_ns);
/* The thread's states so far, or NULL. */
struct gt_scheduling *gt_scheduling_of(const struct gt_timeline *timeline, uint32_t thread);
/* Before lost ranges are merged: let every thread know of them. */
int gt_sched_catch_up(struct gt_timeline *timeline);
/* After the GIL's spans are final: mark sleeps for the GIL, sum up. */
int gt_sched_finish(struct gt_timeline *timeline);
void gt_sched_release(struct gt_timeline *timeline);

/* sync.c */
void gt_sync_init(struct gt_timeline *timeline);
int gt_usage_feed(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event);
int gt_snapshot_feed(struct gt_timeline *timeline, const struct gt_event *event);
/* Any of GT_EVENT_SEM_TAKEN to GT_EVENT_PERMIT_GIVEN. */
int gt_sync_feed(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event);
int gt_sync_woke(struct gt_timeline *timeline, uint32_t waker, uint32_t woken, int64_t time_ns);
void gt_sync_release(struct gt_timeline *timeline);

/* finalize.c */
int gt_finalize(struct gt_timeline *timeline);

#endif
