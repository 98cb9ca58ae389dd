/* SPDX-License-Identifier: MIT */
/*
 * How wide text is on a terminal, in columns. Text is valid UTF-8 without control characters
 * (gt_buf_add_visible); sequences of colours ("\033[31m") take no room.
 */
#ifndef GT_BASE_WIDTH_H
#define GT_BASE_WIDTH_H

#include "base/buf.h"

#include <stddef.h>

/* Columns of the first `length` bytes: 0 for what combines with its neighbour, 2 for what
 * East Asian Width calls wide, and 1 for all else (Unicode 14). */
size_t gt_text_width(const char *text, size_t length);

/* Append text that is at most `width` columns wide: where it is wider its middle is replaced
 * by "…", since names differ at both ends. 0 or -1 (no memory). */
int gt_text_add_cut(struct gt_buf *buf, const char *text, size_t width);

/* Append text in lines of at most `width` columns, of which those behind the first begin with
 * `indent` blanks; the first one begins in that column, too. 0 or -1 (no memory). */
int gt_text_add_indented(struct gt_buf *buf, const char *text, size_t indent, size_t width);

/* Break lines that are wider than `width` at their last blank before that, in place: the blank
 * becomes a newline. A word that is wider stays whole. 0: no limit. */
void gt_text_wrap(char *text, size_t width);

#endif
