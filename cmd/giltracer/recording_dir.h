/* Where the recording is kept while it is made, or with --keep afterwards. */
#ifndef GILTRACER_RECORDING_DIR_H
#define GILTRACER_RECORDING_DIR_H

#include "base/error.h"

/* Make the folder `keep`, or when that is NULL a private one, whose malloc'd name `*own` is
 * then. Checks that it is nobody else's, can be written into, and has room. 0 or negative. */
int gt_recording_dir_make(const char *keep, char **own, struct gt_error *err);

#endif
