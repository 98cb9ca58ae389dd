/* SPDX-License-Identifier: MIT */
/*
 * The figures by which runs are compared: of the whole run, of each thread (by its name), and
 * of each blocker. The figures of several runs of one program are kept side by side: each
 * figure then has a median and a spread. In the summary they are the key "metrics", which
 * --baseline reads again.
 */
#ifndef GT_REPORT_METRICS_H
#define GT_REPORT_METRICS_H

#include "base/buf.h"
#include "base/chunks.h"
#include "base/error.h"
#include "base/intern.h"
#include "report/report.h"

#include <stdbool.h>
#include <stdint.h>

struct gt_metrics {
    struct gt_intern names; /* "wait", "thread worker-1: wait", "blocker sorted: waiting" */
    struct gt_chunks list;  /* of struct gt_metric, by name's id - 1 */
    uint32_t runs;
};

enum { GT_METRIC_RUNS_MAX = 100 };

struct gt_metric {
    double *values; /* one per run that had it; owned */
    uint32_t count;
    bool share;  /* of the threads' lives, else nanoseconds */
    bool thread; /* of one thread */
};

void gt_metrics_init(struct gt_metrics *metrics);
void gt_metrics_release(struct gt_metrics *metrics);

/* Take the figures of a finished report as one more run. 0 or negative. */
int gt_metrics_add(struct gt_metrics *metrics, const struct gt_report *report,
                   struct gt_error *err);

/* Take one figure as a summary tells it: its least, median and greatest value over `runs`,
 * which is the caller's to set. 0 or -1 (no memory). */
int gt_metrics_put_range(struct gt_metrics *metrics, const char *name, size_t length,
                         const double range[3], bool share, bool thread);

/* Append median and spread of each figure, for --repeat. 0 or -1. */
int gt_metrics_print(const struct gt_metrics *metrics, struct gt_buf *text);

/* Append what changed from `before` (whose names may grow) to `after`, and whether that is more
 * than noise. Fails when no thread is in both. */
int gt_metrics_compare(struct gt_metrics *before, const struct gt_metrics *after,
                       struct gt_buf *text, struct gt_error *err);

#endif
