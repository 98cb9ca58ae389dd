/* SPDX-License-Identifier: MIT */
/*
 * The verdict on each GIL: is its program bound by it, whom was waited for most, and which
 * functions must be told of. And where nobody waited for any GIL: does that say anything?
 *
 * What was lost may have been full of waiting, or free of it. So a verdict is withheld where
 * the lost part could turn it round, and says what it is a verdict on where it could not.
 */
#ifndef GT_ANALYSIS_VERDICT_H
#define GT_ANALYSIS_VERDICT_H

#include "analysis/blockers.h"
#include "analysis/contention.h"
#include "base/error.h"
#include "model/recorded.h"

enum gt_bound {
    GT_BOUND_NOT,
    GT_BOUND_PARTLY,
    GT_BOUND_FULLY,
    GT_BOUND_LOST,       /* not known: most of the run was lost */
    GT_BOUND_UNSURE,     /* not known: after losses, too long of some threads */
    GT_BOUND_NO_RETURNS, /* not known: returns of take_gil are missing */
};

/* What the shares of a GIL's verdict are shares of. */
enum gt_shares_of {
    GT_SHARES_OF_RUN,     /* the run: the GIL lived almost as long */
    GT_SHARES_OF_PROGRAM, /* the life of the program whose GIL it is */
    GT_SHARES_OF_KNOWN,   /* what is known of that */
    GT_SHARES_OF_READ,    /* what was read of a recording that was cut */
    GT_SHARES_OF_PART,    /* the part of the run that was to be recorded */
};

/* How the switch interval, where it is not the default, changes how long requests wait. */
enum gt_interval_effect {
    GT_INTERVAL_USUAL,
    GT_INTERVAL_LONGER,  /* each request waits longer */
    GT_INTERVAL_ANOTHER, /* shorter, or it changed meanwhile */
};

enum { GT_VERDICT_ROWS = 3 }; /* rows of blockers that are told of, at most */

/* On one GIL that was waited for, and is more than momentary (model/gil_switch.h). */
struct gt_verdict {
    uint32_t gil;
    enum gt_bound bound;
    enum gt_shares_of of;
    enum gt_interval_effect interval;
    int64_t wait_ns;      /* waiting of all its threads */
    int64_t lives_ns;     /* lives of its threads, as far as they are known */
    int64_t contended_ns; /* time in which at least one of them waited, as far as known */
    bool hardly_waited; /* so little that it does not matter for whom: nothing below is found */
    uint32_t holder;   /* member that all together waited for longest; GT_NO_INDEX: not known */
    int64_t holder_ns; /* how long they waited for it */
    uint32_t holders;  /* 1, or all threads of its kind (thread_kinds.h), of which this one is
                          the first: no single one was waited for a third as long as all */
    struct gt_blame pair; /* who waited for whom for longest; ns 0: for nobody in particular */
    uint32_t top_row;     /* row of blockers that was waited for most; GT_NO_INDEX: its function
                             is not known */
    uint32_t rows[GT_VERDICT_ROWS]; /* rows that kept the GIL, or queued for it again and again,
                                       for a part of the waiting that matters */
    uint32_t row_count;
};

/* What it means that nobody was seen to wait. */
enum gt_no_waits {
    GT_NO_WAITS_AT_ALL,     /* nobody did: the program is not GIL-bound */
    GT_NO_WAITS_LOST,       /* most of the run was lost */
    GT_NO_WAITS_NO_RETURNS, /* returns of take_gil are missing */
    GT_NO_WAITS_NOT_WHOLE,  /* not all is known, nor is it known how much is not */
    GT_NO_WAITS_PARTLY,     /* a part is not known */
    GT_NO_WAITS_UNSEEN,     /* there are programs whose GIL was not seen */
    GT_NO_WAITS_IN_PART,    /* only a part of the run was to be recorded */
};

struct gt_verdicts {
    struct gt_verdict *list; /* by waiting, the longest first */
    size_t count;
    enum gt_no_waits no_waits; /* where `count` is 0, and there are GILs */
    int64_t life_ns;           /* of all GILs; */
    int64_t unknown_ns;        /* of that, what is not known */
};

/* `contentions` and `blockers` by GIL; `wall_ns` is the length of the run. 0 or negative;
 * release it in either case. */
int gt_verdicts_init(struct gt_verdicts *verdicts, const struct gt_recorded *recorded,
                     const struct gt_contention *contentions,
                     const struct gt_blockers *blockers, int64_t wall_ns, struct gt_error *err);
void gt_verdicts_release(struct gt_verdicts *verdicts);

#endif
