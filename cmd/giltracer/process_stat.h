/* SPDX-License-Identifier: MIT */
/* Which process it is, whose child, and whether it lives: /proc/PID/stat. */
#ifndef GILTRACER_PROCESS_STAT_H
#define GILTRACER_PROCESS_STAT_H

#include <stdbool.h>
#include <stdint.h>

/* A process now. Its number alone may be another's later; with `start` it is not. */
struct gt_process_stat {
    int pid, parent;
    uint64_t start; /* clock ticks since boot, /proc/PID/stat field 22 */
};

/* False: there is none, or it has ended (a zombie). */
bool gt_process_look(int pid, struct gt_process_stat *stat);
/* Is it still that process? */
bool gt_process_is_there(const struct gt_process_stat *stat);

#endif
