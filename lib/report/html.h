/* The page: one self-contained HTML file. */
#ifndef GT_REPORT_HTML_H
#define GT_REPORT_HTML_H

#include "base/error.h"
#include "base/fs.h"
#include "model/timeline.h"

/* `summary_json` is gt_report_summary's text: safe inside a <script>. */
int gt_html_write(const struct gt_timeline *timeline, const char *summary_json,
                  size_t summary_length, struct gt_output *output, struct gt_error *err);

#endif
