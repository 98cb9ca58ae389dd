/* SPDX-License-Identifier: MIT */
/*
 * Installing the probes of a run, and removing them, with `perf probe`.
 *
 * The name of a group says which run it belongs to, so that runs at the same time never touch
 * each other's probes, and a run can remove those that a killed run left behind:
 * gt_<pid namespace>_<pid>_<start time of that process>, all in base 36.
 */
#ifndef GT_LAUNCH_PROBES_H
#define GT_LAUNCH_PROBES_H

#include "base/buf.h"
#include "base/error.h"
#include "launch/caps.h"
#include "launch/child.h"
#include "launch/probe_sites.h"

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* Append the definition of a probe, as `perf probe --add` takes it. Returns 0 or -1. */
int gt_probe_definition(const struct gt_probe_set *set, const struct gt_probe *probe,
                        struct gt_buf *text);

/* Install all probes of the set. On failure none of them is left. */
int gt_probes_install(const struct gt_probe_set *set, const struct gt_caps *caps,
                      uv_loop_t *loop, struct gt_error *err);

/* Remove a group, and wait until that is done. True when it is gone. */
bool gt_probes_remove(const char *group, const struct gt_caps *caps, uv_loop_t *loop);

/* Start to remove a group. The caller waits for the child and releases it. */
int gt_probes_start_removal(const char *group, const struct gt_caps *caps, uv_loop_t *loop,
                            struct gt_child *child, struct gt_error *err);

/* Remove the groups of runs of this pid namespace that have ended. A failure is not told: the
 * next run tries again. */
void gt_probes_sweep(const struct gt_caps *caps, uv_loop_t *loop);

/* Parts of the above, for tests. */

/* The name of this process's group. */
int gt_probes_own_group(char *group, size_t size, struct gt_error *err);
/* What the name of a group says; false when it is not of the form above. */
struct gt_group_owner {
    uint64_t pid_namespace;
    uint64_t pid;
    uint64_t start_time; /* clock ticks since boot, /proc/PID/stat field 22 */
};
bool gt_probes_parse_group(const char *group, struct gt_group_owner *owner);
int gt_probes_format_group(const struct gt_group_owner *owner, char *group, size_t size);
#endif
