/* SPDX-License-Identifier: MIT */
/*
 * Snapshots of the CPU time that the GIL's holder has had: one when a waiter requests the GIL,
 * one every 20 ms while the waiter goes on requesting it, and one when the holder gives it up.
 * From these a reader tells a holder that went on working from one that had no CPU.
 *
 * A holder that is asleep in a system call cannot change its stack: that is noted, too, once
 * for each of its sleeps.
 *
 * A waiter requests the GIL when its timed wait runs out. It has the GIL's mutex then, so
 * nobody acquires or releases the GIL meanwhile. A snapshot takes the waiter some 40 µs, a
 * stack some 15 µs per frame.
 */
#ifndef GT_AGENT_HOLDER_H
#define GT_AGENT_HOLDER_H

#include "agent/thread.h"

/* This thread's timed wait on `cond` ran out: take a snapshot of the holder if one is due.
 * Preserves errno. */
void gt_agent_holder_asked(const void *cond);

/* This thread was requested to give the GIL up, and is about to do so: take a snapshot of it.
 * It is between gt_agent_enter and _leave. */
void gt_agent_holder_gives_up(struct gt_agent_thread *self);

#endif
