/* SPDX-License-Identifier: MIT */
/* Private to compare/: the parts of the page. Each appends to a buffer, and returns 0 or -1 (no
 * memory). Names are any bytes: they go through gt_html_add. */
#ifndef GT_COMPARE_PARTS_H
#define GT_COMPARE_PARTS_H

#include "compare/comparison.h"

/* Text of the page, or an attribute's: without controls, markup escaped. */
int gt_html_add(struct gt_buf *html, const char *text, size_t length);
int gt_html_adds(struct gt_buf *html, const char *text);
/* A name of the comparison: "NAME", and what stands behind the NUL in brackets. */
int gt_html_name(const struct gt_comparison *comparison, uint32_t name, struct gt_buf *html);

/* The sentences that the page begins with, as lists (html) or lines: verdict.c. */
int gt_verdict_put(const struct gt_comparison *comparison, bool as_html, struct gt_buf *text);

/* A table per group of figures: tables.c. */
int gt_tables_put(const struct gt_comparison *comparison, struct gt_buf *html);

/* What ran, how it was recorded, and what that cost: runs.c. */
int gt_runs_put(const struct gt_comparison *comparison, struct gt_buf *html);
/* Circumstances that make the sides differ, as list items; nothing where there are none. */
int gt_runs_caveats(const struct gt_comparison *comparison, bool as_html, struct gt_buf *text);

/* Two timelines on one scale: lanes.c. */
int gt_lanes_put(const struct gt_comparison *comparison, struct gt_buf *html);

/* The flame graphs of both together: flames.c. */
int gt_flames_put(const struct gt_comparison *comparison, struct gt_buf *html);

/* Have both sides a trace? */
static inline bool gt_have_traces(const struct gt_comparison *comparison)
{
    return comparison->sides[GT_BEFORE].has_trace && comparison->sides[GT_AFTER].has_trace;
}

#endif
