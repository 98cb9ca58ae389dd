/* SPDX-License-Identifier: MIT */
/* The folder of the recording: a temporary one, or that of --keep. */
#ifndef GILTRACER_RECORDING_DIR_H
#define GILTRACER_RECORDING_DIR_H

#include "base/error.h"

/* Make the folder `keep`; when that is NULL, a private one, and set `*own` to its malloc'd
 * path. Checks that it belongs to nobody else, can be written into, and has room. 0 or
 * negative. */
int gt_recording_dir_make(const char *keep, char **own, struct gt_error *err);

#endif
