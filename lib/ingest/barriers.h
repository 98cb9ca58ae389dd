/* SPDX-License-Identifier: MIT */
/*
 * What several machines saw together: collective calls of MPI (mpi4py's Barrier, Allreduce,
 * Allgather, Alltoall), which nobody leaves before all have entered. So clocks that say
 * otherwise are wrong, and by how much is known within the time that the calls took.
 *
 * Whose communicator a call was of is not recorded: where each recording has one process that
 * made as many such calls as that of each other, the n-th calls are taken to be one.
 */
#ifndef GT_INGEST_BARRIERS_H
#define GT_INGEST_BARRIERS_H

#include "base/chunks.h"
#include "ingest/align.h"

struct gt_timeline;

/* One process's passing of one barrier, on the recording's own clock. */
struct gt_passing {
    int64_t start_ns, end_ns;
};

/* The passings of a finished timeline, in the order of time: a list of struct gt_passing, which
 * is initialised here, and empty where not exactly one process made any. 0, or -1: no memory.
 */
int gt_barriers_find(const struct gt_timeline *timeline, struct gt_chunks *passings);

/* One recording whose clock may be moved. */
struct gt_barred {
    uint32_t boot;                    /* equal numbers have one clock */
    bool fixed;                       /* that boot's clock must not be moved any more */
    const struct gt_chunks *passings; /* may be empty */
    struct gt_clock_map *map;         /* in and out */
};

/* Move clocks that disagree with what was seen together, and say in `alignment` how far they
 * agree now. Where calls contradict each other, or more than 1,024 boots made any, nothing
 * changes. Time and memory by the square of boots. 0, or -1: no memory. */
int gt_barriers_align(struct gt_barred *recordings, size_t count,
                      struct gt_alignment *alignment);

#endif
