/* SPDX-License-Identifier: MIT */
/*
 * Private to report/: the flame graphs of a page. There is one per state that stacks were
 * recorded for, where native stacks were sampled one of these, of threads that ran, with each
 * sample's time, and one per counter whose events have stacks, likewise; threads are kept apart
 * (the page can join them); all share one list of names. They are those of analysis/flame.h,
 * which offgil writes, too.
 */
#ifndef GT_REPORT_FLAMES_H
#define GT_REPORT_FLAMES_H

#include "analysis/flame.h"
#include "model/limits.h"
#include "report/internal.h"
#include "report/pack.h"

/* By state, then by counter. */
enum { GT_FLAMES_MAX = GT_SCHED_STATES + GT_COUNTERS_MAX };

struct gt_flames {
    const struct gt_report *report;
    struct gt_flame graphs[GT_FLAMES_MAX];
    bool present[GT_FLAMES_MAX]; /* which of them there are */
    struct gt_intern names;      /* of the frames of all */
};

/* Makes none of states where the report shows none. Keeps `report`. 0 or negative; release it
 * after a failure, too. */
int gt_flames_init(struct gt_flames *flames, const struct gt_report *report,
                   struct gt_error *err);
void gt_flames_release(struct gt_flames *flames);

bool gt_flames_any(const struct gt_flames *flames);

/* Append `"flames":[…],"frames":[…]` (SCHEMA.md, "Names"). 0 or -1. */
int gt_flames_json(const struct gt_flames *flames, struct gt_buf *json);

/* Write the tables "flame" and "samples" (SCHEMA.md). 0 or negative. */
int gt_flames_write(struct gt_flames *flames, struct gt_pack *pack, struct gt_error *err);

#endif
