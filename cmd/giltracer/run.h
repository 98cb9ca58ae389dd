/* One traced run, from the command line to the written report. */
#ifndef GILTRACER_RUN_H
#define GILTRACER_RUN_H

#include "launch/gate.h"
#include "cli.h"

/* Returns the exit status for giltracer: the target's own, or 125, 126, 127. */
int gt_run(const struct gt_cli *cli, const struct gt_inherited *inherited);

#endif
