/*
 * Private to report/: what threads, functions and GILs are called. All append text that is
 * valid UTF-8 and safe for a terminal, and return 0 or -1 (no memory).
 */
#ifndef GT_REPORT_LABELS_H
#define GT_REPORT_LABELS_H

#include "base/buf.h"

#include <stdint.h>

struct gt_report; /* report/report.h */

/* A thread's name. */
int gt_report_name(const struct gt_report *report, uint32_t thread, struct gt_buf *text);

/* The same for people: with its tid where threads of its process share the name. */
int gt_report_label(const struct gt_report *report, uint32_t thread, struct gt_buf *text);

/* A function's name: of C "module.name", and "sorted" of a builtin, as one writes it. */
int gt_report_function(const struct gt_report *report, uint32_t function, struct gt_buf *text);

/* "WHAT:" and an empty line; where there are several GILs, "WHAT of NAME (pid 12), GIL 0:". */
int gt_report_title(const struct gt_report *report, const char *what, uint32_t gil,
                    struct gt_buf *text);

#endif
