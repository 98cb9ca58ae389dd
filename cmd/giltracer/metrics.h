/* SPDX-License-Identifier: MIT */
/*
 * --metrics: what perf records is counted (counting.h); the counters are served over HTTP, or
 * written to a file every few seconds.
 *
 * One program: gt_metrics_start → _record → what the session calls: _stream, _begin,
 * _expect_end → _finish → _stop. Many that come and go (follow.h): _start → _count and _drop
 * for each, and _follow → _finish → _stop.
 */
#ifndef GILTRACER_METRICS_H
#define GILTRACER_METRICS_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct gt_cli;
struct gt_counting; /* counting.h */
struct gt_metrics;
struct gt_windows_options; /* metrics/windows.h */

/* Do the other options go with it? Sets those that follow from it. 0 or GT_ERR_USAGE. */
int gt_metrics_check_options(struct gt_cli *cli, struct gt_error *err);

/* Listen, or write the file for the first time, before anything is recorded. `where` is
 * borrowed. NULL with the reason. */
struct gt_metrics *gt_metrics_start(uv_loop_t *loop, const char *where, bool quiet,
                                    struct gt_error *err);

/* One program is to be counted. What `options` point at is borrowed. 0 or negative. */
int gt_metrics_record(struct gt_metrics *metrics, const struct gt_windows_options *options,
                      struct gt_error *err);

/* The end of a pipe that perf writes its data into. */
const int *gt_metrics_stream(const struct gt_metrics *metrics);

/* perf, process `perf_pid`, records process `pid` from now on. `attached`: the program runs
 * already. */
void gt_metrics_begin(struct gt_metrics *metrics, int pid, int perf_pid, bool attached);

/* The recording ends, and perf is about to, too: that is no failure. */
void gt_metrics_expect_end(struct gt_metrics *metrics);

/* Count what another perf records, too: starts `counting` and keeps it in a list, also after a
 * failure. 0 or negative. _drop takes it out and releases it; does nothing to one that is not
 * there. */
int gt_metrics_count(struct gt_metrics *metrics, struct gt_counting *counting,
                     const struct gt_windows_options *options, struct gt_error *err);
void gt_metrics_drop(struct gt_metrics *metrics, struct gt_counting *counting);

/* Of many processes, now. */
struct gt_metrics_followed {
    unsigned now;      /* each recorded by a perf of its own */
    unsigned left_out; /* to be followed, and not, since there are too many, or perf fails */
    unsigned dead;     /* of these, those whose perf died and is started again soon */
    uint64_t restarts; /* of such a perf, so far */
};
/* From the first call on processes come and go. */
void gt_metrics_follow(struct gt_metrics *metrics, const struct gt_metrics_followed *followed);

/* perf has ended: count the rest, and write the file once more. NULL is fine. */
void gt_metrics_finish(struct gt_metrics *metrics);

/* Close everything, by its loop, and free it. NULL is fine. */
void gt_metrics_stop(struct gt_metrics *metrics);

#endif
