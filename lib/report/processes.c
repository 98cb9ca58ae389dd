/* SPDX-License-Identifier: MIT */
#include "report/blocks.h"

#include "analysis/gil_times.h"
#include "base/nstime.h"
#include "model/gil_switch.h"
#include "report/grid.h"
#include "report/labels.h"
#include "report/shown.h"

#include <stdlib.h>

/* A row per process and GIL, those that waited longest first. */

enum { COLUMNS = 8 };

static const char *bound_text(const struct gt_verdict *verdict)
{
    switch (verdict->bound) {
    case GT_BOUND_NOT:
        return "no";
    case GT_BOUND_PARTLY:
        return "partly";
    case GT_BOUND_FULLY:
        return "yes";
    case GT_BOUND_LOST:
    case GT_BOUND_UNSURE:
    case GT_BOUND_NO_RETURNS:
        break;
    }
    return "not known";
}

static int add_share(struct gt_grid *grid, bool known, int64_t part_ns, int64_t whole_ns)
{
    return known ? gt_grid_add(grid, "%.1f", gt_percent(part_ns, whole_ns))
                 : gt_grid_add(grid, "-");
}

/* Shares: of the GIL's life that somebody held it, of its threads' lives that they waited, and
 * of its life that anybody waited. */
static int add_shares(const struct gt_gil *gil, const struct gt_utilization_slice *total,
                      struct gt_grid *grid)
{
    int64_t known_ns = gt_gil_known_ns(gil), lives_ns = gt_gil_thread_lives_ns(gil);
    int64_t wait_ns = gt_gil_wait_ns(gil);
    bool lacks = gt_gil_lacks_returns(gil);
    bool waits = known_ns > 0 && lives_ns > 0 && (!lacks || wait_ns);

    return add_share(grid, gil->source != GT_GIL_FROM_FUTEX && !lacks && known_ns > 0,
                     total->held_ns, known_ns) ||
                   add_share(grid, waits, wait_ns, lives_ns) ||
                   add_share(grid, waits, total->contended_ns, known_ns)
               ? -1
               : 0;
}

static int64_t longest_wait_ns(const struct gt_gil *gil)
{
    int64_t longest_ns = 0;

    for (uint32_t i = 0; i < gil->members.count; i++)
        if (gt_gil_thread_at(gil, i)->longest_wait_ns > longest_ns)
            longest_ns = gt_gil_thread_at(gil, i)->longest_wait_ns;
    return longest_ns;
}

static int add_name(const struct gt_report *report, uint32_t index, struct gt_grid *grid)
{
    uint32_t number = gt_gil_at(report->timeline, index)->number;
    struct gt_buf name;
    int rc;

    gt_buf_init(&name);
    rc = gt_report_process(report, index, &name) ||
         (number && gt_buf_addf(&name, ", GIL %u", number)) || gt_grid_add_buf(grid, &name);
    gt_buf_release(&name);
    return rc ? -1 : 0;
}

/* A build without a GIL, which only imports of extensions used for a moment. */
static int add_without(const struct gt_timeline *timeline, uint32_t process,
                       struct gt_grid *grid)
{
    size_t threads = 0;

    for (uint32_t i = 0; i < timeline->threads.count; i++)
        threads += gt_thread_at(timeline, i)->process == process;
    return gt_grid_add(grid, "%zu", threads) || gt_grid_add(grid, "-") ||
                   gt_grid_add(grid, "-") || gt_grid_add(grid, "-") || gt_grid_add(grid, "-") ||
                   gt_grid_add(grid, "no GIL")
               ? -1
               : 0;
}

/* `verdict` may be NULL: nobody waited. */
static int add_row(const struct gt_report *report, uint32_t index,
                   const struct gt_verdict *verdict, struct gt_grid *grid)
{
    const struct gt_gil *gil = gt_gil_at(report->timeline, index);
    const struct gt_process *process = gt_process_at(report->timeline, gil->process);
    int64_t longest_ns = longest_wait_ns(gil);
    char duration[32];

    if (gt_grid_add(grid, "%d", process->own_pid))
        return -1;
    if (gt_gil_is_momentary(report->timeline, gil))
        return add_without(report->timeline, gil->process, grid) ||
                       add_name(report, index, grid)
                   ? -1
                   : 0;
    if (gt_grid_add(grid, "%zu", gil->members.count) ||
        add_shares(gil, &report->analysis->blockers[index].utilization.total, grid) ||
        gt_grid_add(grid, "%s",
                    longest_ns ? gt_duration_text(longest_ns, duration, sizeof(duration))
                               : "-") ||
        gt_grid_add(grid, "%s", verdict ? bound_text(verdict) : "-"))
        return -1;
    return add_name(report, index, grid);
}

static int put_left(const struct gt_report *report, const uint32_t *gils, size_t from,
                    struct gt_buf *text)
{
    size_t count = report->timeline->gils.count;
    int64_t wait_ns = 0;
    char duration[32];

    if (from == count)
        return 0;
    for (size_t i = from; i < count; i++)
        wait_ns = gt_add_ns(wait_ns, gt_gil_wait_ns(gt_gil_at(report->timeline, gils[i])));
    return gt_buf_addf(text, "… and %zu more, waiting %s in all (--all-threads)\n",
                       count - from, gt_duration_text(wait_ns, duration, sizeof(duration)));
}

int gt_processes_print(const struct gt_report *report, const struct gt_print_options *how,
                       struct gt_buf *text)
{
    static const struct gt_grid_column columns[COLUMNS] = {
        {"PID", GT_GRID_LEFT},
        {"threads", 0},
        {"has gil%", 0},
        {"gil wait%", 0},
        {"contended%", 0},
        {"longest wait", GT_GRID_SPARE},
        {"GIL-bound", GT_GRID_LEFT},
        {"process", GT_GRID_LEFT | GT_GRID_NAME},
    };
    const struct gt_verdicts *verdicts = &report->analysis->verdicts;
    size_t count = report->timeline->gils.count;
    size_t rows =
        count <= GT_SHOWN_PROCESSES || report->options.all_threads ? count : GT_SHOWN_PROCESSES;
    uint32_t *gils = gt_shown_gils(report->timeline);
    struct gt_grid grid;
    int rc = gils ? gt_buf_adds(text, "Processes:\n\n") : -1;

    gt_grid_init(&grid, columns, COLUMNS);
    /* Verdicts are on those that were waited for, in the same order. */
    for (size_t i = 0; rc == 0 && i < rows; i++)
        rc = add_row(report, gils[i], i < verdicts->count ? &verdicts->list[i] : NULL, &grid);
    if (rc == 0)
        rc = gt_grid_print(&grid, how, text);
    gt_grid_release(&grid);
    if (rc == 0)
        rc = put_left(report, gils, rows, text);
    free(gils);
    return rc ? -1 : gt_buf_adds(text, "\n");
}
