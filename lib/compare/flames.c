/* SPDX-License-Identifier: MIT */
#include "compare/parts.h"

#include "base/nstime.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * A box is as wide as the longer of its own two times, without those of the boxes below, plus
 * all of these: so what only one side has keeps its place, and boxes never overlap. The page's
 * script (page/diff.js) reads x, y and width again when it zooms.
 */
enum { ROW = 18, BOXES_MAX = 20000 };

#define LEAST_WIDTH 0.002 /* of the whole; narrower boxes are left out */

struct graph {
    const struct gt_comparison *comparison;
    enum gt_pair_what what;
    double *widths, *starts, *next; /* by node, ns: next: where its next child begins */
    int64_t least_ns;               /* differences that are not coloured */
    unsigned rows;                  /* that are shown */
    size_t boxes, left_out;
};

static const struct gt_pair_node *node_at(const struct graph *graph, size_t index)
{
    return gt_pair_at(&graph->comparison->pair, index);
}

static size_t node_count(const struct graph *graph)
{
    return graph->comparison->pair.nodes.count;
}

/* --- layout --- */

static void lay_out(struct graph *graph)
{
    for (size_t i = node_count(graph); i-- > 0;) {
        const struct gt_pair_node *node = node_at(graph, i);
        double before = (double)node->time[graph->what][GT_BEFORE].self_ns;
        double after = (double)node->time[graph->what][GT_AFTER].self_ns;

        graph->widths[i] += fmax(before, after);
        if (i > 0)
            graph->widths[node->parent] += graph->widths[i];
    }
    for (size_t i = 1; i < node_count(graph); i++) {
        uint32_t parent = node_at(graph, i)->parent;

        graph->starts[i] = graph->next[i] = graph->next[parent];
        graph->next[parent] += graph->widths[i];
    }
}

static bool is_shown(const struct graph *graph, size_t index)
{
    return graph->widths[index] >= LEAST_WIDTH * graph->widths[0] && graph->widths[index] > 0;
}

static void count_boxes(struct graph *graph)
{
    for (size_t i = 1; i < node_count(graph); i++) {
        if (!is_shown(graph, i) || graph->boxes == BOXES_MAX) {
            graph->left_out += graph->widths[i] > 0;
            continue;
        }
        graph->boxes++;
        if (graph->rows < node_at(graph, i)->depth)
            graph->rows = node_at(graph, i)->depth;
    }
}

/* Differences of less than a hundredth of the whole are not coloured, nor are those within the
 * noise of all threads' waiting, or holding, where that is known. */
static void find_least(struct graph *graph)
{
    const struct gt_figure_row *row = gt_figure_whole(
        &graph->comparison->figures, graph->what == GT_PAIR_WAIT ? "wait" : "hold");
    const struct gt_pair_node *root = node_at(graph, 0);
    double most = 0, noise = 0;

    for (unsigned side = 0; side < GT_SIDES; side++) {
        double total = (double)root->time[graph->what][side].total_ns;
        double share = row ? row->values[0].side[side].median : 0;

        most = fmax(most, total);
        if (share > 0)
            noise = fmax(noise, row->values[0].change.noise / share * total);
    }
    graph->least_ns = gt_ns_of(fmax(most / 100, noise));
}

/* --- boxes --- */

/* "grown-3", "shrunk-1", "even". */
static void class_of(const struct graph *graph, const struct gt_pair_node *node, char *name,
                     size_t size)
{
    int64_t before = node->time[graph->what][GT_BEFORE].total_ns;
    int64_t after = node->time[graph->what][GT_AFTER].total_ns, by = after - before;
    double part = fabs((double)by) / (double)(before > after ? before : after);

    if (llabs(by) < graph->least_ns || part < 0.1)
        snprintf(name, size, "even");
    else
        snprintf(name, size, "%s-%d", by > 0 ? "grown" : "shrunk",
                 part >= 2.0 / 3   ? 3
                 : part >= 1.0 / 3 ? 2
                                   : 1);
}

static int put_title(const struct graph *graph, const struct gt_pair_node *node,
                     struct gt_buf *html)
{
    const char *name = gt_intern_text(&graph->comparison->names, node->name);
    size_t length = gt_intern_length(&graph->comparison->names, node->name);
    size_t first = strnlen(name, length);
    int64_t before = node->time[graph->what][GT_BEFORE].total_ns;
    int64_t after = node->time[graph->what][GT_AFTER].total_ns;
    char old[32], new[32], by[32];

    gt_duration_text(before, old, sizeof(old));
    gt_duration_text(after, new, sizeof(new));
    gt_duration_text(llabs(after - before), by, sizeof(by));
    return gt_html_add(html, name, first) ||
                   (first + 1 < length &&
                    (gt_buf_adds(html, " (") ||
                     gt_html_add(html, name + first + 1, length - first - 1) ||
                     gt_buf_adds(html, ")"))) ||
                   gt_buf_addf(html, ": %s before, %s after (%s%s)", before ? old : "nothing",
                               after ? new : "nothing", after < before ? "−" : "+", by)
               ? -1
               : 0;
}

static int put_box(const struct graph *graph, size_t index, struct gt_buf *html)
{
    const struct gt_pair_node *node = node_at(graph, index);
    double whole = graph->widths[0];
    const char *name = gt_intern_text(&graph->comparison->names, node->name);
    size_t length = gt_intern_length(&graph->comparison->names, node->name);
    char class[16];

    class_of(graph, node, class, sizeof(class));
    if (gt_buf_addf(html, "<svg x=\"%.4f%%\" y=\"%u\" width=\"%.4f%%\" height=\"%d\"><title>",
                    100 * graph->starts[index] / whole, (node->depth - 1) * ROW,
                    100 * graph->widths[index] / whole, ROW - 1) ||
        put_title(graph, node, html) ||
        gt_buf_addf(html, "</title><rect width=\"100%%\" height=\"100%%\" class=\"%s\"/>",
                    class))
        return -1;
    if (gt_buf_adds(html, "<text x=\"3\" y=\"13\">") ||
        gt_html_add(html, name, strnlen(name, length)))
        return -1;
    return gt_buf_adds(html, "</text></svg>\n");
}

static int put_boxes(const struct graph *graph, struct gt_buf *html)
{
    size_t boxes = 0;

    for (size_t i = 1; i < node_count(graph) && boxes < graph->boxes; i++) {
        if (!is_shown(graph, i))
            continue;
        boxes++;
        if (put_box(graph, i, html))
            return -1;
    }
    return 0;
}

/* --- graphs --- */

static int put_graph(struct graph *graph, const char *title, struct gt_buf *html)
{
    const struct gt_pair_node *root = node_at(graph, 0);
    char before[32], after[32], least[32];

    gt_duration_text(root->time[graph->what][GT_BEFORE].total_ns, before, sizeof(before));
    gt_duration_text(root->time[graph->what][GT_AFTER].total_ns, after, sizeof(after));
    gt_duration_text(graph->least_ns, least, sizeof(least));
    if (gt_buf_addf(html,
                    "<h3>%s: %s before, %s after</h3>\n<svg class=\"flame\" height=\"%u\" "
                    "role=\"img\" aria-label=\"%s, by stack, before and after\">\n",
                    title, before, after, graph->rows * ROW, title) ||
        put_boxes(graph, html) ||
        gt_buf_addf(html,
                    "</svg>\n<p class=\"note\">Grey: it differs by less than %s, or than "
                    "a tenth of itself.",
                    least))
        return -1;
    if (graph->left_out && gt_buf_addf(html, " Too narrow to be shown: %zu.", graph->left_out))
        return -1;
    return gt_buf_adds(html, "</p>\n");
}

static int put_legend(const struct gt_comparison *comparison, struct gt_buf *html)
{
    static const char text[] =
        "<p class=\"note\">A box is a function, below the one that called it, and below the "
        "threads that ran it. It is as wide as the longer of its own two times, with the boxes "
        "below it. <span class=\"key grown-1\"></span><span class=\"key grown-2\"></span>"
        "<span class=\"key grown-3\"></span>longer after: by a tenth, a third, two thirds of "
        "the longer time or more; <span class=\"key shrunk-1\"></span>"
        "<span class=\"key shrunk-2\"></span><span class=\"key shrunk-3\"></span>shorter; "
        "<span class=\"key even\"></span>neither.%s A click on a box zooms, another one goes "
        "back.</p>\n";
    const bool known = gt_change_noise_is_known(comparison->figures.runs[GT_BEFORE],
                                                comparison->figures.runs[GT_AFTER]);

    return gt_buf_addf(html, text,
                       known ? ""
                             : " Of so few runs, noise is not known: colours may be "
                               "noise.");
}

static int put_what(const struct gt_comparison *comparison, enum gt_pair_what what,
                    struct gt_buf *html)
{
    static const char *const titles[] = {
        [GT_PAIR_WAIT] = "Waiting for the GIL", [GT_PAIR_HOLD] = "Having the GIL"};
    size_t count = comparison->pair.nodes.count;
    struct graph graph = {.comparison = comparison,
                          .what = what,
                          .widths = calloc(count, sizeof(double)),
                          .starts = calloc(count, sizeof(double)),
                          .next = calloc(count, sizeof(double))};
    int rc = graph.widths && graph.starts && graph.next ? 0 : -1;

    if (rc == 0)
        lay_out(&graph);
    if (rc == 0 && graph.widths[0] > 0) {
        count_boxes(&graph);
        find_least(&graph);
        rc = put_graph(&graph, titles[what], html);
    }
    free(graph.widths);
    free(graph.starts);
    free(graph.next);
    return rc ? -1 : 0;
}

/* What is missing, in a sentence; NULL: nothing. */
static const char *what_misses(const struct gt_comparison *comparison)
{
    const bool *calls = comparison->pair.has_calls;

    if (!gt_have_traces(comparison))
        return "Stacks are compared where both reports are traces (-o x.json), not summaries.";
    if (!calls[GT_BEFORE] && !calls[GT_AFTER])
        return "Functions were not traced: there are threads alone.";
    if (!calls[GT_BEFORE] || !calls[GT_AFTER])
        return "Functions were traced on one side only, so stacks do not compare: where one "
               "side has functions, the other has its threads alone.";
    return NULL;
}

int gt_flames_put(const struct gt_comparison *comparison, struct gt_buf *html)
{
    const char *misses = what_misses(comparison);

    if (gt_buf_adds(html, "<section id=\"flames\"><h2>Difference by stack</h2>\n"))
        return -1;
    if (misses && gt_buf_addf(html, "<p class=\"note\">%s</p>\n", misses))
        return -1;
    if (gt_have_traces(comparison) &&
        (put_legend(comparison, html) || put_what(comparison, GT_PAIR_WAIT, html) ||
         put_what(comparison, GT_PAIR_HOLD, html)))
        return -1;
    return gt_buf_adds(html, "</section>\n");
}
