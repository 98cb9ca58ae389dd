/* SPDX-License-Identifier: MIT */
/*
 * --metrics: what perf records is read as it comes, and counted; the counters are served over
 * HTTP, or written to a file every few seconds. Nothing is kept of the recording.
 *
 *     gt_metrics_start → what the session calls: _begin, _perf_is → gt_metrics_finish → _stop
 */
#ifndef GILTRACER_METRICS_H
#define GILTRACER_METRICS_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct gt_cli;
struct gt_metrics;
struct gt_windows_options; /* metrics/windows.h */

/* Do the other options go with it? Sets those that follow from it. 0 or GT_ERR_USAGE. */
int gt_metrics_check_options(struct gt_cli *cli, struct gt_error *err);

/* Listen, or write the file for the first time, before the program runs. `where` and what
 * `options` point at are borrowed. NULL with the reason. */
struct gt_metrics *gt_metrics_start(uv_loop_t *loop, const char *where, bool quiet,
                                    const struct gt_windows_options *options,
                                    struct gt_error *err);

/* The end of a pipe that perf writes its data into. */
const int *gt_metrics_stream(const struct gt_metrics *metrics);

/* perf, process `perf_pid`, records process `pid` from now on. `attached`: the program runs
 * already. */
void gt_metrics_begin(struct gt_metrics *metrics, int pid, int perf_pid, bool attached);

/* The recording ends, and perf is about to, too: that is no failure. */
void gt_metrics_expect_end(struct gt_metrics *metrics);

/* perf has ended: count the rest, and write the file once more. NULL is fine. */
void gt_metrics_finish(struct gt_metrics *metrics);

/* Close everything, by its loop, and free it. NULL is fine. */
void gt_metrics_stop(struct gt_metrics *metrics);

#endif
