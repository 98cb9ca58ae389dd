/* SPDX-License-Identifier: MIT */
/* One traced run, from the command line to the written report. */
#ifndef GILTRACER_RUN_H
#define GILTRACER_RUN_H

#include "launch/gate.h"
#include "cli.h"

/* Returns giltracer's exit status: the target's own, or one of common/exit_status.h. */
int gt_run(const struct gt_cli *cli, const struct gt_inherited *inherited);

#endif
