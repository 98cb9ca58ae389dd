/* SPDX-License-Identifier: MIT */
/*
 * What the machine did to the program while it ran: which CPUs it could use, and what kept its
 * threads from running on them.
 */
#ifndef GT_EVENT_SURROUNDINGS_H
#define GT_EVENT_SURROUNDINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The CPU quota of one control group. */
struct gt_quota {
    const char *path;     /* "/docker/4f", as the kernel names it; borrowed */
    double cpus;          /* CPU seconds per second, the least that was read; above 0 */
    bool changed;         /* while the program ran */
    bool known;           /* throttling could be read */
    uint64_t throttled;   /* how often the group was stopped */
    int64_t throttled_ns; /* for how long, summed over the CPUs */
};

enum { GT_QUOTAS_MAX = 64 };

struct gt_surroundings {
    uint32_t cpus;      /* online; 0: not known */
    uint32_t allowed;   /* of these, by affinity: the fewest that were read; 0: not known */
    int64_t steal_ns;   /* time that a hypervisor took from the allowed CPUs; -1: not known */
    int64_t ready_ns;   /* at least so long threads were ready without a CPU; -1: not known */
    int64_t cpu_ns;     /* they were on a CPU, until the last reading; -1: not known */
    int cgroup_version; /* 1 or 2; 0: no group of the cpu controller is known */
    struct gt_quota quotas[GT_QUOTAS_MAX]; /* the process's own group first */
    size_t quota_count;
};

#endif
