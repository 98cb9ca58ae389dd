/* SPDX-License-Identifier: MIT */
/*
 * --metrics of what runs already, with --match or --pid: each process has a follower
 * (follower.h), and they share the counters.
 *
 * One perf -a would need none of them, but then the kernel records each switch of every thread
 * of the machine: too much where others are busy. perf cannot take up further processes once it
 * records, so each has its own.
 */
#ifndef GILTRACER_FOLLOW_H
#define GILTRACER_FOLLOW_H

#include "cli.h"
#include "launch/gate.h"
#include "run_as.h"

#include <stdbool.h>

/* Is that asked for? */
bool gt_follow_is_asked(const struct gt_cli *cli);

/* Do it, to the end of the last process of --pid, of --duration, or until a signal comes.
 * Returns giltracer's exit status. */
int gt_follow(const struct gt_cli *cli, const struct gt_inherited *inherited,
              const struct gt_run_as *run_as);

#endif
