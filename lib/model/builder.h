/*
 * Private to model/: what is known while events stream in and not needed afterwards.
 *
 * Who does what: timeline.c follows threads and processes, thread_names.c what they are called,
 * mapped.c which programs cannot be seen,
 * gil_detect.c finds out which condition variables are a GIL's, gil.c turns a GIL's events into
 * spans, futex.c and futex_holds.c do both from futex calls, finalize.c closes, cuts lost
 * ranges out and sums up.
 */
#ifndef GT_MODEL_BUILDER_H
#define GT_MODEL_BUILDER_H

#include "event/probed_files.h"
#include "model/timeline.h"

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
    uint32_t gil; /* when role is known */
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
    uint32_t first_gil;        /* chain through gt_gil.next; GT_NO_INDEX */
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

/* Somebody acquired a GIL while another was known to hold it. */
struct gt_suspect {
    int64_t since_ns; /* of the hold */
    int64_t time_ns;  /* of the acquisition */
    uint32_t gil;
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
int gt_recognise(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event);

/* gil.c. All return 0, or -1 when memory is exhausted. `gil` and `thread` are indices. */
uint32_t gt_gil_new(struct gt_timeline *timeline, uint32_t process, enum gt_gil_origin source,
                    uint64_t address, uint64_t acquired);
void gt_gil_release(struct gt_gil *gil);
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
int gt_gil_close(struct gt_timeline *timeline, struct gt_gil *gil, int64_t time_ns);
/* What happened to the GIL between these is not known. */
int gt_gil_lose(struct gt_timeline *timeline, struct gt_gil *gil, int64_t start_ns,
                int64_t end_ns);
/* The end of the newest lost range, 0 when nothing was lost. */
int64_t gt_lost_until_ns(const struct gt_timeline *timeline);

/* Do its holders alternate wrongly, again and again, though nothing was lost? Then it is two
 * condition variables that looked like a GIL's for a while. */
int gt_gil_ask(struct gt_gil *gil, struct gt_ask ask);
bool gt_gil_is_impostor(const struct gt_timeline *timeline, const struct gt_gil *gil);

/* The thread's member index, made when new; GT_NO_INDEX when memory is exhausted. */
uint32_t gt_gil_member(const struct gt_timeline *timeline, struct gt_gil *gil, uint32_t thread);
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

/* finalize.c */
int gt_finish_gils(struct gt_timeline *timeline);

#endif
