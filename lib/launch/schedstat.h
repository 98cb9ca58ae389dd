/* SPDX-License-Identifier: MIT */
/*
 * What the kernel counts of a thread's scheduling: /proc/PID/task/TID/schedstat
 * (Documentation/scheduler/sched-stats).
 */
#ifndef GT_LAUNCH_SCHEDSTAT_H
#define GT_LAUNCH_SCHEDSTAT_H

#include <stdbool.h>
#include <stdint.h>

struct gt_schedstat {
    uint64_t cpu_ns, ready_ns; /* on a CPU, and ready without one */
    uint64_t switches;         /* how often it came to a CPU */
};

/* Of the thread `tid` in the open folder /proc/PID/task. False: it is gone, or the kernel does
 * not count. */
bool gt_schedstat_read(int tasks, const char *tid, struct gt_schedstat *of);

/* How often the threads of a process came to a CPU, of those that are there now, so that it may
 * be less the next time; 0: not known. Of a crowd some threads stand for all: to look costs 10
 * µs for each. */
uint64_t gt_switches_of(int pid);

#endif
