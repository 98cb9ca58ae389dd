/* The page: one HTML file with everything in it, that opens from disk with no network. */
#ifndef GT_REPORT_HTML_H
#define GT_REPORT_HTML_H

#include "report/internal.h"

/*
 * Write the page: the viewer, the summary (the JSON document of gt_report_summary, borrowed),
 * names as JSON, spans as packed columns (report/pack.h). Memory does not grow with the spans.
 * The caller commits `output`. 0 or negative.
 */
int gt_html_write(const struct gt_report *report, const struct gt_buf *summary,
                  struct gt_output *output, struct gt_error *err);

#endif
