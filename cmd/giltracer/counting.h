/* SPDX-License-Identifier: MIT */
/*
 * What one perf records, read from a pipe as it comes, and added to the counters of --metrics.
 * Nothing is kept of it.
 *
 *     gt_counting_start → perf gets `stream` → _begin → _tick… → perf has ended: _finish →
 * _release
 */
#ifndef GILTRACER_COUNTING_H
#define GILTRACER_COUNTING_H

#include "base/error.h"
#include "metrics/registry.h"
#include "metrics/windows.h"
#include "script/perfdata.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/* Starts as all zeros; does not move from _start to _release. */
struct gt_counting {
    uv_loop_t *loop;
    struct gt_registry *registry; /* borrowed */
    struct gt_registry_source source;
    int stream; /* perf's end of the pipe, until _begin or _release closes it; else -1 */
    uv_pipe_t pipe;
    int open_handles; /* of the pipe */
    bool started, piped;
    bool begun, ended; /* perf records; it does not any more */
    bool end_expected, finished;
    char why[256];       /* it ended, … */
    int64_t expected_ns; /* since when that is expected */
    int64_t ended_ns;    /* … and when */
    char *block;
    struct gt_perfdata *data;
    struct gt_windows windows;
    int64_t came_ns; /* when the newest bytes did */
    bool flushed;    /* none came since what waits was handed over */
    int perf_pid;
    int64_t perf_cpu_ns;
    int64_t until_ns;         /* all before is counted; 0: not known */
    struct gt_counting *next; /* the list's that it is in (metrics.h) */
};

/* Make the pipe. What `options` point at is borrowed until _release. 0 or negative; to be
 * released in both cases. */
int gt_counting_start(struct gt_counting *counting, uv_loop_t *loop,
                      struct gt_registry *registry, const struct gt_windows_options *options,
                      struct gt_error *err);

/* perf, process `perf_pid`, records process `pid` from now on. `attached`: the program runs
 * already. */
void gt_counting_begin(struct gt_counting *counting, int pid, int perf_pid, bool attached);

/* Some time has passed: count what is known by now. */
void gt_counting_tick(struct gt_counting *counting);

/* CPU time that its perf has used; of one that has ended, as far as it was asked before. */
int64_t gt_counting_perf_ns(struct gt_counting *counting);

/* perf is about to end: that is no failure. */
void gt_counting_expect_end(struct gt_counting *counting);

/* perf has ended: count the rest. Runs the loop. */
void gt_counting_finish(struct gt_counting *counting);

/* Has process `pid` been seen to be recorded, and not to have ended? */
bool gt_counting_has(const struct gt_counting *counting, int pid);

/* Close everything, by the loop. Does nothing to zeros. */
void gt_counting_release(struct gt_counting *counting);

#endif
