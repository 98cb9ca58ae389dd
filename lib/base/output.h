/* SPDX-License-Identifier: MIT */
/* Outputs: files that appear whole or not at all, special files, and descriptors. */
#ifndef GT_BASE_OUTPUT_H
#define GT_BASE_OUTPUT_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Something that may end a wait: asked some 20 times a second, true ends it. Without one (NULL)
 * only time does. */
struct gt_stop {
    bool (*asked)(void *context);
    void *context;
};

/*
 * An output. It is opened before the target runs, so that a path that cannot be written is
 * found early. By its path it is one of three:
 *
 *  - A descriptor that was handed to us: "-" and "/dev/stdout" are 1, "/dev/stderr" is 2,
 *    "/dev/fd/N" and "/proc/self/fd/N" are N. It is written as it is, a file from where it
 * stands.
 *  - A special file: a FIFO or a device, not a link to one. It is written where it is ours, or
 * where only root and we can have put it there (others cannot write its folder). A FIFO is
 * given GT_FIFO_OPEN_S to find a reader.
 *  - Any other: a file that appears whole or not at all. Until gt_output_commit puts it in the
 * place of what is there by then, be that a link, it has no name (O_TMPFILE), or where the file
 * system knows no such files, "giltracer-PID-N.tmp" beside it; mode 0666 & ~umask. Such a name
 * it also has for the moment in which it replaces a file. Its folder is opened once
 * (base/path.h), so that nobody can lead it elsewhere.
 *
 * Writing waits for a reader that does not read, GT_STALL_S at most.
 */
enum { GT_FIFO_OPEN_S = 10, GT_STALL_S = 600 };

struct gt_output {
    int fd;              /* -1 when closed */
    bool direct;         /* no temporary file, no rename */
    bool shared;         /* direct: others have this open file, too, so it stays blocking */
    char *path;          /* as it was asked for, owned */
    int folder;          /* of the final name; -1 when direct */
    const char *name;    /* the final name, in `path`; NULL when direct */
    char temporary[48];  /* in `folder`; "" when the file has no name */
    struct gt_stop stop; /* ends a wait for a reader */
};

int gt_output_open(struct gt_output *output, const char *path, struct gt_error *err);
/* The same; `stop` ends waiting, now and while it is written: GT_ERR_CANCELLED. */
int gt_output_open_until(struct gt_output *output, const char *path, const struct gt_stop *stop,
                         struct gt_error *err);
/* Write all the bytes; a full disk or a closed pipe is an error that names the path. */
int gt_output_write(struct gt_output *output, const void *data, size_t length,
                    struct gt_error *err);
/* Give it another name in the same folder, before it is committed: of `path`, the last
 * component is taken. Nothing happens to an output that is not a file. */
int gt_output_rename(struct gt_output *output, const char *path, struct gt_error *err);
/* Open for reading the regular file that committing would replace. -1: there is none that can
 * be read. */
int gt_output_open_old(const struct gt_output *output);
/* Move what committing would replace to the same name with ".old" behind it. */
int gt_output_keep_old(const struct gt_output *output, struct gt_error *err);
/* Close the file, check that all was written, and rename it into place. The output is released,
 * also on failure. */
int gt_output_commit(struct gt_output *output, struct gt_error *err);
/* Close the file and remove what was written. Does nothing to an output that is released. */
void gt_output_abandon(struct gt_output *output);

#endif
