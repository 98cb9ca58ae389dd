/* SPDX-License-Identifier: MIT */
/* --doctor: what this machine can and cannot record, and why. --verbose: what a run will
 * record. */
#ifndef GILTRACER_DOCTOR_H
#define GILTRACER_DOCTOR_H

#include "launch/plan.h"
#include "cli.h"
#include "run_as.h"

/* Print to stdout. Returns 0 when everything that a run needs is there, else 1. */
int gt_doctor(struct gt_cli *cli);

/* Print the plan to stderr. */
void gt_doctor_show_plan(const struct gt_plan *plan, const struct gt_caps *caps,
                         const struct gt_interp *interp, const struct gt_run_as *run_as);

#endif
