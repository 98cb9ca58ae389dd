/* SPDX-License-Identifier: MIT */
#include "report/counters.h"

#include "base/nstime.h"
#include "report/blocks.h"
#include "report/grid.h"
#include "report/labels.h"
#include "report/shown.h"

#include <stdint.h>
#include <stdio.h>

/* The table of counters, below the threads': a line per thread, a block per event. */

enum { BLOCKS_MAX = 16 };

static double per_second(uint64_t count, int64_t ns)
{
    return ns > 0 ? (double)count * GT_NS_PER_S / (double)ns : 0.0;
}

void gt_counter_rates(const struct gt_timeline *timeline, const struct gt_counter_sum *sum,
                      struct gt_counter_rates *rates)
{
    const struct gt_thread *thread = gt_thread_at(timeline, sum->thread);
    int64_t hold_ns = 0, wait_ns = 0;

    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        const struct gt_gil *gil = gt_gil_at(timeline, i);
        uint32_t member = gt_hashmap_get(&gil->member_of, sum->thread);

        if (member != GT_HASHMAP_NONE) {
            hold_ns = gt_add_ns(hold_ns, gt_gil_thread_at(gil, member)->hold_ns);
            wait_ns = gt_add_ns(wait_ns, gt_gil_thread_at(gil, member)->wait_ns);
        }
    }
    rates->free = sum->total - sum->holding - sum->waiting;
    rates->holding_per_s = per_second(sum->holding, hold_ns);
    rates->waiting_per_s = per_second(sum->waiting, wait_ns);
    rates->free_per_s =
        per_second(rates->free, thread->end_ns - thread->start_ns - hold_ns - wait_ns);
}

/* "12.3k" and the like: five columns at most. */
static const char *short_number(double value, char *text, size_t size)
{
    static const char units[] = {' ', 'k', 'M', 'G', 'T', 'P', 'E'};
    size_t unit = 0;

    for (; value >= 1000 && unit + 1 < sizeof(units); unit++)
        value /= 1000;
    snprintf(text, size, unit == 0 || value >= 100 ? "%.0f%.1s" : "%.1f%.1s", value,
             unit == 0 ? "" : &units[unit]);
    return text;
}

enum { COLUMNS = 9 };

static int add_part(uint64_t count, double rate, struct gt_grid *grid)
{
    char number[16], speed[16];

    return gt_grid_add(grid, "%s", short_number((double)count, number, sizeof(number))) ||
                   gt_grid_add(grid, "%s/s", short_number(rate, speed, sizeof(speed)))
               ? -1
               : 0;
}

static int add_row(const struct gt_report *report, const struct gt_counter_sum *sum,
                   struct gt_grid *grid)
{
    const struct gt_timeline *timeline = report->timeline;
    struct gt_counter_rates rates;
    struct gt_buf label;
    char total[16];
    int rc;

    gt_counter_rates(timeline, sum, &rates);
    if (gt_grid_add(grid, "%d", gt_thread_at(timeline, sum->thread)->tid) ||
        gt_grid_add(grid, "%s", short_number((double)sum->total, total, sizeof(total))) ||
        add_part(sum->holding, rates.holding_per_s, grid) ||
        add_part(sum->waiting, rates.waiting_per_s, grid) ||
        add_part(rates.free, rates.free_per_s, grid))
        return -1;
    gt_buf_init(&label);
    rc = gt_report_label(report, sum->thread, &label);
    if (rc == 0)
        rc = gt_grid_add_buf(grid, &label);
    gt_buf_release(&label);
    return rc;
}

static int put_title(const struct gt_report *report, const struct gt_counter *counter,
                     struct gt_buf *text)
{
    const struct gt_intern *names = &report->timeline->names;

    return gt_buf_adds(text, "Counts of ") ||
                   gt_buf_add_visible(text, gt_intern_text(names, counter->name),
                                      gt_intern_length(names, counter->name)) ||
                   gt_buf_adds(text, ":\n\n")
               ? -1
               : 0;
}

static int put_block(const struct gt_report *report, const struct gt_counter *counter,
                     const struct gt_print_options *how, struct gt_buf *text)
{
    static const struct gt_grid_column columns[COLUMNS] = {
        {"TID", GT_GRID_LEFT}, {"total", 0},          {"holding the GIL", 0},
        {"per second", 0},     {"waiting for it", 0}, {"per second", 0},
        {"neither", 0},        {"per second", 0},     {"thread", GT_GRID_LEFT | GT_GRID_NAME},
    };
    size_t most = report->options.all_threads ? SIZE_MAX : GT_SHOWN_ROWS;
    size_t rows = counter->sums.count < most ? counter->sums.count : most;
    struct gt_grid grid;
    int rc = put_title(report, counter, text);

    gt_grid_init(&grid, columns, COLUMNS);
    for (size_t i = 0; rc == 0 && i < rows; i++)
        rc = add_row(report, gt_chunks_at(&counter->sums, i), &grid);
    if (rc == 0)
        rc = gt_grid_print(&grid, how, text);
    gt_grid_release(&grid);
    if (rc == 0 && rows == 0)
        rc = gt_buf_adds(text, "(none)\n");
    if (rc == 0)
        rc = gt_shown_put_left(counter->sums.count, rows, text);
    return rc ? rc : gt_buf_adds(text, "\n");
}

int gt_counters_print(const struct gt_report *report, const struct gt_print_options *how,
                      struct gt_buf *text)
{
    const struct gt_chunks *counters = &report->timeline->counters;

    for (size_t i = 0; i < counters->count && i < BLOCKS_MAX; i++)
        if (put_block(report, gt_chunks_at(counters, i), how, text))
            return -1;
    return 0;
}
