/* SPDX-License-Identifier: MIT */
/* Names for the frames of a thread that slept with the GIL, which the agent noted by address.
 */
#ifndef GT_INGEST_SLEEP_STACK_H
#define GT_INGEST_SLEEP_STACK_H

#include "event/event.h"
#include "ingest/function_start.h"
#include "ingest/symbols.h"

struct gt_stacks;

struct gt_sleep_stacks {
    struct gt_function_starts starts;
    struct gt_symbols symbols;
};

void gt_sleep_stacks_init(struct gt_sleep_stacks *names);
void gt_sleep_stacks_release(struct gt_sleep_stacks *names);

/* Name the frames of a GT_EVENT_ASLEEP, and put them into `stacks`: event->asleep.stack. 0 or
 * -1. */
int gt_sleep_stack_name(struct gt_sleep_stacks *names, struct gt_stacks *stacks,
                        struct gt_event *event);

#endif
