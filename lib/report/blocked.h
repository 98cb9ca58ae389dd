/* SPDX-License-Identifier: MIT */
/* Private to report/: waits for locks, and stops, one by one (analysis/blocked.h), as records
 * of the trace. */
#ifndef GT_REPORT_BLOCKED_H
#define GT_REPORT_BLOCKED_H

#include "analysis/blocked.h"
#include "base/buf.h"

struct gt_report; /* report/report.h */

/* "semaphore", "mutex", "native": as the summary calls them. */
const char *gt_lock_kind_name(enum gt_lock_kind kind);

/* Append what a record of the trace says of a span, but for its track and times: an object that
 * is not closed yet. 0 or -1 (no memory). */
int gt_blocked_record(const struct gt_report *report, const struct gt_blocked_span *span,
                      struct gt_buf *text);

#endif
