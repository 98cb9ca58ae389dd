/* SPDX-License-Identifier: MIT */
/* From the command line to a plan: what runs, with the agent or without, and how it is
 * recorded. */
#ifndef GILTRACER_PLANNING_H
#define GILTRACER_PLANNING_H

#include "agent.h"
#include "attach/running.h"
#include "base/error.h"
#include "base/strvec.h"
#include "launch/caps.h"
#include "launch/interp.h"
#include "launch/plan.h"
#include "cli.h"

/* What is asked of the agent: the command line's, less what cannot be. `why` says what hinders
 * it from being loaded; its code is 0 where nothing does. `running`: with --pid. */
void gt_planning_agent(struct gt_agent_request *agent, struct gt_error *why,
                       const struct gt_cli *cli, const struct gt_interp *interp,
                       const struct gt_running *running);

/* The plan of a run of `target`, which is NULL-terminated. 0 or negative. */
int gt_planning_make(struct gt_plan *plan, const struct gt_cli *cli,
                     const struct gt_agent_request *agent, bool agent_possible,
                     char *const *target, const struct gt_caps *caps,
                     const struct gt_interp *interp, struct gt_error *err);

/* The probes are about to be taken out: say which Python processes, of those that descend from
 * `root_pid`, will not be seen any more. */
void gt_planning_say_unseen(int root_pid);

#endif
