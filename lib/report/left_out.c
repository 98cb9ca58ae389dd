/* SPDX-License-Identifier: MIT */
#include "report/sentences.h"

#include "report/values.h"

/* What was left out of a recording that names more than is kept (model/limits.h). */

int gt_left_out_say(struct gt_report *report, struct gt_buf *text)
{
    const struct gt_left_out *left_out = &report->timeline->left_out;

    if (left_out->events &&
        gt_findings_add(
            report, text,
            gt_buf_addf(
                text,
                "Not all of the recording is in this report: no more than %d threads and "
                "%d processes are kept. %llu events of others were left out, and what "
                "those did is not known.",
                GT_THREADS_MAX, GT_PROCESSES_MAX, (unsigned long long)left_out->events)))
        return -1;
    if (left_out->gils &&
        gt_findings_add(
            report, text,
            gt_buf_addf(text,
                        "Not all of the recording is in this report: no more than %d "
                        "GILs are kept, and of others nothing is known.",
                        GT_GILS_MAX)))
        return -1;
    if (left_out->counts &&
        gt_findings_add(report, text,
                        gt_buf_addf(text,
                                    "No more than %d events are counted: %llu counts of others "
                                    "were left out.",
                                    GT_COUNTERS_MAX, (unsigned long long)left_out->counts)))
        return -1;
    if (left_out->locks &&
        gt_findings_add(report, text,
                        gt_buf_addf(text,
                                    "No more than %d locks are kept: what was waited for %llu "
                                    "others was left out.",
                                    GT_LOCKS_MAX, (unsigned long long)left_out->locks)))
        return -1;
    if (!left_out->lost_ranges)
        return 0;
    return gt_findings_add(
        report, text,
        gt_buf_adds(text,
                    "Events were lost so often that stretches between two losses are taken "
                    "for lost as well."));
}

json_t *gt_left_out_value(const struct gt_report *report)
{
    const struct gt_left_out *left_out = &report->timeline->left_out;

    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "events", (json_int_t)left_out->events,
                     "gils", (json_int_t)left_out->gils, "counts", (json_int_t)left_out->counts,
                     "locks", (json_int_t)left_out->locks, "lost_ranges",
                     (json_int_t)left_out->lost_ranges);
}
