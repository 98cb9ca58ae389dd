/* SPDX-License-Identifier: MIT */
#include "report/counters.h"

#include "base/nstime.h"
#include "report/blocks.h"
#include "report/labels.h"

#include <stdio.h>

/* The table of counters, below the threads': a line per thread, a block per event. */

enum { ROWS_MAX = 32, BLOCKS_MAX = 16 };

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

static int put_part(uint64_t count, double rate, struct gt_buf *text)
{
    char number[16], speed[16];

    return gt_buf_addf(text, "%9s %7s/s  ", short_number((double)count, number, sizeof(number)),
                       short_number(rate, speed, sizeof(speed)));
}

static int put_row(const struct gt_report *report, const struct gt_counter_sum *sum,
                   struct gt_buf *text)
{
    const struct gt_timeline *timeline = report->timeline;
    struct gt_counter_rates rates;
    char total[16];

    gt_counter_rates(timeline, sum, &rates);
    if (gt_buf_addf(text, "%-9d  %9s  ", gt_thread_at(timeline, sum->thread)->tid,
                    short_number((double)sum->total, total, sizeof(total))) ||
        put_part(sum->holding, rates.holding_per_s, text) ||
        put_part(sum->waiting, rates.waiting_per_s, text) ||
        put_part(rates.free, rates.free_per_s, text) ||
        gt_report_label(report, sum->thread, text))
        return -1;
    return gt_buf_adds(text, "\n");
}

static int put_block(const struct gt_report *report, const struct gt_counter *counter,
                     struct gt_buf *text)
{
    const struct gt_timeline *timeline = report->timeline;
    size_t rows = counter->sums.count < ROWS_MAX ? counter->sums.count : ROWS_MAX;

    if (gt_buf_adds(text, "Counts of ") ||
        gt_buf_add_visible(text, gt_intern_text(&timeline->names, counter->name),
                           gt_intern_length(&timeline->names, counter->name)) ||
        gt_buf_adds(text, ":\n\n"
                          "TID            total        holding the GIL        waiting for it  "
                          "           neither  thread\n"
                          "---------  ---------  -------------------  -------------------  "
                          "-------------------  ----------\n"))
        return -1;
    if (rows == 0 && gt_buf_adds(text, "(none)\n"))
        return -1;
    for (size_t i = 0; i < rows; i++)
        if (put_row(report, gt_chunks_at(&counter->sums, i), text))
            return -1;
    if (rows < counter->sums.count &&
        gt_buf_addf(text, "… and %zu more threads, in the report.\n",
                    counter->sums.count - rows))
        return -1;
    return gt_buf_adds(text, "\n");
}

int gt_counters_print(const struct gt_report *report, struct gt_buf *text)
{
    const struct gt_chunks *counters = &report->timeline->counters;

    for (size_t i = 0; i < counters->count && i < BLOCKS_MAX; i++)
        if (put_block(report, gt_chunks_at(counters, i), text))
            return -1;
    return 0;
}
