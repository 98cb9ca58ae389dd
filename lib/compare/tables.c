/* SPDX-License-Identifier: MIT */
#include "compare/parts.h"

#include <math.h>
#include <string.h>

enum { ROWS_MAX = 60 };

/* What a group's table is called, and what its values are; NULL: it has no such column. */
static const struct {
    const char *id, *title, *note, *first, *count;
    const char *values[GT_FIGURE_VALUES];
    bool judged[GT_FIGURE_VALUES]; /* with the change, and whether it is noise */
} tables[GT_FIGURE_GROUPS] = {
    [GT_FIGURE_PROCESSES] = {"processes",
                             "Processes",
                             "Processes whose names differ in their last number only are one "
                             "row. Shares are of their threads' lives.",
                             "process",
                             "how many",
                             {"waited", "had the GIL", "longest wait"},
                             {true, true, false}},
    [GT_FIGURE_THREADS] = {"threads",
                           "Threads",
                           "Threads whose names differ in their last number only are one row. "
                           "Shares are of their lives.",
                           "threads",
                           "how many",
                           {"waited", "had the GIL", "longest wait"},
                           {true, true, false}},
    [GT_FIGURE_FUNCTIONS] =
        {"functions",
         "Functions that others waited for",
         "How long all threads together waited while this function had the GIL; "
         "where functions were not traced, while threads of this kind had it.",
         "function",
         "times",
         {"waited for", "held meanwhile", "longest hold"},
         {true, false, false}},
    [GT_FIGURE_LOCKS] = {"locks",
                         "Locks, by the function that waits for them",
                         "How long threads waited for locks.",
                         "waited in",
                         "times",
                         {"waited", NULL, "longest wait"},
                         {true, false, false}},
};

static int put_change(const struct gt_figure *figure, bool bad, struct gt_buf *html)
{
    static const char *const words[] = {
        [GT_FIGURE_TOO_SMALL] = "",  [GT_FIGURE_SAME] = "no change",
        [GT_FIGURE_NOISE] = "noise", [GT_FIGURE_UNKNOWN] = "noise?",
        [GT_FIGURE_MORE] = "more",   [GT_FIGURE_LESS] = "less",
    };
    static const char *const classes[] = {
        [GT_FIGURE_TOO_SMALL] = "same",  [GT_FIGURE_SAME] = "same", [GT_FIGURE_NOISE] = "same",
        [GT_FIGURE_UNKNOWN] = "unknown", [GT_FIGURE_MORE] = "more", [GT_FIGURE_LESS] = "less",
    };
    enum gt_figure_change judged = gt_figure_judge(figure);
    const char *class = judged >= GT_FIGURE_MORE && !bad ? "neutral" : classes[judged];
    bool told = judged != GT_FIGURE_TOO_SMALL && judged != GT_FIGURE_SAME;
    char by[32];

    gt_figure_text(figure, fabs(figure->change.by), by, sizeof(by));
    return gt_buf_addf(html, "<td class=\"%s\">%s%s</td><td class=\"%s text\">%s</td>", class,
                       told ? figure->change.by < 0 ? "−" : "+" : "", told ? by : "", class,
                       words[judged]);
}

static int put_value(const struct gt_figure_row *row, unsigned value, struct gt_buf *html)
{
    const struct gt_figure *figure = &row->values[value];

    for (unsigned i = 0; i < GT_SIDES; i++) {
        char text[32];

        gt_figure_text(figure, figure->side[i].median, text, sizeof(text));
        if (gt_buf_addf(html, "<td>%s</td>", row->count[i] ? text : "–"))
            return -1;
    }
    return tables[row->group].judged[value] ? put_change(figure, value != 1, html) : 0;
}

/* The last two components of a path. */
static size_t short_of(const char **file, size_t length)
{
    const char *slash = memrchr(*file, '/', length);
    const char *folder = slash ? memrchr(*file, '/', (size_t)(slash - *file)) : NULL;
    const char *first = folder ? folder + 1 : *file;

    length -= (size_t)(first - *file);
    *file = first;
    return length;
}

/* "json/decoder.py:343", of the side that has it, the later one first. */
static int put_place(const struct gt_figure_row *row, struct gt_buf *html)
{
    const json_t *example =
        row->example[GT_AFTER] ? row->example[GT_AFTER] : row->example[GT_BEFORE];
    const json_t *file = json_object_get(example, "file");
    json_int_t line = json_integer_value(json_object_get(example, "line"));
    const char *path = json_string_value(file);
    size_t length;

    if (!json_is_string(file))
        return 0;
    length = short_of(&path, json_string_length(file));
    return gt_buf_adds(html, " <span class=\"where\"><bdi>") ||
                   gt_html_add(html, path, length) || gt_buf_adds(html, "</bdi>") ||
                   (line > 0 && gt_buf_addf(html, ":%lld", (long long)line)) ||
                   gt_buf_adds(html, "</span>")
               ? -1
               : 0;
}

static int put_row(const struct gt_comparison *comparison, const struct gt_figure_row *row,
                   struct gt_buf *html)
{
    if (gt_buf_adds(html, "<tr><th scope=\"row\">") ||
        gt_html_name(comparison, row->name, html) || put_place(row, html) ||
        gt_buf_addf(html, "</th><td>%u</td><td>%u</td>", row->count[GT_BEFORE],
                    row->count[GT_AFTER]))
        return -1;
    for (unsigned value = 0; value < GT_FIGURE_VALUES; value++)
        if (tables[row->group].values[value] && put_value(row, value, html))
            return -1;
    return gt_buf_adds(html, "</tr>\n");
}

static int put_head(enum gt_figure_group group, struct gt_buf *html)
{
    static const char sides[] = "<th scope=\"col\">before</th><th scope=\"col\">after</th>";
    static const char change[] = "<th scope=\"col\">change</th><th scope=\"col\">which is</th>";

    if (gt_buf_addf(html,
                    "<section id=\"%s\"><h2>%s</h2><p class=\"note\">%s</p>\n"
                    "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"%s\">"
                    "<table>\n<thead><tr><th scope=\"col\" rowspan=\"2\">%s</th>"
                    "<th scope=\"colgroup\" colspan=\"2\">%s</th>",
                    tables[group].id, tables[group].title, tables[group].note,
                    tables[group].title, tables[group].first, tables[group].count))
        return -1;
    for (unsigned i = 0; i < GT_FIGURE_VALUES; i++)
        if (tables[group].values[i] &&
            gt_buf_addf(html, "<th scope=\"colgroup\" colspan=\"%d\">%s</th>",
                        tables[group].judged[i] ? 4 : 2, tables[group].values[i]))
            return -1;
    if (gt_buf_addf(html, "</tr>\n<tr>%s", sides))
        return -1;
    for (unsigned i = 0; i < GT_FIGURE_VALUES; i++)
        if (tables[group].values[i] &&
            gt_buf_addf(html, "%s%s", sides, tables[group].judged[i] ? change : ""))
            return -1;
    return gt_buf_adds(html, "</tr></thead>\n<tbody>\n");
}

/* Too short on both sides to be told of. Threads are never. */
static bool is_small(const struct gt_figure_row *row)
{
    return (row->group == GT_FIGURE_FUNCTIONS || row->group == GT_FIGURE_LOCKS) &&
           gt_figure_judge(&row->values[0]) == GT_FIGURE_TOO_SMALL;
}

static int put_table(const struct gt_comparison *comparison, enum gt_figure_group group,
                     struct gt_buf *html)
{
    const struct gt_figures *figures = &comparison->figures;
    size_t count = 0, small = 0;

    for (size_t i = 0; i < figures->rows.count; i++) {
        const struct gt_figure_row *row = gt_figure_at(figures, i);

        if (row->group != group)
            continue;
        if (is_small(row)) {
            small++;
            continue;
        }
        if (count == 0 && put_head(group, html))
            return -1;
        if (count++ < ROWS_MAX && put_row(comparison, row, html))
            return -1;
    }
    if (count == 0)
        return 0;
    if (gt_buf_adds(html, "</tbody></table></div>\n") ||
        (small &&
         gt_buf_addf(html,
                     "<p class=\"note\">%zu of less than 0.1 ms on both sides are left "
                     "out.</p>\n",
                     small)))
        return -1;
    if (count > ROWS_MAX &&
        gt_buf_addf(html, "<p class=\"note\">%zu rows that differ less are left out.</p>\n",
                    count - ROWS_MAX))
        return -1;
    return gt_buf_adds(html, "</section>\n");
}

int gt_tables_put(const struct gt_comparison *comparison, struct gt_buf *html)
{
    for (unsigned group = GT_FIGURE_PROCESSES; group < GT_FIGURE_GROUPS; group++)
        if (put_table(comparison, (enum gt_figure_group)group, html))
            return -1;
    return 0;
}
