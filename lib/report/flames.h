/* SPDX-License-Identifier: MIT */
/*
 * Private to report/: the flame graphs of a page. There is one per state that stacks were
 * recorded for; threads are kept apart (the page can join them); all share one list of names.
 * They are those of analysis/flame.h, which offgil writes, too.
 */
#ifndef GT_REPORT_FLAMES_H
#define GT_REPORT_FLAMES_H

#include "analysis/flame.h"
#include "report/internal.h"
#include "report/pack.h"

struct gt_flames {
    struct gt_flame graphs[GT_SCHED_STATES];
    bool present[GT_SCHED_STATES]; /* which of them there are */
    struct gt_intern names;        /* of the frames of all */
};

/* Makes none where the report shows no states. 0 or negative; release it after a failure, too.
 */
int gt_flames_init(struct gt_flames *flames, const struct gt_report *report,
                   struct gt_error *err);
void gt_flames_release(struct gt_flames *flames);

/* Append `"flames":[…],"frames":[…]` (SCHEMA.md, "Names"). 0 or -1. */
int gt_flames_json(const struct gt_flames *flames, struct gt_buf *json);

/* Write the tables "flame" (SCHEMA.md). 0 or negative. */
int gt_flames_write(struct gt_flames *flames, struct gt_pack *pack, struct gt_error *err);

#endif
