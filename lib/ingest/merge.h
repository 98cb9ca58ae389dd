/* SPDX-License-Identifier: MIT */
/*
 * Several recordings on one timeline. Each is read whole by an ingest of its own, finished, and
 * moved behind those before it (model/append.h), so that all that is known of how one recording
 * is read holds for each. Of several machines, those wait that passed barriers together, and
 * what follows, until all are read: the barriers tell of their clocks.
 *
 *     gt_align → gt_merge_new → gt_merge_add … → gt_merge_finish → read it → gt_merge_free
 */
#ifndef GT_INGEST_MERGE_H
#define GT_INGEST_MERGE_H

#include "base/error.h"
#include "ingest/align.h"
#include "model/recorded.h"

struct gt_merge;

/* `alignment` is copied: what gt_align found. */
struct gt_merge *gt_merge_new(const struct gt_alignment *alignment, struct gt_error *err);
void gt_merge_free(struct gt_merge *merge);

/* Add a recording. Its timeline, that of `recorded`, is the merge's from now on, also after a
 * failure; `aligned` is borrowed until _finish, `host` may be NULL. 0 or negative. */
int gt_merge_add(struct gt_merge *merge, const char *name, const char *host,
                 struct gt_aligned *aligned, const struct gt_recorded *recorded,
                 struct gt_timeline *timeline, struct gt_error *err);

/* All were added. The result is the merge's; NULL: no memory. */
const struct gt_recorded *gt_merge_finish(struct gt_merge *merge, struct gt_error *err);

#endif
