/* SPDX-License-Identifier: MIT */
/* --setup and --teardown: let members of a group record without being root. */
#ifndef GILTRACER_SETUP_H
#define GILTRACER_SETUP_H

#include "cli.h"

/*
 * Sets kernel.perf_event_paranoid to -1, lets the group read tracefs, and installs the two
 * libc probes in a group of their own, until teardown or the next boot. The previous settings
 * are noted in /run/giltracer; a setup that fails restores them. A probe costs nothing in
 * processes that nobody records. Both return exit statuses.
 */
int gt_setup(const struct gt_cli *cli);
int gt_teardown(void);

#endif
