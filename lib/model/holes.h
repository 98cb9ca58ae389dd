/* SPDX-License-Identifier: MIT */
/*
 * Times in which a single process was not recorded: its agent's log ended before the process
 * did, or has a gap. From GT_EVENT_STOPPED and GT_EVENT_LOST that name a process. lost.h has
 * what was lost of all processes, and both together.
 */
#ifndef GT_MODEL_HOLES_H
#define GT_MODEL_HOLES_H

#include "base/chunks.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gt_hole {
    int64_t start_ns;
    int64_t end_ns; /* where the log goes on, or the process ends */
    uint64_t events;
    uint32_t process;
    uint32_t why;  /* interned; 0: it is a gap */
    bool gil;      /* events of the GIL are missing, too, not only calls of functions */
    bool ended_it; /* the process ended at start_ns, as far as known: perhaps nothing is missing
                    */
};

struct gt_timeline;

/* Was the use of the GIL recorded of every process, from its beginning to its end? */
bool gt_is_whole(const struct gt_timeline *timeline);

static inline const struct gt_hole *gt_hole_at(const struct gt_chunks *holes, size_t index)
{
    return gt_chunks_at(holes, index);
}

#endif
