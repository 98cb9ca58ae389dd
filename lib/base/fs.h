/* Files: private folders, outputs that appear whole or not at all, whole small files. */
#ifndef GT_BASE_FS_H
#define GT_BASE_FS_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * A new private (0700) folder under $TMPDIR or /tmp, "giltracer-XXXXXX".
 * Returns a malloc'd path, or NULL.
 */
char *gt_fs_private_dir(struct gt_error *err);

/* Remove a folder of ours and everything in it, without following links. Ignores what is
 * already gone; other failures return negative. */
int gt_fs_remove_tree(const char *path, struct gt_error *err);

/* Read a whole file of at most `limit` bytes into `buf` (appended). /proc files too. */
int gt_fs_read(const char *path, struct gt_buf *buf, size_t limit, struct gt_error *err);

/*
 * An output file. Opened before the target runs, so that a path that cannot be written is
 * found early: a temporary file beside the final name (O_CREAT|O_EXCL, mode 0666 & ~umask),
 * renamed over it by gt_output_commit after fsync-free close, and unlinked by
 * gt_output_abandon. A path that is not a regular file (/dev/stdout, a FIFO) is opened as it is
 * and
 * "-" means standard output. Writes are the caller's: write to `fd`.
 */
struct gt_output {
    int fd;          /* -1 when closed */
    bool direct;     /* no temporary file, no rename */
    char *path;      /* final name, owned */
    char *temporary; /* owned, NULL when direct */
};

int gt_output_open(struct gt_output *output, const char *path, struct gt_error *err);
/* Write all of it; a full disk or a closed pipe is an error that names the path. */
int gt_output_write(struct gt_output *output, const void *data, size_t length,
                    struct gt_error *err);
/* Close, check, rename into place. The output is released, also on failure. */
int gt_output_commit(struct gt_output *output, struct gt_error *err);
/* Close and remove what was written. Harmless on an output that is released already. */
void gt_output_abandon(struct gt_output *output);

#endif
