/* SPDX-License-Identifier: MIT */
/* Which recordings are read without perf script. */
#ifndef GT_COMMON_RECORDINGS_H
#define GT_COMMON_RECORDINGS_H

#include <stdbool.h>

/* Can gt_ingest_feed take the bytes of this file? It is read once, to be sure of all of it.
 * False where GILTRACER_PERF names a perf: that one shall read it. */
bool gt_recording_is_readable(const char *path);

#endif
