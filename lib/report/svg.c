/* SPDX-License-Identifier: MIT */
#include "report/svg.h"

#include "base/nstime.h"
#include "report/stream.h"

#include <stdio.h>
#include <string.h>

enum {
    WIDTH = 1200,
    ROW = 18,
    MARGIN = 10,
    TOP = 58, /* title and legend */
    BOTTOM = 16,
    LETTER = 7, /* about a letter's width at 12 px */
};

/* Text for XML: markup escaped. The names are clean of controls already. */
static int add_text(struct gt_buf *buf, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        const char *escape = text[i] == '<'   ? "&lt;"
                             : text[i] == '>' ? "&gt;"
                             : text[i] == '&' ? "&amp;"
                             : text[i] == '"' ? "&quot;"
                                              : NULL;

        if (escape ? gt_buf_adds(buf, escape) : gt_buf_add(buf, text + i, 1))
            return -1;
    }
    return 0;
}

/* As much of a name as fits, cut between characters. */
static size_t fitting(const char *name, double width)
{
    size_t length = strlen(name), room = width > 2 * LETTER ? (size_t)(width / LETTER) : 0;

    if (length <= room)
        return length;
    if (room < 4)
        return 0;
    room -= 2; /* for the ellipsis */
    while (room > 0 && (name[room] & 0xc0) == 0x80)
        room--;
    return room;
}

/* One hue per kind, shades by name, so that equal frames look alike. */
static void color_of(const char *name, char *color, size_t size)
{
    unsigned hash = 5381;
    bool kernel = strlen(name) > 4 && strcmp(name + strlen(name) - 4, "_[k]") == 0;

    for (const char *p = name; *p; p++)
        hash = hash * 33 + (unsigned char)*p;
    snprintf(color, size, "hsl(%u,%u%%,%u%%)", kernel ? 205 + hash % 20 : 18 + hash % 28,
             kernel ? 45u : 72u, 66 + hash / 64 % 14);
}

/* "5.2 ms", or of events "1200". */
static const char *figure_of(const struct gt_flame *flame, int64_t total, char *text,
                             size_t size)
{
    if (!flame->counts)
        return gt_duration_text(total, text, size);
    snprintf(text, size, "%lld", (long long)total);
    return text;
}

static int put_node(const struct gt_flame *flame, uint32_t index, double x, double width,
                    double height, struct gt_buf *line)
{
    const struct gt_flame_node *node = gt_flame_at(flame, index);
    const char *name = gt_intern_text(&flame->names, node->name);
    double y = height - BOTTOM - (double)(node->depth + 1) * ROW;
    double share = 100.0 * (double)node->total_ns / (double)gt_flame_at(flame, 0)->total_ns;
    size_t shown = fitting(name, width);
    char color[40], figure[32];

    color_of(name, color, sizeof(color));
    figure_of(flame, node->total_ns, figure, sizeof(figure));
    if (gt_buf_adds(line, "<g><title>") || add_text(line, name, strlen(name)) ||
        gt_buf_addf(
            line,
            " (%s, %.2f%%)</title><rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" "
            "fill=\"%s\" rx=\"1\"/>",
            figure, share, x, y, width, ROW - 1, color))
        return -1;
    if (shown && (gt_buf_addf(line, "<text x=\"%.1f\" y=\"%.1f\">", x + 3, y + 13) ||
                  add_text(line, name, shown) ||
                  gt_buf_adds(line, name[shown] ? "…</text>" : "</text>")))
        return -1;
    return gt_buf_adds(line, "</g>\n");
}

/* Without recursion: stacks are deep. A child starts where its elder siblings end. */
static int put_tree(const struct gt_flame *flame, double height, struct gt_stream *stream)
{
    double scale = (WIDTH - 2.0 * MARGIN) / (double)gt_flame_at(flame, 0)->total_ns;
    double starts[GT_FLAME_DEPTH_MAX + 2] = {MARGIN};
    uint32_t at = 0;
    struct gt_buf line;
    int rc = 0;

    gt_buf_init(&line);
    while (rc == 0 && at != GT_NO_INDEX) {
        const struct gt_flame_node *node = gt_flame_at(flame, at);
        double x = starts[node->depth], width = (double)node->total_ns * scale;

        starts[node->depth] += width;
        starts[node->depth + 1] = x;
        if (width >= 0.1) {
            gt_buf_reset(&line);
            rc = put_node(flame, at, x, width, height, &line);
            gt_stream_add(stream, line.data, line.length);
        }
        if (width >= 0.1 && node->first_child != GT_NO_INDEX) {
            at = node->first_child;
            continue;
        }
        while (at && gt_flame_at(flame, at)->next_sibling == GT_NO_INDEX)
            at = gt_flame_at(flame, at)->parent;
        at = at ? gt_flame_at(flame, at)->next_sibling : GT_NO_INDEX;
    }
    gt_buf_release(&line);
    return rc;
}

static int put_head(const struct gt_flame *flame, const char *title, double height,
                    struct gt_buf *head)
{
    char figure[32];

    figure_of(flame, gt_flame_at(flame, 0)->total_ns, figure, sizeof(figure));
    if (gt_buf_addf(head,
                    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%.0f\" "
                    "viewBox=\"0 0 %d %.0f\" font-family=\"Verdana,DejaVu Sans,sans-serif\" "
                    "font-size=\"12\">\n<style>g:hover rect{stroke:#000}</style>\n"
                    "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
                    "<text x=\"%d\" y=\"24\" font-size=\"17\">",
                    WIDTH, height, WIDTH, height, MARGIN) ||
        add_text(head, title, strlen(title)) ||
        gt_buf_addf(
            head,
            "</text>\n<text x=\"%d\" y=\"44\" fill=\"#555\">%s in all; the innermost call "
            "is on top; hover for figures</text>\n",
            MARGIN, figure))
        return -1;
    return 0;
}

int gt_svg_write(const struct gt_flame *flame, const char *title, struct gt_output *output,
                 struct gt_error *err)
{
    double height = TOP + BOTTOM + (double)(flame->max_depth + 1) * ROW;
    struct gt_stream stream;
    struct gt_buf head;
    int rc = gt_stream_init(&stream, output, false, err);

    if (rc < 0)
        return rc;
    gt_buf_init(&head);
    rc = put_head(flame, title, height, &head);
    gt_stream_add(&stream, head.data, head.length);
    gt_buf_release(&head);
    if (rc == 0 && gt_flame_at(flame, 0)->total_ns > 0)
        rc = put_tree(flame, height, &stream);
    gt_stream_adds(&stream, "</svg>\n");
    if (gt_stream_finish(&stream, err) < 0)
        return GT_ERR_IO;
    return rc ? gt_error_memory(err) : 0;
}
