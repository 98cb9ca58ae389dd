/* SPDX-License-Identifier: MIT */
/*
 * While anybody wanted a GIL. Percentages of a whole life hide what was waited in a small part
 * of it; so beside them stands which part of the time a thread waited, and held the GIL, in
 * which anybody wanted it.
 *
 * A GIL is contended while one of its threads waits for it at least: the union of all waits.
 * For a thread, what counts is the part of that within its own life in which it is known what
 * the thread did. All its waiting lies within.
 */
#ifndef GT_ANALYSIS_CONTENDED_H
#define GT_ANALYSIS_CONTENDED_H

#include "analysis/blockers.h"
#include "analysis/covers.h"

struct gt_contended_member {
    int64_t ns;      /* of its known life, how long anybody waited for the GIL */
    int64_t hold_ns; /* of that, how long it had the GIL */
};

struct gt_contended {
    int64_t ns;                          /* how long anybody waited for the GIL */
    struct gt_contended_member *members; /* by member; NULL: nobody waited */
};

/* `blockers` are of that GIL, `covers` of the waits for it, sorted. 0 or -1 (no memory);
 * release it in either case. */
int gt_contended_init(struct gt_contended *contended, const struct gt_timeline *timeline,
                      const struct gt_gil *gil, const struct gt_blockers *blockers,
                      const struct gt_covers *covers);
void gt_contended_release(struct gt_contended *contended);

static inline struct gt_contended_member gt_contended_of(const struct gt_contended *contended,
                                                         uint32_t member)
{
    return contended->members ? contended->members[member] : (struct gt_contended_member){0};
}

#endif
