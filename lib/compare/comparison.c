/* SPDX-License-Identifier: MIT */
#include "compare/comparison.h"

#include "compare/page.h"
#include "compare/parts.h"

void gt_comparison_init(struct gt_comparison *comparison, const char *before, const char *after)
{
    *comparison = (struct gt_comparison){.paths = {before, after}};
    gt_intern_init(&comparison->names);
    for (unsigned i = 0; i < GT_SIDES; i++)
        gt_side_init(&comparison->sides[i], &comparison->names);
}

void gt_comparison_release(struct gt_comparison *comparison)
{
    gt_pair_release(&comparison->pair);
    gt_figures_release(&comparison->figures);
    for (unsigned i = 0; i < GT_SIDES; i++)
        gt_side_release(&comparison->sides[i]);
    gt_intern_release(&comparison->names);
}

int gt_comparison_make(struct gt_comparison *comparison, struct gt_error *err)
{
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < GT_SIDES; i++)
        rc = gt_side_finish(&comparison->sides[i], comparison->paths[i], err);
    if (rc == 0)
        rc = gt_figures_init(&comparison->figures, comparison->sides, &comparison->names, err);
    if (rc == 0)
        rc = gt_pair_init(&comparison->pair, comparison->sides, &comparison->figures, err);
    return rc;
}

static int put_part(size_t index, struct gt_buf *html)
{
    return gt_buf_add(html, gt_diff_page[index].data, gt_diff_page[index].length);
}

static int put_sides(const struct gt_comparison *comparison, struct gt_buf *html)
{
    for (unsigned i = 0; i < GT_SIDES; i++)
        if (gt_buf_adds(html, i ? ", after: <code><bdi>"
                                : "<p class=\"note\">before: "
                                  "<code><bdi>") ||
            gt_html_adds(html, comparison->paths[i]) || gt_buf_adds(html, "</bdi></code>"))
            return -1;
    return gt_buf_adds(html, "</p>\n");
}

int gt_comparison_page(const struct gt_comparison *comparison, struct gt_buf *html)
{
    if (put_part(0, html) || put_sides(comparison, html) ||
        gt_buf_adds(html, "<section id=\"verdict\">\n") ||
        gt_verdict_put(comparison, true, html) || gt_buf_adds(html, "</section>\n"))
        return -1;
    if (gt_lanes_put(comparison, html) || gt_flames_put(comparison, html) ||
        gt_tables_put(comparison, html) || gt_runs_put(comparison, html))
        return -1;
    return put_part(1, html);
}

int gt_comparison_text(const struct gt_comparison *comparison, struct gt_buf *text)
{
    return gt_verdict_put(comparison, false, text);
}
