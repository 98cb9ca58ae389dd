/* SPDX-License-Identifier: MIT */
/* The line that tells how far a run is, on a terminal that the program does not write to. */
#ifndef GILTRACER_PROGRESS_H
#define GILTRACER_PROGRESS_H

#include "run_state.h"

/* Called some times a second. While a program runs that has the same terminal nothing is shown:
 * the terminal is the program's. */
void gt_progress_show(const struct gt_run_state *run, enum gt_session_state state);

#endif
