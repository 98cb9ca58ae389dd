/* SPDX-License-Identifier: MIT */
/* What was waited for locks (analysis/lock_waits.h): a block, sentences, and "locks" of the
 * summary.
 */
#include "base/nstime.h"
#include "report/blocked.h"
#include "report/blocker_text.h"
#include "report/blocks.h"
#include "report/grid.h"
#include "report/labels.h"
#include "report/sentences.h"
#include "report/shown.h"
#include "report/values.h"

#include <string.h>

enum { ROWS_MAX = 5, HOLDERS_MAX = 3, JSON_ROWS_MAX = 64, JSON_PARTS_MAX = 20 };

static const struct gt_function_info *function_of(const struct gt_report *report,
                                                  const struct gt_lock_row *row)
{
    return row->function == GT_NO_INDEX
               ? NULL
               : gt_chunks_at(&report->timeline->functions, row->function);
}

/* "list", for a terminal; of objects of which type the locks are. Nothing where it is not
 * known.
 */
static int add_type(const struct gt_report *report, const struct gt_lock_row *row,
                    struct gt_buf *text)
{
    return row->type == GT_NO_INDEX
               ? 0
               : gt_buf_add_visible(text, gt_intern_text(&report->timeline->names, row->type),
                                    gt_intern_length(&report->timeline->names, row->type));
}

/* "cache.py:31", for a terminal. */
static int add_place(const struct gt_report *report, const struct gt_function_info *function,
                     struct gt_buf *text)
{
    struct gt_buf file;
    int rc;

    gt_buf_init(&file);
    rc = gt_buf_add_visible(&file, gt_intern_text(&report->timeline->names, function->file),
                            gt_intern_length(&report->timeline->names, function->file)) ||
         gt_buf_addf(text, "%s:%u",
                     gt_blocker_text_short_file(report, file.data ? file.data : ""),
                     function->line);
    gt_buf_release(&file);
    return rc;
}

/* --- the block --- */

enum { COLUMNS = 7 };

/* What is part of the row above: its waiting and share. */
static int add_part(int64_t ns, int64_t wait_ns, const char *kind, struct gt_grid *grid)
{
    char duration[32];

    return gt_grid_add(grid, "%s", gt_duration_text(ns, duration, sizeof(duration))) ||
                   gt_grid_add(grid, "%.1f%%", gt_percent(ns, wait_ns)) ||
                   gt_grid_add(grid, "%s", "") || gt_grid_add(grid, "%s", "") ||
                   gt_grid_add(grid, "%s", kind)
               ? -1
               : 0;
}

static int add_holder(const struct gt_report *report, const struct gt_blocker *holder,
                      int64_t wait_ns, struct gt_grid *grid)
{
    struct gt_blocker_text text;
    struct gt_buf where;
    int rc;

    if (gt_blocker_text_init(&text, report, holder))
        return -1;
    gt_buf_init(&where);
    rc = add_part(holder->waiting_ns, wait_ns, text.kind, grid) ||
         gt_grid_add(grid, "had by %s", text.function.data);
    if (rc == 0 && text.file.length)
        rc = gt_buf_addf(&where, "%s:%u", gt_blocker_text_short_file(report, text.file.data),
                         text.line);
    if (rc == 0 && text.caller.length)
        rc = gt_buf_addf(&where, "%s(%s)", where.length ? " " : "", text.caller.data);
    if (rc == 0)
        rc = gt_grid_add_buf(grid, &where);
    gt_buf_release(&where);
    gt_blocker_text_release(&text);
    return rc ? -1 : 0;
}

static int add_gap(int64_t ns, int64_t wait_ns, const char *name, struct gt_grid *grid)
{
    if (!gt_gap_is_notable(ns, wait_ns))
        return 0;
    return add_part(ns, wait_ns, "-", grid) || gt_grid_add(grid, "%s", name) ||
                   gt_grid_add(grid, "%s", "")
               ? -1
               : 0;
}

/* " (3 locks: list)", " (3 locks: imports)" */
static int add_which(const struct gt_report *report, const struct gt_lock_row *row,
                     struct gt_buf *text)
{
    bool several = row->locks > 1, typed = row->type != GT_NO_INDEX;

    if (row->of_imports)
        return several
                   ? gt_buf_addf(text, " (%llu locks: imports)", (unsigned long long)row->locks)
                   : gt_buf_adds(text, " (imports)");
    if (!several && !typed)
        return 0;
    return gt_buf_adds(text, " (") ||
                   (several && gt_buf_addf(text, "%llu locks%s", (unsigned long long)row->locks,
                                           typed ? ": " : "")) ||
                   add_type(report, row, text) || gt_buf_adds(text, ")")
               ? -1
               : 0;
}

static int add_name(const struct gt_report *report, const struct gt_lock_row *row,
                    struct gt_grid *grid)
{
    const struct gt_function_info *function = function_of(report, row);
    struct gt_buf name, place;
    int rc;

    gt_buf_init(&name);
    gt_buf_init(&place);
    rc = function ? gt_report_function(report, row->function, &name) ||
                        add_place(report, function, &place)
                  : gt_buf_adds(&name, "(not known where)");
    if (rc == 0)
        rc = add_which(report, row, &name);
    if (rc == 0)
        rc = gt_grid_add_buf(grid, &name) || gt_grid_add_buf(grid, &place);
    gt_buf_release(&name);
    gt_buf_release(&place);
    return rc ? -1 : 0;
}

static int add_row(const struct gt_report *report, const struct gt_lock_row *row,
                   struct gt_grid *grid)
{
    char waiting[32], longest[32];

    if (gt_grid_add(grid, "%s", gt_duration_text(row->wait_ns, waiting, sizeof(waiting))) ||
        gt_grid_add(grid, "%.1f%%",
                    gt_percent(row->wait_ns, report->analysis->locks.wait_ns)) ||
        gt_grid_add(grid, "%llu", (unsigned long long)row->waits) ||
        gt_grid_add(grid, "%s", gt_duration_text(row->longest_ns, longest, sizeof(longest))) ||
        gt_grid_add(grid, "%s", row->kind == GT_LOCK_NATIVE ? "native" : "lock") ||
        add_name(report, row, grid))
        return -1;
    for (size_t i = 0; i < row->holders.count && i < HOLDERS_MAX; i++) {
        const struct gt_lock_holder *holder = gt_chunks_at(&row->holders, i);

        if (gt_gap_is_notable(holder->blocker.waiting_ns, row->wait_ns) &&
            add_holder(report, &holder->blocker, row->wait_ns, grid))
            return -1;
    }
    return add_gap(row->handover_ns, row->wait_ns, "given: the next thread was still waking up",
                   grid) ||
                   add_gap(row->unknown_ns, row->wait_ns, "not known who had it", grid)
               ? -1
               : 0;
}

int gt_locks_print(const struct gt_report *report, const struct gt_print_options *how,
                   struct gt_buf *text)
{
    static const struct gt_grid_column columns[COLUMNS] = {
        {"waiting", 0},
        {"share", 0},
        {"times", GT_GRID_SPARE},
        {"longest wait", 0},
        {"kind", GT_GRID_LEFT | GT_GRID_SPARE},
        {"waited for in, had by", GT_GRID_LEFT | GT_GRID_NAME | GT_GRID_OPEN},
        {"where", GT_GRID_LEFT | GT_GRID_NAME},
    };
    const struct gt_locks_found *found = &report->analysis->locks;
    struct gt_grid grid;
    int rc = 0;

    if (!found->matter)
        return 0;
    gt_grid_init(&grid, columns, COLUMNS);
    for (size_t i = 0; rc == 0 && i < found->rows.count && i < ROWS_MAX; i++)
        rc = add_row(report, gt_lock_row_at(found, i), &grid);
    if (rc == 0)
        rc = gt_buf_adds(text, "Locks:\n\n") || gt_grid_print(&grid, how, text);
    gt_grid_release(&grid);
    if (rc == 0)
        rc = gt_shown_put_more(found->rows.count, ROWS_MAX, text);
    return rc || gt_buf_adds(text, "\n") ? -1 : 0;
}

/* --- sentences --- */

/* Its whole object is the lock: it needs no name beside that. */
static bool is_of_threading(const struct gt_report *report, const struct gt_lock_row *row)
{
    static const char module[] = "_thread.";

    return strncmp(gt_intern_text(&report->timeline->names, row->type), module,
                   sizeof(module) - 1) == 0;
}

/* Without where. */
static int name_objects(const struct gt_report *report, const struct gt_lock_row *row,
                        struct gt_buf *text)
{
    const char *what = row->kind == GT_LOCK_NATIVE ? "mutex of C's" : "lock";

    if (row->of_imports)
        return row->locks > 1 ? gt_buf_addf(text, "%llu locks of the import system",
                                            (unsigned long long)row->locks)
                              : gt_buf_adds(text, "a lock of the import system");
    if (row->type != GT_NO_INDEX && !is_of_threading(report, row))
        return (row->locks > 1 ? gt_buf_addf(text, "the locks of %llu objects of type ",
                                             (unsigned long long)row->locks)
                               : gt_buf_adds(text, "the lock of one ")) ||
                       add_type(report, row, text)
                   ? -1
                   : 0;
    return row->locks > 1
               ? gt_buf_addf(text, "%llu %s%s", (unsigned long long)row->locks,
                             row->kind == GT_LOCK_NATIVE ? "mutexes of C's" : what,
                             row->kind == GT_LOCK_NATIVE ? "" : "s")
               : gt_buf_addf(text, row->kind == GT_LOCK_NATIVE ? "a %s" : "the %s", what);
}

static int name_lock(const struct gt_report *report, const struct gt_lock_row *row,
                     struct gt_buf *text)
{
    const struct gt_function_info *function = function_of(report, row);

    if (name_objects(report, row, text))
        return -1;
    if (!function)
        return row->locks > 1 || row->kind == GT_LOCK_NATIVE
                   ? 0
                   : gt_buf_adds(text, " that they waited for most");
    return gt_buf_adds(text, row->kind == GT_LOCK_NATIVE ? " in " : " taken in ") ||
           gt_report_function(report, row->function, text) || gt_buf_adds(text, " (") ||
           add_place(report, function, text) || gt_buf_adds(text, ")");
}

/* What had it for the most of the waiting, if any did. */
static int say_holder(const struct gt_report *report, const struct gt_lock_row *row,
                      struct gt_buf *out)
{
    const struct gt_lock_holder *holder =
        row->holders.count ? gt_chunks_at(&row->holders, 0) : NULL;
    struct gt_blocker_text text;
    int rc;

    if (!holder || holder->blocker.waiting_ns < row->wait_ns / 2)
        return gt_buf_adds(out, ".");
    if (gt_blocker_text_init(&text, report, &holder->blocker))
        return -1;
    rc = gt_buf_addf(out, "; during %.0f%% of that %s ",
                     gt_percent(holder->blocker.waiting_ns, row->wait_ns),
                     strcmp(text.kind, "native") ? "its holder was in" : "it was held by") ||
         gt_buf_adds(out, text.function.data);
    if (rc == 0 && text.caller.length)
        rc = gt_buf_addf(out, ", called by %s", text.caller.data);
    gt_blocker_text_release(&text);
    return rc ? rc : gt_buf_adds(out, ".");
}

/* Somebody waited for it during half of the run, or a tenth: as of a GIL. */
static const char *bound_text(const struct gt_report *report, const struct gt_lock_row *row)
{
    int64_t wall_ns = report->analysis->wall_ns;

    if (report->analysis->parallel.verdict != GT_PARALLEL_NONE)
        return "Threads"; /* that is the verdict */
    return row->contended_ns >= wall_ns / 2    ? "Lock-bound: threads"
           : row->contended_ns >= wall_ns / 10 ? "Partly lock-bound: threads"
                                               : "Threads";
}

static int say_most(struct gt_report *report, struct gt_buf *text)
{
    const struct gt_locks_found *found = &report->analysis->locks;
    const struct gt_lock_row *row = gt_lock_row_at(found, 0);
    char all[32], most[32];

    if (gt_buf_addf(text, "%s waited %s: %s in all, %s of it for ", bound_text(report, row),
                    found->gil_wait_ns ? "longer for locks than for the GIL" : "for locks",
                    gt_duration_text(found->wait_ns, all, sizeof(all)),
                    gt_duration_text(row->wait_ns, most, sizeof(most))))
        return gt_findings_add(report, text, -1);
    return gt_findings_add(report, text,
                           name_lock(report, row, text) || say_holder(report, row, text));
}

static int say_remedy(struct gt_report *report, struct gt_buf *text)
{
    const struct gt_lock_row *row = gt_lock_row_at(&report->analysis->locks, 0);
    bool several = row->locks > 1;

    if (row->kind == GT_LOCK_NATIVE || row->contended_ns < report->analysis->wall_ns / 10)
        return 0;
    if (row->of_imports)
        return gt_findings_add(
            report, text,
            gt_buf_addf(text,
                        "One thread imports a module, and the others that import it wait: "
                        "import %s before threads start.",
                        several ? "them" : "it"));
    return gt_findings_add(
        report, text,
        gt_buf_addf(text,
                    "What need not be done under %s can be done before or after %s; what %s "
                    "can be split, with a lock for each part.",
                    several ? "these locks" : "that lock", several ? "them" : "it",
                    several ? "they guard" : "it guards"));
}

/* All others wait with it. */
static int say_with_gil(struct gt_report *report, const struct gt_lock_row *row,
                        struct gt_buf *text)
{
    char duration[32];

    if (row->with_gil_ns < report->analysis->wall_ns / 100)
        return 0;
    return gt_findings_add(
        report, text,
        gt_buf_addf(text, "%llu time%s, %s in all, a thread that had the GIL waited for ",
                    (unsigned long long)row->with_gil, row->with_gil == 1 ? "" : "s",
                    gt_duration_text(row->with_gil_ns, duration, sizeof(duration))) ||
            name_lock(report, row, text) ||
            gt_buf_adds(text, ": nobody else could run Python code meanwhile. The extension "
                              "should release the GIL before it waits "
                              "(Py_BEGIN_ALLOW_THREADS)."));
}

static int say_deadlock(struct gt_report *report, const struct gt_lock_row *row,
                        struct gt_buf *text)
{
    if (row->deadlock[0] == GT_NO_INDEX)
        return 0;
    return gt_findings_add(
        report, text,
        gt_buf_adds(text, "Deadlock: ") || gt_report_label(report, row->deadlock[0], text) ||
            gt_buf_adds(text, " had the GIL and waited for ") || name_lock(report, row, text) ||
            gt_buf_adds(text, " that ") || gt_report_label(report, row->deadlock[1], text) ||
            gt_buf_adds(text, " had, which waited for the GIL, until the end."));
}

int gt_locks_say(struct gt_report *report, struct gt_buf *text)
{
    const struct gt_locks_found *found = &report->analysis->locks;
    int rc = found->matter ? say_most(report, text) || say_remedy(report, text) : 0;

    for (size_t i = 0; rc == 0 && i < found->rows.count; i++)
        rc = say_deadlock(report, gt_lock_row_at(found, i), text) ||
             say_with_gil(report, gt_lock_row_at(found, i), text);
    return rc ? -1 : 0;
}

/* --- the summary --- */

static json_t *buf_or_null(const struct gt_buf *text)
{
    return text->length ? json_stringn(text->data, text->length) : json_null();
}

static json_t *holder_value(const struct gt_report *report, const struct gt_blocker *holder)
{
    struct gt_blocker_text text;
    json_t *value;

    if (gt_blocker_text_init(&text, report, holder))
        return NULL;
    value = json_pack("{s:o, s:o, s:o, s:s, s:o, s:I, s:I, s:I}", "function",
                      buf_or_null(&text.name), "file", buf_or_null(&text.file), "line",
                      text.line ? json_integer(text.line) : json_null(), "kind", text.kind,
                      "caller", buf_or_null(&text.caller), "ns", (json_int_t)holder->waiting_ns,
                      "count", (json_int_t)holder->count, "longest_hold_ns",
                      (json_int_t)holder->longest_hold_ns);
    gt_blocker_text_release(&text);
    return value;
}

static json_t *pair_value(const struct gt_report *report, const struct gt_lock_pair *pair)
{
    json_t *value = json_pack("{s:i, s:i, s:o, s:I}", "thread", (int)pair->waiter, "tid",
                              gt_thread_at(report->timeline, pair->waiter)->tid, "label",
                              gt_json_label(report, pair->waiter), "ns", (json_int_t)pair->ns);

    if (pair->holder != GT_NO_INDEX)
        gt_json_set(&value, "holder", json_integer(pair->holder));
    return value;
}

static json_t *pairs_value(const struct gt_report *report, const struct gt_chunks *pairs)
{
    json_t *list = json_array();

    for (size_t i = 0; i < pairs->count && i < JSON_PARTS_MAX; i++)
        gt_json_add(&list, pair_value(report, gt_chunks_at(pairs, i)));
    return list;
}

static json_t *holders_value(const struct gt_report *report, const struct gt_lock_row *row)
{
    json_t *list = json_array();

    for (size_t i = 0; i < row->holders.count && i < JSON_PARTS_MAX; i++)
        gt_json_add(
            &list,
            holder_value(
                report,
                &((const struct gt_lock_holder *)gt_chunks_at(&row->holders, i))->blocker));
    return list;
}

static json_t *row_value(const struct gt_report *report, const struct gt_lock_row *row)
{
    const struct gt_function_info *function = function_of(report, row);
    struct gt_buf name;
    json_t *value = NULL;

    gt_buf_init(&name);
    if (!function || gt_report_function(report, row->function, &name) == 0)
        value = json_pack(
            "{s:s, s:o, s:o, s:o, s:o, s:b, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
            "s:I, "
            "s:I, "
            "s:o, s:o, s:o}",
            "kind", gt_lock_kind_name(row->kind), "type",
            row->type == GT_NO_INDEX
                ? json_null()
                : gt_json_text(gt_intern_text(&report->timeline->names, row->type),
                               gt_intern_length(&report->timeline->names, row->type)),
            "function", buf_or_null(&name), "file",
            function ? gt_json_text(gt_intern_text(&report->timeline->names, function->file),
                                    gt_intern_length(&report->timeline->names, function->file))
                     : json_null(),
            "line", function ? json_integer(function->line) : json_null(), "imports",
            row->of_imports, "pid", gt_process_at(report->timeline, row->process)->pid, "locks",
            (json_int_t)row->locks, "waits", (json_int_t)row->waits, "gave_up",
            (json_int_t)row->gave_up, "wait_ns", (json_int_t)row->wait_ns, "longest_wait_ns",
            (json_int_t)row->longest_ns, "charged_ns", (json_int_t)row->charged_ns,
            "handover_ns", (json_int_t)row->handover_ns, "unknown_ns",
            (json_int_t)row->unknown_ns, "contended_ns", (json_int_t)row->contended_ns,
            "with_gil", (json_int_t)row->with_gil, "with_gil_ns", (json_int_t)row->with_gil_ns,
            "holders", holders_value(report, row), "waiters",
            pairs_value(report, &row->waiters), "pairs", pairs_value(report, &row->pairs));
    gt_buf_release(&name);
    return value;
}

json_t *gt_locks_value(const struct gt_report *report)
{
    const struct gt_locks_found *found = &report->analysis->locks;
    json_t *list = json_array();

    for (size_t i = 0; i < found->rows.count && i < JSON_ROWS_MAX; i++)
        gt_json_add(&list, row_value(report, gt_lock_row_at(found, i)));
    return json_pack("{s:I, s:b, s:o}", "wait_ns", (json_int_t)found->wait_ns, "matter",
                     found->matter, "rows", list);
}
