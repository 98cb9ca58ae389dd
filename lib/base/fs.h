/* SPDX-License-Identifier: MIT */
/* Files: private folders, and whole small files. */
#ifndef GT_BASE_FS_H
#define GT_BASE_FS_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Make a new private (0700) folder, "giltracer-XXXXXX", under $TMPDIR, or where that is unset,
 * or gt_path_open_stable refuses it, under /tmp. Returns its malloc'd path, absolute and
 * without links, or NULL.
 */
char *gt_fs_private_dir(struct gt_error *err);
/* The same under that folder, or under /tmp where it is refused. */
char *gt_fs_private_dir_in(const char *parent, struct gt_error *err);

/* Could it be the name of such a folder, without its path? */
bool gt_fs_is_private_name(const char *name);

/* Remove a folder of our own, open as `folder`, with everything in it, without following links,
 * and its name in `parent`, if that still is its name. */
int gt_fs_remove_folder(int parent, const char *name, int folder, struct gt_error *err);

/* Remove a folder of our own and everything in it, without following links. What is already
 * gone is no failure. */
int gt_fs_remove_tree(const char *path, struct gt_error *err);

/* Append a whole file, of at most `limit` bytes, to `buf`. Files of /proc can be read as well.
 */
int gt_fs_read(const char *path, struct gt_buf *buf, size_t limit, struct gt_error *err);
/* The same of what is open already; `path` is for messages. */
int gt_fs_read_from(int fd, const char *path, struct gt_buf *buf, size_t limit,
                    struct gt_error *err);

#endif
