/* SPDX-License-Identifier: MIT */
#include "compare/parts.h"

#include "base/nstime.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LINES_MAX = 20, SAME_MAX = 40 };

struct saying {
    const struct gt_comparison *comparison;
    bool as_html;
    struct gt_buf *text;
};

/* One sentence, or item of a list, ends. */
static int end_line(struct saying *saying)
{
    return gt_buf_adds(saying->text, saying->as_html ? "</li>\n" : "\n");
}

/* `what` is a class of the page: "more", "less", "neutral", "same", "unknown", "note". */
static int begin_line(struct saying *saying, const char *what)
{
    return saying->as_html ? gt_buf_addf(saying->text, "<li class=\"%s\">", what)
                           : gt_buf_adds(saying->text, "  ");
}

static int begin_list(struct saying *saying, const char *title)
{
    return saying->as_html
               ? gt_buf_addf(saying->text, "<h2>%s</h2>\n<ul class=\"changes\">\n", title)
               : gt_buf_addf(saying->text, "%s:\n", title);
}

static int end_list(struct saying *saying)
{
    return gt_buf_adds(saying->text, saying->as_html ? "</ul>\n" : "");
}

/* --- the headline --- */

static int put_headline(struct saying *saying, const char *text)
{
    return saying->as_html ? gt_buf_addf(saying->text, "<p class=\"headline\">%s</p>\n", text)
                           : gt_buf_addf(saying->text, "%s\n", text);
}

static int put_wait(struct saying *saying, const struct gt_figure *figure)
{
    char before[32], after[32], noise[32], line[512];
    static const char where[] = "of their time before and %s after";
    char both[96];

    gt_figure_text(figure, figure->side[GT_BEFORE].median, before, sizeof(before));
    gt_figure_text(figure, figure->side[GT_AFTER].median, after, sizeof(after));
    gt_figure_text(figure, figure->change.noise, noise, sizeof(noise));
    snprintf(both, sizeof(both), where, after);
    switch (gt_figure_judge(figure)) {
    case GT_FIGURE_MORE:
    case GT_FIGURE_LESS:
        snprintf(line, sizeof(line), "Threads waited for the GIL %s: %s %s (noise: %s).",
                 figure->change.by > 0 ? "more" : "less", before, both, noise);
        break;
    case GT_FIGURE_NOISE:
        snprintf(line, sizeof(line),
                 "Waiting for the GIL did not change: %s %s, which is within the noise of %s.",
                 before, both, noise);
        break;
    case GT_FIGURE_UNKNOWN:
        snprintf(line, sizeof(line),
                 "Threads waited for the GIL %s %s. Of so few runs it is not known "
                 "whether that is noise: record them with --repeat 5.",
                 before, both);
        break;
    case GT_FIGURE_SAME:
        snprintf(line, sizeof(line), "Waiting for the GIL did not change: %s %s.", before,
                 both);
        break;
    case GT_FIGURE_TOO_SMALL:
        snprintf(line, sizeof(line), "Threads did not wait for the GIL, on neither side.");
    }
    return put_headline(saying, line);
}

static int put_verdict(struct saying *saying)
{
    const struct gt_figure_row *wait = gt_figure_whole(&saying->comparison->figures, "wait");
    bool gils = false;

    for (unsigned i = 0; i < GT_SIDES; i++)
        gils = gils ||
               json_array_size(json_object_get(saying->comparison->sides[i].summary, "gils"));
    if (!wait || !gils)
        return put_headline(saying, "Neither report tells of a GIL.");
    return put_wait(saying, &wait->values[0]);
}

/* --- what changed --- */

static int put_what(struct saying *saying, const struct gt_figure_row *row, unsigned value)
{
    static const struct {
        const char *name, *what;
    } whole[] = {
        {"wall", "length of the run"},
        {"wait", "waiting for the GIL, of the threads' time"},
        {"hold", "holding the GIL, of the threads' time"},
        {"longest_wait", "longest wait for the GIL"},
        {"lock_wait", "waiting for locks"},
        {"stopped", "stopped by other threads, of the threads' time"},
        {"unknown", "not known, of the threads' time"},
    };
    static const char *const behind[GT_FIGURE_GROUPS][2] = {
        [GT_FIGURE_PROCESSES] = {"waited for the GIL", "had the GIL"},
        [GT_FIGURE_THREADS] = {"waited for the GIL", "had the GIL"},
        [GT_FIGURE_FUNCTIONS] = {"was waited for", ""},
        [GT_FIGURE_LOCKS] = {"waited for the lock", ""},
    };
    const char *name = gt_intern_text(&saying->comparison->names, row->name);
    size_t length = gt_intern_length(&saying->comparison->names, row->name);

    for (size_t i = 0; row->group == GT_FIGURE_WHOLE && i < 7; i++)
        if (strcmp(name, whole[i].name) == 0)
            return gt_buf_adds(saying->text, whole[i].what);
    if (saying->as_html ? gt_html_name(saying->comparison, row->name, saying->text)
                        : gt_buf_add_visible(saying->text, name, strnlen(name, length)))
        return -1;
    return gt_buf_addf(saying->text, " %s", behind[row->group][value]);
}

static void put_median(const struct gt_figure *figure, unsigned side, char *text, size_t size)
{
    if (figure->side[side].median > 0)
        gt_figure_text(figure, figure->side[side].median, text, size);
    else
        snprintf(text, size, "nothing");
}

static int put_change(struct saying *saying, const struct gt_figure_row *row, unsigned value,
                      enum gt_figure_change judged)
{
    static const char *const classes[] = {
        [GT_FIGURE_SAME] = "same", [GT_FIGURE_NOISE] = "same", [GT_FIGURE_UNKNOWN] = "unknown",
        [GT_FIGURE_MORE] = "more", [GT_FIGURE_LESS] = "less",
    };
    const struct gt_figure *figure = &row->values[value];
    char before[32], after[32], by[32], noise[32];

    gt_figure_text(figure, fabs(figure->change.by), by, sizeof(by));
    gt_figure_text(figure, figure->change.noise, noise, sizeof(noise));
    put_median(figure, GT_BEFORE, before, sizeof(before));
    put_median(figure, GT_AFTER, after, sizeof(after));
    if (begin_line(saying, judged >= GT_FIGURE_MORE &&
                                   !gt_figure_is_bad(&saying->comparison->figures, row, value)
                               ? "neutral"
                               : classes[judged]) ||
        put_what(saying, row, value) ||
        gt_buf_addf(saying->text, ": %s before, %s after", before, after))
        return -1;
    if (judged == GT_FIGURE_MORE || judged == GT_FIGURE_LESS) {
        if (gt_buf_addf(saying->text, " (%s %s, noise %s)", by,
                        judged == GT_FIGURE_MORE ? "more" : "less", noise))
            return -1;
    } else if (judged == GT_FIGURE_UNKNOWN &&
               gt_buf_addf(saying->text, " (%s%s)", figure->change.by < 0 ? "-" : "+", by)) {
        return -1;
    }
    return end_line(saying);
}

/* Which figures of a row are told of. */
static unsigned values_told(const struct gt_figure_row *row)
{
    return row->group == GT_FIGURE_PROCESSES || row->group == GT_FIGURE_THREADS ? 2 : 1;
}

/* In which list a figure is. */
enum list { CHANGED, SAME, UNSURE };

static enum list list_of(enum gt_figure_change judged)
{
    if (judged == GT_FIGURE_UNKNOWN)
        return UNSURE;
    return judged == GT_FIGURE_MORE || judged == GT_FIGURE_LESS ? CHANGED : SAME;
}

static bool noise_is_known(const struct gt_comparison *comparison)
{
    return gt_change_noise_is_known(comparison->figures.runs[GT_BEFORE],
                                    comparison->figures.runs[GT_AFTER]);
}

static int put_left_out(struct saying *saying, size_t count, size_t most)
{
    if (count <= most)
        return 0;
    return begin_line(saying, "note") ||
                   gt_buf_addf(saying->text, "and %zu more: the tables have them",
                               count - most) ||
                   end_line(saying)
               ? -1
               : 0;
}

/* Where there is nothing, that is said, unless the list is one that may be missing. */
static int put_figures(struct saying *saying, const char *title, enum list list, size_t most)
{
    const struct gt_figures *figures = &saying->comparison->figures;
    size_t count = 0;

    for (size_t i = 0; i < figures->rows.count; i++) {
        const struct gt_figure_row *row = gt_figure_at(figures, i);

        for (unsigned value = 0; value < values_told(row); value++) {
            enum gt_figure_change judged = gt_figure_judge(&row->values[value]);

            if (judged == GT_FIGURE_TOO_SMALL || list_of(judged) != list)
                continue;
            if (count == 0 && begin_list(saying, title))
                return -1;
            if (count++ < most && put_change(saying, row, value, judged))
                return -1;
        }
    }
    if (count)
        return put_left_out(saying, count, most) || end_list(saying) ? -1 : 0;
    if (list == UNSURE)
        return 0;
    return begin_list(saying, title) || begin_line(saying, "note") ||
                   gt_buf_adds(saying->text, "nothing") || end_line(saying) || end_list(saying)
               ? -1
               : 0;
}

static int put_caveats(struct saying *saying)
{
    struct gt_buf caveats;
    int rc;

    gt_buf_init(&caveats);
    rc = gt_runs_caveats(saying->comparison, saying->as_html, &caveats);
    if (rc == 0 && caveats.length)
        rc = begin_list(saying, "To be borne in mind") ||
             gt_buf_add(saying->text, caveats.data, caveats.length) || end_list(saying);
    gt_buf_release(&caveats);
    return rc ? -1 : 0;
}

int gt_verdict_put(const struct gt_comparison *comparison, bool as_html, struct gt_buf *text)
{
    struct saying saying = {comparison, as_html, text};
    const bool known = noise_is_known(comparison);

    if (put_verdict(&saying))
        return -1;
    if (known && (put_figures(&saying, "What changed", CHANGED, LINES_MAX) ||
                  put_figures(&saying, "What differs, and may be noise", UNSURE, LINES_MAX)))
        return -1;
    if (!known && put_figures(&saying, "What differs (of so few runs noise is not known)",
                              UNSURE, LINES_MAX))
        return -1;
    if (put_figures(&saying,
                    known ? "What did not change, or within the noise" : "What is the same",
                    SAME, SAME_MAX))
        return -1;
    return put_caveats(&saying);
}
