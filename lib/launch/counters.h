/* SPDX-License-Identifier: MIT */
/* Events that the user wants counted (-e). They are checked before the target runs. */
#ifndef GT_LAUNCH_COUNTERS_H
#define GT_LAUNCH_COUNTERS_H

#include "base/buf.h"
#include "launch/caps.h"

#include <uv.h>

/* Bytes of the stack that are recorded with each event, those that the kernel raises one by
 * one, and samples. */
enum { GT_COUNTER_STACK_BYTES = 2048, GT_COUNTER_SAMPLE_STACK_BYTES = 8192 };

/*
 * Append the event as perf record takes it: "cycles:u" → "cycles/freq=999/u", with `stacks`
 * "cycles/freq=999,call-graph=dwarf,stack-size=8192/u". Each event has a
 * frequency of its own, because events that the kernel itself raises (tracepoints, page faults,
 * context switches) are recorded one by one: the period that the kernel derives from a
 * frequency lags behind short bursts of these (sums wrong by a factor of 20 were seen). An
 * event that states its own frequency or period keeps it. 0 or -1.
 */
int gt_counter_spec(const char *event, unsigned frequency, bool stacks, struct gt_buf *spec);

/* Is it one like "sched:sched_switch"? */
bool gt_counter_is_tracepoint(const char *event);

/* Append the name that perf script prints for the event: a tracepoint's without modifiers, that
 * of a "name=" in others. 0 or -1. */
int gt_counter_shown(const char *event, struct gt_buf *name);

/* Does this perf know the events, and can this machine count them? 0, or negative with an error
 * that names the event. */
int gt_counters_check(const struct gt_caps *caps, uv_loop_t *loop, char *const *events,
                      unsigned frequency, bool stacks, struct gt_error *err);

#endif
