/* SPDX-License-Identifier: MIT */
/*
 * The one walk over a recording that every output hangs on. A writer is a table of hooks: the
 * walk calls them for what it comes by; a hook that is NULL is for something that the writer
 * has no use for.
 *
 *     static const struct gt_hooks hooks = {
 *         .order = {GT_PART_PROCESSES, GT_PART_SPANS}, .process = put_process, .span =
 * put_span};
 *
 *     gt_walk(report, &hooks, &writer, err);
 *
 * The order of an output is its format's. A trace names processes and threads before the tracks
 * that are theirs; a profile gives stacks, then the functions and threads that these name; the
 * page has all names, and how many rows each table has, before the first row. So the walk knows
 * what there is, and each table says in which order it wants that: the walk goes from part to
 * part as `order` does. A writer that needs something twice walks twice, with two tables.
 * Within a part the order is the same for everybody: GILs, threads and counters by index, and
 * what lies on a track in the order of the timeline (holds by their starts, waits by their
 * ends).
 *
 * To add a track: give it a part, a kind of track and a hook here, and a function in walk.c
 * that finds what lies on it; then add the part to the order of each writer that shows it, with
 * the hook that writes one item.
 *
 * Hooks return 0, or a negative gt_err, which ends the walk and is what gt_walk returns.
 */
#ifndef GT_REPORT_WALK_H
#define GT_REPORT_WALK_H

#include "analysis/profile.h"
#include "base/buf.h"
#include "base/error.h"
#include "model/timeline.h"
#include "report/report.h"

enum gt_part {
    GT_PART_END, /* of an order */

    GT_PART_SUMMARY,   /* summary */
    GT_PART_PROCESSES, /* process */
    GT_PART_THREADS,   /* thread */
    GT_PART_GILS,      /* gil */
    GT_PART_FUNCTIONS, /* function */
    GT_PART_COUNTERS,  /* counter */
    GT_PART_LOCKS,     /* lock */
    GT_PART_LOST,      /* lost: what everybody lost */
    GT_PART_HOLES,     /* hole: where the GIL of one process is not known */
    GT_PART_STACKS,    /* stack: by which holding and waiting are summed up */

    /* Tracks: `track`, then the items, then `track_end`. */
    GT_PART_SPANS,  /* span: of each GIL its holds, then its waits, even if there are none, then
                       what is not known, if there is such */
    GT_PART_STATES, /* state: of each thread that has some, where they are shown */
    GT_PART_BLOCKED,    /* blocked: of each thread that waited for locks, or was stopped */
    GT_PART_LOCK_HOLDS, /* span: of all locks together, one lock after the other */
    GT_PART_STOPS,      /* stop: of all threads together */
    GT_PART_CALLS,      /* call: of each thread that has some */
    GT_PART_SAMPLES,    /* sample: of each counter */
    GT_PART_MARKS,      /* mark: of all threads together */

    GT_PARTS
};

enum gt_track_kind {
    GT_TRACK_HOLDS,
    GT_TRACK_WAITS,
    GT_TRACK_UNKNOWNS,
    GT_TRACK_STATES,
    GT_TRACK_BLOCKED,
    GT_TRACK_LOCK_HOLDS,
    GT_TRACK_STOPS,
    GT_TRACK_CALLS,
    GT_TRACK_SAMPLES,
    GT_TRACK_MARKS,
    GT_TRACKS
};

struct gt_track {
    enum gt_track_kind kind;
    uint32_t index; /* of the GIL, thread or counter whose it is; 0 where it is of all */
    size_t count;   /* of items on it */
};

/* `index` is the place in the timeline's list. */
typedef int gt_index_hook(void *context, uint32_t index);

/* `item` is one of those on the track. */
typedef int gt_item_hook(void *context, const void *item);

struct gt_hooks {
    enum gt_part order[GT_PARTS]; /* each part at most once; GT_PART_END, or the array's end */
    int (*begin)(void *context);
    int (*part)(void *context, enum gt_part part); /* before each part, even an empty one */
    gt_emit *summary;                              /* gt_report_summary_to's, piece by piece */
    gt_index_hook *process;
    gt_index_hook *thread;
    gt_index_hook *gil;
    gt_index_hook *function;
    gt_index_hook *counter;
    gt_index_hook *lock;
    gt_index_hook *lost;
    gt_index_hook *hole;
    int (*stack)(void *context, const struct gt_profile *profile, uint32_t node);
    int (*track)(void *context, const struct gt_track *track);
    gt_item_hook *span;    /* struct gt_span */
    gt_item_hook *state;   /* struct gt_state_span */
    gt_item_hook *blocked; /* struct gt_blocked_span */
    gt_item_hook *stop;    /* struct gt_world_stop */
    gt_item_hook *call;    /* struct gt_call_span */
    gt_item_hook *sample;  /* struct gt_counter_sample */
    gt_item_hook *mark;    /* struct gt_mark */
    int (*track_end)(void *context);
    int (*end)(void *context); /* not after a failure */
};

/* `err` is told what the walk itself fails by (memory). What a hook fails by it tells through
 * `context`. */
int gt_walk(const struct gt_report *report, const struct gt_hooks *hooks, void *context,
            struct gt_error *err);

#endif
