/* SPDX-License-Identifier: MIT */
/*
 * What the machine did to the program, and whether it matters: quotas, a hypervisor, too few
 * CPUs. And how far the waiting for the GIL is the machine's doing rather than the program's.
 */
#ifndef GT_ANALYSIS_INTERFERENCE_H
#define GT_ANALYSIS_INTERFERENCE_H

#include "analysis/crowd.h"

struct gt_quota;        /* event/surroundings.h */
struct gt_surroundings; /* event/surroundings.h */

/* What tells how long threads were ready and had no CPU. */
enum gt_ready_source {
    GT_READY_UNKNOWN,
    GT_READY_FROM_SCHEDULER, /* its events: exact */
    GT_READY_FROM_SCHEDSTAT, /* the kernel's books: at least */
};

/* Is the waiting for the GIL the machine's doing? */
enum gt_waiting_by_machine {
    GT_WAITING_NOT_BY_MACHINE, /* hardly, or there is hardly any */
    GT_WAITING_BY_MACHINE,     /* gt_crowd.no_cpu_ns of it is */
    GT_WAITING_BY_QUOTA,       /* perhaps: a quota stopped threads, with the GIL or without */
    GT_WAITING_BY_READY,       /* perhaps: threads had no CPU, with the GIL or without */
};

struct gt_interference {
    const struct gt_quota *quota; /* that stopped the program longest, borrowed; NULL: none */
    bool quota_matters;
    bool steal_matters;
    int64_t steal_of_ns; /* time of the allowed CPUs, that the stolen time is a part of */
    enum gt_ready_source ready_source;
    int64_t ready_ns; /* threads were ready and had no CPU, in all; -1: not known */
    bool ready_matters;
    enum gt_waiting_by_machine waiting;
    uint64_t ready_holding_count; /* as one of these a thread had the GIL: how often, … */
    int64_t ready_holding_ns;     /* … and for how long */
    bool ready_holding_matters;   /* an interrupt now and then does not */
};

/* `machine`: NULL: not known. It must outlive the result. `wall_ns` is the length of the run.
 */
struct gt_interference gt_interference_find(const struct gt_timeline *timeline,
                                            const struct gt_crowd *crowd,
                                            const struct gt_surroundings *machine,
                                            int64_t wall_ns);

#endif
