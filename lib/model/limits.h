/* SPDX-License-Identifier: MIT */
/*
 * How much is kept of what a recording names. No program that was seen reaches these numbers; a
 * recording that was made to exhaust memory does. What is beyond them is left out, counted, and
 * unknown: the use of the GIL by a process of which something was left out is not known from
 * then on (holes.h).
 */
#ifndef GT_MODEL_LIMITS_H
#define GT_MODEL_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    GT_THREADS_MAX = 1 << 16, /* that ever lived, of all processes; a tid counts again when it
                                 is given to another thread */
    GT_PROCESSES_MAX = 1 << 16,
    GT_GILS_MAX = 1 << 16,       /* of all programs, and as many that futex calls may tell of */
    GT_LOCKS_MAX = 1 << 16,      /* that threads waited for */
    GT_COUNTERS_MAX = 64,        /* events of -e */
    GT_LOST_RANGES_MAX = 1 << 13 /* of more, neighbours are joined: what lies between two of
                                    them is taken for lost */
};

struct gt_left_out {
    uint64_t events;      /* of threads and processes that are not kept */
    uint64_t gils;        /* how often the GIL of a program was not kept */
    uint64_t counts;      /* of counters that are not kept */
    uint64_t locks;       /* how many are not kept */
    uint64_t lost_ranges; /* that were joined with the one before */
};

/* Was anything left out that may have been about a GIL? */
static inline bool gt_left_out_any(const struct gt_left_out *left_out)
{
    return left_out->events || left_out->gils;
}

#endif
