/* Events that the user wants counted: checked by name before the target runs. */
#ifndef GT_LAUNCH_COUNTERS_H
#define GT_LAUNCH_COUNTERS_H

#include "base/buf.h"
#include "launch/caps.h"

#include <uv.h>

/*
 * How perf record is asked for an event: "cycles:u" → "cycles/freq=999/u". The frequency must
 * be each event's own: what the kernel itself raises (tracepoints, page faults, context
 * switches) is recorded one by one. There the period that the kernel adapts to a frequency lags
 * behind what happens, and tells little of short bursts (sums off by a factor of 20 were seen).
 * An event that says how often by itself is left alone. 0 or -1.
 */
int gt_counter_spec(const char *event, unsigned frequency, struct gt_buf *spec);

/* What perf script calls it: tracepoints without modifiers, others as a "name=" in them says.
 * 0 or -1. */
int gt_counter_shown(const char *event, struct gt_buf *name);

/* Whether this perf knows the events and this machine counts them; the error names the one that
 * is lacking. */
int gt_counters_check(const struct gt_caps *caps, uv_loop_t *loop, char *const *events,
                      unsigned frequency, struct gt_error *err);

#endif
