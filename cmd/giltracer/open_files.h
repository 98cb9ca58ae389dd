/* SPDX-License-Identifier: MIT */
/* Are so many files allowed to be open at once as a run needs? */
#ifndef GILTRACER_OPEN_FILES_H
#define GILTRACER_OPEN_FILES_H

#include "base/error.h"
#include "launch/caps.h"
#include "launch/gate.h"
#include "cli.h"

/* For any run: with the agent alone. Before anything is opened. 0, or negative with the
 * reason. */
int gt_open_files_check(const struct gt_cli *cli, const struct gt_inherited *inherited,
                        struct gt_error *err);

/* For a run that perf records: where they are not, `caps` say that it cannot. */
void gt_open_files_judge(const struct gt_cli *cli, const struct gt_inherited *inherited,
                         struct gt_caps *caps);

#endif
