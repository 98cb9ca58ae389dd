/* SPDX-License-Identifier: MIT */
/*
 * Locks that threads waited for: threading's, those of CPython's objects, and mutexes of C's.
 * What is a semaphore may be a lock, which only the thread that has it gives, or serve to tell
 * another thread something (Condition.wait, Event, join). Only locks are kept here: who waits
 * for news is idle. An address that is used anew is another lock, where the source tells.
 *
 * A lock is taken and given like a GIL, so it is described like one, and what explains the
 * waiting for a GIL explains that for a lock. What differs: of holds, only those are known that
 * somebody waited for, or that were long; a hold that was not seen to begin has
 * GT_SPAN_CUT_START, and begins when its thread is known to have it.
 */
#ifndef GT_MODEL_LOCKS_H
#define GT_MODEL_LOCKS_H

#include "model/timeline.h"

enum gt_lock_kind {
    GT_LOCK_SEMAPHORE, /* CPython's lock up to 3.13 */
    GT_LOCK_MUTEX,     /* a mutex of one byte: of an object, or, from 3.14 on, threading's */
    GT_LOCK_NATIVE,    /* pthread_mutex_t, of an extension or a library */
};

struct gt_lock {
    struct gt_gil
        as; /* members are the threads that waited for it, or are known to have had it */
    enum gt_lock_kind kind;
    uint32_t type; /* that of the object whose lock it is ("list"), interned; GT_NO_INDEX: not
                      known */
    struct gt_chunks let_go; /* of int64_t, by span of as.waits: when it was let go on, and only
                                had to wake up; its end where that is not known */
    uint64_t waits, gave_up; /* how many; of these, without getting it: time-outs */
    int64_t wait_ns;
    uint64_t with_gil;   /* waits of a thread that had the GIL, … */
    int64_t with_gil_ns; /* … and how long they took */
};

/* What a thread did for locks without waiting: it called sched_yield so often, for so long, as
 * one was not free (a free-threaded build does so 40 times before it parks), and gave what it
 * was about to park for itself (nested critical sections do): that is no contention. */
struct gt_lock_spins {
    uint64_t yields, own_posts;
    int64_t ns;       /* estimated, from a part of the calls; no more than could be */
    int64_t until_ns; /* all of it was before then */
};

/* Of all threads. */
struct gt_lock_spins gt_lock_spins_of(const struct gt_timeline *timeline);

static inline const struct gt_lock *gt_lock_at(const struct gt_timeline *timeline, size_t index)
{
    return gt_chunks_at(&timeline->locks, index);
}

/* How long the thread waited for locks. */
int64_t gt_lock_wait_of(const struct gt_timeline *timeline, uint32_t thread);

/* All waiting for locks. */
int64_t gt_lock_wait_ns(const struct gt_timeline *timeline);

#endif
