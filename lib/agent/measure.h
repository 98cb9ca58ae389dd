/*
 * What the agent costs the program, measured in this process as it starts: an event of the
 * GIL's, and a traced call of a Python function. Both are noted in the log
 * (GT_WIRE_NOTE_COST), so that the report can say what recording cost.
 */
#ifndef GT_AGENT_MEASURE_H
#define GT_AGENT_MEASURE_H

#include <stdbool.h>

/* An event: some 200 µs, before there are other threads. `use` records one. */
typedef void gt_agent_use(void *cond);
void gt_agent_measure_event(gt_agent_use *use);

/*
 * Calls: a few hundred of an empty function of ours, before functions are traced, and the same
 * once they are; less than a millisecond. With the GIL, in the main thread, where code may run.
 * False: an exception came meanwhile, as by a signal, and is set: it is the target's.
 */
extern bool gt_agent_measuring; /* in between */
bool gt_agent_measure_before(void);
bool gt_agent_measure_after(void);

#endif
