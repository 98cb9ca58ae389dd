/* SPDX-License-Identifier: MIT */
/*
 * Samples of native stacks, which perf recorded apart: read first, put aside, and merged with
 * the rest in the order of time. Stacks are interned at once, so a sample takes 32 bytes.
 *
 *     gt_native_log_new → gt_native_log_feed … → gt_native_log_next … → gt_native_log_free
 */
#ifndef GT_INGEST_NATIVE_LOG_H
#define GT_INGEST_NATIVE_LOG_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct gt_native_log;
struct gt_timeline;

/* Stacks go into `timeline`, which is borrowed. NULL: no memory. */
struct gt_native_log *gt_native_log_new(struct gt_timeline *timeline, struct gt_error *err);
void gt_native_log_free(struct gt_native_log *log);

/* Take the next bytes of perf script's text. Returns as gt_ingest_feed. */
int gt_native_log_feed(struct gt_native_log *log, const char *data, size_t length,
                       struct gt_error *err);

/* No more than so many events can come: the recording has no room for others. */
void gt_native_log_limit(struct gt_native_log *log, uint64_t most_events);

/* All text was taken, and so was what the other sources tell of threads: hand the samples to
 * the timeline. 0 or -1. */
int gt_native_log_place(struct gt_native_log *log);

#endif
