/* SPDX-License-Identifier: MIT */
#include "compare/parts.h"

#include "base/nstime.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/*
 * A lane has two halves: above, which share of its threads waited for the GIL; below, which
 * share of the time one of them had it. It is drawn in equal parts of the longer run.
 */
enum { PARTS = 600, LANES_MAX = 12, HALF = 14, LANE = 2 * HALF + 1, ALL = LANES_MAX };

struct lane {
    double wait[PARTS], hold[PARTS]; /* nanoseconds in each part; then shares */
};

struct drawing {
    const struct gt_comparison *comparison;
    int64_t length_ns;            /* of the longer run */
    uint32_t rows[LANES_MAX];     /* of the figures */
    unsigned count;               /* of rows */
    struct lane *lanes[GT_SIDES]; /* by place in `rows`; ALL: of all threads */
    bool of_slices;               /* there is nothing but ALL, from summaries */
};

/* --- what is drawn --- */

static double weight(const struct gt_figure_row *row)
{
    double sum = 0;

    for (unsigned i = 0; i < GT_SIDES; i++)
        sum += (double)row->sums[i].wait_ns + (double)row->sums[i].hold_ns;
    return sum;
}

/* Those that waited and had the GIL for longest. */
static void choose_rows(struct drawing *drawing)
{
    const struct gt_figures *figures = &drawing->comparison->figures;

    for (uint32_t i = 0; i < figures->rows.count; i++) {
        const struct gt_figure_row *row = gt_figure_at(figures, i);
        unsigned at = drawing->count;

        if (row->group != GT_FIGURE_THREADS || weight(row) <= 0)
            continue;
        while (at > 0 && weight(gt_figure_at(figures, drawing->rows[at - 1])) < weight(row))
            at--;
        if (at == LANES_MAX)
            continue;
        if (drawing->count < LANES_MAX)
            drawing->count++;
        memmove(&drawing->rows[at + 1], &drawing->rows[at],
                (drawing->count - 1 - at) * sizeof(drawing->rows[0]));
        drawing->rows[at] = i;
    }
}

/* Spread a span of time over the parts that it lies in. */
static void add_span(const struct drawing *drawing, double *parts, double start_ns,
                     double end_ns, double height)
{
    double part_ns = (double)drawing->length_ns / PARTS;
    double at_ns = start_ns > 0 ? start_ns : 0;

    for (unsigned i = (unsigned)fmin(at_ns / part_ns, PARTS); i < PARTS && at_ns < end_ns;
         i++) {
        double until_ns = fmin(end_ns, (double)(i + 1) * part_ns);

        if (until_ns > at_ns) {
            parts[i] += (until_ns - at_ns) * height;
            at_ns = until_ns;
        }
    }
}

static void add_spans(const struct drawing *drawing, double *parts,
                      const struct gt_chunks *spans)
{
    for (size_t i = 0; i < spans->count; i++) {
        const struct gt_side_span *span = gt_chunks_at(spans, i);

        add_span(drawing, parts, (double)span->start_ns, (double)span->end_ns, 1);
    }
}

static void add_thread(struct drawing *drawing, unsigned side,
                       const struct gt_side_thread *thread)
{
    uint32_t row = gt_hashmap_get(&drawing->comparison->figures.thread_row[side],
                                  gt_side_key(thread->pid, thread->tid));
    struct lane *lanes = drawing->lanes[side];

    if (row == GT_HASHMAP_NONE)
        return;
    add_spans(drawing, lanes[ALL].wait, &thread->waits);
    add_spans(drawing, lanes[ALL].hold, &thread->holds);
    for (unsigned i = 0; i < drawing->count; i++)
        if (drawing->rows[i] == row) {
            add_spans(drawing, lanes[i].wait, &thread->waits);
            add_spans(drawing, lanes[i].hold, &thread->holds);
        }
}

/* Of a summary alone: its slices of each GIL's load. */
static void add_slices(struct drawing *drawing, unsigned side)
{
    const json_t *load,
        *loads = json_object_get(drawing->comparison->sides[side].summary, "load");
    struct lane *lane = &drawing->lanes[side][ALL];
    size_t i, k;

    json_array_foreach(loads, i, load)
    {
        const json_t *slices = json_object_get(load, "slices"), *held;
        double start_ns = (double)gt_side_ns(load, "start_ns");
        double slice_ns = (double)gt_side_ns(load, "slice_ns");

        json_array_foreach(json_object_get(slices, "held"), k, held)
        {
            double waiters =
                json_number_value(json_array_get(json_object_get(slices, "waiters"), k));
            double from_ns = start_ns + slice_ns * (double)k;

            if (!(waiters >= 0 && waiters < 1e6) || slice_ns <= 0 || k > 4096)
                break;
            add_span(drawing, lane->wait, from_ns, from_ns + slice_ns, waiters);
            add_span(drawing, lane->hold, from_ns, from_ns + slice_ns,
                     fmin(1, fmax(0, json_number_value(held))));
        }
    }
}

static double greatest(const double *parts)
{
    double most = 0;

    for (unsigned i = 0; i < PARTS; i++)
        most = fmax(most, parts[i]);
    return most;
}

static void scale(double *parts, double by)
{
    for (unsigned i = 0; i < PARTS; i++)
        parts[i] = fmin(1, parts[i] / by);
}

/* From times to shares: of the threads that there are in all; and where they have the GILs of
 * several processes, of as many as were held at once. */
static void make_shares(struct drawing *drawing, unsigned lane,
                        const uint32_t threads[GT_SIDES])
{
    double part_ns = (double)drawing->length_ns / PARTS;
    double most = fmax(greatest(drawing->lanes[GT_BEFORE][lane].hold),
                       greatest(drawing->lanes[GT_AFTER][lane].hold));
    double gils = fmax(1, ceil(most / part_ns - 0.01));

    for (unsigned side = 0; side < GT_SIDES; side++) {
        scale(drawing->lanes[side][lane].wait, part_ns * fmax(1, threads[side]));
        scale(drawing->lanes[side][lane].hold, part_ns * gils);
    }
}

static void fill(struct drawing *drawing)
{
    const struct gt_figures *figures = &drawing->comparison->figures;
    uint32_t all[GT_SIDES] = {0, 0};

    for (size_t i = 0; i < figures->rows.count; i++)
        for (unsigned side = 0; side < GT_SIDES; side++)
            if (gt_figure_at(figures, i)->group == GT_FIGURE_THREADS)
                all[side] += gt_figure_at(figures, i)->count[side];
    for (unsigned side = 0; side < GT_SIDES; side++) {
        const struct gt_side *of = &drawing->comparison->sides[side];

        if (drawing->of_slices)
            add_slices(drawing, side);
        for (size_t i = 0; !drawing->of_slices && i < of->threads.count; i++)
            add_thread(drawing, side, gt_side_thread_at(of, i));
    }
    make_shares(drawing, ALL, all);
    for (unsigned i = 0; i < drawing->count; i++)
        make_shares(drawing, i, gt_figure_at(figures, drawing->rows[i])->count);
}

/* --- drawing --- */

/* An area of steps above a line at `base`. */
static int put_area(const double *parts, int base, const char *what, struct gt_buf *html)
{
    double at = 0;
    int rc = gt_buf_addf(html, "<path class=\"%s\" d=\"M0 %d", what, base);

    for (unsigned i = 0; rc == 0 && i < PARTS; i++) {
        double height = round(parts[i] * HALF * 10) / 10;

        if (height != at)
            rc = gt_buf_addf(html, "H%uV%.10g", i, base - height);
        at = height;
    }
    return rc || gt_buf_addf(html, "H%dV%dZ\"/>", PARTS, base) ? -1 : 0;
}

static int put_shares(const struct gt_figure_row *row, unsigned side, struct gt_buf *html)
{
    char wait[32], hold[32];

    if (!row->count[side])
        return gt_buf_adds(html, "not in this run");
    gt_figure_text(&row->values[0], row->values[0].side[side].median, wait, sizeof(wait));
    gt_figure_text(&row->values[1], row->values[1].side[side].median, hold, sizeof(hold));
    return gt_buf_addf(html, "waited %s, had the GIL %s of the time", wait, hold);
}

static int put_lane(const struct drawing *drawing, unsigned side, unsigned lane,
                    struct gt_buf *html)
{
    const struct gt_comparison *comparison = drawing->comparison;
    const struct gt_figure_row *row =
        lane == ALL ? NULL : gt_figure_at(&comparison->figures, drawing->rows[lane]);
    double end = PARTS * (double)comparison->sides[side].length_ns / (double)drawing->length_ns;

    if (gt_buf_adds(html, "<div class=\"label\">") ||
        (row ? gt_html_name(comparison, row->name, html)
             : gt_buf_adds(html, "<b>all threads</b>")) ||
        (row && row->count[side] > 1 && gt_buf_addf(html, " (%u)", row->count[side])) ||
        gt_buf_adds(html, "<div class=\"where\">") ||
        (row ? put_shares(row, side, html) : gt_buf_adds(html, "together")))
        return -1;
    if (gt_buf_addf(html,
                    "</div></div><svg class=\"lane\" viewBox=\"0 0 %d %d\" "
                    "preserveAspectRatio=\"none\" aria-hidden=\"true\">"
                    "<path class=\"beyond\" d=\"M%.1f 0H%dV%dH%.1fZ\"/>",
                    PARTS, LANE, end, PARTS, LANE, end))
        return -1;
    return put_area(drawing->lanes[side][lane].wait, HALF, "wait", html) ||
                   put_area(drawing->lanes[side][lane].hold, LANE, "hold", html) ||
                   gt_buf_adds(html, "</svg>\n")
               ? -1
               : 0;
}

/* 1, 2 or 5 times a power of ten, so that there are four to ten. */
static int64_t tick_of(int64_t length_ns)
{
    int64_t tick_ns = 1;

    for (int i = 0; length_ns / tick_ns > 10; i++)
        tick_ns = i % 3 == 1 ? tick_ns / 2 * 5 : tick_ns * 2;
    return tick_ns;
}

static int put_axis(const struct drawing *drawing, struct gt_buf *html)
{
    int64_t tick_ns = tick_of(drawing->length_ns);

    if (gt_buf_adds(html, "<div></div><svg class=\"axis\" aria-hidden=\"true\">"))
        return -1;
    for (int64_t at_ns = 0; at_ns < drawing->length_ns; at_ns += tick_ns) {
        char time[32];
        double x = 100.0 * (double)at_ns / (double)drawing->length_ns;

        if (gt_buf_addf(html,
                        "<line x1=\"%.3f%%\" x2=\"%.3f%%\" y1=\"0\" y2=\"5\"/>"
                        "<text x=\"%.3f%%\" y=\"16\" class=\"%s\">%s</text>",
                        x, x, x, at_ns ? x > 95 ? "end" : "" : "start",
                        at_ns ? gt_duration_text(at_ns, time, sizeof(time)) : "0"))
            return -1;
    }
    return gt_buf_adds(html, "</svg>\n");
}

static int put_side(const struct drawing *drawing, unsigned side, struct gt_buf *html)
{
    char length[32];

    gt_duration_text(drawing->comparison->sides[side].length_ns, length, sizeof(length));
    if (gt_buf_addf(html, "<h3>%s (%s)</h3>\n<div class=\"lanes\" data-length=\"%lld\">\n",
                    side ? "After" : "Before", length, (long long)drawing->length_ns) ||
        put_lane(drawing, side, ALL, html))
        return -1;
    for (unsigned i = 0; i < drawing->count; i++)
        if (put_lane(drawing, side, i, html))
            return -1;
    return put_axis(drawing, html) || gt_buf_adds(html, "</div>\n") ? -1 : 0;
}

/* With --repeat, figures are of all runs. */
static const char *which_runs(const struct gt_comparison *comparison)
{
    const struct gt_figures *figures = &comparison->figures;

    return figures->runs[GT_BEFORE] > 1 || figures->runs[GT_AFTER] > 1
               ? " Of several runs, the last one is drawn here and below."
               : "";
}

static int put_all(struct drawing *drawing, struct gt_buf *html)
{
    static const char intro[] =
        "<section id=\"timelines\"><h2>Both runs on one scale of time</h2>\n"
        "<p class=\"note\">Each begins at its own zero. <span class=\"key wait\"></span>above: "
        "which share of the threads waited for the GIL; <span class=\"key hold\"></span>below: "
        "which share of the time one of them had it; <span class=\"key beyond\"></span>the run "
        "is over.%s%s <output id=\"time\"></output></p>\n";

    if (gt_buf_addf(
            html, intro, which_runs(drawing->comparison),
            drawing->of_slices
                ? " Single threads are shown where both reports are traces (-o x.json), "
                  "not summaries."
                : ""))
        return -1;
    for (unsigned side = 0; side < GT_SIDES; side++)
        if (put_side(drawing, side, html))
            return -1;
    return gt_buf_adds(html, "</section>\n");
}

int gt_lanes_put(const struct gt_comparison *comparison, struct gt_buf *html)
{
    const struct gt_side *sides = comparison->sides;
    struct drawing drawing = {.comparison = comparison,
                              .length_ns =
                                  sides[GT_BEFORE].length_ns > sides[GT_AFTER].length_ns
                                      ? sides[GT_BEFORE].length_ns
                                      : sides[GT_AFTER].length_ns,
                              .of_slices = !gt_have_traces(comparison)};
    int rc = 0;

    if (drawing.length_ns == 0)
        return 0;
    if (!drawing.of_slices)
        choose_rows(&drawing);
    for (unsigned i = 0; i < GT_SIDES; i++) {
        drawing.lanes[i] = calloc(LANES_MAX + 1, sizeof(struct lane));
        rc |= drawing.lanes[i] ? 0 : -1;
    }
    if (rc == 0) {
        fill(&drawing);
        rc = put_all(&drawing, html);
    }
    free(drawing.lanes[GT_BEFORE]);
    free(drawing.lanes[GT_AFTER]);
    return rc;
}
