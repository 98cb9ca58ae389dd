/* SPDX-License-Identifier: MIT */
/* The end of a run: what there is to say, and the reports. */
#ifndef GILTRACER_CONCLUDE_H
#define GILTRACER_CONCLUDE_H

#include "base/error.h"
#include "run_state.h"

/* The target ran and was recorded (`rc` 0), or not, and why. Says so and writes the reports,
 * the first time that it is called. */
void gt_conclude(struct gt_run_state *run, int rc, const struct gt_error *err);

#endif
