/* SPDX-License-Identifier: MIT */
/*
 * --when: a report of the last moments that a condition asks for. What is kept is looked at now
 * and then: a process of its own makes a report of it, judges that, and writes it where the
 * condition has become true.
 */
#ifndef GILTRACER_FLIGHT_WHEN_H
#define GILTRACER_FLIGHT_WHEN_H

#include "base/buf.h"
#include "common/checks.h"
#include "report/report.h"

#include <stdbool.h>
#include <stdint.h>

/* What became of a report, as its process's exit status. */
enum gt_flight_outcome {
    GT_FLIGHT_WROTE,
    GT_FLIGHT_FAILED,
    GT_FLIGHT_HOLDS,    /* a condition did already: nothing was written, here and below */
    GT_FLIGHT_PASSED,   /* none does */
    GT_FLIGHT_UNJUDGED, /* none is known to, and of one it is not known whether it does */
};

struct gt_flight_when {
    const struct gt_checks *checks; /* its conditions; borrowed */
    int64_t keep_ns, every_ns;
    int64_t next_ns;     /* no look before; 0: nothing is recorded yet */
    int64_t reported_ns; /* the moment of the last report */
    bool held;           /* at the last look */
    bool failed;         /* the last look did: why was said */
    bool told;           /* that a condition cannot be judged */
};

void gt_flight_when_init(struct gt_flight_when *when, const struct gt_checks *checks,
                         int64_t keep_ns);

/* The recording begins now. */
void gt_flight_when_begin(struct gt_flight_when *when, int64_t now_ns);

/* Is it time for a look? Never without a condition. */
bool gt_flight_when_is_due(const struct gt_flight_when *when, int64_t now_ns);

/* Judge a report of the moments until then: WROTE where it is to be written; else HOLDS, PASSED
 * or UNJUDGED. `why` is said of a condition that holds, or that cannot be judged. Or negative.
 */
int gt_flight_when_judge(const struct gt_flight_when *when, const struct gt_report *report,
                         int64_t until_ns, struct gt_buf *why, struct gt_error *err);

/* That is what became of the look at the moments until then, now. */
void gt_flight_when_take(struct gt_flight_when *when, enum gt_flight_outcome outcome,
                         int64_t until_ns, int64_t now_ns);

#endif
