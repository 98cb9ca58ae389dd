/* SPDX-License-Identifier: MIT */
/*
 * Which run something belongs to, as a name that outlives the run: of its probes' group, and in
 * the environment of the tools that it starts. So runs at the same time never touch what is
 * each other's, and what a killed run left is known to be nobody's.
 *
 * gt_<pid namespace>_<pid>_<start time of that process>, all in base 36.
 */
#ifndef GT_LAUNCH_OWNER_H
#define GT_LAUNCH_OWNER_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of the tools that giltracer starts, not of the target: whose they are. */
#define GT_OWNER_VARIABLE "GILTRACER_TOOL_OF"

enum { GT_OWNER_SIZE = 64 }; /* of a name, with its NUL: what the kernel allows for a group */

struct gt_owner {
    uint64_t pid_namespace;
    uint64_t pid;
    uint64_t start_time; /* clock ticks since boot, /proc/PID/stat field 22 */
};

/* The name of this process. 0, or negative without /proc. */
int gt_owner_self(char *name, size_t size, struct gt_error *err);

/* 0, or -1 when it does not fit. */
int gt_owner_format(const struct gt_owner *owner, char *name, size_t size);
/* False when it is not of the form above. */
bool gt_owner_parse(const char *name, struct gt_owner *owner);

/* Is it the name of a process of this pid namespace that has ended? */
bool gt_owner_is_gone(const char *name);

#endif
