/* SPDX-License-Identifier: MIT */
/* Counts of what was lost, what did not match, and what broke an invariant. Reports show them.
 */
#ifndef GT_MODEL_QUALITY_H
#define GT_MODEL_QUALITY_H

#include <stdint.h>

struct gt_quality {
    uint64_t events;         /* that the model was fed */
    uint64_t gil_events;     /* how many of these were about a GIL */
    uint64_t lost_events;    /* as the recorder counted them */
    int64_t lost_ns;         /* total length of the lost ranges */
    uint64_t unordered;      /* events that are older than one before them */
    uint64_t duplicates;     /* calls that were recorded twice (two probes on one place) */
    uint64_t passed_signals; /* glibc's own signals, by waiters: no releases (gil.c) */
    uint64_t takes_without_return; /* waits that ended with the thread, without the GIL */
    uint64_t returns_missing;    /* take_gil was not seen to return, but the thread dropped the
                                    GIL later: when its wait ended is not known */
    uint64_t unmatched_releases; /* by threads that were not known to hold the GIL */
    uint64_t unmatched_takes;    /* acquisitions without a release before the next one */
    uint64_t dropped_gils;       /* pairs of condition variables that only looked like a GIL */
    uint64_t overlaps;           /* violations of the first invariant: two holders at once */
    uint64_t accounting_errors;  /* of the second: a thread's times exceed its lifetime */
    uint64_t unparsed_lines;     /* lines of text that the parser does not know */
    uint64_t lines;              /* of text, in all */
};

#endif
