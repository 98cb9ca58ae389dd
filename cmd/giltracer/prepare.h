/* SPDX-License-Identifier: MIT */
/* Everything of a run that can fail before the target starts. */
#ifndef GILTRACER_PREPARE_H
#define GILTRACER_PREPARE_H

#include "base/error.h"
#include "run_state.h"

/* Finds out what this machine can do and what shall run, makes the plan, opens the outputs,
 * makes the recording's folder and gets ready to read it. Installs nothing. 0, or negative:
 * then `status` is giltracer's exit status. What is left in `run` is released with it. */
int gt_prepare(struct gt_run_state *run, int *status, struct gt_error *err);

#endif
