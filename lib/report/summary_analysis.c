/* SPDX-License-Identifier: MIT */
#include "report/values.h"

#include "analysis/gil_times.h"
#include "base/nstime.h"
#include "report/blocker_text.h"
#include "report/native.h"

#include <string.h>

/* The summary's "blockers", "gaps" and "load": SCHEMA.md says what each key means. */

enum { ROWS_MAX = 200, PARTS_MAX = 10 };

/* A thread's part in a row. */
struct part {
    uint32_t thread;
    int64_t ns;
};

/* Who waited for the row, the longest first, at most PARTS_MAX. */
static json_t *waiters_value(const struct gt_report *report, uint32_t gil_index, uint32_t row)
{
    const struct gt_gil *gil = gt_gil_at(report->timeline, gil_index);
    const struct gt_blockers *blockers = &report->analysis->blockers[gil_index];
    struct part parts[PARTS_MAX + 1];
    size_t count = 0, cells, first = gt_blocker_cells_of(blockers, row, &cells);
    json_t *list = json_array();

    for (size_t i = first; i < first + cells; i++) {
        const struct gt_blocker_cell *cell = gt_blocker_cell_at(blockers, i);
        size_t at = count;

        if (cell->waiter == GT_NO_INDEX)
            continue;
        for (; at > 0 && parts[at - 1].ns < cell->ns; at--)
            parts[at] = parts[at - 1];
        parts[at] = (struct part){gt_gil_thread_at(gil, cell->waiter)->thread, cell->ns};
        count += count < PARTS_MAX;
    }
    for (size_t i = 0; i < count; i++)
        gt_json_add(&list,
                    json_pack("{s:i, s:i, s:o, s:I}", "thread", (int)parts[i].thread, "tid",
                              gt_thread_at(report->timeline, parts[i].thread)->tid, "label",
                              gt_json_label(report, parts[i].thread), "ns",
                              (json_int_t)parts[i].ns));
    return list;
}

static json_t *buf_or_null(const struct gt_buf *text)
{
    return text->length ? json_stringn(text->data, text->length) : json_null();
}

static json_t *row_value(const struct gt_report *report, uint32_t gil, uint32_t index,
                         int64_t wait_ns)
{
    const struct gt_blocker *row = gt_blocker_at(&report->analysis->blockers[gil], index);
    struct gt_blocker_text text;
    json_t *value;

    if (gt_blocker_text_init(&text, report, row))
        return NULL;
    value = json_pack(
        "{s:i, s:o, s:o, s:o, s:s, s:I, s:f, s:I, s:I, s:I, s:o, s:o, s:s, s:I, s:I, s:I, s:I, "
        "s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:I, s:I, s:I, s:I, s:o}",
        "gil", (int)gil, "function", buf_or_null(&text.name), "file", buf_or_null(&text.file),
        "line", text.line ? json_integer(text.line) : json_null(), "kind", text.kind,
        "waiting_ns", (json_int_t)row->waiting_ns, "share",
        wait_ns ? (double)row->waiting_ns / (double)wait_ns : 0.0, "count",
        (json_int_t)row->count, "longest_hold_ns", (json_int_t)row->longest_hold_ns,
        "total_hold_ns", (json_int_t)row->total_hold_ns, "caller", buf_or_null(&text.caller),
        "kept_cause", text.cause ? json_string(text.cause) : json_null(), "sentence",
        text.sentence.length ? text.sentence.data : "", "kept", (json_int_t)row->kept,
        "requested", (json_int_t)row->requested, "kept_ns", (json_int_t)row->after.total_ns,
        "longest_kept_ns", (json_int_t)row->longest_kept_ns, "kept_cpu_ns",
        (json_int_t)row->after.run_ns, "kept_ready_ns", (json_int_t)row->after.ready_ns,
        "kept_asleep_ns", (json_int_t)row->after.sleep_ns, "kept_stopped_ns",
        (json_int_t)row->after.stopped_ns, "kept_paging_ns", (json_int_t)row->after.paging_ns,
        "kept_known", row->after.known, "deadlock", row->deadlock, "retakes",
        (json_int_t)row->retakes, "retakes_contended", (json_int_t)row->contended,
        "retake_away_ns", (json_int_t)row->away_ns, "retake_wait_ns",
        (json_int_t)row->retake_wait_ns, "waiters", waiters_value(report, gil, index));
    gt_json_set(&value, "thread",
                strcmp(text.kind, "native") ? json_null() : json_integer(row->thread));
    if (report->timeline->saw_native)
        gt_json_set(&value, "native", gt_native_value(report, gil, index));
    if (report->timeline->native_sleeps.count)
        gt_json_set(&value, "asleep", gt_native_asleep_value(report, gil, index));
    gt_blocker_text_release(&text);
    return value;
}

/* Those that somebody waited for, then those that re-queue. */
static void add_rows(const struct gt_report *report, uint32_t gil, json_t **list)
{
    const struct gt_blockers *blockers = &report->analysis->blockers[gil];
    int64_t wait_ns = gt_gil_wait_ns(gt_gil_at(report->timeline, gil));
    uint32_t written = 0;

    for (uint32_t i = 0; i < blockers->rows.count && *list && written < ROWS_MAX; i++) {
        const struct gt_blocker *row = gt_blocker_at(blockers, i);

        if (row->waiting_ns == 0 && !gt_blocker_is_requeuer(row))
            continue;
        gt_json_add(list, row_value(report, gil, i, wait_ns));
        written++;
    }
}

static json_t *gaps_value(const struct gt_blockers *blockers)
{
    static const char *const names[GT_GAPS] = {
        [GT_GAP_HANDOVER] = "handover_ns",
        [GT_GAP_NO_CPU] = "no_cpu_ns",
        [GT_GAP_UNTAKEN] = "untaken_ns",
        [GT_GAP_UNKNOWN] = "unknown_ns",
    };
    json_t *value = json_object();

    for (int gap = 0; gap < GT_GAPS; gap++)
        gt_json_set(&value, names[gap], json_integer(gt_gap_ns(blockers, (enum gt_gap)gap)));
    return value;
}

static json_t *latency_value(const struct gt_utilization *load)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "count", (json_int_t)load->latencies.count,
                     "p50_ns", (json_int_t)gt_utilization_percentile(load, 50), "p90_ns",
                     (json_int_t)gt_utilization_percentile(load, 90), "p99_ns",
                     (json_int_t)gt_utilization_percentile(load, 99), "max_ns",
                     (json_int_t)gt_utilization_percentile(load, 100));
}

/* Slices as columns. */
static json_t *slices_value(const struct gt_utilization *load)
{
    json_t *held = json_array(), *contended = json_array(), *waiters = json_array(),
           *handovers = json_array();
    double slice_ns = (double)load->slice_ns;

    for (int i = 0; i < GT_UTILIZATION_SLICES; i++) {
        const struct gt_utilization_slice *slice = &load->slices[i];

        gt_json_add(&held, json_real((double)slice->held_ns / slice_ns));
        gt_json_add(&contended, json_real((double)slice->contended_ns / slice_ns));
        gt_json_add(&waiters, json_real((double)slice->waiting_ns / slice_ns));
        gt_json_add(&handovers, json_real((double)slice->handovers * 1e9 / slice_ns));
    }
    return json_pack("{s:o, s:o, s:o, s:o}", "held", held, "contended", contended, "waiters",
                     waiters, "handovers_per_s", handovers);
}

static const char *const interval_sources[] = {
    [GT_INTERVAL_ASSUMED] = "assumed",
    [GT_INTERVAL_FROM_GAPS] = "gaps",
    [GT_INTERVAL_FROM_DEADLINES] = "deadlines",
};

static json_t *intervals_value(const struct gt_report *report, const struct gt_gil *gil)
{
    enum { INTERVALS_MAX = 200 };
    json_t *list = json_array();

    for (size_t i = 0; i < gil->intervals.list.count && i < INTERVALS_MAX; i++) {
        const struct gt_interval *interval = gt_chunks_at(&gil->intervals.list, i);
        int64_t start_ns = i ? interval->start_ns : gil->start_ns;

        gt_json_add(&list,
                    json_pack("{s:I, s:I}", "start_ns",
                              (json_int_t)(start_ns - gt_report_zero_ns(report)), "interval_ns",
                              (json_int_t)gt_interval_at(&gil->intervals, start_ns)));
    }
    return list;
}

static json_t *load_value(const struct gt_report *report, uint32_t index,
                          const struct gt_blockers *blockers)
{
    const struct gt_gil *gil = gt_gil_at(report->timeline, index);
    const struct gt_utilization *load = &blockers->utilization;
    double life_ns = gt_gil_known_ns(gil) > 0 ? (double)gt_gil_known_ns(gil) : 1;
    struct gt_buf convoy;
    json_t *value;

    gt_buf_init(&convoy);
    value = gt_convoy_say(report, index, &convoy) < 0
                ? NULL
                : json_pack(
                      "{s:i, s:f, s:f, s:f, s:f, s:I, s:b, s:s, s:o, s:o, s:o, s:o, s:I, s:I, "
                      "s:o}",
                      "gil", (int)index, "held", (double)load->total.held_ns / life_ns,
                      "contended", (double)load->total.contended_ns / life_ns, "waiters",
                      (double)load->total.waiting_ns / life_ns, "handovers_per_s",
                      (double)load->total.handovers * 1e9 / life_ns, "switch_interval_ns",
                      (json_int_t)blockers->interval_ns, "switch_interval_seen",
                      gil->intervals.source != GT_INTERVAL_ASSUMED, "switch_interval_source",
                      interval_sources[gil->intervals.source], "switch_intervals",
                      intervals_value(report, gil), "handover_latency", latency_value(load),
                      "gaps", gaps_value(blockers), "convoy", buf_or_null(&convoy), "start_ns",
                      (json_int_t)(load->start_ns - gt_report_zero_ns(report)), "slice_ns",
                      (json_int_t)load->slice_ns, "slices", slices_value(load));
    gt_buf_release(&convoy);
    return value;
}

json_t *gt_summary_blockers(const struct gt_report *report, uint32_t gil)
{
    json_t *list = json_array();

    add_rows(report, gil, &list);
    return list;
}

json_t *gt_summary_load(const struct gt_report *report, uint32_t gil)
{
    const struct gt_blockers *kept = &report->analysis->blockers[gil];
    json_t *list = json_array();
    struct gt_blockers again;

    if (kept->utilization.slices) {
        gt_json_add(&list, load_value(report, gil, kept));
        return list;
    }
    if (gt_blockers_init(&again, report->timeline, gil, NULL)) {
        json_decref(list);
        return NULL;
    }
    gt_json_add(&list, load_value(report, gil, &again));
    gt_blockers_release(&again);
    return list;
}
