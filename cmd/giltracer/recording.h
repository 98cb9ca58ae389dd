/* SPDX-License-Identifier: MIT */
/* The recording itself: the probes, the session that runs the target, and what it hands to
 * ingest. */
#ifndef GILTRACER_RECORDING_H
#define GILTRACER_RECORDING_H

#include "base/error.h"
#include "launch/plan.h"
#include "launch/plan.h"
#include "run_state.h"

/* Removes what a killed giltracer left behind, and installs the plan's probes. 0 or negative.
 */
int gt_recording_install(struct gt_run_state *run, struct gt_error *err);

/* Runs the target, and feeds `run->ingest` with what was recorded. 0 or negative; `run->result`
 * tells what became of the target in either case. */
int gt_recording_run(struct gt_run_state *run, struct gt_error *err);

/* Removes the probes, if any are installed, and waits until that is done. Every way out of a
 * run passes here. */
void gt_recording_remove_probes(struct gt_run_state *run);

/* There is no report: the recording, which nobody can make again, stays. Returns its place. */
const char *gt_recording_keep(struct gt_run_state *run);

/* The recording goes on, and run->agent_files are a copy of what is kept of it: read them, as
 * of run->result. */
void gt_recording_read_agents(struct gt_run_state *run);

/* After that: feed run->ingest what perf recorded of a part. 0 or negative. */
int gt_recording_read_perf(struct gt_run_state *run, enum gt_recorded_part part, int fd,
                           struct gt_error *err);

/* Before both: perf has ended before anything that the report is of. */
void gt_recording_leave_to_agents(struct gt_run_state *run);

/* The agent that was loaded into a process that runs on ends there. */
void gt_recording_end_agent(struct gt_run_state *run);

#endif
