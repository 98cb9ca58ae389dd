/*
 * The agent's side of the log (wire.h), written without lock, system call or allocation except
 * where a slot is full, once in thousands of records. Copying a slot to the file costs a fifth
 * of what fresh mapped pages would: their faults are dear.
 *
 * Everything here may run anywhere in the target: it calls nothing that CPython or a library
 * could notice, keeps no file open (the target may close any descriptor, and sees those that
 * are), and preserves errno. Trouble switches the agent off in this process and is noted in the
 * control file.
 */
#ifndef GT_AGENT_LOG_H
#define GT_AGENT_LOG_H

#include "agent/clock.h"
#include "agent/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define GT_AGENT_LIKELY(x)   __builtin_expect(!!(x), 1)
#define GT_AGENT_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Where the next record of a stream goes. All NULL before the stream's first record. */
struct gt_agent_stream {
    char *slot; /* mapped, GT_WIRE_CHUNK_BYTES */
    char *next;
    char *end; /* of the space that is allocated in it */
};

/* One open call; see trace.c. */
struct gt_agent_call {
    char *end; /* of its word: equal to the stream's next while it is the last one */
    uint64_t ticks;
    uint32_t id;
    uint32_t turn; /* gt_agent_thread.turn then: whether the word is still in the slot */
    bool recorded;
};

enum {
    GT_AGENT_STACK_CALLS = 8192,
    GT_AGENT_STACK_BYTES = GT_AGENT_STACK_CALLS * sizeof(struct gt_agent_call),
};

/* How often a place in the code has called Python functions; see monitoring.c. */
struct gt_agent_place {
    uint64_t key;
    uint64_t calls;
};

enum { GT_AGENT_PLACES = 64 };

/* One thread of this process. Anonymous memory of its own, reached by thread-local storage. */
struct gt_agent_thread {
    struct gt_agent_stream streams[GT_WIRE_STREAMS];
    bool busy; /* inside the agent: a signal handler's events are dropped, not mixed in */
    struct gt_wire_thread *header;
    uint32_t turn;               /* another one whenever a slot is new, or emptied */
    uint64_t calls_base;         /* high bits of the ticks in the calls stream */
    uint32_t signals;            /* uses of the GIL, while it has no name */
    uint32_t looks_for_name;     /* names.c: how often it looked, UINT32_MAX when it knows */
    uint64_t name_hash;          /* names.c: of the last noted name */
    struct gt_agent_call *stack; /* open calls, GT_AGENT_STACK_BYTES; NULL until the first */
    uint32_t depth;
    uint32_t room;        /* calls that the stack holds: 0 while it is NULL */
    uint32_t skipped;     /* calls deeper than the stack, or than the limit */
    uint64_t usage_ticks; /* of the last reading of usage.h, and … */
    uint64_t usage_us;    /* … what it said */
    uint64_t usage_sleeps;
    uint64_t signalled;       /* condition variable that it signalled last, … */
    uint64_t signalled_ticks; /* … and when */
    uint64_t asked_ticks;     /* holder.h: the last snapshot of this thread, as it was asked; 0:
                                 it was not, since it acquired */
    uint32_t exit_rounds;     /* of thread-specific destructors, seen so far */
    uint32_t profile_state;   /* profile.c */
    uint32_t profile_life;
    void *profile_owner; /* the thread state that it tells of */
    bool profile_told;
    uint32_t unit; /* of the GIL's slot: the thread's number in the log */
    uint32_t live; /* 0: its thread ended, the next one may take this memory */
    int32_t tid;
    uint64_t ident;               /* pthread_self() */
    struct gt_agent_thread *next; /* of all there ever were; only ever prepended to */
    struct gt_agent_place places[GT_AGENT_PLACES];
};

struct gt_agent {
    bool recording;       /* false: off, for good or not yet on */
    bool wipe_on_fork;    /* the kernel clears fork_guard in children */
    uint64_t *fork_guard; /* 0 in a forked child that has not been set up */
    struct gt_wire_control *control;
    uint64_t max_bytes;
    uint64_t process_ticks;
    pid_t pid;
    pid_t parent_pid;
    pid_t parent_tid;
    bool forked;
    bool stopped; /* and that is noted */
    struct gt_agent_file {
        void *anchor; /* its first page: the rest can be mapped from it, by units.c */
        uint64_t device, inode;
        uint64_t units;
    } log;
    char dir[GT_WIRE_PATH_SIZE];
    char program[GT_WIRE_PATH_SIZE];
};

extern struct gt_agent gt_agent;

/* Ticks of the newest of all threads' GIL records, in a cache line of its own. */
struct gt_agent_newest {
    _Alignas(64) uint64_t ticks;
};
extern struct gt_agent_newest gt_agent_newest;

/*
 * The time of a GIL record. The CPU may read its counter ahead of the mutex that is taken just
 * before, and a fence against that would cost as much as all the rest: so what two threads
 * record inside one mutex is brought into the mutex's order by the memory that it protects.
 * (With several GILs in a process, their records may mend each other's, by the same
 * nanoseconds.)
 */
static inline uint64_t gt_agent_ticks_in_order(void)
{
    uint64_t ticks = gt_agent_ticks();
    uint64_t newest = __atomic_load_n(&gt_agent_newest.ticks, __ATOMIC_RELAXED);

    if (GT_AGENT_UNLIKELY(ticks <= newest))
        ticks = newest + 1;
    __atomic_store_n(&gt_agent_newest.ticks, ticks, __ATOMIC_RELAXED);
    return ticks;
}

extern __thread struct gt_agent_thread *gt_agent_self
    __attribute__((tls_model("initial-exec")));

/* Map the control file of the folder that the environment names, agree on a clock, and watch
 * for forks and ends of threads. Leaves gt_agent.recording false when there is nothing to do
 * or on any trouble. */
void gt_agent_log_init(void);
/* Its second half, in threads.c. Returns 0 or -1. */
int gt_agent_threads_init(void);

/* This thread's state, made when it is new; NULL when the agent is off, or busy already in
 * this thread. Ends with gt_agent_leave. */
struct gt_agent_thread *gt_agent_enter_slow(void);

static inline struct gt_agent_thread *gt_agent_enter(void)
{
    struct gt_agent_thread *self = gt_agent_self;

    if (GT_AGENT_UNLIKELY(!gt_agent.recording))
        return NULL;
    if (GT_AGENT_UNLIKELY(!self || self->busy || !*gt_agent.fork_guard))
        return gt_agent_enter_slow();
    self->busy = true;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    return self;
}

static inline void gt_agent_leave(struct gt_agent_thread *self)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    self->busy = false;
}

/* The next free `bytes` of a stream, in its emptied slot when that was full; NULL when
 * recording has stopped. Zeroed, contiguous. */
char *gt_agent_reserve_slow(struct gt_agent_thread *self, enum gt_wire_stream stream,
                            size_t bytes);

static inline void gt_agent_anchor_if_due(uint64_t ticks)
{
    if (GT_AGENT_UNLIKELY(ticks >= gt_agent.control->next_anchor_ticks))
        gt_agent_clock_anchor(gt_agent.control);
}

/* Append a record to the GIL's stream. */
static inline void gt_agent_put(struct gt_agent_thread *self, uint64_t ticks, uint64_t word)
{
    struct gt_agent_stream *to = &self->streams[GT_WIRE_STREAM_GIL];
    struct gt_wire_record *record = (struct gt_wire_record *)(void *)to->next;

    if (GT_AGENT_UNLIKELY(to->next == to->end)) {
        record = (struct gt_wire_record *)(void *)gt_agent_reserve_slow(
            self, GT_WIRE_STREAM_GIL, sizeof(*record));
        if (!record)
            return;
    }
    record->ticks = ticks;
    __atomic_store_n(&record->word, word, __ATOMIC_RELEASE);
    to->next = (char *)(record + 1);
    gt_agent_anchor_if_due(ticks);
}

/* The calls stream needs room, or a new base for its ticks; false when there is none. */
bool gt_agent_put_base(struct gt_agent_thread *self, uint64_t ticks);

/* Append a call or return; false when it could not be. */
static inline bool gt_agent_put_call(struct gt_agent_thread *self, uint64_t ticks,
                                     enum gt_wire_call_kind kind, uint32_t id)
{
    struct gt_agent_stream *to = &self->streams[GT_WIRE_STREAM_CALLS];

    if (GT_AGENT_UNLIKELY(to->next == to->end ||
                          ticks >> GT_WIRE_TICK_BITS != self->calls_base) &&
        !gt_agent_put_base(self, ticks))
        return false;
    __atomic_store_n((uint64_t *)(void *)to->next, GT_WIRE_CALL_WORD(kind, id, ticks),
                     __ATOMIC_RELEASE);
    to->next += sizeof(uint64_t);
    gt_agent_anchor_if_due(ticks);
    return true;
}

/* Give a stream its slot; false when recording has stopped. The GIL's comes first. */
bool gt_agent_new_slot(struct gt_agent_thread *self, enum gt_wire_stream stream);

/* Append a note. Texts longer than GT_WIRE_TEXT_MAX are cut. */
void gt_agent_note(struct gt_agent_thread *self, const struct gt_wire_note *note,
                   const char *name, size_t name_length, const char *file, size_t file_length);

/* A message for the user, in the notes of this thread. */
void gt_agent_message(struct gt_agent_thread *self, const char *text);

/* The same, of this thread, from outside of gt_agent_enter and _leave. */
void gt_agent_say(const char *text);

/* units.c: the file of all logs. Its functions return false or NULL with errno. Make it, or
 * find it, and learn how to map it later. */
bool gt_agent_units_init(void);
/* Map a unit, of which the first `allocated` bytes may be used. */
void *gt_agent_unit_map(uint64_t unit, size_t allocated);
/* Allocate more of one that is mapped at `slot`. */
bool gt_agent_unit_extend(char *slot, uint64_t unit, size_t allocated, size_t more);
/* Write all of a unit: `head`, then what follows in `slot`. */
bool gt_agent_unit_write(uint64_t unit, const struct gt_wire_chunk *head, const char *slot);
/* A file of the agent's folder, or -1 with errno; and close(2) that keeps errno. */
int gt_agent_open_file(const char *name, int flags);
void gt_agent_close_file(int fd);
/* Space first, mapping second: a write to a mapped hole on a full disk would be SIGBUS. */
bool gt_agent_allocate(int fd, uint64_t offset, size_t size);

/* Nothing of this process is recorded from here on; `error` is why. */
void gt_agent_stop(int error);

/* Switch off in this process and note why: "text: strerror(error)" when error is not 0. */
void gt_agent_trouble(const char *text, int error);

/* The process ends now, by this thread. */
void gt_agent_process_exit(void);
/* Note that a program which this process is about to execute will have no log: another user, or
 * another root, may not write it. And take that back. */
void gt_agent_note_unseen(void);
void gt_agent_forget_unseen(void);

/* This process is about to execute the program; false: it is none of ours. And: it could
 * not. */
bool gt_agent_process_execs(const char *program);
void gt_agent_process_goes_on(void);

/* A live thread of this process by its pthread_self; NULL when it has no log. */
struct gt_agent_thread *gt_agent_thread_of_ident(uint64_t ident);

/* The thread that holds the GIL whose waiters wait on the condition variable at `cond`: the
 * last that signalled its neighbour. With the GIL's mutex. NULL: none is known. */
struct gt_agent_thread *gt_agent_thread_of_signal(uint64_t cond);

#endif
