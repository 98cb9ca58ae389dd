/* SPDX-License-Identifier: MIT */
#include "report/blocker_text.h"

#include "base/nstime.h"
#include "report/labels.h"

/* The convoy (analysis/convoy.h) in words. */

int gt_convoy_say(const struct gt_report *report, uint32_t gil_index, struct gt_buf *text)
{
    const struct gt_gil *gil = gt_gil_at(report->timeline, gil_index);
    const struct gt_convoy *convoy = &report->analysis->convoys[gil_index];
    char each[32], held[32];

    if (!convoy->count)
        return 0;
    if (gt_buf_adds(text, "Convoy: ") ||
        gt_report_label(report, gt_gil_thread_at(gil, convoy->waiter)->thread, text) ||
        gt_buf_addf(text, " waits %s on average to hold the GIL for %s, %u times, behind ",
                    gt_duration_text(convoy->wait_ns, each, sizeof(each)),
                    gt_duration_text(convoy->hold_ns, held, sizeof(held)), convoy->waits) ||
        gt_report_label(report, gt_gil_thread_at(gil, convoy->holder)->thread, text))
        return -1;
    if (convoy->count > 1 &&
        gt_buf_addf(text,
                    convoy->count == 2 ? "; so does %u more thread" : "; so do %u more threads",
                    convoy->count - 1))
        return -1;
    /* Who has no CPU gives nothing up, by whatever interval, and another process has none. */
    if (report->analysis->interference.waiting != GT_WAITING_NOT_BY_MACHINE)
        return gt_buf_adds(text, ".");
    return gt_buf_adds(text, convoy->interval_helps
                                 ? ". A smaller sys.setswitchinterval(), or computing in "
                                   "another process, shortens it."
                                 : ". Computing in another process shortens it.");
}
