/* SPDX-License-Identifier: MIT */
/* Private to blockers.c, blockers_stretch.c and blockers_request.c: the walk along the holds of
 * one GIL. */
#ifndef GT_ANALYSIS_BLOCKERS_WALK_H
#define GT_ANALYSIS_BLOCKERS_WALK_H

#include "analysis/blockers.h"
#include "analysis/charges.h"
#include "analysis/cpu.h"
#include "analysis/members.h"
#include "analysis/sweep.h"

/* What is remembered of a member from one hold to the next. */
struct gt_past {
    struct gt_attribution attribution;
    struct gt_cpu cpu;
    size_t sched_at;                    /* first state that did not end yet */
    int64_t released_ns;                /* end of its last hold; -1: none */
    uint32_t row, call;                 /* what it did then; GT_NO_INDEX */
    int64_t wait_start_ns, wait_end_ns; /* its last wait that ended by getting it */
    const struct gt_span *wait;         /* that goes on; NULL: none */
};

/* A stretch of one hold in which one call answers. */
struct gt_stretch {
    int64_t start_ns;
    uint32_t row, call;
    uint64_t inner_calls; /* of the attribution, when it began */
    bool waited_for;
};

/* Runs of the garbage collector: how long, and what was done in them after a request. */
struct gt_gc_runs {
    int64_t ns;
    struct gt_after after;
};

/* What the garbage collector did within a stretch. It runs in the midst of an operation: that
 * goes on afterwards, while Python code would have looked for requests. */
struct gt_gc_within {
    struct gt_stretch of;     /* while the collector runs: the stretch that it is in, … */
    int64_t paused_ns;        /* which was left then; row GT_NO_INDEX: it is in none */
    struct gt_gc_runs now;    /* of its runs since then */
    struct gt_gc_runs before; /* that the stretch went on after */
    bool runs;                /* gt_blockers_walk.stretch is a run of it */
};

/* How much was waited for a Python function while this one had called it. */
struct gt_caller_sum {
    uint32_t row, caller;
    int64_t waiting_ns;
};

enum { GT_RECENT = 64 };

struct gt_blockers_walk {
    struct gt_blockers *out;
    const struct gt_timeline *timeline;
    const struct gt_gil *gil;
    struct gt_sweep sweep;
    struct gt_asked asked;
    bool asked_is_recorded;
    struct gt_past *pasts; /* by member */
    struct gt_members members;
    struct gt_charges charges; /* keys: gaps, then rows */
    struct gt_hashmap row_of, cell_of, caller_of;
    struct gt_chunks
        callers; /* of struct gt_caller_sum: by row of a Python function, and caller */
    struct known {
        struct gt_doing doing;
        uint32_t thread, row; /* GT_NO_INDEX: none */
        uint32_t caller;      /* in `callers`; GT_HASHMAP_NONE: not looked up yet */
    } known[GT_RECENT];       /* cache of row_of */
    struct {
        uint64_t key;
        uint32_t cell;
    } recent[GT_RECENT]; /* cache of cell_of */
    struct gt_stretch stretch;
    struct gt_gc_within gc;
    struct gt_after after; /* what the stretch that was judged last did after a request */
    /* The hold, or the gap before `next`, that is being walked. */
    const struct gt_span *hold, *next;
    uint32_t member;       /* the holder's */
    int64_t first_wait_ns; /* in the hold; INT64_MAX: nobody waited yet */
    int64_t waiting_ns;    /* in it, of all */
    size_t oldest,
        latest;       /* cursors: the first wait that goes on, and that began in the hold */
    int64_t asked_ns; /* somebody asked for it first; INT64_MAX: nobody did */
    bool unknown;     /* the gap */
    const struct gt_chunks *lost; /* of the GIL's process: struct gt_lost_range */
    size_t lost_at;
};

/* The stretch ends at `end_ns`. Did it go on although a waiter had asked for the GIL? Then it
 * does not give it up. `gc`: what of it was the collector's. If it was asked, walk->after
 * becomes what it did from then on. 0, or -1 without memory. */
int gt_request_judge(struct gt_blockers_walk *walk, const struct gt_stretch *stretch,
                     const struct gt_gc_runs *gc, int64_t end_ns);

/* Private: this row's doing answers from `time_ns` on. */
static inline void gt_stretch_set(struct gt_blockers_walk *walk, uint32_t row,
                                  const struct gt_doing *doing, int64_t time_ns)
{
    walk->stretch = (struct gt_stretch){
        .start_ns = time_ns,
        .row = row,
        .call = doing->call,
        .inner_calls = walk->pasts[walk->member].attribution.inner_calls,
    };
}

/* Private: a stretch ends, or the collector begins. */
int gt_stretch_change(struct gt_blockers_walk *walk, uint32_t row, const struct gt_doing *doing,
                      int64_t time_ns);

/* From `time_ns` on this row's doing answers. 0, or -1 without memory. Inline, since most holds
 * are one stretch. */
static inline int gt_stretch_begin(struct gt_blockers_walk *walk, uint32_t row,
                                   const struct gt_doing *doing, int64_t time_ns)
{
    const struct gt_stretch *stretch = &walk->stretch;

    if (stretch->row == row && stretch->call == doing->call)
        return 0;
    if (stretch->row != GT_NO_INDEX || doing->kind == GT_DOING_GC)
        return gt_stretch_change(walk, row, doing, time_ns);
    gt_stretch_set(walk, row, doing, time_ns);
    return 0;
}

/* The hold ends. 0, or -1 without memory. */
int gt_stretch_end(struct gt_blockers_walk *walk, int64_t time_ns);

#endif
