/* SPDX-License-Identifier: MIT */
/*
 * Private to report/: which processes and threads are printed. A terminal is read from its end:
 * of what does not fit, those that waited longest are shown, threads of one kind in one row
 * (analysis/thread_kinds.h), and what is left out is told. --all-threads shows all.
 */
#ifndef GT_REPORT_SHOWN_H
#define GT_REPORT_SHOWN_H

#include "analysis/thread_kinds.h"
#include "report/internal.h"

enum {
    GT_SHOWN_ROWS = 20,     /* of threads */
    GT_SHOWN_PROCESSES = 8, /* of processes */
    GT_SHOWN_GILS = 3,      /* that matter: so many, and no more, are told of one by one */
};

/* A row of the threads' table: one thread, or all of one kind. */
struct gt_shown_row {
    const uint32_t *members; /* of its GIL, in their order */
    size_t count;
    struct gt_gil_thread sums; /* `thread` is the first one's */
    uint32_t kind;             /* GT_NO_INDEX: a thread for itself */
};

/* The rows of one GIL. */
struct gt_shown {
    struct gt_shown_row *rows;
    size_t count;
    size_t left;          /* threads that have no row */
    int64_t left_wait_ns; /* how long they waited */
    struct gt_thread_kinds kinds;
    bool grouped;    /* threads of one kind have one row, and are blamed as one */
    uint32_t *order; /* private: members */
};

/* GILs by waiting, the longest first, then in their order. NULL: no memory; free() it. */
uint32_t *gt_shown_gils(const struct gt_timeline *timeline);

/* How many of them, from the first on, matter for their waiting. */
size_t gt_shown_waited_for(const struct gt_timeline *timeline, const uint32_t *gils);

/* Are all threads printed, each for itself: because that was asked for, or they are few? */
bool gt_shown_all(const struct gt_report *report);

/* Choose at most `most` rows of a GIL; all threads, each for itself, where gt_shown_all. 0 or
 * -1 (no memory); release it in either case. */
int gt_shown_init(struct gt_shown *shown, const struct gt_report *report, uint32_t gil,
                  size_t most);
void gt_shown_release(struct gt_shown *shown);

/* A line that tells of the rows of threads that are left out, if any are. 0 or -1 (no memory).
 */
int gt_shown_put_left(size_t rows, size_t most, struct gt_buf *text);
/* The same of rows that no option shows, but that the report has. */
int gt_shown_put_more(size_t rows, size_t most, struct gt_buf *text);

#endif
