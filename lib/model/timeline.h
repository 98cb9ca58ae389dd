/*
 * The timeline: processes, threads, GILs, and the spans of holding and waiting. Data, and
 * constant for all who read it: model/feed.h makes it of events.
 *
 * Rules (GIL.md): a hold runs from *acquired* to *released*; a wait from
 * the first timed wait on the GIL's condition to *acquired*, or to the end of the thread that
 * never got it. Both lie within the thread's lifetime. Two invariants are checked on every
 * timeline: no two threads hold one GIL at once, and hold + wait + free + unknown is the
 * thread's lifetime; violations are counted in struct gt_quality, never silently mended.
 *
 * All indices below are positions in the timeline's lists. Times are ns of CLOCK_MONOTONIC.
 * Memory: 24 bytes per span and reading, 32 per sync operation, about 200 per thread.
 */
#ifndef GT_MODEL_TIMELINE_H
#define GT_MODEL_TIMELINE_H

#include "base/chunks.h"
#include "base/error.h"
#include "base/hashmap.h"
#include "base/intern.h"
#include "model/calls.h"
#include "model/counters.h"
#include "model/holes.h"
#include "model/interval.h"
#include "model/lost.h"
#include "model/marks.h"
#include "model/quality.h"
#include "model/sched.h"
#include "model/stacks.h"
#include "model/sync.h"

#include <stdbool.h>
#include <stdint.h>

#define GT_NO_INDEX UINT32_MAX

/* A process from fork or exec to exit. A new exec is the same process. */
struct gt_process {
    int32_t pid;
    uint32_t parent; /* index of the process that forked it, or GT_NO_INDEX */
    uint32_t name;   /* interned; after _finish, of the last program that had a GIL, if any */
    uint32_t main_thread; /* index, or GT_NO_INDEX when it was never seen */
    uint32_t thread_count;
    uint32_t lost_list; /* its list in gt_timeline.lost_of, plus 1; 0: it has none */
    int64_t start_ns;
    int64_t end_ns;
};

enum gt_thread_flags {
    GT_THREAD_MAIN = 1 << 0,      /* tid == pid */
    GT_THREAD_SAW_START = 1 << 1, /* its fork was recorded: start_ns is exact */
    GT_THREAD_SAW_EXIT = 1 << 2,  /* its exit was recorded: end_ns is exact */
    GT_THREAD_OWN_COMM = 1 << 3,  /* its comm was given to it, not inherited from its creator */
    GT_THREAD_NAMESAKE = 1 << 4,  /* another thread of its process is shown by the same name
                                     (_finish) */
};

struct gt_thread {
    int32_t tid;
    uint32_t process;
    uint32_t comm;        /* interned: the kernel's name for it */
    uint32_t python_name; /* interned: threading's name for it; 0: none. See thread_names.c for
                             which of the two is shown */
    uint32_t number;      /* 1 for the first thread of its process, 2 for the next one, … */
    uint32_t flags;
    int64_t start_ns; /* fork, or the first event */
    int64_t end_ns;   /* exit, or the end of the recording */
    uint32_t creator; /* thread that made it, or GT_NO_INDEX */
};

/* Where a GIL's spans come from. */
enum gt_gil_origin {
    GT_GIL_FROM_COND,      /* condition variables: exact */
    GT_GIL_FROM_FUTEX,     /* futex calls: waits and who released; no uncontended holds */
    GT_GIL_FROM_FUNCTIONS, /* take_gil / drop_gil: a wait includes the probe's own cost */
};

enum gt_span_flags {
    GT_SPAN_CUT_START = 1 << 0, /* began before the recording, or in a lost range */
    GT_SPAN_CUT_END = 1 << 1,   /* ended by exit, exec, loss or the end of the recording */
};

/* One stretch of holding or waiting. 24 bytes. */
struct gt_span {
    int64_t start_ns;
    int64_t end_ns;
    uint32_t thread;
    uint32_t flags;
};

/* A thread's part in one GIL. All times ns. hold + wait + unknown + free = lifetime, where
 * lifetime is the thread's: a thread that never touched the GIL has no member. */
struct gt_gil_thread {
    uint32_t thread;
    uint32_t waits; /* how many spans */
    uint64_t holds;
    int64_t hold_ns;
    int64_t wait_ns;
    int64_t unknown_ns; /* in lost ranges */
    int64_t lifetime_ns;
    int64_t longest_wait_ns;
    int64_t longest_hold_ns;
};

/*
 * A waiter waited again, and nobody released or acquired the GIL since it began to wait the
 * last time: it asked the holder to give the GIL up, if the switch interval had passed by then.
 * 32 bytes.
 */
struct gt_ask {
    int64_t time_ns;
    int64_t since_ns;    /* it began the wait before */
    int64_t deadline_ns; /* of that wait; 0: not known */
    uint32_t thread;     /* the waiter */
};

struct gt_gil {
    uint32_t process;
    uint32_t name;    /* interned: what the program was called whose it is (_finish) */
    uint32_t number;  /* 0 for a process's first GIL, then 1, … (sub-interpreters, exec) */
    int64_t start_ns; /* of the program image it belongs to: exec, or the process's start */
    int64_t end_ns;
    int64_t unknown_ns; /* of that, how much is in lost ranges */
    uint64_t address;   /* of the condition variable that waiters wait on; 0 for functions */
    uint64_t acquired;  /* address that is signalled when the GIL was acquired */
    enum gt_gil_origin source;
    struct gt_chunks holds;   /* of struct gt_span, in the order of time; they never overlap */
    struct gt_chunks waits;   /* of struct gt_span, in the order of their ends (_finish) */
    struct gt_chunks members; /* of struct gt_gil_thread, in the order of first sight */
    struct gt_chunks asks;    /* of struct gt_ask, in the order of time (_finish) */
    struct gt_hashmap member_of; /* thread → member */
    struct gt_intervals intervals;
    uint32_t image;     /* serial number of the program that it belongs to */
    uint64_t handovers; /* acquired by a thread that had waited */
    uint64_t takes;     /* functions: how often take_gil returned, or must have returned */
    struct gt_gil_defects {
        uint64_t duplicates;           /* the same call recorded twice */
        uint64_t passed_signals;       /* by a waiter: no releases */
        uint64_t takes_without_return; /* waits that ended with the thread */
        uint64_t returns_missing;      /* of take_gil, by threads that dropped the GIL then */
        uint64_t unmatched_releases;
        uint64_t unmatched_takes;
        uint64_t overlaps; /* violations of invariant 1, outside lost ranges */
    } defects;
};

/* A program that runs Python and was not seen: its libc, or its interpreter, is not the file
 * that was probed. */
struct gt_unseen {
    uint32_t process;
    uint32_t name; /* interned: what it was called */
    uint32_t file; /* interned: the libc, or interpreter, that it maps; 0: none, or not known */
};

struct gt_timeline {
    struct gt_chunks processes; /* of struct gt_process */
    struct gt_chunks threads;   /* of struct gt_thread */
    struct gt_chunks gils;      /* of struct gt_gil, by process and number after _finish */
    struct gt_chunks lost;      /* of struct gt_lost_range: of everybody */
    struct gt_chunks holes;     /* of struct gt_hole: of single processes, as they came */
    struct gt_chunks lost_of;   /* of struct gt_chunks: what some processes lost (gt_lost_of) */
    struct gt_chunks unseen;    /* of struct gt_unseen (_finish) */
    struct gt_chunks scheds;    /* of struct gt_sched, by thread; shorter when none came */
    struct gt_chunks functions; /* of struct gt_function_info */
    struct gt_chunks calls;     /* of struct gt_calls, by thread; shorter when none came */
    struct gt_chunks marks;     /* of struct gt_mark */
    int64_t
        recorded_until_ns; /* the recording ended then, before the program; -1: it did not */
    int64_t stopped_ns;    /* a source stopped recording then; -1: none did */
    struct gt_chunks counters;  /* of struct gt_counter */
    struct gt_chunks usages;    /* of struct gt_chunks, by thread; shorter when none came */
    struct gt_chunks snapshots; /* of struct gt_chunks, by thread; likewise */
    struct gt_chunks sync_ops;  /* of struct gt_sync_op, as they came */
    struct gt_stacks stacks;    /* of sleeps, when recorded */
    uint32_t cpu_count;         /* highest CPU that was named, + 1; 0: none was */
    bool stopped_gil;           /* and that was the source of the GIL's events */
    bool saw_sched;             /* scheduling was recorded */
    bool saw_switch_records;    /* PERF_RECORD_SWITCH: exact times of going on a CPU */
    bool saw_reasons;           /* sched_switch was recorded, not only switch records */
    bool saw_futex;             /* futex calls were recorded */
    bool saw_stacks;            /* with stacks */
    struct gt_intern names;
    struct gt_quality quality;
    int64_t start_ns; /* first event with a time; -1 when there was none */
    int64_t end_ns;   /* last event */

    struct gt_builder *builder; /* model/'s, while it is built; then NULL */
};

/* Did the waiter ask the holder to give the GIL up, as it waited again? */
bool gt_gil_is_request(const struct gt_gil *gil, const struct gt_ask *ask);

/* Write a name to show for a thread into `text`: the best that is known of its own, else "main"
 * or "thread N". Names come from the target: hostile bytes, cut between letters of UTF-8 where
 * there is no room. Returns the length. */
size_t gt_timeline_thread_label(const struct gt_timeline *timeline, uint32_t thread, char *text,
                                size_t size);

static inline const struct gt_process *gt_process_at(const struct gt_timeline *timeline,
                                                     uint32_t index)
{
    return gt_chunks_at(&timeline->processes, index);
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
