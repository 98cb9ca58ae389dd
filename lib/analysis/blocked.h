/* SPDX-License-Identifier: MIT */
/*
 * What kept each thread from going on beside the GIL, in the order of time: its waits for locks
 * (model/locks.h), and pauses in which one thread stopped others (model/stops.h). The spans of
 * one thread do not overlap: where a recording tells that they do, the later one begins where
 * the earlier one ends.
 */
#ifndef GT_ANALYSIS_BLOCKED_H
#define GT_ANALYSIS_BLOCKED_H

#include "base/error.h"
#include "model/locks.h"

enum gt_blocked_kind {
    GT_BLOCKED_LOCK,    /* waited for a lock */
    GT_BLOCKED_STOPPED, /* was stopped by another thread */
    GT_BLOCKED_STOPS,   /* stopped the others: it asked for the pause, and let them go on */
    GT_BLOCKED_KINDS
};

/* 40 bytes. */
struct gt_blocked_span {
    int64_t start_ns;
    int64_t end_ns;
    uint32_t what; /* the lock, or the pause: an index in the timeline's list */
    uint32_t hold; /* of a lock: the hold, an index in its list, that lasted for the most of the
                      wait; GT_NO_INDEX: it is not known who had it */
    uint32_t by;   /* the thread of that hold, or that asked for the pause; GT_NO_INDEX */
    uint16_t kind; /* enum gt_blocked_kind */
    uint16_t flags; /* enum gt_span_flags */
};

struct gt_blocked {
    struct gt_chunks threads; /* of struct gt_chunks of struct gt_blocked_span, by thread; may
                                 be shorter than threads */
};

/* 0 or negative; release it in either case. */
int gt_blocked_find(struct gt_blocked *blocked, const struct gt_timeline *timeline,
                    struct gt_error *err);
void gt_blocked_release(struct gt_blocked *blocked);

/* The spans of a thread; NULL: it was never blocked. */
static inline const struct gt_chunks *gt_blocked_of(const struct gt_blocked *blocked,
                                                    uint32_t thread)
{
    return thread < blocked->threads.count ? gt_chunks_at(&blocked->threads, thread) : NULL;
}

static inline const struct gt_blocked_span *gt_blocked_at(const struct gt_chunks *spans,
                                                          size_t index)
{
    return gt_chunks_at(spans, index);
}

#endif
