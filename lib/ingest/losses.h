/* SPDX-License-Identifier: MIT */
/*
 * Since when events of a recording are missing: perf's record of a loss says only on which CPU,
 * and comes when there is room again. So what is missing lies between the last event of that
 * CPU, in that recording, and the record. Events that another recording has of the same CPU say
 * nothing.
 */
#ifndef GT_INGEST_LOSSES_H
#define GT_INGEST_LOSSES_H

#include "event/event.h"

/* Of one recording. All zero: nothing was seen yet. */
struct gt_losses {
    int64_t *last_ns; /* by CPU: its last event; 0: none */
    size_t count;
};

void gt_losses_release(struct gt_losses *losses);

/* Every event, in the order of the recording. Returns 1 for a loss: *told is the same event
 * with its beginning, GT_SINCE_BEGINNING where nothing of its CPU was seen before. Else 0, or
 * -1: no memory. */
int gt_losses_note(struct gt_losses *losses, const struct gt_event *event,
                   struct gt_event *told);

#endif
