/* SPDX-License-Identifier: MIT */
/*
 * Private to report/: the findings, in sentences that are valid UTF-8 and safe for a terminal.
 *
 * Each function appends those on one subject to the findings, if there is something to say.
 * `text` is a buffer to make them in: empty before, and after. 0 or -1 (no memory). To add a
 * subject: a function here, and its place among the others in findings.c.
 */
#ifndef GT_REPORT_SENTENCES_H
#define GT_REPORT_SENTENCES_H

#include "report/internal.h"

/* Append the sentence in `text`, unless making it failed, and empty it. 0 or -1. */
static inline int gt_findings_add(struct gt_report *report, struct gt_buf *text, int failed)
{
    int rc = failed ? -1 : gt_strvec_push(&report->findings, text->data);

    gt_buf_reset(text);
    return rc;
}

typedef int gt_sentences(struct gt_report *report, struct gt_buf *text);

/* verdict.c: is the program GIL-bound, who blocked whom most, and what kept the GIL. */
gt_sentences gt_verdict_say;
/* worst.c: when a GIL was waited for most, where that is materially worse than the whole; for
 * the verdict on that GIL. And the sentence alone. 0 or -1. */
int gt_worst_say(struct gt_report *report, uint32_t gil, struct gt_buf *text);
int gt_worst_text(const struct gt_report *report, uint32_t gil, struct gt_buf *text);
/* locks.c: which lock was waited for most, where that is more than for GILs. */
gt_sentences gt_locks_say;
/* stops.c: what stopped all threads, where that matters. */
gt_sentences gt_stops_say;
/* parallel.c: how parallel a run without a GIL was, and when a GIL came on. */
gt_sentences gt_parallel_say;
/* cost.c: what recording cost, where that is so much that what else is told is of another run
 * than the program's own; and where it is less, but not little. */
gt_sentences gt_cost_say_dear;
gt_sentences gt_cost_say;
/* … and what perf's other recordings cost, where that is more than the budget. */
gt_sentences gt_cost_say_perf;
/* sources.c: whether the probes were taken out, and how far two sources agree. */
gt_sentences gt_sources_say;
/* machine.c: what the machine did to the waiting for the GIL, and to the program as a whole. */
gt_sentences gt_machine_say_of_waiting;
gt_sentences gt_machine_say;
/* unseen.c: what may have happened and was not recorded, though nothing was lost. */
gt_sentences gt_unseen_say;
/* left_out.c: what is not kept of a recording that names too much. */
gt_sentences gt_left_out_say;
/* recordings.c: of which several recordings it is, and how exactly their clocks agree. */
gt_sentences gt_recordings_say;
/* holes.c: what is not known of single processes. */
gt_sentences gt_holes_say;
/* whatif.c: the estimate that is worth most. */
gt_sentences gt_whatif_say;
/* functions.c: what was not recorded of functions. */
gt_sentences gt_functions_say;

/* findings.c: all of them, the most important first. 0 or -1. */
int gt_findings_make(struct gt_report *report);

#endif
