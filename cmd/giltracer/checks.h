/* SPDX-License-Identifier: MIT */
/* What is said of a run beyond its table: --fail-if, --baseline, and the median of --repeat. */
#ifndef GILTRACER_CHECKS_H
#define GILTRACER_CHECKS_H

#include "base/error.h"
#include "cli.h"
#include "report/condition.h"
#include "report/metrics.h"
#include "report/report.h"

#include <stdbool.h>

struct gt_checks {
    const struct gt_cli *cli;
    struct gt_condition *conditions; /* one per cli->fail_if */
    struct gt_metrics metrics;       /* of all runs so far */
    struct gt_metrics baseline;
    bool breached; /* a condition holds */
    bool unjudged; /* a condition cannot be judged */
};

/* Parse the conditions and read the baseline, before the target runs. Release also after a
 * failure. */
int gt_checks_init(struct gt_checks *checks, const struct gt_cli *cli, struct gt_error *err);
void gt_checks_release(struct gt_checks *checks);

/* Say why gt_checks_init failed; a condition's message has a caret below it. */
void gt_checks_refuse(const struct gt_error *err);

/* A run is over: add its figures to those of the runs before. */
int gt_checks_take(struct gt_checks *checks, struct gt_report *report, struct gt_error *err);

/* The last run is over: print the medians, the comparison and the conditions that hold, and set
 * `breached` and `unjudged`. NULL: there is no report, so that no condition can be judged. */
void gt_checks_say(struct gt_checks *checks, const struct gt_report *report);

/* giltracer's exit status when the target succeeded: GT_EXIT_BREACHED, GT_EXIT_UNJUDGED or 0.
 */
int gt_checks_status(const struct gt_checks *checks);

#endif
