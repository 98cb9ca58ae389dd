/* SPDX-License-Identifier: MIT */
/* The reports of a run that is over. */
#ifndef GILTRACER_REPORTS_H
#define GILTRACER_REPORTS_H

#include "base/error.h"
#include "common/results.h"
#include "ingest/ingest.h"
#include "cli.h"
#include "run_state.h"

/* Analyse a finished recording for what the command line wants: with estimates where an output
 * or the table shows them. See gt_results_make. */
int gt_reports_prepare(struct gt_results *results, struct gt_ingest *ingest,
                       const struct gt_run_info *info, const struct gt_cli *cli,
                       struct gt_error *err);

/* Print the table and write all outputs; say what fails, and keep the recording then. A second
 * SIGINT ends it between files, and those not written are left to gt_outputs_release. */
void gt_reports_write(struct gt_run_state *run);

#endif
