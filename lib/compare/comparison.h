/* SPDX-License-Identifier: MIT */
/*
 * Two reports, and a page that shows what differs between them: one HTML file of tables and
 * drawings, which needs no network. Nothing here opens a file: the caller feeds the bytes.
 *
 *     gt_comparison_init → gt_side_feed of both sides → gt_comparison_make →
 * gt_comparison_page, _text → gt_comparison_release
 *
 * To show something more: a function in a file of its own that appends to the page's buffer,
 * and its call in page.c.
 */
#ifndef GT_COMPARE_COMPARISON_H
#define GT_COMPARE_COMPARISON_H

#include "base/buf.h"
#include "compare/figures.h"
#include "compare/pair.h"
#include "compare/side.h"

struct gt_comparison {
    struct gt_intern names;
    struct gt_side sides[GT_SIDES];
    const char *paths[GT_SIDES]; /* what the sides are called; borrowed */
    struct gt_figures figures;
    struct gt_pair pair;
};

void gt_comparison_init(struct gt_comparison *comparison, const char *before,
                        const char *after);
void gt_comparison_release(struct gt_comparison *comparison);

/* Both sides were fed. GT_ERR_FORMAT: one is no report. 0 or negative. */
int gt_comparison_make(struct gt_comparison *comparison, struct gt_error *err);

/* Append the whole page. 0 or -1 (no memory). */
int gt_comparison_page(const struct gt_comparison *comparison, struct gt_buf *html);

/* Append what the page begins with, for a terminal: what changed, what did not. 0 or -1. */
int gt_comparison_text(const struct gt_comparison *comparison, struct gt_buf *text);

#endif
