/* SPDX-License-Identifier: MIT */
/* Watching what the machine does to the program (launch/machine.h), for the report. */
#ifndef GILTRACER_WATCH_H
#define GILTRACER_WATCH_H

#include "launch/machine.h"
#include "report/report.h"

/* Starts as all zeros. */
struct gt_watch {
    struct gt_machine machine;
    struct gt_surroundings surroundings; /* filled in when the program has ended */
    bool known;                          /* gt_watch_start was called, and nothing has failed */
};

/* Process `pid` is at its gate. In tests, $GILTRACER_CGROUP_ROOT replaces the kernel's control
 * groups. */
void gt_watch_start(struct gt_watch *watch, int pid);
/* It runs: read again. */
void gt_watch_look(struct gt_watch *watch);
/* It has ended: fill in `info`, which borrows from `watch`. */
void gt_watch_end(struct gt_watch *watch, struct gt_run_info *info);
void gt_watch_release(struct gt_watch *watch);

#endif
