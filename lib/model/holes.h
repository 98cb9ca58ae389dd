/*
 * What is not known of single processes: an agent's log that ended before its process did, or
 * that has a gap. Made from GT_EVENT_STOPPED and GT_EVENT_LOST that name a process.
 *
 * What is lost of everybody is in gt_timeline.lost; both together are gt_lost_of.
 */
#ifndef GT_MODEL_HOLES_H
#define GT_MODEL_HOLES_H

#include "base/chunks.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gt_hole {
    int64_t start_ns;
    int64_t end_ns; /* of the process, or where its log goes on */
    uint64_t events;
    uint32_t process;
    uint32_t why;  /* interned; 0: a gap */
    bool gil;      /* what is not known is the GIL's, too, not only functions' calls */
    bool ended_it; /* the process ended there, as far as known: nothing needs to be missing */
};

struct gt_timeline;

/* Was the use of the GIL recorded of every process, from its beginning to its end? */
bool gt_is_whole(const struct gt_timeline *timeline);

static inline const struct gt_hole *gt_hole_at(const struct gt_chunks *holes, size_t index)
{
    return gt_chunks_at(holes, index);
}

#endif
