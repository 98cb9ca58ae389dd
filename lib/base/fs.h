/* SPDX-License-Identifier: MIT */
/* Files: private folders, outputs that appear whole or not at all, whole small files. */
#ifndef GT_BASE_FS_H
#define GT_BASE_FS_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Make a new private (0700) folder under $TMPDIR or /tmp, "giltracer-XXXXXX". Returns its
 * malloc'd path, or NULL.
 */
char *gt_fs_private_dir(struct gt_error *err);

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

/*
 * An output file. It is opened before the target runs, so that a path that cannot be written is
 * found early. Until gt_output_commit renames it, it is a temporary file beside the final name
 * (O_CREAT|O_EXCL, mode 0666 & ~umask); gt_output_abandon unlinks that. A path that is not a
 * regular file (/dev/stdout, a FIFO) is opened as it is, and "-" is standard output.
 */
struct gt_output {
    int fd;          /* -1 when closed */
    bool direct;     /* no temporary file, no rename */
    char *path;      /* final name, owned */
    char *temporary; /* owned, NULL when direct */
};

int gt_output_open(struct gt_output *output, const char *path, struct gt_error *err);
/* Write all the bytes; a full disk or a closed pipe is an error that names the path. */
int gt_output_write(struct gt_output *output, const void *data, size_t length,
                    struct gt_error *err);
/* Close the file, check that all was written, and rename it into place. The output is released,
 * also on failure. */
int gt_output_commit(struct gt_output *output, struct gt_error *err);
/* Close the file and remove what was written. Does nothing to an output that is released. */
void gt_output_abandon(struct gt_output *output);

#endif
