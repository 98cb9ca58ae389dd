/*
 * The flame graphs of a page: one per state that stacks were recorded for, threads apart (the
 * page can join them), with one list of names. What they show is analysis/flame.h's, so the
 * page and offgil cannot differ.
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

/* None where the report shows no states. 0 or negative; either way _release is right. */
int gt_flames_init(struct gt_flames *flames, const struct gt_report *report,
                   struct gt_error *err);
void gt_flames_release(struct gt_flames *flames);

/* Append `"flames":[…],"frames":[…]` (SCHEMA.md, "Names"). 0 or -1. */
int gt_flames_json(const struct gt_flames *flames, struct gt_buf *json);

/* Write the tables "flame". */
int gt_flames_write(struct gt_flames *flames, struct gt_pack *pack, struct gt_error *err);

#endif
