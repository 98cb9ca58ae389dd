/* SPDX-License-Identifier: MIT */
/* Private to report/: what the page tells of a run in words. */
#ifndef GT_REPORT_FACTS_H
#define GT_REPORT_FACTS_H

#include "base/buf.h"

struct gt_report; /* report/report.h */

/* Append members of a JSON object, each with a comma: "command", "facts", "cost", "defects",
 * "states" and "meanings" of SCHEMA.md. 0 or -1 (no memory). */
int gt_facts_json(const struct gt_report *report, struct gt_buf *json);

#endif
