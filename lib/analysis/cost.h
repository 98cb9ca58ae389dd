/*
 * What recording cost the program, estimated from the recording itself. Between two events of
 * one thread lies the cost of one of them, half before and half after: where hardly anything
 * else lies between them, the time is the cost. So the shortest holds tell what an event of
 * the GIL's costs, and the shortest calls what half a call does: of calls that have no event of
 * the GIL's in them, and of holds less the calls in them. On a loop of nothing but
 * takes and drops this is within 1% of the difference to an untraced run with probes, which
 * are traps; with the agent, whose events cost less than the work between them, twice that.
 */
#ifndef GT_ANALYSIS_COST_H
#define GT_ANALYSIS_COST_H

#include "base/error.h"
#include "model/timeline.h"

struct gt_cost {
    uint64_t gil_events;  /* hits of the GIL's probes, or of the agent's functions */
    int64_t gil_event_ns; /* cost of each; -1: too few to tell */
    uint64_t calls;       /* of functions, recorded one by one */
    int64_t call_ns;      /* cost of each; -1: too few to tell */
    int64_t total_ns;     /* of what is known; -1: nothing is */
};

/* Of a finished timeline. 0 or negative. */
int gt_cost_estimate(const struct gt_timeline *timeline, int64_t hit_ns, struct gt_cost *cost,
                     struct gt_error *err);

#endif
