/* SPDX-License-Identifier: MIT */
/*
 * Installing the probes of a run, and removing them, with `perf probe`.
 *
 * A group has the name of its run's owner (owner.h): runs at the same time never touch each
 * other's probes, and a run can remove those that a killed run left behind.
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

#endif
