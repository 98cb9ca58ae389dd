/* SPDX-License-Identifier: MIT */
/* A flame graph as one static SVG: no script, every name is text. */
#ifndef GT_REPORT_SVG_H
#define GT_REPORT_SVG_H

#include "analysis/flame.h"
#include "base/output.h"

/* Write the whole of it; the caller commits `output`. `title` is UTF-8. Frames narrower than a
 * tenth of a pixel are left out. 0 or negative. */
int gt_svg_write(const struct gt_flame *flame, const char *title, struct gt_output *output,
                 struct gt_error *err);

#endif
