/* SPDX-License-Identifier: MIT */
/*
 * --keep-last: the agents and perf record without end, what is older than the time that is kept
 * is taken out of what they write (flight_kept.h), and a report of the rest is written when
 * somebody asks, by a process of its own, while the recording goes on; with --when, also when a
 * condition becomes true (flight_when.h). Another one is of the last moments, when the program
 * ends.
 *
 *     gt_flight_prepare → gt_flight_begin, as the recording begins → gt_flight_end, when it is
 *     over → gt_flight_end_perf, when perf has ended → gt_flight_release
 */
#ifndef GILTRACER_FLIGHT_H
#define GILTRACER_FLIGHT_H

#include "base/error.h"

#include <stdint.h>

struct gt_cli;
struct gt_flight;
struct gt_run_state;

/* Reports of one run that are there at a time, for each output: older ones are removed. */
enum { GT_FLIGHT_REPORTS = 20 };

/* Do the other options go with --keep-last, where it is given, and --when with it? Sets those
 * that follow from it. 0 or GT_ERR_USAGE. */
int gt_flight_check_options(struct gt_cli *cli, struct gt_error *err);

/* The log's files were made, the program does not run yet: give them length for months, and
 * listen for the signal. Sets run->flight. 0 or negative. */
int gt_flight_prepare(struct gt_run_state *run, struct gt_error *err);

/* The program runs, or is about to. NULL is fine, here and below. */
void gt_flight_begin(struct gt_flight *flight);

/* The recording is over since then: nothing is asked for any more, and run->agent_files are now
 * a log of what is kept alone. Since when that is, is in run->result. */
void gt_flight_end(struct gt_flight *flight, int64_t ended_ns);

/* perf has ended: likewise its files. Before anything is read. */
void gt_flight_end_perf(struct gt_flight *flight);

/* Wait for the reports that are being written, and free all. The loop must run once more. */
void gt_flight_release(struct gt_flight *flight);

/* giltracer --snapshot PID: ask the giltracer that records the process, or is it, for a report.
 * The exit status. */
int gt_flight_ask(const struct gt_cli *cli);

#endif
