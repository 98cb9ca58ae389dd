/*
 * The switch interval of one GIL over time: how long a waiter waits before it asks the holder
 * to give the GIL up (sys.setswitchinterval; 5 ms by default; CPython's ceval_gil).
 *
 * The deadline of a timed wait tells it exactly: deadline - time of the call is the interval,
 * less what the waiter lost between computing the deadline and the call. So the truth is the
 * greatest value on which several agree, and a change is one on which the newest agree. Where
 * no deadlines are recorded, the gaps between two timed waits that nothing but time ended tell
 * it: several that agree, since a waiter without a CPU adds to some, and takes away from
 * others.
 */
#ifndef GT_MODEL_INTERVAL_H
#define GT_MODEL_INTERVAL_H

#include "base/chunks.h"

#include <stdint.h>

/* CPython's default. */
#define GT_SWITCH_INTERVAL_NS ((int64_t)5000000)

enum gt_interval_source {
    GT_INTERVAL_ASSUMED, /* nothing tells: the default */
    GT_INTERVAL_FROM_GAPS,
    GT_INTERVAL_FROM_DEADLINES,
};

/* Valid from start_ns until the next one begins; the first one from the beginning on. */
struct gt_interval {
    int64_t start_ns;
    int64_t interval_ns;
};

struct gt_intervals {
    struct gt_chunks list; /* of struct gt_interval, in the order of time; empty: assumed */
    enum gt_interval_source source;
};

/* The interval then; the default, exactly, where it is that to a fortieth. */
int64_t gt_interval_at(const struct gt_intervals *intervals, int64_t time_ns);
/* The one that was valid last. */
int64_t gt_interval_last(const struct gt_intervals *intervals);

#endif
