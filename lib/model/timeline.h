/* SPDX-License-Identifier: MIT */
/*
 * The timeline of one recording: its processes, threads and GILs, and the spans in which
 * threads held a GIL or waited for one. It is plain data. model/feed.h builds it; for everyone
 * else it is constant.
 *
 * A hold lasts from the acquisition to the release. A wait lasts from the first timed wait on
 * the GIL's condition variable to the acquisition, or to the end of a thread that never got the
 * GIL (GIL.md). Both lie within the life of the thread. Two invariants are checked on every
 * timeline: no two threads hold one GIL at the same time, and the times that a thread holds,
 * waits, does neither, or is unknown add up to its lifetime. Violations are counted in struct
 * gt_quality and never corrected silently.
 *
 * Indices are positions in the lists of struct gt_timeline. Times are ns of CLOCK_MONOTONIC.
 * "Interned" means: an id of gt_timeline.names. Memory: 24 bytes per span and per reading of a
 * thread's clock, 32 per synchronisation operation, about 200 per thread.
 */
#ifndef GT_MODEL_TIMELINE_H
#define GT_MODEL_TIMELINE_H

#include "base/chunks.h"
#include "base/error.h"
#include "base/hashmap.h"
#include "base/intern.h"
#include "model/calls.h"
#include "model/counters.h"
#include "model/gil_switch.h"
#include "model/holes.h"
#include "model/interval.h"
#include "model/limits.h"
#include "model/lost.h"
#include "model/marks.h"
#include "model/native.h"
#include "model/quality.h"
#include "model/sched.h"
#include "model/stacks.h"
#include "model/stops.h"
#include "model/sync.h"
#include "model/unknown.h"

#include <stdbool.h>
#include <stdint.h>

#define GT_NO_INDEX UINT32_MAX

/* A process, from its fork to its exit. It stays the same process when it executes another
 * program. */
struct gt_process {
    int32_t pid;     /* in the outputs; of several recordings no two processes have the same */
    int32_t own_pid; /* the number that its machine, or pid namespace, gave it */
    uint32_t recording; /* index in gt_timeline.recordings, where there are any */
    uint32_t parent;    /* index of the process that forked it, or GT_NO_INDEX */
    uint32_t name; /* interned: of its last program that had a GIL, or else of its last one */
    uint32_t command; /* interned: its command line, or what it calls itself; arguments end
                         with NUL; 0: not known */
    uint32_t role;    /* interned: what multiprocessing calls it; 0: nothing, or not known */
    uint32_t main_thread; /* index, or GT_NO_INDEX when it was never seen */
    uint32_t thread_count;
    uint32_t lost_list; /* for gt_lost_of: its list in gt_timeline.lost_of, plus 1; 0: none */
    int64_t start_ns;
    int64_t end_ns;
};

enum gt_thread_flags {
    GT_THREAD_MAIN = 1 << 0,      /* tid == pid */
    GT_THREAD_SAW_START = 1 << 1, /* its fork was recorded: start_ns is exact */
    GT_THREAD_SAW_EXIT = 1 << 2,  /* its exit was recorded: end_ns is exact */
    GT_THREAD_OWN_COMM = 1 << 3,  /* its comm was given to it, not inherited from its creator */
    GT_THREAD_NAMESAKE = 1 << 4,  /* another thread of its process is shown by the same name */
};

struct gt_thread {
    int32_t tid;
    uint32_t process;
    uint32_t comm;        /* interned: its name in the kernel */
    uint32_t python_name; /* interned: its name in Python's threading; 0: none. thread_names.c
                             decides which of the two is shown */
    uint32_t number;      /* counts the threads of its process, from 1 */
    uint32_t flags;
    int64_t start_ns; /* its fork, or else its first event */
    int64_t end_ns;   /* its exit, or else the end of the recording */
    uint32_t creator; /* the thread that created it, or GT_NO_INDEX */
};

/* Where a GIL's spans come from. */
enum gt_gil_origin {
    GT_GIL_FROM_COND,      /* its condition variables: exact */
    GT_GIL_FROM_FUTEX,     /* futex calls: holds that nobody waited for are not seen */
    GT_GIL_FROM_FUNCTIONS, /* take_gil and drop_gil: waits include the cost of the probes */
    GT_GIL_IS_LOCK,        /* it is a lock (locks.h), of which not all holds are seen */
};

enum gt_span_flags {
    GT_SPAN_CUT_START = 1 << 0, /* it began earlier: before the recording, or in a lost range */
    GT_SPAN_CUT_END = 1 << 1,   /* exit, exec, a loss or the end of the recording ended it */
    GT_SPAN_GAVE_UP = 1 << 4,   /* a wait for a lock, which the thread did not get: time-out */
};

/* One hold or one wait. 24 bytes. */
struct gt_span {
    int64_t start_ns;
    int64_t end_ns;
    uint32_t thread;
    uint32_t flags;
};

/* What one thread did with one GIL. A thread that never used the GIL is none of its members.
 * lifetime - hold - wait - unknown is the time in which it did without the GIL. */
struct gt_gil_thread {
    uint32_t thread;
    uint32_t waits; /* how many */
    uint64_t holds;
    int64_t hold_ns;
    int64_t wait_ns;
    int64_t unknown_ns; /* in lost ranges, and after them until its own next event */
    int64_t lifetime_ns;
    int64_t longest_wait_ns;
    int64_t longest_hold_ns;
};

/*
 * A waiter called its timed wait again, and nobody had acquired or released the GIL since its
 * call before. If the switch interval had passed by then, it asked the holder to give the GIL
 * up: gt_gil_is_request tells. 32 bytes.
 */
struct gt_ask {
    int64_t time_ns;
    int64_t since_ns;    /* of the call before */
    int64_t deadline_ns; /* of the call before; 0: not known */
    uint32_t thread;     /* the waiter */
};

struct gt_gil {
    uint32_t process;
    uint32_t name;    /* interned: of its program */
    uint32_t command; /* … as in its process, when the program ended */
    uint32_t role;
    uint32_t number;  /* counts the GILs of its process (sub-interpreters, exec), from 0 */
    int64_t start_ns; /* of its program: the exec, or the start of the process */
    int64_t end_ns;
    int64_t unknown_ns; /* how much of that is in lost ranges */
    int64_t unsure_ns;  /* how much of the rest nobody is known to wait, and somebody may */
    uint64_t address;   /* of the condition variable that waiters wait for; 0: of functions */
    uint64_t acquired;  /* of the condition variable that is signalled after an acquisition */
    enum gt_gil_origin source;
    struct gt_chunks holds;    /* of struct gt_span, in the order of time; they never overlap */
    struct gt_chunks waits;    /* of struct gt_span, in the order of their ends */
    struct gt_chunks unknowns; /* of struct gt_span, in the order of their ends: after a loss,
                                  what is not known of a thread (unknown.h). What is lost within
                                  one is part of it */
    struct gt_chunks members;  /* of struct gt_gil_thread, in the order of first use */
    struct gt_chunks asks;     /* of struct gt_ask, in the order of time */
    struct gt_hashmap member_of; /* index of a thread → index in `members` */
    struct gt_intervals intervals;
    uint32_t image;         /* of its program: equal numbers are one program of one process */
    uint64_t handovers;     /* acquisitions by threads that had waited */
    uint64_t takes;         /* of functions: how often take_gil returned, seen or inferred */
    struct gt_gil_defects { /* as in struct gt_quality */
        uint64_t duplicates;
        uint64_t passed_signals;
        uint64_t takes_without_return;
        uint64_t returns_missing;
        uint64_t unmatched_releases;
        uint64_t unmatched_takes;
        uint64_t overlaps;
    } defects;
};

/* A program that runs Python and whose GIL cannot be seen: its libc, or its interpreter, is not
 * the file that has the probes. */
struct gt_unseen {
    uint32_t process;
    uint32_t name; /* interned */
    uint32_t file; /* interned: the libc, or interpreter, that it uses; 0: none, or not known */
};

/* One of several recordings whose timelines were put together (append.h). */
struct gt_recording {
    uint32_t name; /* interned: what it is called; names of its processes begin with that */
    uint32_t host; /* interned: node name; 0: not known */
    uint32_t first_process, process_count;
    bool no_gil; /* as in struct gt_timeline */
};

struct gt_timeline {
    struct gt_chunks recordings; /* of struct gt_recording; empty: it is of one */
    struct gt_chunks processes;  /* of struct gt_process */
    struct gt_chunks threads;    /* of struct gt_thread */
    struct gt_chunks gils;       /* of struct gt_gil, by process and number */
    struct gt_chunks lost;       /* of struct gt_lost_range: lost of all processes */
    struct gt_chunks losses;     /* of struct gt_loss: the same one by one, as they came */
    struct gt_chunks holes;      /* of struct gt_hole: of single processes, as they came */
    struct gt_chunks lost_of;    /* for gt_lost_of: lists of struct gt_lost_range */
    struct gt_chunks unseen;     /* of struct gt_unseen */
    struct gt_chunks scheds;    /* of struct gt_sched, by thread; may be shorter than threads */
    struct gt_chunks functions; /* of struct gt_function_info */
    struct gt_chunks calls;     /* of struct gt_calls, by thread, likewise */
    struct gt_chunks marks;     /* of struct gt_mark */
    struct gt_chunks stops;     /* of struct gt_world_stop, in the order of their starts */
    struct gt_chunks stopped;   /* of struct gt_span: threads stopped, as gt_stop.first says */
    struct gt_chunks stopped_sums; /* for gt_stopped_of */
    struct gt_chunks gil_switches; /* of struct gt_gil_switch */
    int64_t recorded_until_ns; /* the recording ended before the program did; -1: it did not */
    bool is_part;              /* recording was to begin later, or to end before the program */
    int64_t states_until_ns;   /* threads' states are known until then; INT64_MAX: to the end */
    int64_t stopped_ns;        /* a source stopped recording; -1: none did */
    struct gt_chunks counters; /* of struct gt_counter */
    struct gt_chunks usages;   /* for gt_usages_of */
    struct gt_chunks snapshots; /* for gt_snapshots_of */
    struct gt_chunks sync_ops;  /* of struct gt_sync_op, as they came */
    struct gt_chunks locks;     /* of struct gt_lock (locks.h), by process */
    struct gt_chunks
        lock_spins; /* of struct gt_lock_spins (locks.h), by thread, may be shorter */
    struct gt_chunks lock_waits; /* of int64_t, by thread, likewise shorter: how long it waited
                                    for locks */
    struct gt_stacks stacks;     /* of threads that went to sleep, where recorded */
    struct gt_chunks native;     /* of struct gt_native_sample, in the order of time */
    struct gt_chunks native_sleeps; /* of struct gt_native_sleep, likewise */
    struct gt_stacks native_stacks; /* of these */
    struct gt_stacks event_stacks;  /* of the samples of counters */
    uint64_t native_unplaced;       /* samples of threads that are not known */
    uint32_t cpu_count;      /* the highest CPU that an event names, plus 1; 0: none does */
    bool stopped_gil;        /* the source that stopped was that of the GIL's events */
    bool saw_sched;          /* scheduling was recorded */
    bool saw_switch_records; /* PERF_RECORD_SWITCH was: when threads came on a CPU, exactly */
    bool saw_reasons;        /* sched_switch was: why threads left a CPU */
    bool saw_stacks;         /* sched_switch had stacks */
    bool saw_futex;          /* futex calls were recorded */
    bool saw_native;         /* native stacks were sampled */
    bool probed_locks;       /* waits for locks were recorded by probes */
    bool no_gil; /* the programs are of a build without a GIL, as far as nothing else
                    is known (gil_switch.h) */
    struct gt_intern names;
    struct gt_quality quality;
    struct gt_left_out left_out;
    int64_t start_ns; /* of the first event, or the first life; -1: there was no event */
    int64_t end_ns;   /* of the last event */
};

/* Did the waiter ask the holder to give the GIL up? */
bool gt_gil_is_request(const struct gt_gil *gil, const struct gt_ask *ask);

/* Write the name by which a thread is shown into `text`: the best of its own names, or "main",
 * or "thread N". It is the target's: any bytes. A name that is too long is cut between letters
 * of UTF-8. Returns the length. */
size_t gt_timeline_thread_label(const struct gt_timeline *timeline, uint32_t thread, char *text,
                                size_t size);

static inline const struct gt_process *gt_process_at(const struct gt_timeline *timeline,
                                                     uint32_t index)
{
    return gt_chunks_at(&timeline->processes, index);
}

static inline const struct gt_recording *gt_recording_at(const struct gt_timeline *timeline,
                                                         uint32_t index)
{
    return gt_chunks_at(&timeline->recordings, index);
}

static inline const struct gt_thread *gt_thread_at(const struct gt_timeline *timeline,
                                                   uint32_t index)
{
    return gt_chunks_at(&timeline->threads, index);
}

static inline const struct gt_gil *gt_gil_at(const struct gt_timeline *timeline, uint32_t index)
{
    return gt_chunks_at(&timeline->gils, index);
}

static inline const struct gt_gil_thread *gt_gil_thread_at(const struct gt_gil *gil,
                                                           uint32_t index)
{
    return gt_chunks_at(&gil->members, index);
}

static inline const struct gt_span *gt_span_at(const struct gt_chunks *spans, size_t index)
{
    return gt_chunks_at(spans, index);
}

#endif
