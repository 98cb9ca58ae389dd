/* SPDX-License-Identifier: MIT */
#include "report/blocker_text.h"

#include "analysis/gil_times.h"
#include "base/nstime.h"
#include "report/blocks.h"
#include "report/labels.h"
#include "report/remedy.h"

#include <string.h>

enum { BLOCKERS_MAX = 8 }; /* printed, per GIL */

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
    char waited[32], away[32];

    return gt_buf_addf(
        &text->sentence,
        "%s%s released the GIL %llu times, for %s in all, and waited %s to get it "
        "back: do more per call, or do it where nobody computes.",
        text->sentence.length ? " " : "", text->function.data, (unsigned long long)row->retakes,
        gt_duration_text(row->away_ns, away, sizeof(away)),
        gt_duration_text(row->retake_wait_ns, waited, sizeof(waited)));
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

static int say_charge(struct gt_blocker_text *text, const struct gt_blocker *row)
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
                           "not known (a run with --python-trace tells).",
                           name, waiting);
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
        rc = say_charge(text, row);
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

static int put_row(const struct gt_report *report, const struct gt_blocker *row,
                   int64_t wait_ns, struct gt_buf *out)
{
    struct gt_blocker_text text;
    char waiting[32], longest[32];
    int rc;

    if (gt_blocker_text_init(&text, report, row))
        return -1;
    rc = gt_buf_addf(out, "%10s  %5.1f%%  %8llu  %12s  %-6s  %s",
                     gt_duration_text(row->waiting_ns, waiting, sizeof(waiting)),
                     gt_percent(row->waiting_ns, wait_ns), (unsigned long long)row->count,
                     gt_duration_text(row->longest_hold_ns, longest, sizeof(longest)),
                     text.kind, text.function.data);
    if (rc == 0 && text.file.length)
        rc = gt_buf_addf(out, "  %s:%u", gt_blocker_text_short_file(report, text.file.data),
                         text.line);
    if (rc == 0 && text.caller.length)
        rc = gt_buf_addf(out, " (%s)", text.caller.data);
    if (rc == 0)
        rc = gt_buf_adds(out, !text.cause        ? "\n"
                              : row->after.known ? "  does not release\n"
                                                 : "  may not release\n");
    gt_blocker_text_release(&text);
    return rc;
}

static int put_gap(const struct gt_blockers *blockers, enum gt_gap gap, const char *name,
                   int64_t wait_ns, struct gt_buf *out)
{
    int64_t ns = gt_gap_ns(blockers, gap);
    char duration[32];

    if (!gt_gap_is_notable(ns, wait_ns))
        return 0;
    return gt_buf_addf(out, "%10s  %5.1f%%  %8s  %12s  %-6s  %s\n",
                       gt_duration_text(ns, duration, sizeof(duration)),
                       gt_percent(ns, wait_ns), "", "", "-", name);
}

static int put_gil(const struct gt_report *report, uint32_t gil, struct gt_buf *out)
{
    const struct gt_blockers *blockers = &report->analysis->blockers[gil];
    int64_t wait_ns = gt_gil_wait_ns(gt_gil_at(report->timeline, gil));
    size_t notable = gt_blockers_notable(blockers, wait_ns);

    if (gt_report_title(report, "Blockers", gil, out) ||
        gt_buf_adds(out, "   waiting   share     times  longest hold  kind    function\n"
                         "----------  ------  --------  ------------  ------  ----------\n"))
        return -1;
    for (size_t i = 0; i < notable && i < BLOCKERS_MAX; i++)
        if (put_row(report, gt_blocker_at(blockers, i), wait_ns, out))
            return -1;
    if (put_gap(blockers, GT_GAP_HANDOVER, "hand-over: released, and being woken", wait_ns,
                out) ||
        put_gap(blockers, GT_GAP_NO_CPU, "hand-over: awake, without a CPU", wait_ns, out) ||
        put_gap(blockers, GT_GAP_UNTAKEN, "released, and not yet taken", wait_ns, out) ||
        put_gap(blockers, GT_GAP_UNKNOWN, "not known who held", wait_ns, out))
        return -1;
    return gt_buf_adds(out, "\n");
}

int gt_blocker_text_print(const struct gt_report *report, struct gt_buf *text)
{
    enum { GILS_MAX = 8 };
    const struct gt_timeline *timeline = report->timeline;

    if (timeline->functions.count == 0)
        return 0; /* the table tells all that is known */
    for (uint32_t i = 0; i < timeline->gils.count && i < GILS_MAX; i++)
        if (gt_gil_at(timeline, i)->waits.count &&
            !gt_gil_hardly_waited(gt_gil_at(timeline, i)) && put_gil(report, i, text))
            return -1;
    return 0;
}
