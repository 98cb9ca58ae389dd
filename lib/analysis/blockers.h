/*
 * What the waiting was for. Every nanosecond of every wait on one GIL is charged to one
 * blocker, that is to what the thread which held the GIL at that moment was doing (frames.h
 * says which function answers), or, when nobody held it, to one gap: for each waiter the
 * cells (of fewer than thousands of threads) and the gaps add up to its wait_ns, exactly.
 *
 * CPython gives the GIL up within the switch interval when asked for it, except in C code. So
 * a function that kept a waiter longer has not released it, and is counted as such.
 */
#ifndef GT_ANALYSIS_BLOCKERS_H
#define GT_ANALYSIS_BLOCKERS_H

#include "analysis/frames.h"
#include "analysis/load.h"
#include "base/chunks.h"
#include "base/error.h"
#include "model/timeline.h"

/* CPython's default, for a GIL on which nobody waited long enough to tell. */
#define GT_SWITCH_INTERVAL_NS ((int64_t)5000000)

/* Why nobody held the GIL that somebody waited for. */
enum gt_gap {
    GT_GAP_HANDOVER, /* released, and the thread that got it next was being woken */
    GT_GAP_NO_CPU,   /* the same: it was awake, but had no CPU (when states are recorded) */
    GT_GAP_UNTAKEN,  /* released, and none of those who waited took it next */
    GT_GAP_UNKNOWN,  /* events were lost, or holds are not measured: somebody may have held */
    GT_GAPS
};

struct gt_blocker {
    struct gt_doing doing;   /* .call means nothing here */
    uint32_t thread;         /* of GT_DOING_UNKNOWN: who held; else GT_NO_INDEX */
    int64_t waiting_ns;      /* charged to it, over all waiters */
    uint64_t count;          /* stretches of holding in it while somebody waited */
    int64_t total_hold_ns;   /* of all stretches, waited for or not */
    int64_t waited_hold_ns;  /* of those that somebody waited for */
    int64_t longest_hold_ns; /* the longest of these */
    uint64_t kept;           /* of these, how many ignored a request for the GIL … */
    int64_t kept_ns;         /* … for how long in all, counted from the request */
    int64_t kept_hold_ns;    /* lengths of the stretches that did */
    int64_t asked_hold_ns;   /* … of all in which such a request was due, ignored or not */
    int64_t longest_kept_ns; /* the longest of them */
    uint64_t kept_in_loops;  /* of `kept`: made of many short calls of other C functions */
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
    int64_t interval_ns;    /* switch interval: seen, or the default */
    bool interval_seen;
    struct gt_load load;
};

/* One GIL's. Time grows with its spans, its holders' calls, and, at each change, with the
 * threads that wait. 0 or negative. */
int gt_blockers_init(struct gt_blockers *blockers, const struct gt_timeline *timeline,
                     uint32_t gil, struct gt_error *err);
void gt_blockers_release(struct gt_blockers *blockers);

/* Does it, as a rule, not give the GIL up when asked? A thread that was pushed off its CPU does
 * not either, but that happens to few of a function's calls. */
bool gt_blocker_keeps(const struct gt_blocker *blocker);

/* Did it release and take the GIL so often that getting it back cost more than what it did
 * without it? */
bool gt_blocker_is_requeuer(const struct gt_blocker *blocker);

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

#endif
