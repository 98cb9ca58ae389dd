/* SPDX-License-Identifier: MIT */
/* What is said of a run beyond its table: --fail-if, --baseline, and the median of --repeat;
 * and the conditions of --when, which are judged while it runs. */
#ifndef GT_COMMON_CHECKS_H
#define GT_COMMON_CHECKS_H

#include "base/error.h"
#include "report/condition.h"
#include "report/metrics.h"
#include "report/report.h"

#include <stdbool.h>

/* What was asked for; borrowed. */
struct gt_checks_asked {
    char *const *fail_if; /* conditions; NULL-terminated, or NULL: none */
    char *const *when;    /* likewise */
    const char *baseline; /* NULL: none */
    unsigned runs;        /* of which medians are told, where it is more than 1 */
    bool quiet;
};

struct gt_checks {
    struct gt_checks_asked asked;
    struct gt_condition *conditions; /* one per asked.fail_if */
    struct gt_condition *when;       /* one per asked.when */
    struct gt_metrics metrics;       /* of all runs so far */
    struct gt_metrics baseline;
    bool breached; /* a condition holds */
    bool unjudged; /* a condition cannot be judged */
};

/* Parse the conditions and read the baseline, before the target runs. Release also after a
 * failure. */
int gt_checks_init(struct gt_checks *checks, const struct gt_checks_asked *asked,
                   struct gt_error *err);
void gt_checks_release(struct gt_checks *checks);

/* Say, in the name of the program, why gt_checks_init failed; a condition's message has a caret
 * below it. */
void gt_checks_refuse(const char *program, const struct gt_error *err);

/* A run is over: add its figures to those of the runs before. */
int gt_checks_take(struct gt_checks *checks, struct gt_report *report, struct gt_error *err);

/* The last run is over: print the medians, the comparison and the conditions that hold, and set
 * `breached` and `unjudged`. NULL: there is no report, so that no condition can be judged. */
void gt_checks_say(struct gt_checks *checks, const struct gt_report *report);

/* the exit status where all else succeeded: GT_EXIT_BREACHED, GT_EXIT_UNJUDGED or 0.
 */
int gt_checks_status(const struct gt_checks *checks);

#endif
