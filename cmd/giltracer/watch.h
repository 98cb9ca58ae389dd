/* Looks at what the machine does to the program, for the report (launch/machine.h). */
#ifndef GILTRACER_WATCH_H
#define GILTRACER_WATCH_H

#include "launch/machine.h"
#include "report/report.h"

/* Zeroes to begin with. */
struct gt_watch {
    struct gt_machine machine;
    struct gt_surroundings surroundings; /* once it has ended */
    bool known;                          /* it was started, and nothing failed since */
};

/* At the gate; $GILTRACER_CGROUP_ROOT stands in for the kernel's control groups, in tests. */
void gt_watch_start(struct gt_watch *watch, int pid);
void gt_watch_look(struct gt_watch *watch);
/* The program has ended: tell the report, which borrows from `watch`. */
void gt_watch_end(struct gt_watch *watch, struct gt_run_info *info);
void gt_watch_release(struct gt_watch *watch);

#endif
