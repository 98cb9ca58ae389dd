/* What was lost, did not match, or broke an invariant: counted here, shown in the report. */
#ifndef GT_MODEL_QUALITY_H
#define GT_MODEL_QUALITY_H

#include <stdint.h>

struct gt_quality {
    uint64_t events;               /* fed to the model */
    uint64_t gil_events;           /* of these, about a GIL */
    uint64_t lost_events;          /* as the recorder said */
    int64_t lost_ns;               /* length of the lost ranges, merged */
    uint64_t unordered;            /* events older than one before them */
    uint64_t duplicates;           /* the same call recorded twice (two probes on one place) */
    uint64_t passed_signals;       /* glibc's own, by a waiter: no releases (gil.c) */
    uint64_t takes_without_return; /* waits that ended with the thread, not with the GIL */
    uint64_t returns_missing;      /* of take_gil, though the thread dropped the GIL later: when
                                      its wait ended is not known */
    uint64_t unmatched_releases;   /* released by a thread that was not known to hold */
    uint64_t unmatched_takes;      /* acquired, and never released while others acquired */
    uint64_t dropped_gils;      /* pairs of condition variables that only looked like a GIL */
    uint64_t overlaps;          /* violations of invariant 1: two holders at once */
    uint64_t accounting_errors; /* violations of invariant 2: the parts exceed the whole */
    uint64_t unparsed_lines;    /* text that no parser knew */
    uint64_t lines;             /* text lines read */
};

#endif
