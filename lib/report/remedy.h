/* SPDX-License-Identifier: MIT */
/* Private to report/: what helps where the GIL was kept (analysis/judgement.h), in words. */
#ifndef GT_REPORT_REMEDY_H
#define GT_REPORT_REMEDY_H

#include "report/blocker_text.h"

/* Append sentences that say what kept the GIL and what can be done about it. The judgement and
 * the names of `text` are set. 0 or -1. */
int gt_remedy_say(struct gt_blocker_text *text, const struct gt_report *report,
                  const struct gt_blocker *row);

/* What tells in which function a thread was; "": functions were traced, and not this one. */
const char *gt_remedy_for_tracing(const struct gt_report *report);

/* What a system call is called, by its number plus 1 (gt_after.call); NULL: its name says
 * nothing. */
const char *gt_call_name(uint32_t call);

#endif
