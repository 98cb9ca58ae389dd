/* SPDX-License-Identifier: MIT */
/*
 * Events of condition variables, put aside until the rest of the recording is read: in a file
 * that has no name, 48 bytes each.
 *
 *     gt_spool_new → gt_spool_put … → gt_spool_rewind → gt_spool_next … → gt_spool_free
 */
#ifndef GT_INGEST_SPOOL_H
#define GT_INGEST_SPOOL_H

#include "base/error.h"
#include "event/event.h"

#include <stdint.h>

struct gt_spool;

/* NULL: no memory, or no room in $TMPDIR (or /tmp). */
struct gt_spool *gt_spool_new(struct gt_error *err);
void gt_spool_free(struct gt_spool *spool);

/* Append COND_SIGNAL, COND_WAIT or LOST. 0 or negative. */
int gt_spool_put(struct gt_spool *spool, const struct gt_event *event, struct gt_error *err);

/* No more is put; _next begins with the first. 0 or negative. */
int gt_spool_rewind(struct gt_spool *spool, struct gt_error *err);

/* 1, 0 at the end, negative. The event has no text. */
int gt_spool_next(struct gt_spool *spool, struct gt_event *event, struct gt_error *err);

/* How many events of condition variables there are, and the time of the last; -1: none. */
uint64_t gt_spool_count(const struct gt_spool *spool);
int64_t gt_spool_end_ns(const struct gt_spool *spool);

#endif
