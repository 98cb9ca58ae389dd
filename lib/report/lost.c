/* SPDX-License-Identifier: MIT */
#include "analysis/loss_remedy.h"
#include "report/internal.h"

/* As --buffer takes it. */
static int add_size(struct gt_buf *text, uint64_t bytes)
{
    uint64_t kib = bytes / 1024;

    return gt_buf_addf(text, kib % 1024 ? "%lluK" : "%lluM",
                       (unsigned long long)(kib % 1024 ? kib : kib / 1024));
}

int gt_lost_say_remedy(const struct gt_report *report, struct gt_buf *text)
{
    const struct gt_loss_remedy *remedy = &report->analysis->loss_remedy;

    if (!remedy->used_bytes)
        return gt_buf_adds(text, " A larger buffer of perf loses less: giltracer's --buffer "
                                 "SIZE, perf record's -m SIZE.");
    if (gt_buf_adds(text, " perf's buffers, of ") || add_size(text, remedy->used_bytes) ||
        gt_buf_adds(text, " per CPU, were full: "))
        return -1;
    if (remedy->larger_bytes &&
        (gt_buf_adds(text, "--buffer ") || add_size(text, remedy->larger_bytes) ||
         gt_buf_adds(text, " makes them larger")))
        return -1;
    if (remedy->agent)
        return gt_buf_addf(text, "%s--gil-source agent needs none for the GIL.",
                           remedy->larger_bytes ? ", " : "");
    return gt_buf_adds(text,
                       remedy->larger_bytes
                           ? "."
                           : "larger ones are not possible here (for lack of memory, or by "
                             "ulimit -l).");
}
