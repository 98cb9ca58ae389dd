/* SPDX-License-Identifier: MIT */
/*
 * Threads of one GIL that are many of one kind: a server's request threads, a pool's workers.
 * Two threads are of one kind where their names differ in their last number only, not counting
 * what stands in brackets behind: "Thread-7 (handle)" and "Thread-123 (handle)" are
 * "Thread-* (handle)", "ThreadPoolExecutor-0_7" is "ThreadPoolExecutor-0_*". Threads of one
 * name are of one kind, too. The main thread is of a kind of its own.
 */
#ifndef GT_ANALYSIS_THREAD_KINDS_H
#define GT_ANALYSIS_THREAD_KINDS_H

#include "analysis/contention.h"
#include "base/error.h"
#include "base/intern.h"
#include "model/timeline.h"

enum { GT_KIND_GROUP = 3 }; /* so many threads of one kind are a group */

/* The times are sums over its threads, as in struct gt_gil_thread. */
struct gt_thread_kind {
    uint32_t first; /* its threads: gt_thread_kinds.members[first … first + count) */
    uint32_t count; /* 0 only of the kind that nobody has */
    uint64_t holds, waits;
    int64_t hold_ns, wait_ns, unknown_ns, lifetime_ns;
    int64_t longest_wait_ns, longest_hold_ns;
};

/* How long threads waited while those of one kind held. */
struct gt_kind_blame {
    uint32_t kind; /* GT_NO_INDEX: nobody held; GT_OTHERS */
    int64_t ns;
};

struct gt_thread_kinds {
    struct gt_thread_kind *list; /* in the order of first use of the GIL */
    size_t count;
    uint32_t *kind_of; /* of each member of the GIL */
    uint32_t *members; /* members by kind, in their order */
    struct gt_intern names;
    int64_t *sums;     /* private: by kind, zero between calls; then those of others, nobody */
    uint32_t *touched; /* private */
    double *shares;    /* private */
};

/* Of a thread's name to its kind's: the last number outside of brackets at the end becomes `*`.
 * In place, NUL-terminated as before; returns the length. */
size_t gt_thread_kind_of_name(char *name, size_t length);

/* What threads of this one's kind are called, in any process: "ThreadPoolExecutor-0_*". Written
 * to `text`; returns the length. The main thread is "main", whatever its name is. */
size_t gt_thread_group_name(const struct gt_timeline *timeline, uint32_t thread, char *text,
                            size_t size);

/* 0 or negative (no memory); release it in either case. */
int gt_thread_kinds_init(struct gt_thread_kinds *kinds, const struct gt_timeline *timeline,
                         const struct gt_gil *gil, struct gt_error *err);
void gt_thread_kinds_release(struct gt_thread_kinds *kinds);

/* "Thread-* (handle)": any bytes, as names are. Of a kind that one thread has, it may be that
 * thread's name with a `*` for its number. */
static inline const char *gt_thread_kind_name(const struct gt_thread_kinds *kinds,
                                              uint32_t kind)
{
    return gt_intern_text(&kinds->names, kind);
}

/* How the threads of a kind differ: which part of its known life each waited, in percent. */
struct gt_kind_spread {
    double least, median, greatest;
};
struct gt_kind_spread gt_thread_kind_spread(const struct gt_thread_kinds *kinds,
                                            const struct gt_gil *gil, uint32_t kind);

/* Whom `count` members waited for, by kind: appended to `blames`, of struct gt_kind_blame, the
 * longest first, then that of all others, then nobody's. 0 or -1 (no memory). */
int gt_thread_kinds_blame(const struct gt_thread_kinds *kinds,
                          const struct gt_contention *contention, const uint32_t *members,
                          size_t count, struct gt_chunks *blames);

#endif
