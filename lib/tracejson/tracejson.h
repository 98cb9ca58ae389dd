/* SPDX-License-Identifier: MIT */
/*
 * Reads a report's own trace JSON (.json, .json.gz; lib/report/SCHEMA.md) back into a finished
 * timeline.
 *
 * It holds processes, threads, GILs with their holds and waits, states, calls of functions, and
 * what was lost. What a report does not hold is missing: requests for the GIL (so nobody is
 * said not to release it), stacks, waits for locks, pauses, counters, the program's own marks.
 */
#ifndef GT_TRACEJSON_TRACEJSON_H
#define GT_TRACEJSON_TRACEJSON_H

#include "base/error.h"

#include <jansson.h>

struct gt_timeline;

/* Read what ran, "run" of the summary, and no further. A new reference; NULL: an error.
 * GT_ERR_FORMAT: it is no trace JSON of giltracer's, of another schema, or of several
 * recordings. */
json_t *gt_tracejson_run(const char *path, struct gt_error *err);

/* Read all of it into a new timeline, which the caller frees. NULL: an error. GT_ERR_FORMAT: as
 * above, or it is damaged, or cut short: its sums would not be those of its spans. */
struct gt_timeline *gt_tracejson_read(const char *path, struct gt_error *err);

#endif
