/* SPDX-License-Identifier: MIT */
#include "base/nstime.h"
#include "model/locks.h"
#include "report/blocks.h"
#include "report/grid.h"
#include "report/labels.h"
#include "report/shown.h"

#include <string.h>

/* The threads of processes that ran without a GIL, in the order in which they came. */

enum { COLUMNS = 8 };

static void choose_columns(const struct gt_timeline *timeline,
                           struct gt_grid_column columns[COLUMNS])
{
    /* The agent records waits for locks and stops, and always usage, too. */
    bool states = timeline->saw_sched, agent = timeline->usages.count > 0;
    const struct gt_grid_column chosen[COLUMNS] = {
        {"TID", GT_GRID_LEFT},
        {"total(µs)", 0},
        {states ? "running%" : NULL, 0},
        {states ? "runnable%" : NULL, 0},
        {states ? "sleeping%" : NULL, 0},
        {agent || timeline->probed_locks ? "lock wait%" : NULL, 0},
        {agent ? "stopped%" : NULL, 0},
        {"thread", GT_GRID_LEFT | GT_GRID_NAME},
    };

    memcpy(columns, chosen, sizeof(chosen));
}

static int add_percent(struct gt_grid *grid, int64_t part_ns, int64_t whole_ns)
{
    return gt_grid_add(grid, "%.1f", gt_percent(part_ns, whole_ns));
}

static int add_states(const struct gt_sched *sched, int64_t whole_ns, struct gt_grid *grid)
{
    int64_t asleep_ns = 0;

    if (!sched)
        return gt_grid_add(grid, "-") || gt_grid_add(grid, "-") || gt_grid_add(grid, "-");
    for (int i = GT_SCHED_SLEEPING; i < GT_SCHED_STATES; i++)
        asleep_ns = gt_add_ns(asleep_ns, sched->state_ns[i]);
    return add_percent(grid, sched->state_ns[GT_SCHED_RUNNING], whole_ns) ||
           add_percent(grid,
                       sched->state_ns[GT_SCHED_PREEMPTED] + sched->state_ns[GT_SCHED_WOKEN],
                       whole_ns) ||
           add_percent(grid, asleep_ns, whole_ns);
}

static int add_row(const struct gt_report *report, uint32_t index, struct gt_grid *grid)
{
    const struct gt_timeline *timeline = report->timeline;
    const struct gt_thread *thread = gt_thread_at(timeline, index);
    int64_t whole_ns = thread->end_ns - thread->start_ns;
    struct gt_buf label;
    int rc;

    gt_buf_init(&label);
    rc = gt_grid_add(grid, "%d%s", thread->tid, thread->flags & GT_THREAD_MAIN ? "*" : "") ||
         gt_grid_add(grid, "%.1f", (double)whole_ns / GT_NS_PER_US) ||
         add_states(gt_sched_of(timeline, index), whole_ns, grid) ||
         add_percent(grid, gt_lock_wait_of(timeline, index), whole_ns) ||
         add_percent(grid, gt_stopped_of(timeline, index), whole_ns) ||
         gt_report_label(report, index, &label) || gt_grid_add_buf(grid, &label);
    gt_buf_release(&label);
    return rc ? -1 : 0;
}

/* Where a GIL came on, the threads are in its table. */
static bool is_shown(const struct gt_report *report, uint32_t thread)
{
    uint32_t process = gt_thread_at(report->timeline, thread)->process;

    return gt_ran_without_gil(report->timeline, report->info, process) &&
           !gt_gil_switch_of(report->timeline, process);
}

int gt_without_gil_print(const struct gt_report *report, const struct gt_print_options *how,
                         struct gt_buf *text)
{
    size_t most = report->options.all_threads ? SIZE_MAX : GT_SHOWN_ROWS, rows = 0;
    struct gt_grid_column columns[COLUMNS];
    struct gt_grid grid;
    int rc = 0;

    choose_columns(report->timeline, columns);
    gt_grid_init(&grid, columns, COLUMNS);
    for (uint32_t i = 0; rc == 0 && i < report->timeline->threads.count; i++)
        if (is_shown(report, i) && rows++ < most)
            rc = add_row(report, i, &grid);
    if (rc == 0 && rows)
        rc = gt_buf_adds(text, "Threads without a GIL:\n\n") || gt_grid_print(&grid, how, text);
    gt_grid_release(&grid);
    if (rc == 0)
        rc = gt_shown_put_left(rows, most, text);
    return rc || (rows && gt_buf_adds(text, "\n")) ? -1 : 0;
}
