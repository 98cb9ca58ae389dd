/* SPDX-License-Identifier: MIT */
/*
 * Two reports that are compared, the JSON of both in one input with a NUL between them: a page
 * is well-formed as far as what is in it can break it, times add up, and the same report on
 * both sides does not differ from itself.
 */
#include "harness.h"

#include "compare/comparison.h"

#include <stdlib.h>
#include <string.h>

/* Elements that stand open; -1: a "<" that begins none, a quote that does not end, or an
 * element that ends where another does. */
static int check_markup(const char *html, size_t length)
{
    const char *at = html, *end = html + length;
    unsigned open = 0, closed = 0;

    while ((at = memchr(at, '<', (size_t)(end - at)))) {
        const char *close = memchr(at, '>', (size_t)(end - at));
        unsigned quotes = 0;

        if (!close || close - at < 2)
            return -1;
        if (at[1] == '!' || strncmp(at, "<meta", 5) == 0) { /* a doctype, what has no end */
            at = close;
            continue;
        }
        for (const char *i = at; i < close; i++)
            quotes += *i == '"';
        if (quotes % 2 || memchr(at + 1, '<', (size_t)(close - at - 1)))
            return -1;
        open += at[1] != '/' && close[-1] != '/';
        closed += at[1] == '/';
        at = close;
    }
    return open == closed ? 0 : -1;
}

/* What a page has between its own head and its script. */
static void check_page(const struct gt_comparison *comparison)
{
    struct gt_buf html, text;
    const char *main, *end;

    gt_buf_init(&html);
    gt_buf_init(&text);
    must(gt_comparison_page(comparison, &html) == 0, "out of memory");
    must(gt_comparison_text(comparison, &text) == 0, "out of memory");
    must(strlen(html.data) == html.length, "a NUL in the page");
    main = strstr(html.data, "<main>");
    end = strstr(html.data, "</main>");
    must(main && end && !strstr(end + 1, "</main>"), "the page has no body, or two");
    must(check_markup(main, (size_t)(end + 7 - main)) == 0, "broken markup");
    must(!memchr(text.data, '\033', text.length), "an escape on the terminal");
    gt_buf_release(&html);
    gt_buf_release(&text);
}

static void check_pair(const struct gt_comparison *comparison, bool same)
{
    const struct gt_pair *pair = &comparison->pair;

    for (size_t i = 0; i < pair->nodes.count; i++) {
        const struct gt_pair_node *node = gt_pair_at(pair, i);

        for (unsigned what = 0; what < GT_PAIR_WHATS; what++) {
            must(i == 0 || node->parent < i, "a box before the one above it");
            must(node->time[what][GT_BEFORE].self_ns >= 0, "less than no time");
            must(!same || node->time[what][GT_BEFORE].total_ns ==
                              node->time[what][GT_AFTER].total_ns,
                 "a report differs from itself");
        }
    }
    for (size_t i = 0; same && i < comparison->figures.rows.count; i++)
        for (unsigned value = 0; value < GT_FIGURE_VALUES; value++)
            must(gt_figure_judge(&gt_figure_at(&comparison->figures, i)->values[value]) <=
                     GT_FIGURE_SAME,
                 "a report differs from itself");
}

static void compare(const char *before, size_t before_size, const char *after,
                    size_t after_size, bool same)
{
    struct gt_comparison comparison;
    struct gt_error err = {0};

    gt_comparison_init(&comparison, "before<.json", "after\033.json");
    must(gt_side_feed(&comparison.sides[GT_BEFORE], before, before_size / 2, &err) == 0 &&
             gt_side_feed(&comparison.sides[GT_BEFORE], before + before_size / 2,
                          before_size - before_size / 2, &err) == 0 &&
             gt_side_feed(&comparison.sides[GT_AFTER], after, after_size, &err) == 0,
         "out of memory");
    if (gt_comparison_make(&comparison, &err) == 0) {
        check_pair(&comparison, same);
        check_page(&comparison);
    } else {
        must(err.code == GT_ERR_FORMAT && err.message[0], "refused without a reason");
    }
    gt_comparison_release(&comparison);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = text_of(data, size);
    size_t first = strnlen(text, size);

    compare(text, first, text, first, true);
    if (first < size)
        compare(text, first, text + first + 1, size - first - 1, false);
    free(text);
    return 0;
}
