/*
 * Snapshots of what the GIL's holder has had of the CPUs: as a waiter asks for the GIL, every
 * 20 ms while it goes on asking, and as the holder gives it up. From these a reader tells a
 * holder that worked on from one that had no CPU.
 *
 * A waiter asks as its timed wait runs out, and has the GIL's mutex then: nobody else acquires
 * or releases meanwhile. A snapshot takes it some 40 µs.
 */
#ifndef GT_AGENT_HOLDER_H
#define GT_AGENT_HOLDER_H

#include "agent/thread.h"

/* This thread's timed wait on `cond` ran out. Preserves errno. */
void gt_agent_holder_asked(const void *cond);

/* This thread is asked, and about to give the GIL up: between gt_agent_enter and _leave. */
void gt_agent_holder_gives_up(struct gt_agent_thread *self);

#endif
