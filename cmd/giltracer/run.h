/* SPDX-License-Identifier: MIT */
/* One traced run, from the plan to the written report. */
#ifndef GILTRACER_RUN_H
#define GILTRACER_RUN_H

#include "common/checks.h"
#include "cli.h"
#include "launch/gate.h"
#include "run_as.h"

#include <stdbool.h>

/* Run the target once. `last`: of --repeat, the one that is reported. Returns giltracer's exit
 * status: the target's own, or one of common/exit_status.h. */
int gt_run_once(const struct gt_cli *cli, const struct gt_inherited *inherited,
                const struct gt_run_as *run_as, struct gt_checks *checks, bool last);

#endif
