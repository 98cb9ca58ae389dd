/* SPDX-License-Identifier: MIT */
/*
 * What threads waited for locks (model/locks.h). Locks for which threads wait in the same
 * function are one row. Every nanosecond of a row's waiting is charged to what the thread did
 * that had the lock, or to the hand-over (given, and its taker being woken), or is unknown: the
 * three add up to its wait_ns exactly.
 */
#ifndef GT_ANALYSIS_LOCK_WAITS_H
#define GT_ANALYSIS_LOCK_WAITS_H

#include "analysis/attribution.h"
#include "analysis/blockers.h"
#include "model/locks.h"

/* What a thread did that had the lock. */
struct gt_lock_holder {
    struct gt_blocker blocker; /* its place: doing, thread. waiting_ns: charged to it; count and
                                  longest_hold_ns of its holds; the rest means nothing */
};

/* How long `waiter` waited for `holder`; both are threads. */
struct gt_lock_pair {
    uint32_t waiter, holder;
    int64_t ns;
};

struct gt_lock_row {
    uint32_t process;
    enum gt_lock_kind kind;
    uint32_t type;     /* of the objects whose locks they are, as in struct gt_lock */
    uint32_t function; /* in which threads wait for it: an index, GT_NO_INDEX: not known */
    bool of_imports;   /* the import system's, of any kind: another thread imports the module */
    uint64_t locks;    /* how many */
    uint64_t waits, gave_up;
    int64_t wait_ns, longest_ns;
    uint32_t longest_thread;
    int64_t charged_ns, handover_ns, unknown_ns;
    int64_t contended_ns; /* somebody waited for the one that was waited for most, so long */
    uint64_t with_gil;    /* as in struct gt_lock */
    int64_t with_gil_ns;
    uint32_t deadlock[2];     /* a thread that waited until the end, and had the GIL, and the
                                 one that had the lock and waited for the GIL; GT_NO_INDEX */
    struct gt_chunks holders; /* of struct gt_lock_holder, the most first */
    struct gt_chunks pairs;   /* of struct gt_lock_pair, likewise */
    struct gt_chunks waiters; /* of struct gt_lock_pair, likewise: holder GT_NO_INDEX */
};

struct gt_locks_found {
    struct gt_chunks rows; /* of struct gt_lock_row; that with the most waiting first */
    int64_t wait_ns;       /* of all */
    int64_t gil_wait_ns;   /* for all GILs that are more than momentary */
    bool matter;           /* they were waited for longer than GILs, and not for a moment */
};

int gt_locks_find(struct gt_locks_found *found, const struct gt_timeline *timeline,
                  int64_t wall_ns, struct gt_error *err);
void gt_locks_found_release(struct gt_locks_found *found);

static inline const struct gt_lock_row *gt_lock_row_at(const struct gt_locks_found *found,
                                                       size_t index)
{
    return gt_chunks_at(&found->rows, index);
}

#endif
