/* SPDX-License-Identifier: MIT */
/*
 * Turns VizTracer's JSON (.json, .json.gz) into events, in the order of time across all
 * threads.
 *
 *     gt_viztracer_open → gt_viztracer_next … → gt_viztracer_free
 *
 * VizTracer writes a call when it returns. So the whole file is read before the first event is
 * known. Memory: 24 bytes per call, and each name once. Times are microseconds of
 * CLOCK_MONOTONIC, which is perf's clock here, too.
 *
 * Calls (ph X), instants (i), counters (C) and names of threads become events. Names of
 * processes are taken from the kernel, and everything else (asynchronous events, flows) is
 * skipped. This source cannot see the GIL, the lives of threads and their states. It takes a
 * generator's yield for a return.
 */
#ifndef GT_VIZTRACER_VIZTRACER_H
#define GT_VIZTRACER_VIZTRACER_H

#include "base/error.h"
#include "event/event.h"

#include <stdint.h>

struct gt_viztracer;

struct gt_viztracer_quality {
    uint64_t events;  /* calls, instants and counters */
    uint64_t skipped; /* entries of other kinds */
    uint64_t damaged; /* entries that make no sense */
    int64_t start_ns; /* of the first event; -1: there is none */
    int64_t end_ns;   /* of the last event */
};

/*
 * Read the file. NULL with an error; GT_ERR_FORMAT: VizTracer did not write it. If the file
 * ends early, or is damaged, what could be read is kept, and `damage` is set (it must not be
 * NULL, and its `code` must be 0).
 */
struct gt_viztracer *gt_viztracer_open(const char *path, struct gt_error *damage,
                                       struct gt_error *err);
void gt_viztracer_free(struct gt_viztracer *trace);

/* The next event: 1; 0: there is none; negative: an error. Its strings are valid until _free.
 */
int gt_viztracer_next(struct gt_viztracer *trace, struct gt_event *event, struct gt_error *err);

const struct gt_viztracer_quality *gt_viztracer_quality(const struct gt_viztracer *trace);

/* Has the trace, which is called `name`, any time in common with a recording of the same run? 0
 * or GT_ERR_FORMAT. After it was read. */
int gt_viztracer_check_run(const struct gt_viztracer *trace, const char *name, int64_t start_ns,
                           int64_t end_ns, struct gt_error *err);

#endif
