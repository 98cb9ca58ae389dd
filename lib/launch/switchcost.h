/* SPDX-License-Identifier: MIT */
/*
 * What it costs a thread to leave its CPU and to come back while perf records that. The gate
 * measures it in the same way before perf records and after: the difference is perf's. Needs
 * nothing but libc, like the gate (gatekeeper.h).
 */
#ifndef GT_LAUNCH_SWITCHCOST_H
#define GT_LAUNCH_SWITCHCOST_H

#include <stdint.h>

/* CPU time of a short sleep, in ns: a median of many. -1: not known. */
int64_t gt_sleep_cpu_ns(void);

#endif
