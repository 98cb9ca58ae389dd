/* SPDX-License-Identifier: MIT */
/*
 * A recording that perf writes without end into a file, in the form that it has for pipes
 * (script/perfdata.h), of which only the newest part is kept: what is older is taken out of the
 * file, which becomes a hole there, and what is kept can be copied at any time while perf
 * writes.
 *
 *     gt_perf_ring_new → gt_perf_ring_sweep, now and then, and gt_perf_ring_punch of what it
 *     took out; gt_perf_ring_copy, whenever asked → gt_perf_ring_free
 *
 * Whole rounds go, whose newest record is older than what is to be kept. What later ones refer
 * to stays in memory: attributes and formats of events, and, of the threads and processes that
 * are there, their names and which files of an interpreter they map (event/lives.h). perf knows
 * nothing of this.
 *
 * Memory: that, and a block of a megabyte.
 */
#ifndef GT_INGEST_PERF_RING_H
#define GT_INGEST_PERF_RING_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct gt_perf_ring;

struct gt_perf_ring_options {
    int file; /* open for reading and writing; borrowed */
    int64_t keep_ns;
    uint64_t most_bytes;      /* that are kept: above that, younger rounds go, too */
    const char *runtime_path; /* as in gt_lives; NULL: none */
};

/* NULL: no memory. */
struct gt_perf_ring *gt_perf_ring_new(const struct gt_perf_ring_options *options,
                                      struct gt_error *err);
void gt_perf_ring_free(struct gt_perf_ring *ring);

/* Take out what is old: about once in a second. `now_ns`: CLOCK_MONOTONIC. 0; GT_ERR_IO,
 * GT_ERR_MEMORY; GT_ERR_UNSUPPORTED: what perf writes has another form. */
int gt_perf_ring_sweep(struct gt_perf_ring *ring, int64_t now_ns, struct gt_error *err);

/* A part of the file that was taken out, and has its room still. */
struct gt_perf_ring_hole {
    uint64_t offset, length;
};

/* Hand over the one that came together since the last time; without length: it is not worth it.
 */
struct gt_perf_ring_hole gt_perf_ring_take_hole(struct gt_perf_ring *ring);

/* Give its room back: in any thread. 0 or -1 with errno. */
int gt_perf_ring_punch(int file, const struct gt_perf_ring_hole *hole);

/* It must not grow for long without a sweep. */
bool gt_perf_ring_is_large(const struct gt_perf_ring *ring);

/* Copy what is kept to where `to`, an empty file, is: a recording like any other, of which
 * nothing is missing that was made after gt_perf_ring_since_ns. As _sweep. */
int gt_perf_ring_copy(struct gt_perf_ring *ring, int to, struct gt_error *err);

/* All that was recorded since then is there; less than was to be kept, where that was too
 * large. */
int64_t gt_perf_ring_since_ns(const struct gt_perf_ring *ring, int64_t until_ns);

#endif
