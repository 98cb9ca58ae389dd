/* Events that the user wants counted: checked by name before the target runs. */
#ifndef GT_LAUNCH_COUNTERS_H
#define GT_LAUNCH_COUNTERS_H

#include "launch/caps.h"

#include <uv.h>

/* Whether this perf knows the event and this machine counts it; the error names it. */
int gt_counter_check(const struct gt_caps *caps, uv_loop_t *loop, const char *event,
                     struct gt_error *err);

#endif
