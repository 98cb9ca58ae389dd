/* SPDX-License-Identifier: MIT */
/* Events that the user wants counted (-e). They are checked before the target runs. */
#ifndef GT_LAUNCH_COUNTERS_H
#define GT_LAUNCH_COUNTERS_H

#include "base/buf.h"
#include "launch/caps.h"

#include <uv.h>

/*
 * Append the event as perf record takes it: "cycles:u" → "cycles/freq=999/u". Each event has a
 * frequency of its own, because events that the kernel itself raises (tracepoints, page faults,
 * context switches) are recorded one by one: the period that the kernel derives from a
 * frequency lags behind short bursts of these (sums wrong by a factor of 20 were seen). An
 * event that states its own frequency or period stays as it is. 0 or -1.
 */
int gt_counter_spec(const char *event, unsigned frequency, struct gt_buf *spec);

/* Append the name that perf script prints for the event: a tracepoint's without modifiers, that
 * of a "name=" in others. 0 or -1. */
int gt_counter_shown(const char *event, struct gt_buf *name);

/* Does this perf know the events, and can this machine count them? 0, or negative with an error
 * that names the event. */
int gt_counters_check(const struct gt_caps *caps, uv_loop_t *loop, char *const *events,
                      unsigned frequency, struct gt_error *err);

#endif
