/* SPDX-License-Identifier: MIT */
/* The runs that a command line asks for: as whom, and how often. */
#ifndef GILTRACER_REPEAT_H
#define GILTRACER_REPEAT_H

#include "cli.h"
#include "launch/gate.h"

/* Run the target as often as --repeat says, under sudo as the user who called it, and report.
 * Returns the exit status of giltracer; what there is to say is said. */
int gt_repeat(struct gt_cli *cli, const struct gt_inherited *inherited);

#endif
