/* SPDX-License-Identifier: MIT */
#include "report/blocker_text.h"

#include "analysis/gil_times.h"
#include "base/nstime.h"
#include "report/blocks.h"
#include "report/grid.h"
#include "report/labels.h"
#include "report/native.h"
#include "report/remedy.h"
#include "report/shown.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCKERS_MAX = 8, SEVERAL_MAX = 4 }; /* printed of a GIL; of each of several */

static const struct gt_function_info *called_at(const struct gt_report *report,
                                                uint32_t function)
{
    return function < report->timeline->functions.count
               ? gt_chunks_at(&report->timeline->functions, function)
               : NULL;
}

static int add_name(const struct gt_report *report, uint32_t id, struct gt_buf *text)
{
    return gt_buf_add_visible(text, gt_intern_text(&report->timeline->names, id),
                              gt_intern_length(&report->timeline->names, id));
}

static int add_place(const struct gt_report *report, const struct gt_function_info *called,
                     struct gt_blocker_text *text)
{
    text->line = called->line;
    return add_name(report, called->file, &text->file);
}

static int name_blocker(struct gt_blocker_text *text, const struct gt_report *report,
                        const struct gt_blocker *row)
{
    const struct gt_function_info *function = called_at(report, row->doing.function);
    const struct gt_function_info *caller = called_at(report, row->doing.caller);

    if (row->doing.kind == GT_DOING_UNKNOWN || !function) {
        text->kind = "native";
        return gt_report_label(report, row->thread, &text->function);
    }
    text->kind = row->doing.kind == GT_DOING_C    ? "c"
                 : row->doing.kind == GT_DOING_GC ? "gc"
                                                  : "python";
    if (row->doing.kind == GT_DOING_IMPORT)
        return gt_buf_adds(&text->function, "import in ") ||
               gt_report_function(report, row->doing.function, &text->function) ||
               add_place(report, function, text);
    if (gt_report_function(report, row->doing.function, &text->function) ||
        (caller && gt_report_function(report, row->doing.caller, &text->caller)))
        return -1;
    if (row->doing.kind == GT_DOING_PYTHON)
        return add_place(report, function, text);
    return caller ? add_place(report, caller, text) : 0;
}

/* For machines: the same from run to run, so a thread is without its tid. */
static int name_for_machines(struct gt_blocker_text *text, const struct gt_report *report,
                             const struct gt_blocker *row)
{
    if (strcmp(text->kind, "native") == 0)
        return gt_report_name(report, row->thread, &text->name);
    return gt_buf_add(&text->name, text->function.data, text->function.length);
}

/* ", of which 420 ms without a CPU". Of what hardly matters nothing is said. */
static int say_part(struct gt_buf *out, bool counts, int64_t ns, const char *what, int *said)
{
    char duration[32];

    if (!counts)
        return 0;
    return gt_buf_addf(out, "%s%s %s", (*said)++ ? ", " : ", of which ",
                       gt_duration_text(ns, duration, sizeof(duration)), what);
}

static int say_parts(struct gt_buf *out, const struct gt_judgement *judgement,
                     const struct gt_after *after)
{
    int parts = 0;

    if (!after->known)
        return gt_buf_adds(out, "; whether it had a CPU meanwhile was not recorded");
    return say_part(out, judgement->ready_counts, after->ready_ns, "without a CPU", &parts) ||
           say_part(out, judgement->stopped_counts, after->stopped_ns, "stopped", &parts) ||
           say_part(out, judgement->paging_counts, after->paging_ns,
                    "in the kernel, for a page or a disk", &parts);
}

/* How often and how long, and what the machine did to that. */
static int say_kept(struct gt_blocker_text *text, const struct gt_report *report,
                    const struct gt_blocker *row)
{
    const struct gt_after *after = &row->after;
    struct gt_buf *out = &text->sentence;
    char longest[32], all[32], waiting[32];

    if (gt_buf_addf(out, "%s kept the GIL for up to %s after it was asked for it, %llu time%s",
                    text->function.data,
                    gt_duration_text(row->longest_kept_ns, longest, sizeof(longest)),
                    (unsigned long long)row->kept, row->kept == 1 ? "" : "s"))
        return -1;
    if (row->kept > 1 &&
        gt_buf_addf(out, ": %s in all", gt_duration_text(after->total_ns, all, sizeof(all))))
        return -1;
    if (say_parts(out, &text->judgement, after))
        return -1;
    if (gt_buf_addf(out, " (%s of waiting).",
                    gt_duration_text(row->waiting_ns, waiting, sizeof(waiting))))
        return -1;
    return gt_remedy_say(text, report, row);
}

static int say_requeuer(struct gt_blocker_text *text, const struct gt_blocker *row)
{
    bool fewer = text->judgement.fewer_calls_help;
    char waited[32], away[32];

    return gt_buf_addf(
        &text->sentence,
        "%s%s released the GIL %llu times%s, for %s in all, and waited %s to get it back%s.",
        text->sentence.length ? " " : "", text->function.data, (unsigned long long)row->retakes,
        fewer ? "" : " within its calls", gt_duration_text(row->away_ns, away, sizeof(away)),
        gt_duration_text(row->retake_wait_ns, waited, sizeof(waited)),
        fewer ? ": make fewer of these calls, or make them in another process" : "");
}

/* It releases the GIL for the most of what it does, and holds it for a part. */
static int say_releases(struct gt_blocker_text *text, const struct gt_blocker *row)
{
    char away[32], held[32], waiting[32];

    return gt_buf_addf(
        &text->sentence,
        "%s%s gave the GIL up for %s of its time and held it for %s, which caused "
        "%s of waiting.",
        text->sentence.length ? " " : "", text->function.data,
        gt_duration_text(row->away_ns, away, sizeof(away)),
        gt_duration_text(row->total_hold_ns, held, sizeof(held)),
        gt_duration_text(row->waiting_ns, waiting, sizeof(waiting)));
}

/* Python code that looks for requests. What it did with them is told, not what it would do. */
static int say_gave_up(struct gt_blocker_text *text, const struct gt_blocker *row,
                       const char *waiting)
{
    unsigned long long asked = row->requested, gave = asked - row->kept - row->unclear;
    struct gt_buf *out = &text->sentence;
    char longest[32];

    if (gt_buf_addf(
            out,
            "%s caused %s of waiting; it gave the GIL up when it was asked (%llu of %llu "
            "times",
            text->function.data, waiting, gave, asked))
        return -1;
    if (text->judgement.rest_unknown) {
        if (gt_buf_adds(out, "; whether it had a CPU the other times is not known"))
            return -1;
    } else if (row->kept &&
               gt_buf_addf(out, ", else after %s at most",
                           gt_duration_text(row->longest_kept_ns, longest, sizeof(longest)))) {
        return -1;
    }
    return gt_buf_adds(out, "): do less there, or do it in another process.");
}

/* Seldom and not for long: no reason to call it a culprit. */
static int say_gave_up_late(struct gt_blocker_text *text, const struct gt_blocker *row,
                            const char *waiting)
{
    char longest[32];

    return gt_buf_addf(
        &text->sentence,
        "%s caused %s of waiting; it was asked for the GIL %llu time%s, and gave it up after "
        "%s "
        "at most%s.",
        text->function.data, waiting, (unsigned long long)row->requested,
        row->requested == 1 ? "" : "s",
        gt_duration_text(row->longest_kept_ns, longest, sizeof(longest)),
        text->judgement.rest_unknown ? " (whether it had a CPU each time is not known)" : "");
}

static int say_charge(struct gt_blocker_text *text, const struct gt_report *report,
                      const struct gt_blocker *row)
{
    const char *name = text->function.data;
    struct gt_buf *out = &text->sentence;
    char waiting[32];

    gt_duration_text(row->waiting_ns, waiting, sizeof(waiting));
    switch (text->judgement.charge) {
    case GT_CHARGE_NONE:
        break;
    case GT_CHARGE_NO_FUNCTION:
        return gt_buf_addf(out,
                           "%s had the GIL during %s of waiting; which function it was in is "
                           "not known%s.",
                           name, waiting, gt_remedy_for_tracing(report));
    case GT_CHARGE_WAITED_FOR:
        return gt_buf_addf(out, "%s caused %s of waiting.", name, waiting);
    case GT_CHARGE_NOT_ASKED:
        return gt_buf_addf(out,
                           "%s caused %s of waiting; nobody waited long enough "
                           "to ask it for the GIL.",
                           name, waiting);
    case GT_CHARGE_NOT_RECORDED:
        return gt_buf_addf(out,
                           "%s caused %s of waiting; whether it had a CPU after it was asked "
                           "for the GIL was not recorded.",
                           name, waiting);
    case GT_CHARGE_GAVE_UP:
        return say_gave_up(text, row, waiting);
    case GT_CHARGE_GAVE_UP_LATE:
        return say_gave_up_late(text, row, waiting);
    }
    return 0;
}

static const char *const cause_names[GT_CAUSES] = {
    [GT_CAUSE_CALL] = "call",     [GT_CAUSE_LOOP] = "loop",           [GT_CAUSE_GC] = "gc",
    [GT_CAUSE_IMPORT] = "import", [GT_CAUSE_OPERATION] = "operation",
};

int gt_blocker_text_init(struct gt_blocker_text *text, const struct gt_report *report,
                         const struct gt_blocker *row)
{
    int rc;

    *text = (struct gt_blocker_text){0};
    gt_buf_init(&text->function);
    gt_buf_init(&text->name);
    gt_buf_init(&text->file);
    gt_buf_init(&text->caller);
    gt_buf_init(&text->sentence);
    text->judgement = gt_judge_blocker(report->timeline, row);
    text->cause = cause_names[text->judgement.cause];
    rc = name_blocker(text, report, row);
    if (rc == 0)
        rc = name_for_machines(text, report, row);
    if (rc == 0 && text->cause)
        rc = say_kept(text, report, row);
    if (rc == 0 && text->judgement.releases)
        rc = say_releases(text, row);
    if (rc == 0 && text->judgement.requeues)
        rc = say_requeuer(text, row);
    if (rc == 0)
        rc = say_charge(text, report, row);
    if (rc)
        gt_blocker_text_release(text);
    return rc;
}

void gt_blocker_text_release(struct gt_blocker_text *text)
{
    gt_buf_release(&text->function);
    gt_buf_release(&text->name);
    gt_buf_release(&text->file);
    gt_buf_release(&text->caller);
    gt_buf_release(&text->sentence);
}

/* --- the printed block --- */

const char *gt_blocker_text_short_file(const struct gt_report *report, const char *file)
{
    static const char *const folders[] = {"/site-packages/", "/dist-packages/"};
    const char *own = report->options.working_dir, *at;
    size_t length;

    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        if ((at = strstr(file, folders[i])))
            return at + strlen(folders[i]);
    at = strstr(file, "/lib/python3.");
    if (at && (at = strchr(at + strlen("/lib/python3."), '/')))
        return at + 1;
    if (!own)
        return file;
    length = strlen(own);
    return strncmp(file, own, length) == 0 && file[length] == '/' ? file + length + 1 : file;
}

enum { COLUMNS = 8, FUNCTION_COLUMN = 5 };

int gt_blocker_text_add_place(const struct gt_report *report,
                              const struct gt_blocker_text *text, struct gt_grid *grid)
{
    struct gt_buf where;
    int rc = 0;

    gt_buf_init(&where);
    if (text->file.length)
        rc = gt_buf_addf(&where, "%s:%u", gt_blocker_text_short_file(report, text->file.data),
                         text->line);
    if (rc == 0 && text->caller.length)
        rc = gt_buf_addf(&where, "%s(%s)", where.length ? " " : "", text->caller.data);
    if (rc == 0)
        rc = gt_grid_add_buf(grid, &where);
    gt_buf_release(&where);
    return rc;
}

static int add_line(const struct gt_buf *line, struct gt_grid *grid)
{
    int rc = 0;

    for (int i = 0; rc == 0 && line->length && i < COLUMNS; i++)
        rc = i == FUNCTION_COLUMN ? gt_grid_add_buf(grid, line) : gt_grid_add(grid, "%s", "");
    return rc;
}

/* In lines of their own: where in native code it was, and where it slept. */
static int add_native(const struct gt_report *report, uint32_t gil, uint32_t row, bool kept,
                      struct gt_grid *grid)
{
    struct gt_buf line;
    int rc;

    gt_buf_init(&line);
    rc = gt_native_say(report, gil, row, kept, &line) || add_line(&line, grid);
    gt_buf_reset(&line);
    if (rc == 0)
        rc = gt_native_say_asleep(report, gil, row, &line) || add_line(&line, grid);
    gt_buf_release(&line);
    return rc ? -1 : 0;
}

static int add_row(const struct gt_report *report, uint32_t gil, uint32_t index,
                   int64_t wait_ns, struct gt_grid *grid)
{
    const struct gt_blocker *row = gt_blocker_at(&report->analysis->blockers[gil], index);
    struct gt_blocker_text text;
    char waiting[32], longest[32];
    int rc;

    if (gt_blocker_text_init(&text, report, row))
        return -1;
    gt_duration_text(row->waiting_ns, waiting, sizeof(waiting));
    gt_duration_text(row->longest_hold_ns, longest, sizeof(longest));
    rc = gt_grid_add(grid, "%s", waiting) ||
         gt_grid_add(grid, "%.1f%%", gt_percent(row->waiting_ns, wait_ns)) ||
         gt_grid_add(grid, "%llu", (unsigned long long)row->count) ||
         gt_grid_add(grid, "%s", longest) || gt_grid_add(grid, "%s", text.kind) ||
         gt_grid_add_buf(grid, &text.function) ||
         gt_blocker_text_add_place(report, &text, grid) ||
         gt_grid_add(grid, "%s",
                     !text.cause        ? ""
                     : row->after.known ? "does not release"
                                        : "may not release") ||
         add_native(report, gil, index, text.cause != NULL, grid);
    gt_blocker_text_release(&text);
    return rc ? -1 : 0;
}

static int add_gap(const struct gt_blockers *blockers, enum gt_gap gap, const char *name,
                   int64_t wait_ns, struct gt_grid *grid)
{
    int64_t ns = gt_gap_ns(blockers, gap);
    char duration[32];

    if (!gt_gap_is_notable(ns, wait_ns))
        return 0;
    return gt_grid_add(grid, "%s", gt_duration_text(ns, duration, sizeof(duration))) ||
                   gt_grid_add(grid, "%.1f%%", gt_percent(ns, wait_ns)) ||
                   gt_grid_add(grid, "%s", "") || gt_grid_add(grid, "%s", "") ||
                   gt_grid_add(grid, "-") || gt_grid_add(grid, "%s", name) ||
                   gt_grid_add(grid, "%s", "") || gt_grid_add(grid, "%s", "")
               ? -1
               : 0;
}

static int add_rows(const struct gt_report *report, uint32_t gil, size_t most,
                    struct gt_grid *grid)
{
    const struct gt_blockers *blockers = &report->analysis->blockers[gil];
    int64_t wait_ns = gt_gil_wait_ns(gt_gil_at(report->timeline, gil));
    size_t notable = gt_blockers_notable(blockers, wait_ns);

    for (uint32_t i = 0; i < notable && i < most; i++)
        if (add_row(report, gil, i, wait_ns, grid))
            return -1;
    return add_gap(blockers, GT_GAP_HANDOVER, "free: the next thread was still waking up",
                   wait_ns, grid) ||
                   add_gap(blockers, GT_GAP_NO_CPU,
                           "free: the next thread was awake, without a CPU", wait_ns, grid) ||
                   add_gap(blockers, GT_GAP_UNTAKEN, "free: nobody had taken it yet", wait_ns,
                           grid) ||
                   add_gap(blockers, GT_GAP_UNKNOWN, "not known who held", wait_ns, grid)
               ? -1
               : 0;
}

static int put_gil(const struct gt_report *report, uint32_t gil, size_t most,
                   const struct gt_print_options *how, struct gt_buf *out)
{
    static const struct gt_grid_column columns[COLUMNS] = {
        {"waiting", 0},
        {"share", 0},
        {"times", GT_GRID_SPARE},
        {"longest hold", 0},
        {"kind", GT_GRID_LEFT | GT_GRID_SPARE},
        {"function", GT_GRID_LEFT | GT_GRID_NAME | GT_GRID_OPEN},
        {"where", GT_GRID_LEFT | GT_GRID_NAME},
        {"", GT_GRID_LEFT | GT_GRID_SPARE}, /* a sentence says so, too */
    };
    struct gt_grid grid;
    int rc = gt_report_title(report, "Blockers", gil, out);

    gt_grid_init(&grid, columns, COLUMNS);
    if (rc == 0)
        rc = add_rows(report, gil, most, &grid);
    if (rc == 0)
        rc = gt_grid_print(&grid, how, out);
    gt_grid_release(&grid);
    return rc ? rc : gt_buf_adds(out, "\n");
}

/* How many of the GILs, those that were waited for longest first, have a block. */
static size_t count_told(const struct gt_report *report, const uint32_t *gils)
{
    size_t told = gt_shown_waited_for(report->timeline, gils);

    return told <= GT_SHOWN_GILS || report->options.all_threads ? told : 1;
}

int gt_blocker_text_print(const struct gt_report *report, const struct gt_print_options *how,
                          struct gt_buf *text)
{
    uint32_t *gils;
    size_t told;
    int rc = 0;

    if (report->timeline->functions.count == 0)
        return 0; /* the table tells all that is known */
    gils = gt_shown_gils(report->timeline);
    if (!gils)
        return -1;
    told = count_told(report, gils);
    for (size_t i = 0; rc == 0 && i < told; i++)
        rc = put_gil(report, gils[i], told > 1 ? SEVERAL_MAX : BLOCKERS_MAX, how, text);
    free(gils);
    return rc;
}
