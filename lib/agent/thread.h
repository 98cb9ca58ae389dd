/* SPDX-License-Identifier: MIT */
/*
 * One thread of this process, as the agent knows it. The memory is anonymous and its own; the
 * thread reaches it by thread-local storage (threads.h). Each group of fields belongs to one
 * file: others may read them, and only the thread itself writes, but where it is said.
 */
#ifndef GT_AGENT_THREAD_H
#define GT_AGENT_THREAD_H

#include "agent/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the next record of a stream goes. All NULL before the stream's first record. */
struct gt_agent_stream {
    char *slot; /* mapped, GT_WIRE_CHUNK_BYTES */
    char *next;
    char *end; /* of the space that is allocated in it */
};

/* The run of signals that the next one may go on with (GT_WIRE_RUN). */
struct gt_agent_run {
    uint8_t *next;      /* where its signal goes; at the end of a record: there is no room */
    uint64_t next_cond; /* the condition variable that it must be of; 0: none goes on */
    uint64_t ticks;     /* of the last signal */
    uint64_t alone;     /* the last one that did not go on with a run */
    uint64_t conds[2];  /* first and second, as told in the stream … */
    uint32_t turn;      /* … at this gt_agent_thread.log.turn; 0: not yet */
};

/* One open call. */
struct gt_agent_call {
    char *end; /* of its word: equal to the stream's next while it is the last one */
    uint64_t ticks;
    uint32_t id;
    uint32_t turn; /* gt_agent_thread.log.turn then: is the word still in the slot? */
    bool recorded;
};

enum {
    GT_AGENT_STACK_CALLS = 8192,
    GT_AGENT_STACK_BYTES = GT_AGENT_STACK_CALLS * sizeof(struct gt_agent_call),
};

/* How often a place in the code has called Python functions. */
struct gt_agent_place {
    uint64_t key;
    uint64_t calls;
};

enum { GT_AGENT_PLACES = 64 };

/* Calls of a function that are not added to its own count yet. */
struct gt_agent_counted {
    struct gt_agent_function *function;
    uint32_t calls;
};

enum { GT_AGENT_COUNTED = 64 };

struct gt_agent_function; /* functions.h */

struct gt_agent_thread {
    struct { /* log.c */
        struct gt_agent_stream streams[GT_WIRE_STREAMS];
        struct gt_wire_thread *header; /* in the GIL's slot */
        uint32_t turn;                 /* changes whenever a slot is new, or emptied */
        uint32_t unit;                 /* of the GIL's slot: the thread's number in the log */
        uint64_t calls_base;           /* high bits of the ticks in the calls stream */
        struct gt_agent_run run;
    } log;
    struct {       /* threads.c */
        bool busy; /* inside the agent: a signal handler's events are dropped, not mixed in */
        uint32_t exit_rounds; /* of thread-specific destructors, seen so far */
    } life;
    struct {              /* interpose.c */
        uint32_t calls;   /* of libc that are events of the GIL */
        uint32_t counted; /* those of them that gt_wire_control.gil_calls has */
    } gil;
    struct { /* names.c; the one who notes a name for another thread writes its hash */
        uint32_t signals; /* uses of the GIL, while the thread has no name */
        uint32_t looks;   /* how often it looked for its name, UINT32_MAX when it knows */
        uint64_t hash;    /* of the last noted name; 0: none */
    } name;
    struct { /* usage.c: the last reading */
        uint64_t ticks;
        uint64_t us;
        uint64_t sleeps;
    } usage;
    struct { /* trace.c */
        struct gt_agent_call
            *stack; /* open calls, GT_AGENT_STACK_BYTES; NULL until the first */
        uint32_t depth;
        uint32_t room;    /* calls that the stack holds: 0 while it is NULL */
        uint32_t skipped; /* calls deeper than the stack, or than the limit */
    } calls;
    struct { /* profile_hook.c */
        uint32_t state;
        uint32_t life; /* of the interpreter that `owner` belongs to */
        void *owner;   /* the thread state that `state` is about */
        bool told;     /* the user knows that the target has the hook */
    } profile;
    struct {            /* gil_switch.c */
        uint32_t depth; /* modules of C that are being loaded, one by the other */
        uint32_t on_at; /* the first of these that began with a GIL; 0: none */
    } loads;
    struct { /* semaphores.c: what was not recorded yet */
        uint64_t ticks;
        uint32_t yields, own_posts;
    } spun;
    struct {            /* lock_types.c: the last object's lock that it waited for */
        uintptr_t lock; /* 0: none */
        const void *type;
        uint32_t id;
    } locked;
    struct { /* threads.c; what other threads read. The fields above are zeroed for each thread
                that takes over this memory, those from here on are not. */
        uint32_t live; /* 0: its thread ended, the next one may take this memory; 2: its log is
                          being closed */
        uint32_t
            expected; /* another thread began the log of this tid, which has not come yet */
        int32_t tid;
        uint64_t ident;               /* pthread_self() */
        struct gt_agent_thread *next; /* of all there ever were; only ever prepended to */
    } listed;
    struct { /* interpose.c; others read it: the condition variable that it signalled last, and
                when */
        uint64_t cond;
        uint64_t ticks;
    } signalled;
    struct {            /* holder.c; the waiter who takes the snapshot writes it */
        uint64_t ticks; /* of the last snapshot of this thread, as it was asked for the GIL; 0:
                           it was not asked since it acquired */
        uint64_t asleep_at;   /* its CPU time in ns as its sleep was noted; 0: none was */
        uint64_t quiet_until; /* ticks: until then this thread has nothing to do at a signal but
                                 to record it; 0 from when it is asked, which others write */
    } asked;
    struct gt_agent_place places[GT_AGENT_PLACES];     /* monitoring.c */
    struct gt_agent_counted counted[GT_AGENT_COUNTED]; /* trace.c */
};

#endif
