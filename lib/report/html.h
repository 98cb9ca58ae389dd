/* The page: one HTML file with everything in it, that opens from disk with no network. */
#ifndef GT_REPORT_HTML_H
#define GT_REPORT_HTML_H

#include "base/error.h"
#include "base/fs.h"
#include "model/timeline.h"

#include <stddef.h>

/*
 * Write the page of a finished timeline: the viewer, the summary (the JSON document of
 * gt_report_summary, borrowed), names as JSON, spans as packed columns (report/pack.h).
 * `keep_interpreter` is gt_flames_init's. Streams: memory does not grow with the spans. The
 * caller commits `output`.
 */
int gt_html_write(const struct gt_timeline *timeline, const char *summary_json,
                  size_t summary_length, bool keep_interpreter, struct gt_output *output,
                  struct gt_error *err);

#endif
