/* SPDX-License-Identifier: MIT */
/*
 * What the waiting was for. Every nanosecond of every wait for one GIL is charged. While some
 * thread held the GIL, it is charged to a blocker: what that thread was doing (attribution.h
 * says which function answers). While none did, it is charged to a gap. For each waiter, its
 * cells and gaps add up to its wait_ns exactly, unless there are thousands of threads.
 *
 * CPython gives the GIL up when it is asked to, except in C code. So a function that went on
 * working after a waiter had asked (asked.h) did not release it, and is counted as such;
 * judgement.h says what follows from the counts.
 */
#ifndef GT_ANALYSIS_BLOCKERS_H
#define GT_ANALYSIS_BLOCKERS_H

#include "analysis/asked.h"
#include "analysis/attribution.h"
#include "analysis/utilization.h"
#include "base/chunks.h"
#include "base/error.h"
#include "model/timeline.h"

/* Why nobody held the GIL that somebody waited for. */
enum gt_gap {
    GT_GAP_HANDOVER, /* released, and the thread that got it next was being woken */
    GT_GAP_NO_CPU,   /* the same, but it was awake and had no CPU (where states are recorded) */
    GT_GAP_UNTAKEN,  /* released, and no waiter took it next */
    GT_GAP_UNKNOWN, /* events were lost, or holds are not measured: a thread may have held it */
    GT_GAPS
};

/* It is not worthwhile to release the GIL for shorter calls. */
#define GT_BLOCKER_LONG_NS ((int64_t)50000)

struct gt_blocker {
    struct gt_doing doing;  /* .call means nothing here; .caller, of a Python function, which is
                               one row whoever called it, is who did for most of the waiting */
    int64_t interval_ns;    /* the GIL's switch interval, as it was last */
    uint32_t thread;        /* of GT_DOING_UNKNOWN: the holder; else GT_NO_INDEX */
    int64_t waiting_ns;     /* charged to it, over all waiters */
    int64_t caller_ns;      /* private: of it, while doing.caller had called it */
    uint64_t count;         /* stretches of holding in it while a thread waited */
    uint64_t long_count;    /* of these, those of GT_BLOCKER_LONG_NS or more */
    int64_t total_hold_ns;  /* of all stretches of holding, waited for or not */
    int64_t waited_hold_ns; /* of those that a thread waited for */
    int64_t longest_hold_ns; /* the longest of these */
    uint64_t requested;      /* of these, in how many a waiter asked for the GIL */
    int64_t asked_hold_ns;   /* the lengths of those */
    /* In so many of those it went on without looking for a request: on a CPU or asleep for a
     * millisecond or more; where that is not known, for long. */
    uint64_t kept;
    uint64_t unclear; /* in so many it may have done so, or had no CPU */
    struct gt_after
        after;            /* of `kept`: sums of what it did after the request. Known: of most */
    int64_t known_ns;     /* of after.total_ns, how much is known in detail */
    int64_t kept_hold_ns; /* of `kept`: lengths of the stretches, … */
    int64_t longest_kept_ns; /* … the longest time after a request, … */
    int64_t longest_work_ns; /* … the longest of it on a CPU or asleep, … */
    int64_t longest_held_ns; /* … and the longest stretch */
    uint64_t kept_in_loops; /* of `kept`, those made of many short calls of other C functions */
    bool deadlock;          /* the last of `kept` ended with the process, while others waited */
    uint64_t retakes;       /* it released the GIL by itself and took it again, so often */
    uint64_t contended;     /* of these, how often it had to wait for the GIL */
    int64_t away_ns;        /* time without the GIL in between, but for waiting */
    int64_t retake_wait_ns; /* time that it waited to get the GIL back */
};

/* What one waiter waited for one blocker. The number of pairs grows with the square of the
 * threads: beyond GT_CELLS_MAX pairs, or while more than GT_CELL_WAITERS_MAX threads wait at
 * once, what all others waited for a blocker is one cell. */
enum { GT_CELLS_MAX = 1 << 20, GT_CELL_WAITERS_MAX = 1 << 12 };

struct gt_blocker_cell {
    uint32_t waiter;  /* member; GT_NO_INDEX: all others */
    uint32_t blocker; /* its row */
    int64_t ns;
};

/* A stretch of holding that went on although a waiter had asked for the GIL. */
struct gt_kept {
    int64_t start_ns, end_ns;
    int64_t asked_ns;
    int64_t sleep_ns; /* of the time after that: asleep, as far as known */
    uint32_t thread, row;
};

/* Of one member. */
struct gt_gaps {
    int64_t ns[GT_GAPS];       /* that it waited in gaps of each kind */
    int64_t contended_hold_ns; /* that it held the GIL while anybody waited */
};

struct gt_blockers {
    struct gt_chunks rows;  /* of struct gt_blocker; that with the most waiting first */
    struct gt_chunks cells; /* of struct gt_blocker_cell; by row, then by waiter */
    struct gt_chunks gaps;  /* of struct gt_gaps, by member */
    struct gt_chunks kept;  /* of struct gt_kept, in the order of time */
    int64_t interval_ns;    /* the switch interval, as it was last */
    int64_t
        cpu_known_ns;  /* of the waiting while it was held: it is known what the holder did, */
    int64_t no_cpu_ns; /* … and of that, while the holder was ready and had no CPU */
    struct gt_utilization utilization;
};

/* Of one GIL, or of a lock, which is described like one (model/locks.h). Takes time in
 * proportion to its spans and to the calls of its holders (charges.h says what threads that
 * wait add to it). 0 or negative. */
int gt_blockers_of(struct gt_blockers *blockers, const struct gt_timeline *timeline,
                   const struct gt_gil *gil, struct gt_error *err);
void gt_blockers_release(struct gt_blockers *blockers);

/* Of a GIL that nobody waited for: forget all but the totals, which gt_blockers_init finds
 * again. */
void gt_blockers_forget(struct gt_blockers *blockers);

/* Private to blockers.c, in blockers_rank.c: put the rows in order. 0 or -1. */
int gt_blockers_rank(struct gt_blockers *blockers);

/* Of the GIL with this index. */
static inline int gt_blockers_init(struct gt_blockers *blockers,
                                   const struct gt_timeline *timeline, uint32_t gil,
                                   struct gt_error *err)
{
    return gt_blockers_of(blockers, timeline, gt_gil_at(timeline, gil), err);
}

static inline const struct gt_blocker *gt_blocker_at(const struct gt_blockers *blockers,
                                                     size_t index)
{
    return gt_chunks_at(&blockers->rows, index);
}

static inline const struct gt_blocker_cell *
gt_blocker_cell_at(const struct gt_blockers *blockers, size_t index)
{
    return gt_chunks_at(&blockers->cells, index);
}

/* The row's cells: *count of them, from the returned index on. */
size_t gt_blocker_cells_of(const struct gt_blockers *blockers, uint32_t row, size_t *count);

static inline const struct gt_gaps *gt_gaps_at(const struct gt_blockers *blockers,
                                               size_t member)
{
    return gt_chunks_at(&blockers->gaps, member);
}

/* Equal where what a thread does is charged to the same row. */
uint64_t gt_blocker_key(const struct gt_doing *doing, uint32_t thread);

/* What all waiters waited in one kind of gap. */
int64_t gt_gap_ns(const struct gt_blockers *blockers, enum gt_gap gap);

#endif
