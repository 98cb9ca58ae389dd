/* SPDX-License-Identifier: MIT */
/* Private to report/: the blocks that gt_report_print prints below the threads' table. Each
 * function appends one, or nothing where it has nothing to tell. 0 or -1 (no memory). */
#ifndef GT_REPORT_BLOCKS_H
#define GT_REPORT_BLOCKS_H

#include "report/internal.h"

typedef int gt_block(const struct gt_report *report, struct gt_buf *text);

/* blocker_text.c: which functions were waited for. */
gt_block gt_blocker_text_print;
/* whatif.c: the estimates. */
gt_block gt_whatif_print;
/* counters.c: a table per counter. */
gt_block gt_counters_print;

#endif
