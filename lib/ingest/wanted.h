/* SPDX-License-Identifier: MIT */
/* Which events of a source the timeline is built from, where another source has the same. Each
 * is asked about every event. */
#ifndef GT_INGEST_WANTED_H
#define GT_INGEST_WANTED_H

#include "event/event.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct gt_timeline;

/* What the gate did to measure is not the program's. */
static inline bool gt_is_of_gate(const struct gt_event *event)
{
    return event->comm_length == sizeof(GT_GATE_NAME) - 1 &&
           memcmp(event->comm, GT_GATE_NAME, event->comm_length) == 0;
}

/* Of a source beside the text: what no text has, and `parts` (enum gt_agentlog_part). */
bool gt_is_wanted_of_source(const struct gt_event *event, unsigned parts);

/* Where text ends at `out_ns`, before the program does, the agents tell of lives. */
bool gt_is_life_after_text(const struct gt_event *event, int64_t out_ns,
                           const struct gt_timeline *timeline);

/* Of such a text: what came until perf had ended, and, unless the user wants states, what would
 * judge holders for a part of the run only. */
bool gt_is_left_out_of_text(const struct gt_event *event, int64_t out_ns,
                            const struct gt_timeline *timeline);

#endif
