/* SPDX-License-Identifier: MIT */
/* Runs of the cyclic garbage collector, which are recorded as calls of their own. */
#ifndef GT_AGENT_GC_H
#define GT_AGENT_GC_H

/* Have the runs in this thread's interpreter recorded, by gc.callbacks. The GIL is held. */
void gt_agent_gc_start(void);

/* No more of this, where it was started last. The same interpreter, likewise. */
void gt_agent_gc_stop(void);

#endif
