/* SPDX-License-Identifier: MIT */
/*
 * What a flight recorder keeps: the newest part of the agents' log, and of what each perf
 * recorded. All of it is in files of the recording's folder, of which older parts become holes;
 * a copy can be made at any time.
 */
#ifndef GILTRACER_FLIGHT_KEPT_H
#define GILTRACER_FLIGHT_KEPT_H

#include "agentlog/agentlog.h"
#include "base/error.h"
#include "launch/plan.h"

#include <stdbool.h>
#include <stdint.h>

struct gt_flight_kept;
struct gt_run_state;

/* What --keep-last says. */
int64_t gt_flight_keep_ns(const struct gt_run_state *run);

/* A copy, in files without a name; -1: there is no such part. */
struct gt_flight_files {
    struct gt_agentlog_files agent;
    int perf[GT_RECORDED_PARTS];
};

/* The agents' files were made, the program does not run yet: give them length for months. NULL
 * with an error. */
struct gt_flight_kept *gt_flight_kept_new(struct gt_run_state *run, struct gt_error *err);

/* perf's files are there by now. */
void gt_flight_kept_begin(struct gt_flight_kept *kept);

/* Take out what is old, unless that is being done; now and then. */
void gt_flight_kept_sweep(struct gt_flight_kept *kept, int64_t now_ns);

/* A copy is wanted soon. */
void gt_flight_kept_expect_copy(struct gt_flight_kept *kept);

/* Copy what is kept, for a report that ends then. 0 or negative: `files` are none. */
int gt_flight_kept_copy(struct gt_flight_kept *kept, struct gt_flight_files *files,
                        int64_t until_ns, struct gt_error *err);
void gt_flight_files_close(struct gt_flight_files *files);

/* Since when all of what was recorded until then is kept; run->result.since_ns where that is
 * all of the recording. */
int64_t gt_flight_kept_since_ns(const struct gt_flight_kept *kept, int64_t until_ns);

/* The recording is over since then: run->agent_files are now a log of what is kept alone. */
void gt_flight_kept_end_agents(struct gt_flight_kept *kept, int64_t ended_ns);

/* perf has ended: likewise its files. */
void gt_flight_kept_end_perf(struct gt_flight_kept *kept);

/* NULL is fine. The loop must run once more. */
void gt_flight_kept_free(struct gt_flight_kept *kept);

#endif
