/* SPDX-License-Identifier: MIT */
#include "report/labels.h"

#include "report/internal.h"

#include <string.h>

int gt_report_name(const struct gt_report *report, uint32_t thread, struct gt_buf *text)
{
    char label[64];
    size_t length = gt_timeline_thread_label(report->timeline, thread, label, sizeof(label));

    return gt_buf_add_visible(text, label, length);
}

int gt_report_label(const struct gt_report *report, uint32_t index, struct gt_buf *text)
{
    const struct gt_thread *thread = gt_thread_at(report->timeline, index);

    if (gt_report_name(report, index, text))
        return -1;
    return thread->flags & GT_THREAD_NAMESAKE ? gt_buf_addf(text, " (%d)", thread->tid) : 0;
}

int gt_report_function(const struct gt_report *report, uint32_t function, struct gt_buf *text)
{
    const struct gt_timeline *timeline = report->timeline;
    const struct gt_function_info *called = gt_chunks_at(&timeline->functions, function);
    const char *module = gt_intern_text(&timeline->names, called->file);

    if (called->flags & GT_FUNCTION_C && !(called->flags & GT_FUNCTION_GC) && *module &&
        strcmp(module, "builtins") != 0 &&
        (gt_buf_add_visible(text, module, gt_intern_length(&timeline->names, called->file)) ||
         gt_buf_adds(text, ".")))
        return -1;
    return gt_buf_add_visible(text, gt_intern_text(&timeline->names, called->name),
                              gt_intern_length(&timeline->names, called->name));
}

int gt_report_gil(const struct gt_report *report, uint32_t index, struct gt_buf *text)
{
    const struct gt_gil *gil = gt_gil_at(report->timeline, index);

    return gt_report_process(report, index, text) ||
                   gt_buf_addf(text, " (pid %d), GIL %u",
                               gt_process_at(report->timeline, gil->process)->own_pid,
                               gil->number)
               ? -1
               : 0;
}

const char *gt_report_whole(const struct gt_report *report)
{
    if (report->recorded->cut)
        return "what was read";
    return report->timeline->is_part ? "what was recorded" : "the run";
}

int gt_report_title(const struct gt_report *report, const char *what, uint32_t index,
                    struct gt_buf *text)
{
    if (gt_buf_adds(text, what))
        return -1;
    if (report->timeline->gils.count > 1 &&
        (gt_buf_adds(text, " of ") || gt_report_gil(report, index, text)))
        return -1;
    return gt_buf_adds(text, ":\n\n");
}
