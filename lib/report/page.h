/* SPDX-License-Identifier: MIT */
/* Private to report/: a page that is no larger than a browser opens. */
#ifndef GT_REPORT_PAGE_H
#define GT_REPORT_PAGE_H

#include "base/error.h"
#include "base/output.h"

#include <stdint.h>

struct gt_report;

/* Write a page of all of the recording, or of its beginning, where all would take more than
 * `most` bytes. What is left out is told in its first sentence, and counts as lost in the page.
 * 0 or negative. */
int gt_page_write_within(const struct gt_report *report, struct gt_output *output,
                         uint64_t most, struct gt_error *err);

/* html.c: write a page, whatever its size, and find *bytes, its size; with `output` NULL it is
 * only measured, and not to its end where that is above `most`. 0 or negative. */
int gt_page_write(const struct gt_report *report, struct gt_output *output, uint64_t most,
                  uint64_t *bytes, struct gt_error *err);

#endif
