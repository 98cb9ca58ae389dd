/* SPDX-License-Identifier: MIT */
#include "report/report.h"

#include "analysis/gil_times.h"
#include "base/nstime.h"
#include "report/blocks.h"
#include "report/labels.h"

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

/* Columns that are shown only when there is something to show in them. */
struct columns {
    bool unknown; /* events were lost; the other shares are of what is known */
    bool states;  /* scheduling was recorded */
    bool color;
};

static int put_head(struct gt_buf *text, const struct columns *columns)
{
    /* The marks are two columns wide, which printf's widths do not know. */
    return gt_buf_addf(text,
                       "%s%-9s  %12s  %s  %s  %s  %s%s%12s  %-*s  %s%s\n"
                       "---------  ------------  -----------  ------------  -------------  "
                       "%s%s------------  ------------------------  ----------\n",
                       columns->color ? BOLD : "", "PID", "total(us)", "  no gil%\xe2\x9c\x85",
                       "  has gil%\xe2\x9d\x97", "  gil wait%\xe2\x9d\x8c",
                       columns->states ? "running%  runnable%  sleeping%  " : "",
                       columns->unknown ? "unknown%  " : "", "longest wait", (int)BLAME_WIDTH,
                       "blocked by", "thread", columns->color ? PLAIN : "",
                       columns->states ? "--------  ---------  ---------  " : "",
                       columns->unknown ? "--------  " : "");
}

/* "thread 2 (71%)", padded. */
static int put_blame(const struct gt_report *report, uint32_t gil_index, uint32_t member,
                     struct gt_buf *text)
{
    const struct gt_gil *gil = gt_gil_at(report->timeline, gil_index);
    const struct gt_contention *contention = &report->analysis->contentions[gil_index];
    size_t count, first = gt_contention_of(contention, member, &count);
    const struct gt_blame *blame = count ? gt_blame_at(contention, first) : NULL;
    size_t start = text->length, width = 0;

    if (!blame)
        return gt_buf_addf(text, "%-*s", (int)BLAME_WIDTH, "-");
    if (blame->holder == GT_NO_INDEX
            ? gt_buf_adds(text, "(nobody)")
            : gt_report_label(report, gt_gil_thread_at(gil, blame->holder)->thread, text))
        return -1;
    if (gt_buf_addf(text, " (%.0f%%)",
                    gt_percent(blame->ns, gt_gil_thread_at(gil, member)->wait_ns)))
        return -1;
    for (size_t i = start; i < text->length; i++)
        width += (text->data[i] & 0xc0) != 0x80;
    for (; width < BLAME_WIDTH; width++)
        if (gt_buf_adds(text, " "))
            return -1;
    return 0;
}

/* Running, ready without a CPU, and everything else that is off the CPU. */
static int put_states(const struct gt_report *report, uint32_t thread, struct gt_buf *text)
{
    const struct gt_sched *sched = gt_sched_of(report->timeline, thread);
    /* States are of the thread's whole life, which may span several programs. */
    int64_t whole_ns = gt_thread_at(report->timeline, thread)->end_ns -
                       gt_thread_at(report->timeline, thread)->start_ns;
    int64_t ready_ns, asleep_ns = 0;

    if (!sched)
        return gt_buf_addf(text, "%8s  %9s  %9s  ", "-", "-", "-");
    ready_ns = sched->state_ns[GT_SCHED_PREEMPTED] + sched->state_ns[GT_SCHED_WOKEN];
    for (int i = GT_SCHED_SLEEPING; i < GT_SCHED_STATES; i++)
        asleep_ns += sched->state_ns[i];
    return gt_buf_addf(text, "%8.1f  %9.1f  %9.1f  ",
                       gt_percent(sched->state_ns[GT_SCHED_RUNNING], whole_ns),
                       gt_percent(ready_ns, whole_ns), gt_percent(asleep_ns, whole_ns));
}

static int put_first(const struct gt_thread *thread, int64_t lifetime_ns, struct gt_buf *text)
{
    char tid[24];

    snprintf(tid, sizeof(tid), "%d%s", thread->tid, thread->flags & GT_THREAD_MAIN ? "*" : "");
    return gt_buf_addf(text, "%-9s  %12.1f  ", tid, (double)lifetime_ns / GT_NS_PER_US);
}

static int put_wait(double wait, const struct columns *columns, struct gt_buf *text)
{
    static const char *const tints[] = {
        [GT_WAIT_LITTLE] = GREEN, [GT_WAIT_SOME] = "", [GT_WAIT_MUCH] = RED};
    const char *tint = columns->color ? tints[gt_wait_level(wait)] : "";

    return gt_buf_addf(text, "%s%13.1f%s  ", tint, wait, *tint ? PLAIN : "");
}

static int put_longest(int64_t longest_ns, struct gt_buf *text)
{
    char duration[32];

    return gt_buf_addf(text, "%12s  ",
                       longest_ns ? gt_duration_text(longest_ns, duration, sizeof(duration))
                                  : "-");
}

/* What the source does not tell is not shown: of futex calls, holds that nobody waited for; of
 * functions without returns, which part of a hold was a wait. */
static int put_held(const struct gt_gil *gil, const struct gt_gil_thread *member,
                    int64_t free_ns, struct gt_buf *text)
{
    int64_t known_ns = member->lifetime_ns - member->unknown_ns;

    if (gil->source == GT_GIL_FROM_FUTEX || known_ns <= 0)
        return gt_buf_addf(text, "%11s  %12s  ", "-", "-");
    if (gt_gil_lacks_returns(gil))
        return gt_buf_addf(text, "%11.1f  %12s  ", gt_percent(free_ns, known_ns), "-");
    return gt_buf_addf(text, "%11.1f  %12.1f  ", gt_percent(free_ns, known_ns),
                       gt_percent(member->hold_ns, known_ns));
}

static int put_row(const struct gt_report *report, uint32_t gil_index, uint32_t index,
                   const struct columns *columns, struct gt_buf *text)
{
    const struct gt_gil *gil = gt_gil_at(report->timeline, gil_index);
    const struct gt_gil_thread *member = gt_gil_thread_at(gil, index);
    int64_t whole_ns = member->lifetime_ns;
    int64_t free_ns = whole_ns - member->hold_ns - member->wait_ns - member->unknown_ns;
    int64_t known_ns = whole_ns - member->unknown_ns;
    bool no_waits = (gt_gil_lacks_returns(gil) && !member->wait_ns) || /* that were seen */
                    (member->unknown_ns && known_ns <= 0);

    if (put_first(gt_thread_at(report->timeline, member->thread), whole_ns, text) ||
        put_held(gil, member, free_ns, text) ||
        (no_waits ? gt_buf_addf(text, "%13s  ", "-")
                  : put_wait(gt_percent(member->wait_ns, known_ns), columns, text)) ||
        (columns->states && put_states(report, member->thread, text)) ||
        (columns->unknown &&
         gt_buf_addf(text, "%8.1f  ", gt_percent(member->unknown_ns, whole_ns))) ||
        put_longest(member->longest_wait_ns, text) ||
        put_blame(report, gil_index, index, text) || gt_buf_adds(text, "  ") ||
        gt_report_label(report, member->thread, text))
        return -1;
    return gt_buf_adds(text, "\n");
}

static int put_block(const struct gt_report *report, uint32_t index,
                     const struct columns *columns, struct gt_buf *text)
{
    const struct gt_gil *gil = gt_gil_at(report->timeline, index);
    size_t rows = gil->members.count < ROWS_MAX ? gil->members.count : ROWS_MAX;

    if (gt_report_title(report, "Summary of threads", index, text) || put_head(text, columns))
        return -1;
    for (uint32_t i = 0; i < rows; i++)
        if (put_row(report, index, i, columns, text))
            return -1;
    if (rows < gil->members.count &&
        gt_buf_addf(text, "… and %zu more threads, in the report.\n",
                    gil->members.count - rows))
        return -1;
    return gt_buf_adds(text, "\n");
}

/* Without GIL events: what the states tell, one row per thread. */
static int put_state_row(const struct gt_report *report, uint32_t index,
                         const struct columns *columns, struct gt_buf *text)
{
    const struct gt_thread *thread = gt_thread_at(report->timeline, index);
    const struct gt_sched *sched = gt_sched_of(report->timeline, index);
    int64_t whole_ns = thread->end_ns - thread->start_ns;
    int64_t wait_ns =
        sched->state_ns[GT_SCHED_SLEEPING_GIL] + sched->state_ns[GT_SCHED_OFF_CPU_GIL];
    bool told = report->timeline->saw_stacks || report->timeline->saw_futex;

    if (put_first(thread, whole_ns, text) || gt_buf_addf(text, "%11s  %12s  ", "-", "-") ||
        (told ? put_wait(gt_percent(wait_ns, whole_ns), columns, text)
              : gt_buf_addf(text, "%13s  ", "-")) ||
        put_states(report, index, text) ||
        (columns->unknown && gt_buf_addf(text, "%8s  ", "-")) ||
        gt_buf_addf(text, "%12s  %-*s  ", "-", (int)BLAME_WIDTH, "-") ||
        gt_report_label(report, index, text))
        return -1;
    return gt_buf_adds(text, "\n");
}

static int put_state_block(const struct gt_report *report, const struct columns *columns,
                           struct gt_buf *text)
{
    uint32_t rows = 0;

    if (gt_buf_adds(text, "Summary of threads:\n\n") || put_head(text, columns))
        return -1;
    for (uint32_t i = 0; i < report->timeline->scheds.count && rows < ROWS_MAX; i++) {
        if (gt_sched_of(report->timeline, i)->spans.count == 0)
            continue;
        if (put_state_row(report, i, columns, text))
            return -1;
        rows++;
    }
    return gt_buf_adds(text, "\n");
}

static bool is_any_unknown(const struct gt_timeline *timeline)
{
    for (uint32_t i = 0; i < timeline->gils.count; i++)
        if (gt_gil_at(timeline, i)->unknown_ns > 0)
            return true;
    return timeline->lost.count > 0;
}

int gt_report_print(const struct gt_report *report, bool color, struct gt_buf *text)
{
    const struct columns columns = {
        .unknown = is_any_unknown(report->timeline),
        .states = gt_report_shows_states(report),
        .color = color,
    };
    size_t count = report->timeline->gils.count;

    for (uint32_t i = 0; i < count && i < BLOCKS_MAX; i++)
        if (put_block(report, i, &columns, text))
            return -1;
    if (count == 0 && columns.states && put_state_block(report, &columns, text))
        return -1;
    if (count > BLOCKS_MAX &&
        gt_buf_addf(text, "… and %zu more GILs, in the report.\n\n", count - BLOCKS_MAX))
        return -1;
    if (gt_blocker_text_print(report, text) || gt_whatif_print(report, text) ||
        gt_counters_print(report, text))
        return -1;
    for (size_t i = 0; i < report->findings.count; i++)
        if (gt_buf_addf(text, "%s\n", report->findings.items[i]))
            return -1;
    return 0;
}
