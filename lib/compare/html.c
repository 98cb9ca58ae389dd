/* SPDX-License-Identifier: MIT */
#include "compare/parts.h"

#include <string.h>

int gt_html_add(struct gt_buf *html, const char *text, size_t length)
{
    struct gt_buf visible;
    int rc;

    gt_buf_init(&visible);
    rc = gt_buf_add_visible(&visible, text, length);
    for (size_t i = 0; rc == 0 && i < visible.length; i++) {
        char letter = visible.data[i];
        const char *escape = letter == '<'    ? "&lt;"
                             : letter == '>'  ? "&gt;"
                             : letter == '&'  ? "&amp;"
                             : letter == '"'  ? "&quot;"
                             : letter == '\'' ? "&#39;"
                                              : NULL;

        rc = escape ? gt_buf_adds(html, escape) : gt_buf_add(html, &letter, 1);
    }
    gt_buf_release(&visible);
    return rc;
}

int gt_html_adds(struct gt_buf *html, const char *text)
{
    return gt_html_add(html, text, strlen(text));
}

int gt_html_name(const struct gt_comparison *comparison, uint32_t name, struct gt_buf *html)
{
    const char *text = gt_intern_text(&comparison->names, name);
    size_t length = gt_intern_length(&comparison->names, name), first = strnlen(text, length);

    if (gt_buf_adds(html, "<bdi>") || gt_html_adds(html, first ? "" : "(no name)") ||
        gt_html_add(html, text, first) || gt_buf_adds(html, "</bdi>"))
        return -1;
    if (first + 1 >= length)
        return 0;
    return gt_buf_adds(html, " <span class=\"where\">(<bdi>") ||
                   gt_html_add(html, text + first + 1, length - first - 1) ||
                   gt_buf_adds(html, "</bdi>)</span>")
               ? -1
               : 0;
}
