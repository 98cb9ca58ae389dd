/* SPDX-License-Identifier: MIT */
/* Recordings that were made before: perf.data (through perf script), text, or gzipped text. The
 * first bytes tell which it is. */
#ifndef GT_LAUNCH_INPUT_H
#define GT_LAUNCH_INPUT_H

#include "base/error.h"

#include <stddef.h>

typedef int (*gt_input_fn)(void *context, const char *data, size_t length,
                           struct gt_error *err);

/*
 * Read all of `path` ("-": standard input) and give its text to `on_text`. When the input ends
 * early or is damaged, `on_text` has got what could be read, `damage` says what is wrong, and
 * the result is 0.
 */
int gt_input_read(const char *path, gt_input_fn on_text, void *context, struct gt_error *damage,
                  struct gt_error *err);

#endif
