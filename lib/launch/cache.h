/* SPDX-License-Identifier: MIT */
/*
 * Answers of programs that depend on nothing but files: which Python an interpreter is, which
 * version a perf has. They are kept in $XDG_CACHE_HOME/giltracer (~/.cache/giltracer), each
 * with the identities of the files that it depends on: device, inode, size, times of change. An
 * answer counts only while all of them are as they were.
 *
 * The folder and its files must belong to the effective user and be writable for nobody else;
 * others are ignored, and links are not followed. While rights are held back (rights.h) there
 * is no cache: root's and the user's stay apart. Failures are not told, since the program can
 * be asked again.
 */
#ifndef GT_LAUNCH_CACHE_H
#define GT_LAUNCH_CACHE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

enum { GT_CACHE_ANSWER_MAX = 64 << 10 };

/* Is the file a program that is no script? What a script answers depends on more than files. */
bool gt_cache_is_binary(const char *path);

/* The answer of this kind (a word) that `path` gave before: appended to `answer`. */
bool gt_cache_get(const char *kind, const char *path, struct gt_buf *answer);

/* Keep an answer. `files` are what it depends on beside `path`; NULLs among them are left out.
 */
void gt_cache_put(const char *kind, const char *path, const char *const *files, size_t count,
                  const char *answer, size_t length);

#endif
