/*
 * What the waiting was for. Every nanosecond of every wait on one GIL is charged to one
 * blocker, that is to what the thread which held the GIL at that moment was doing
 * (attribution.h says which function answers), or, when nobody held it, to one gap: for each
 * waiter the cells (of fewer than thousands of threads) and the gaps add up to its wait_ns,
 * exactly.
 *
 * CPython gives the GIL up when it is asked for it, except in C code. So a function that went
 * on working after somebody had asked (asked.h) has not released it, and is counted as such.
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
    GT_GAP_NO_CPU,   /* the same: it was awake, but had no CPU (when states are recorded) */
    GT_GAP_UNTAKEN,  /* released, and none of those who waited took it next */
    GT_GAP_UNKNOWN,  /* events were lost, or holds are not measured: somebody may have held */
    GT_GAPS
};

/* Shorter calls are not worth being made to release the GIL. */
#define GT_BLOCKER_LONG_NS ((int64_t)50000)

struct gt_blocker {
    struct gt_doing doing;   /* .call means nothing here */
    int64_t interval_ns;     /* the GIL's switch interval, as it was last */
    uint32_t thread;         /* of GT_DOING_UNKNOWN: who held; else GT_NO_INDEX */
    int64_t waiting_ns;      /* charged to it, over all waiters */
    uint64_t count;          /* stretches of holding in it while somebody waited */
    uint64_t long_count;     /* of these, of GT_BLOCKER_LONG_NS or more */
    int64_t total_hold_ns;   /* of all stretches, waited for or not */
    int64_t waited_hold_ns;  /* of those that somebody waited for */
    int64_t longest_hold_ns; /* the longest of these */
    uint64_t requested;      /* of these, in how many somebody asked for the GIL */
    int64_t asked_hold_ns;   /* lengths of those */
    uint64_t kept;         /* of these, how many went on without looking: on a CPU or asleep for
                              a millisecond or more (where that is not known: for long) … */
    uint64_t unclear;      /* … and in how many it may have, or had no CPU */
    struct gt_after after; /* … sums of what they did after the request; .known: of most */
    int64_t known_ns;      /* of after.total_ns: of which it is known what they did */
    int64_t kept_hold_ns;  /* their lengths */
    int64_t longest_kept_ns; /* the longest time after a request, … */
    int64_t longest_work_ns; /* … the longest of it on a CPU or asleep, … */
    int64_t longest_held_ns; /* … and the longest stretch that did so */
    uint64_t kept_in_loops;  /* of `kept`: made of many short calls of other C functions */
    bool deadlock;           /* the last of them ended with the process, while others waited */
    uint64_t retakes;        /* it released the GIL by itself and took it again, … */
    uint64_t contended;      /* … and this often had to wait for it then */
    int64_t away_ns;         /* worked without the GIL in between */
    int64_t retake_wait_ns;  /* waited to get it back */
};

/* What one waiter waited for one blocker. Pairs grow with the square of the threads: beyond
 * GT_CELLS_MAX, or of that many waiters at once, all others' are one. */
enum { GT_CELLS_MAX = 1 << 20, GT_CELL_WAITERS_MAX = 1 << 12 };

struct gt_blocker_cell {
    uint32_t waiter; /* member; GT_NO_INDEX: others */
    uint32_t blocker;
    int64_t ns;
};

/* A stretch of holding that went on though somebody had asked for the GIL. */
struct gt_kept {
    int64_t start_ns, end_ns;
    int64_t asked_ns;
    uint32_t thread, row;
};

struct gt_gaps {
    int64_t ns[GT_GAPS];
};

struct gt_blockers {
    struct gt_chunks rows;  /* of struct gt_blocker; the most waiting first */
    struct gt_chunks cells; /* of struct gt_blocker_cell; in no order */
    struct gt_chunks gaps;  /* of struct gt_gaps, by member */
    struct gt_chunks kept;  /* of struct gt_kept, in the order of time */
    int64_t interval_ns;    /* switch interval: the last one of the GIL's */
    struct gt_utilization load;
};

/* One GIL's. Time grows with its spans, its holders' calls, and, at each change, with the
 * threads that wait. 0 or negative. */
int gt_blockers_init(struct gt_blockers *blockers, const struct gt_timeline *timeline,
                     uint32_t gil, struct gt_error *err);
void gt_blockers_release(struct gt_blockers *blockers);

/* Private to analysis/: rows with the most waiting first. 0 or -1. */
int gt_blockers_rank(struct gt_blockers *blockers);

static inline const struct gt_blocker *gt_blocker_at(const struct gt_blockers *blockers,
                                                     size_t index)
{
    return gt_chunks_at(&blockers->rows, index);
}

static inline const struct gt_gaps *gt_gaps_at(const struct gt_blockers *blockers,
                                               size_t member)
{
    return gt_chunks_at(&blockers->gaps, member);
}

/* What all waiters waited in one kind of gap. */
int64_t gt_gap_ns(const struct gt_blockers *blockers, enum gt_gap gap);

#endif
