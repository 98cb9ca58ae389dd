/*
 * VizTracer's JSON (.json, .json.gz) as events, in the order of time across all threads.
 *
 *     gt_viztracer_open → gt_viztracer_next … → gt_viztracer_free
 *
 * VizTracer writes a call when it returns, so the whole file is read before the first event is
 * known: 24 bytes per call are kept, and each name once; the text streams through. Its times
 * are microseconds of CLOCK_MONOTONIC, perf's clock here, and need no translation.
 *
 * Calls (ph X), instants (i) and counters (C) become events, and thread names GT_EVENT_COMM;
 * names of processes are left to the kernel. Everything else (asynchronous events, flows) is
 * passed over. What this source cannot see: the GIL, lives of threads, states; generators'
 * yields are returns.
 */
#ifndef GT_VIZTRACER_VIZTRACER_H
#define GT_VIZTRACER_VIZTRACER_H

#include "base/error.h"
#include "event/event.h"

#include <stdint.h>

struct gt_viztracer;

struct gt_viztracer_quality {
    uint64_t events;  /* that are delivered: calls, instants, counters */
    uint64_t skipped; /* of other kinds */
    uint64_t damaged; /* entries that make no sense */
    int64_t start_ns; /* of the first one; -1: none */
    int64_t end_ns;   /* of the last one */
};

/*
 * Read it all. GT_ERR_FORMAT when it is not VizTracer's. Of a file that ends early or is
 * damaged, what could be read is kept, and `damage` (not NULL, `code` 0 before) says so.
 */
struct gt_viztracer *gt_viztracer_open(const char *path, struct gt_error *damage,
                                       struct gt_error *err);
void gt_viztracer_free(struct gt_viztracer *trace);

/* The next event: 1, 0 at the end, or negative. Its texts are valid until _free. */
int gt_viztracer_next(struct gt_viztracer *trace, struct gt_event *event, struct gt_error *err);

const struct gt_viztracer_quality *gt_viztracer_quality(const struct gt_viztracer *trace);

#endif
