/* SPDX-License-Identifier: MIT */
#include "compare/parts.h"

#include "base/nstime.h"

#include <stdio.h>
#include <string.h>

typedef int put_fn(const struct gt_side *side, const char *key, struct gt_buf *text);

static const json_t *in(const struct gt_side *side, const char *part)
{
    return json_object_get(side->summary, part);
}

/* --- cells, as plain text: empty where it is not known --- */

static int put_run(const struct gt_side *side, const char *key, struct gt_buf *text)
{
    const json_t *value = json_object_get(in(side, "run"), key);

    if (json_is_string(value))
        return gt_buf_add_visible(text, json_string_value(value), json_string_length(value));
    return json_is_integer(value)
               ? gt_buf_addf(text, "%lld", (long long)json_integer_value(value))
               : 0;
}

static int put_command(const struct gt_side *side, const char *key, struct gt_buf *text)
{
    const json_t *word;
    size_t i;

    json_array_foreach(
        json_object_get(in(side, "run"), key), i,
        word) if ((i && gt_buf_adds(text, " ")) ||
                  gt_buf_add_visible(text, json_is_string(word) ? json_string_value(word) : "",
                                     json_string_length(word))) return -1;
    return 0;
}

static int put_length(const struct gt_side *side, const char *key, struct gt_buf *text)
{
    char duration[32];

    (void)key;
    return gt_buf_adds(text, gt_duration_text(side->length_ns, duration, sizeof(duration)));
}

static int put_cpus(const struct gt_side *side, const char *key, struct gt_buf *text)
{
    const json_t *value = json_object_get(in(side, "machine"), key);

    return json_is_number(value) ? gt_buf_addf(text, "%.10g", json_number_value(value)) : 0;
}

static int put_cost(const struct gt_side *side, const char *key, struct gt_buf *text)
{
    const json_t *value = json_object_get(in(side, "cost"), key);
    char duration[32];

    if (!json_is_integer(value))
        return 0;
    if (!strstr(key, "_ns"))
        return gt_buf_addf(text, "%lld", (long long)json_integer_value(value));
    return gt_buf_adds(
        text, gt_duration_text(gt_side_ns(in(side, "cost"), key), duration, sizeof(duration)));
}

static int put_finding(const struct gt_side *side, const char *key, struct gt_buf *text)
{
    const json_t *value = json_array_get(in(side, key), 0);

    return json_is_string(value)
               ? gt_buf_add_visible(text, json_string_value(value), json_string_length(value))
               : 0;
}

/* --- the table --- */

static const struct {
    const char *what;
    put_fn *put;
    const char *key;
    const char *caveat; /* where it differs; NULL: that is expected */
} rows[] = {
    {"First finding", put_finding, "findings", NULL},
    {"Command", put_command, "argv", "The commands differ"},
    {"Interpreter", put_run, "version", "The interpreters differ"},
    {"GIL recorded by", put_run, "gil_source",
     "The GIL was recorded in different ways, which cost differently"},
    {"Functions recorded by", put_run, "function_source",
     "Functions were recorded in different ways, which cost differently"},
    {"Host", put_run, "host", "The runs are of different machines"},
    {"CPUs that could be used", put_cpus, "usable_cpus",
     "The runs could use different numbers of CPUs"},
    {"Ran for", put_length, NULL, NULL},
    {"Exit status", put_run, "exit_status", "The exit statuses differ"},
    {"Recording made it longer by", put_cost, "total_ns", NULL},
    {"CPU time of recording", put_cost, "cpu_ns", NULL},
    {"Events of the GIL", put_cost, "gil_events", NULL},
    {"Each cost", put_cost, "gil_event_ns", NULL},
    {"Calls", put_cost, "calls", NULL},
    {"Each call cost", put_cost, "call_ns", NULL},
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

/* 0 or -1; the texts are to be released in either case. */
static int make_cells(const struct gt_comparison *comparison, size_t row,
                      struct gt_buf cells[GT_SIDES])
{
    int rc = 0;

    for (unsigned i = 0; i < GT_SIDES; i++) {
        gt_buf_init(&cells[i]);
        rc |= rows[row].put(&comparison->sides[i], rows[row].key, &cells[i]) ||
              gt_buf_adds(&cells[i], "");
    }
    return rc ? -1 : 0;
}

static int put_row(const char *what, const struct gt_buf cells[GT_SIDES], struct gt_buf *html)
{
    if (gt_buf_addf(html, "<tr><th scope=\"row\">%s</th>", what))
        return -1;
    for (unsigned i = 0; i < GT_SIDES; i++)
        if (gt_buf_adds(html, "<td class=\"text\"><bdi>") ||
            gt_html_adds(html, cells[i].length ? cells[i].data : "not known") ||
            gt_buf_adds(html, "</bdi></td>"))
            return -1;
    return gt_buf_adds(html, "</tr>\n");
}

int gt_runs_put(const struct gt_comparison *comparison, struct gt_buf *html)
{
    int rc =
        gt_buf_adds(html, "<section id=\"runs\"><h2>The runs, and what recording cost</h2>\n"
                          "<div class=\"scroll\" tabindex=\"0\" role=\"region\" "
                          "aria-label=\"The runs\"><table>\n<thead><tr><td></td>"
                          "<th scope=\"col\">before</th><th scope=\"col\">after</th></tr>"
                          "</thead>\n<tbody>\n");
    struct gt_buf paths[GT_SIDES];

    for (unsigned i = 0; i < GT_SIDES; i++) {
        gt_buf_init(&paths[i]);
        rc |= gt_buf_adds(&paths[i], comparison->paths[i]);
    }
    rc = rc || put_row("File", paths, html);
    for (unsigned i = 0; i < GT_SIDES; i++)
        gt_buf_release(&paths[i]);
    for (size_t i = 0; rc == 0 && i < ROWS; i++) {
        struct gt_buf cells[GT_SIDES];

        rc = make_cells(comparison, i, cells);
        if (rc == 0 && (cells[GT_BEFORE].length || cells[GT_AFTER].length))
            rc = put_row(rows[i].what, cells, html);
        gt_buf_release(&cells[GT_BEFORE]);
        gt_buf_release(&cells[GT_AFTER]);
    }
    return rc || gt_buf_adds(html, "</tbody></table></div></section>\n") ? -1 : 0;
}

/* --- caveats --- */

static int put_caveat(const char *caveat, const struct gt_buf *cells, bool as_html,
                      struct gt_buf *text)
{
    int rc = gt_buf_addf(text, "%s%s", as_html ? "<li class=\"note\">" : "  ", caveat);

    for (unsigned i = 0; rc == 0 && cells && i < GT_SIDES; i++)
        rc = gt_buf_adds(text, i ? " before, " : ": ") ||
             (as_html ? gt_html_adds(text, cells[i].data) : gt_buf_adds(text, cells[i].data)) ||
             (i && gt_buf_adds(text, " after"));
    return rc || gt_buf_adds(text, as_html ? ".</li>\n" : ".\n") ? -1 : 0;
}

static int put_unknown(const struct gt_comparison *comparison, bool as_html,
                       struct gt_buf *text)
{
    const struct gt_figure_row *row = gt_figure_whole(&comparison->figures, "unknown");
    char line[160];

    if (!row)
        return 0;
    snprintf(line, sizeof(line),
             "Not known are %.1f%% of the threads' time before, and %.1f%% after: the figures "
             "are of the rest",
             100 * row->values[0].side[GT_BEFORE].median,
             100 * row->values[0].side[GT_AFTER].median);
    return put_caveat(line, NULL, as_html, text);
}

static bool has_common_thread(const struct gt_figures *figures)
{
    bool common = false, any = false;

    for (size_t i = 0; i < figures->rows.count; i++) {
        const struct gt_figure_row *row = gt_figure_at(figures, i);

        any = any || row->group == GT_FIGURE_THREADS;
        common = common || (row->group == GT_FIGURE_THREADS && row->count[GT_BEFORE] &&
                            row->count[GT_AFTER]);
    }
    return common || !any;
}

int gt_runs_caveats(const struct gt_comparison *comparison, bool as_html, struct gt_buf *text)
{
    int rc = 0;

    if (!has_common_thread(&comparison->figures))
        rc = put_caveat("No thread of one has the name of one of the other: they may be of "
                        "different programs",
                        NULL, as_html, text);
    for (size_t i = 0; rc == 0 && i < ROWS; i++) {
        struct gt_buf cells[GT_SIDES];

        rc = make_cells(comparison, i, cells);
        if (rc == 0 && rows[i].caveat && cells[GT_BEFORE].length && cells[GT_AFTER].length &&
            strcmp(cells[GT_BEFORE].data, cells[GT_AFTER].data) != 0)
            rc = put_caveat(rows[i].caveat, cells, as_html, text);
        gt_buf_release(&cells[GT_BEFORE]);
        gt_buf_release(&cells[GT_AFTER]);
    }
    if (rc == 0)
        rc = put_unknown(comparison, as_html, text);
    for (unsigned i = 0; rc == 0 && i < GT_SIDES; i++)
        if (comparison->sides[i].left_out)
            rc = put_caveat(i ? "Some of the second report's events make no sense, and are "
                                "left out"
                              : "Some of the first report's events make no sense, and are left "
                                "out",
                            NULL, as_html, text);
    return rc;
}
