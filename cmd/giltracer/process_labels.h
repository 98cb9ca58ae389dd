/* SPDX-License-Identifier: MIT */
/* What --metrics calls processes. */
#ifndef GILTRACER_PROCESS_LABELS_H
#define GILTRACER_PROCESS_LABELS_H

#include "base/buf.h"
#include "metrics/registry.h"

#include <stddef.h>
#include <stdint.h>

/* Append its command line as it is now; arguments end with NUL. Empty: it is the kernel's, or
 * has ended. 0 or negative. */
int gt_process_command(int32_t pid, struct gt_buf *command);

/* gt_process_label_fn: by its command line, what it calls itself now or what was read as it
 * began; else its name. `context` is not used. */
void gt_process_label(void *context, const struct gt_process_names *names, char *label,
                      size_t size);

#endif
