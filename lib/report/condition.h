/* SPDX-License-Identifier: MIT */
/*
 * Conditions on a report, for --fail-if: `wait > 20%`, `longest_wait > 50ms`,
 * `thread("worker-*").wait >= 1s`, `blocker("json.*") > 5%`.
 *
 *     condition = what op number unit      op: > >= < <=     unit: % ns us ms s
 *     what      = wait | hold | longest_wait | longest_hold
 *               | thread("GLOB").wait (or hold, longest_wait, longest_hold)
 *               | blocker("GLOB")
 *
 * A percentage is a share of the threads' lives; that of a blocker is how much of these all
 * threads waited for it. Where part of a life is not known, a figure has a range: at the least,
 * nothing was missed there; at the most, all of that time was waiting, or holding. A condition
 * is breached when it is at both ends of the range; it has passed when it is at neither; else
 * it cannot be judged. Of several threads that match, the one nearest to a breach counts. A
 * blocker's GLOB matches "name", and "module.name" with as much of the module's path as the
 * GLOB has dots.
 */
#ifndef GT_REPORT_CONDITION_H
#define GT_REPORT_CONDITION_H

#include "base/buf.h"
#include "base/error.h"
#include "report/report.h"

#include <stdbool.h>

enum gt_condition_what { GT_WHAT_ALL, GT_WHAT_THREAD, GT_WHAT_BLOCKER };
enum gt_condition_field {
    GT_FIELD_WAIT,
    GT_FIELD_HOLD,
    GT_FIELD_LONGEST_WAIT,
    GT_FIELD_LONGEST_HOLD,
};

struct gt_condition {
    enum gt_condition_what what;
    enum gt_condition_field field;
    char glob[256];
    bool below;    /* < or <=, else > or >= */
    bool or_equal; /* <= or >= */
    bool percent;  /* limit is a percentage, else nanoseconds */
    double limit;
};

/* GT_ERR_USAGE: the message is followed by two lines, the text and a caret under the spot. */
int gt_condition_parse(struct gt_condition *condition, const char *text, struct gt_error *err);

enum gt_check_result { GT_PASSED, GT_BREACHED, GT_UNJUDGED };

/* Judge the finished report: an enum gt_check_result, or a negative gt_err. Unless it passed,
 * `text` gets a line that says by how much, or why not. */
int gt_condition_judge(const struct gt_condition *condition, const char *source,
                       const struct gt_report *report, struct gt_buf *text);

#endif
