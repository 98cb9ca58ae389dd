/* SPDX-License-Identifier: MIT */
/*
 * One clock for several recordings. What was recorded in one boot of one machine has one
 * monotonic clock already. Others are aligned by the wall clock, which each recording read as
 * it began and as it ended: a clock that went at another rate meanwhile shows by that.
 */
#ifndef GT_INGEST_ALIGN_H
#define GT_INGEST_ALIGN_H

#include "base/error.h"
#include "event/clocks.h"
#include "model/append.h"
#include "model/recorded.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One recording, as far as its clock matters. Borrowed. */
struct gt_aligned {
    const char *name;        /* how messages call it */
    struct gt_clocks clocks; /* zeros: it kept none */
    struct gt_clock_map map; /* out: onto the common clock */
    uint32_t boot;           /* out: equal numbers are of one boot, counted from 0 */
};

/* Fill in the maps. GT_ERR_FORMAT: a recording kept no clocks, or they cannot be of one time;
 * GT_ERR_MEMORY. */
int gt_align(struct gt_aligned *recordings, size_t count, struct gt_alignment *alignment,
             struct gt_error *err);

#endif
