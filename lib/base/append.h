/* SPDX-License-Identifier: MIT */
/*
 * A file to which lines are appended, by several programs at once perhaps: each line is there
 * whole, or not at all. It is opened before the line is known, so that a path that cannot be
 * written is found early.
 *
 * The file is made where there is none (mode 0666 & ~umask). It must be a regular one, and no
 * link; in a folder that others can write it must be ours alone, since they may have put it, or
 * a second name of it, there.
 */
#ifndef GT_BASE_APPEND_H
#define GT_BASE_APPEND_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Is it the name of such a file: "….jsonl", "….ndjson"? */
bool gt_append_is_lines(const char *path);

/* A descriptor, or negative. */
int gt_append_open(const char *path, struct gt_error *err);

/* Append a line, to which a newline is added, and close the descriptor. A line before it that
 * was cut short is ended first. Waits for others that append, GT_APPEND_WAIT_S at most. `path`
 * is for messages. 0 or negative: then the file is what it was. */
enum { GT_APPEND_WAIT_S = 10 };
int gt_append_line(int fd, const char *path, const char *line, size_t length,
                   struct gt_error *err);

#endif
