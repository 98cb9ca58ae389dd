/* SPDX-License-Identifier: MIT */
/* The folder of the recording: a temporary one, or that of --keep. */
#ifndef GILTRACER_RECORDING_DIR_H
#define GILTRACER_RECORDING_DIR_H

#include "base/error.h"

#include <stdbool.h>

/* Make the folder `keep`; when that is NULL, a private one: in memory, if so wanted, TMPDIR is
 * unset, and /dev/shm is a tmpfs with room for it. `*path` is set to its absolute
 * path, malloc'd, also when only a later check failed. perf, the agent and VizTracer open files
 * in it by that path, so nobody else may be able to lead it elsewhere, or to write into it;
 * also checks that we can, and that there is room. 0 or negative. */
int gt_recording_dir_make(const char *keep, bool in_memory, char **path, struct gt_error *err);

#endif
