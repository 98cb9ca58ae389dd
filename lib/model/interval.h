/* SPDX-License-Identifier: MIT */
/*
 * The switch interval of a GIL over time: how long a waiter waits before it asks the holder to
 * give the GIL up (sys.setswitchinterval; CPython's ceval_gil).
 *
 * The deadline of a timed wait tells it: the deadline minus the time of the call is the
 * interval, minus the time that passed since the waiter computed the deadline. So the interval
 * is the greatest value on which several waits agree, and it has changed when the newest waits
 * agree on another value. Where no deadlines are recorded, the time between two calls of a
 * timed wait that timed out is the interval, if several such gaps agree: a waiter that had no
 * CPU makes some of them longer and others shorter.
 */
#ifndef GT_MODEL_INTERVAL_H
#define GT_MODEL_INTERVAL_H

#include "base/chunks.h"

#include <stdint.h>

/* CPython's default. */
#define GT_SWITCH_INTERVAL_NS ((int64_t)5000000)

enum gt_interval_source {
    GT_INTERVAL_ASSUMED, /* it is not known: the default */
    GT_INTERVAL_FROM_GAPS,
    GT_INTERVAL_FROM_DEADLINES,
};

/* Valid from start_ns until the next one begins. The first one is valid from the beginning. */
struct gt_interval {
    int64_t start_ns;
    int64_t interval_ns;
};

struct gt_intervals {
    struct gt_chunks list; /* of struct gt_interval, in the order of time; may be empty */
    enum gt_interval_source source;
};

/* The interval at a time. What differs from the default by less than a fortieth is the default.
 */
int64_t gt_interval_at(const struct gt_intervals *intervals, int64_t time_ns);
/* The last interval. */
int64_t gt_interval_last(const struct gt_intervals *intervals);

#endif
