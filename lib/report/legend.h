/* SPDX-License-Identifier: MIT */
/* Private to report/: words of the page that depend on what was recorded. */
#ifndef GT_REPORT_LEGEND_H
#define GT_REPORT_LEGEND_H

#include "base/buf.h"

#include <stdbool.h>

struct gt_report; /* report/report.h */

/* Append members of a JSON object, each with a comma: "tabs", "columns", "legend" and "guide"
 * of SCHEMA.md. `flames`: there are graphs of recorded stacks. 0 or -1 (no memory). */
int gt_legend_json(const struct gt_report *report, bool flames, struct gt_buf *json);

#endif
