/* SPDX-License-Identifier: MIT */
/* Which recordings are read without perf script. */
#ifndef GT_COMMON_RECORDINGS_H
#define GT_COMMON_RECORDINGS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Can gt_ingest_feed take the bytes of this file? It is read once, to be sure of all of it.
 * False where GILTRACER_PERF names a perf: that one shall read it. */
bool gt_recording_is_readable(const char *path);

/* Hand all of an open file to `take`. 0, what that returned if it is negative, or GT_ERR_IO. */
int gt_recording_read(int fd, int (*take)(void *context, const char *data, size_t length),
                      void *context, struct gt_error *err);

#endif
