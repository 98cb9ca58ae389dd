#include "report/internal.h"

#include "base/nstime.h"

#include <stdio.h>
#include <string.h>

/*
 * The table for people. Its first five columns are those of the tool that giltracer replaces,
 * so that scripts which read them go on working.
 */

enum {
    ROWS_MAX = 64,   /* per GIL: the rest is in the report file */
    BLOCKS_MAX = 32, /* GILs */
    BLAME_WIDTH = 24,
};

#define RED   "\033[31m"
#define GREEN "\033[32m"
#define BOLD  "\033[1m"
#define PLAIN "\033[0m"

static int put_head(struct gt_buf *text, bool unknown, bool color)
{
    /* The marks are two columns wide, which printf's widths do not know. */
    return gt_buf_addf(text,
                       "%s%-9s  %12s  %s  %s  %s  %s%12s  %-*s  %s%s\n"
                       "---------  ------------  -----------  ------------  -------------  "
                       "%s------------  ------------------------  ----------\n",
                       color ? BOLD : "", "PID", "total(us)", "  no gil%\xe2\x9c\x85",
                       "  has gil%\xe2\x9d\x97", "  gil wait%\xe2\x9d\x8c",
                       unknown ? "unknown%  " : "", "longest wait", (int)BLAME_WIDTH,
                       "blocked by", "thread", color ? PLAIN : "", unknown ? "--------  " : "");
}

static double percent(int64_t part_ns, int64_t whole_ns)
{
    return whole_ns > 0 ? 100.0 * (double)part_ns / (double)whole_ns : 0.0;
}

/* "thread 2 (71%)", padded. */
static int put_blame(const struct gt_report *report, uint32_t gil_index, uint32_t member,
                     struct gt_buf *text)
{
    const struct gt_gil *gil = gt_gil_at(report->timeline, gil_index);
    const struct gt_contention *contention = &report->contentions[gil_index];
    size_t count, first = gt_contention_of(contention, member, &count);
    const struct gt_blame *blame = count ? gt_blame_at(contention, first) : NULL;
    size_t start = text->length, width = 0;

    if (!blame)
        return gt_buf_addf(text, "%-*s", (int)BLAME_WIDTH, "-");
    if (blame->holder == GT_NO_INDEX
            ? gt_buf_adds(text, "(nobody)")
            : gt_report_label(report, gt_member_at(gil, blame->holder)->thread, text))
        return -1;
    if (gt_buf_addf(text, " (%.0f%%)", percent(blame->ns, gt_member_at(gil, member)->wait_ns)))
        return -1;
    for (size_t i = start; i < text->length; i++)
        width += (text->data[i] & 0xc0) != 0x80;
    for (; width < BLAME_WIDTH; width++)
        if (gt_buf_adds(text, " "))
            return -1;
    return 0;
}

static int put_row(const struct gt_report *report, uint32_t gil_index, uint32_t index,
                   bool unknown, bool color, struct gt_buf *text)
{
    const struct gt_gil *gil = gt_gil_at(report->timeline, gil_index);
    const struct gt_member *member = gt_member_at(gil, index);
    const struct gt_thread *thread = gt_thread_at(report->timeline, member->thread);
    int64_t whole_ns = member->lifetime_ns;
    int64_t free_ns = whole_ns - member->hold_ns - member->wait_ns - member->unknown_ns;
    double wait = percent(member->wait_ns, whole_ns);
    const char *tint = !color ? "" : wait >= 20 ? RED : wait < 1 ? GREEN : "";
    char tid[24], duration[32];

    snprintf(tid, sizeof(tid), "%d%s", thread->tid, thread->flags & GT_THREAD_MAIN ? "*" : "");
    if (gt_buf_addf(text, "%-9s  %12.1f  %11.1f  %12.1f  %s%13.1f%s  ", tid,
                    (double)whole_ns / GT_NS_PER_US, percent(free_ns, whole_ns),
                    percent(member->hold_ns, whole_ns), tint, wait, *tint ? PLAIN : ""))
        return -1;
    if (unknown && gt_buf_addf(text, "%8.1f  ", percent(member->unknown_ns, whole_ns)))
        return -1;
    if (gt_buf_addf(text, "%12s  ",
                    member->waits
                        ? gt_duration_text(member->longest_wait_ns, duration, sizeof(duration))
                        : "-") ||
        put_blame(report, gil_index, index, text) || gt_buf_adds(text, "  ") ||
        gt_report_label(report, member->thread, text))
        return -1;
    return gt_buf_adds(text, "\n");
}

static int put_title(const struct gt_report *report, uint32_t index, struct gt_buf *text)
{
    const struct gt_timeline *timeline = report->timeline;
    const struct gt_gil *gil = gt_gil_at(timeline, index);
    const struct gt_process *process = gt_process_at(timeline, gil->process);

    if (gt_buf_adds(text, "Summary of threads"))
        return -1;
    if (timeline->gils.count > 1 &&
        (gt_buf_adds(text, " of ") ||
         gt_buf_add_visible(text, gt_intern_text(&timeline->names, process->name),
                            gt_intern_length(&timeline->names, process->name)) ||
         gt_buf_addf(text, " (pid %d), GIL %u", process->pid, gil->number)))
        return -1;
    return gt_buf_adds(text, ":\n\n");
}

static int put_block(const struct gt_report *report, uint32_t index, bool color,
                     struct gt_buf *text)
{
    const struct gt_gil *gil = gt_gil_at(report->timeline, index);
    bool unknown = report->timeline->lost.count > 0;
    size_t rows = gil->members.count < ROWS_MAX ? gil->members.count : ROWS_MAX;

    if (put_title(report, index, text) || put_head(text, unknown, color))
        return -1;
    for (uint32_t i = 0; i < rows; i++)
        if (put_row(report, index, i, unknown, color, text))
            return -1;
    if (rows < gil->members.count &&
        gt_buf_addf(text, "… and %zu more threads, in the report.\n",
                    gil->members.count - rows))
        return -1;
    return gt_buf_adds(text, "\n");
}

int gt_report_print(const struct gt_report *report, bool color, struct gt_buf *text)
{
    size_t count = report->timeline->gils.count;

    for (uint32_t i = 0; i < count && i < BLOCKS_MAX; i++)
        if (put_block(report, i, color, text))
            return -1;
    if (count > BLOCKS_MAX &&
        gt_buf_addf(text, "… and %zu more GILs, in the report.\n\n", count - BLOCKS_MAX))
        return -1;
    for (size_t i = 0; i < report->findings.count; i++)
        if (gt_buf_addf(text, "%s\n", report->findings.items[i]))
            return -1;
    return 0;
}
