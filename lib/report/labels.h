/* SPDX-License-Identifier: MIT */
/*
 * Private to report/: what threads, functions and GILs are called. All append text that is
 * valid UTF-8 and safe for a terminal, and return 0 or -1 (no memory).
 */
#ifndef GT_REPORT_LABELS_H
#define GT_REPORT_LABELS_H

#include "base/buf.h"

#include <stdint.h>

struct gt_report; /* report/report.h */

/* A thread's name, without anything that would differ from run to run. */
int gt_report_name(const struct gt_report *report, uint32_t thread, struct gt_buf *text);

/* A thread's name for people: with its tid where threads of its process share the name. */
int gt_report_label(const struct gt_report *report, uint32_t thread, struct gt_buf *text);

/* A function's name: "module.name" of a function of C, but "sorted" of a builtin. */
int gt_report_function(const struct gt_report *report, uint32_t function, struct gt_buf *text);

/* What the process of a GIL is called (process_label.c): "server.py --port 80", "gunicorn:
 * worker [app]", "pool.py [ForkPoolWorker-3]"; where its command line is not known, its
 * kernel's name.
 */
int gt_report_process(const struct gt_report *report, uint32_t gil, struct gt_buf *text);
/* "NAME (pid 12), GIL 0" */
int gt_report_gil(const struct gt_report *report, uint32_t gil, struct gt_buf *text);

/* What shares of the whole time are of: "the run"; "what was recorded", if that was to begin
 * later or to end earlier; "what was read" of a recording that was cut. */
const char *gt_report_whole(const struct gt_report *report);

/* The title of a table, and an empty line: "WHAT:", or "WHAT of NAME (pid 12), GIL 0:" where
 * there are several GILs. */
int gt_report_title(const struct gt_report *report, const char *what, uint32_t gil,
                    struct gt_buf *text);

#endif
