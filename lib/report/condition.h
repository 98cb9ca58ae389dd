/* SPDX-License-Identifier: MIT */
/* What --fail-if and --when say of a report. What is breached is decided in analysis/condition.
 */
#ifndef GT_REPORT_CONDITION_H
#define GT_REPORT_CONDITION_H

#include "analysis/condition.h"
#include "base/buf.h"
#include "report/report.h"

/* Judge the finished report: an enum gt_check_result, or a negative gt_err. Unless it passed,
 * `text` gets a line: "wait > 20%: it is 54.0%", or why it cannot be judged; `source` is the
 * condition as it was written. A thread's GLOB matches its label; a blocker's, or a lock's,
 * matches "name", and "module.name" with as much of the module's path as the GLOB has dots. */
int gt_report_check(const struct gt_report *report, const struct gt_condition *condition,
                    const char *source, struct gt_buf *text);

#endif
