/* SPDX-License-Identifier: MIT */
/* What stopped all threads (analysis/stop_causes.h): a block, sentences, and "stops" of the
 * summary. */
#include "base/nstime.h"
#include "report/blocker_text.h"
#include "report/blocks.h"
#include "report/grid.h"
#include "report/sentences.h"
#include "report/shown.h"
#include "report/values.h"

enum { ROWS_MAX = 5, JSON_ROWS_MAX = 64, JSON_STOPS_MAX = 2000, COLUMNS = 8 };

/* --- the block --- */

static int add_row(const struct gt_report *report, const struct gt_stop_row *row,
                   struct gt_grid *grid)
{
    char lost[32], total[32], longest[32], until[32];
    struct gt_blocker_text text;
    int rc;

    if (gt_blocker_text_init(&text, report, &row->by))
        return -1;
    rc = gt_grid_add(grid, "%s", gt_duration_text(row->lost_ns, lost, sizeof(lost))) ||
         gt_grid_add(grid, "%llu", (unsigned long long)row->count) ||
         gt_grid_add(grid, "%s", gt_duration_text(row->total_ns, total, sizeof(total))) ||
         gt_grid_add(grid, "%s", gt_duration_text(row->until_ns, until, sizeof(until))) ||
         gt_grid_add(grid, "%s", gt_duration_text(row->longest_ns, longest, sizeof(longest))) ||
         gt_grid_add(grid, "%s", text.kind) || gt_grid_add(grid, "%s", text.function.data) ||
         gt_blocker_text_add_place(report, &text, grid);
    gt_blocker_text_release(&text);
    return rc ? -1 : 0;
}

int gt_stops_print(const struct gt_report *report, const struct gt_print_options *how,
                   struct gt_buf *text)
{
    static const struct gt_grid_column columns[COLUMNS] = {
        {"threads lost", 0},
        {"times", 0},
        {"stopped", 0},
        {"until all were", GT_GRID_SPARE},
        {"longest", GT_GRID_SPARE},
        {"kind", GT_GRID_LEFT | GT_GRID_SPARE},
        {"asked for in", GT_GRID_LEFT | GT_GRID_NAME | GT_GRID_OPEN},
        {"where", GT_GRID_LEFT | GT_GRID_NAME},
    };
    const struct gt_stops_found *found = &report->analysis->stops;
    struct gt_grid grid;
    int rc = 0;

    if (!found->matter)
        return 0;
    gt_grid_init(&grid, columns, COLUMNS);
    for (size_t i = 0; rc == 0 && i < found->rows.count && i < ROWS_MAX; i++)
        rc = add_row(report, gt_stop_row_at(found, i), &grid);
    if (rc == 0)
        rc = gt_buf_adds(text, "Stops of all threads:\n\n") || gt_grid_print(&grid, how, text);
    gt_grid_release(&grid);
    if (rc == 0)
        rc = gt_shown_put_more(found->rows.count, ROWS_MAX, text);
    return rc || gt_buf_adds(text, "\n") ? -1 : 0;
}

/* --- sentences --- */

static const char *remedy_of(enum gt_doing_kind kind)
{
    switch (kind) {
    case GT_DOING_GC:
        return " A larger threshold (gc.set_threshold), gc.freeze() once the program is set "
               "up, "
               "and fewer cycles make that rarer.";
    case GT_DOING_PYTHON:
        return " As a rule that is a change of a class, which costs nothing before threads are "
               "started.";
    case GT_DOING_UNKNOWN:
    case GT_DOING_C:
    case GT_DOING_IMPORT:
        break;
    }
    return "";
}

static int add_most(const struct gt_report *report, const struct gt_stop_row *row,
                    struct gt_buf *out)
{
    struct gt_blocker_text text;
    char duration[32];
    int rc;

    if (gt_blocker_text_init(&text, report, &row->by))
        return -1;
    rc = gt_buf_addf(out, "; %s of that %llu time%s by ",
                     gt_duration_text(row->lost_ns, duration, sizeof(duration)),
                     (unsigned long long)row->count, row->count == 1 ? "" : "s") ||
         gt_buf_adds(out, text.function.data);
    if (rc == 0 && text.file.length)
        rc = gt_buf_addf(out, " (%s:%u)", gt_blocker_text_short_file(report, text.file.data),
                         text.line);
    gt_blocker_text_release(&text);
    return rc;
}

int gt_stops_say(struct gt_report *report, struct gt_buf *text)
{
    const struct gt_stops_found *found = &report->analysis->stops;
    const struct gt_stop_row *row;
    char lost[32], total[32];

    if (!found->matter)
        return 0;
    row = gt_stop_row_at(found, 0);
    return gt_findings_add(
        report, text,
        gt_buf_addf(
            text,
            "%llu time%s, %s in all, one thread stopped all others, which lost %.1f%% of "
            "their time by that, %s together",
            (unsigned long long)found->count, found->count == 1 ? "" : "s",
            gt_duration_text(found->total_ns, total, sizeof(total)),
            gt_percent(found->lost_ns, found->lives_ns),
            gt_duration_text(found->lost_ns, lost, sizeof(lost))) ||
            add_most(report, row, text) || gt_buf_adds(text, ".") ||
            gt_buf_adds(text, remedy_of(row->by.doing.kind)));
}

/* --- the summary --- */

static json_t *text_or_null(const struct gt_buf *text)
{
    return text->length ? json_stringn(text->data, text->length) : json_null();
}

static json_t *row_value(const struct gt_report *report, const struct gt_stop_row *row)
{
    struct gt_blocker_text text;
    json_t *value;

    if (gt_blocker_text_init(&text, report, &row->by))
        return NULL;
    value = json_pack("{s:o, s:o, s:o, s:s, s:o, s:I, s:I, s:I, s:I, s:I}", "function",
                      text_or_null(&text.name), "file", text_or_null(&text.file), "line",
                      text.line ? json_integer(text.line) : json_null(), "kind", text.kind,
                      "caller", text_or_null(&text.caller), "count", (json_int_t)row->count,
                      "total_ns", (json_int_t)row->total_ns, "until_ns",
                      (json_int_t)row->until_ns, "longest_ns", (json_int_t)row->longest_ns,
                      "lost_ns", (json_int_t)row->lost_ns);
    gt_blocker_text_release(&text);
    return value;
}

static json_t *stop_value(const struct gt_report *report, const struct gt_world_stop *stop)
{
    int64_t zero_ns = gt_report_zero_ns(report);

    return json_pack("[I, I, I, I, I]", (json_int_t)(stop->start_ns - zero_ns),
                     (json_int_t)(stop->all_ns - zero_ns), (json_int_t)(stop->end_ns - zero_ns),
                     (json_int_t)stop->thread, (json_int_t)stop->count);
}

json_t *gt_stops_value(const struct gt_report *report)
{
    const struct gt_stops_found *found = &report->analysis->stops;
    json_t *rows = json_array(), *list = json_array();

    for (size_t i = 0; i < found->rows.count && i < JSON_ROWS_MAX; i++)
        gt_json_add(&rows, row_value(report, gt_stop_row_at(found, i)));
    for (size_t i = 0; i < found->count && i < JSON_STOPS_MAX; i++)
        gt_json_add(&list, stop_value(report, gt_stop_at(report->timeline, i)));
    return json_pack("{s:I, s:I, s:I, s:I, s:b, s:o, s:o}", "count", (json_int_t)found->count,
                     "total_ns", (json_int_t)found->total_ns, "lost_ns",
                     (json_int_t)found->lost_ns, "lives_ns", (json_int_t)found->lives_ns,
                     "matter", found->matter, "rows", rows, "list", list);
}
