/* SPDX-License-Identifier: MIT */
/* Private to report/: the blocks that gt_report_print prints around the threads' table. Each
 * function appends one, or nothing where it has nothing to tell. 0 or -1 (no memory). */
#ifndef GT_REPORT_BLOCKS_H
#define GT_REPORT_BLOCKS_H

#include "report/internal.h"

typedef int gt_block(const struct gt_report *report, const struct gt_print_options *how,
                     struct gt_buf *text);

/* processes.c: a row per process. */
gt_block gt_processes_print;
/* blocker_text.c: which functions were waited for. */
gt_block gt_blocker_text_print;
/* locks.c: what was waited for locks, where that is more than for GILs. */
gt_block gt_locks_print;
/* whatif.c: the estimates. */
gt_block gt_whatif_print;
/* without_gil.c: the threads of processes without a GIL. */
gt_block gt_without_gil_print;
/* stops.c: what stopped all threads. */
gt_block gt_stops_print;
/* counters.c: a table per counter. */
gt_block gt_counters_print;

/* printed.c: sentences, a paragraph each. 0 or -1 (no memory). */
int gt_sentences_print(const struct gt_strvec *sentences, const struct gt_print_options *how,
                       struct gt_buf *text);

#endif
