/* SPDX-License-Identifier: MIT */
/*
 * What the agent costs the program: an event of the GIL's, and a traced call. They are measured
 * in this process as it starts, and noted in the log (GT_WIRE_NOTE_COST), so that the report
 * can say what recording cost.
 */
#ifndef GT_AGENT_MEASURE_H
#define GT_AGENT_MEASURE_H

#include <stdbool.h>

/* Measure an event; `use` records one. It takes some 200 µs, before there are other threads. */
typedef void gt_agent_use(void *cond);
gt_agent_use gt_agent_use_as_python; /* interpose.c */
void gt_agent_measure_event(gt_agent_use *use);

/*
 * Measure calls: a few hundred calls of an empty function, before functions are traced, and the
 * same again when they are. It takes less than a millisecond. Call them in the main thread,
 * with the GIL, where code may run. False: a signal handler, say, raised an exception
 * meanwhile. It is the target's, and stays set.
 */
extern bool gt_agent_measuring; /* _before was called, and _after was not */
bool gt_agent_measure_before(void);
bool gt_agent_measure_after(void);

#endif
