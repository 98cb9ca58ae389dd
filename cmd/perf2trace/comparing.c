/* SPDX-License-Identifier: MIT */
#include "comparing.h"

#include "common/console.h"
#include "common/earlier.h"
#include "common/interrupt.h"
#include "compare/comparison.h"
#include "report/report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

static const char default_output[] = "giltracer-diff.html";

static const char page_begins[] = "<!DOCTYPE html";
/* The summary of a page stands behind this, and has no '<' (report/SCHEMA.md). */
static const char summary_begins[] = "id=\"summary-data\">";

/* Where in a page the reading is. */
struct page_reader {
    size_t matched; /* of summary_begins */
    bool ended;     /* the summary did */
};

/* gzread passes on what is not compressed. */
static gzFile open_report(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    gzFile file = fd >= 0 ? gzdopen(fd, "rb") : NULL;

    if (!file && fd >= 0)
        close(fd);
    return file;
}

static bool is_page(const char *begins, size_t length)
{
    return length >= sizeof(page_begins) - 1 &&
           memcmp(begins, page_begins, sizeof(page_begins) - 1) == 0;
}

bool gt_comparing_is_report(const char *path)
{
    gzFile file;
    struct stat st;
    char first[64];
    int got = 0, blanks = 0;

    if (stat(path, &st) || !S_ISREG(st.st_mode))
        return false;
    file = open_report(path);
    if (file)
        got = gzread(file, first, sizeof(first));
    while (blanks < got && strchr(" \t\r\n", first[blanks]) && first[blanks])
        blanks++;
    if (file)
        gzclose_r(file);
    return blanks < got && (first[blanks] == '{' || is_page(first, (size_t)got));
}

int gt_comparing_check(const struct gt_strvec *outputs, struct gt_error *err)
{
    for (size_t i = 0; i < outputs->count; i++) {
        enum gt_report_format format;

        if (gt_report_format_of(outputs->items[i], &format, NULL) < 0 ||
            format != GT_FORMAT_HTML)
            return gt_error_set(err, GT_ERR_USAGE,
                                "%s: --baseline writes a page, let its name end in .html",
                                outputs->items[i]);
    }
    return 0;
}

/* What of this piece of a page is its summary. */
static const char *summary_in(struct page_reader *reader, const char *piece, size_t size,
                              size_t *length)
{
    enum { WHOLE = sizeof(summary_begins) - 1 };
    const char *at = piece, *end = piece + size, *after;

    for (; at < end && reader->matched < WHOLE; at++)
        reader->matched = *at == summary_begins[reader->matched] ? reader->matched + 1
                                                                 : *at == *summary_begins;
    after = at < end ? memchr(at, '<', (size_t)(end - at)) : NULL;
    reader->ended = after != NULL;
    *length = (size_t)((after ? after : end) - at);
    return at;
}

static int feed_all(gzFile file, struct gt_side *side, const char *path, struct gt_error *err)
{
    enum { PIECE_BYTES = 1 << 18 };
    char *piece = malloc(PIECE_BYTES);
    int got = 1, rc = piece ? 0 : gt_error_memory(err);
    struct page_reader reader = {0};
    bool first = true, page = false;

    while (rc == 0 && got > 0 && !reader.ended) {
        const char *part = piece;
        size_t length;

        got = gzread(file, piece, PIECE_BYTES);
        length = got > 0 ? (size_t)got : 0;
        page = first ? is_page(piece, length) : page;
        first = false;
        if (page)
            part = summary_in(&reader, piece, length, &length);
        if (gt_interrupt_signal())
            rc = gt_error_set(err, GT_ERR_CANCELLED, "no page: interrupted");
        else if (got < 0)
            rc =
                gt_error_set(err, GT_ERR_IO, "cannot read %s: it is damaged, or no file", path);
        else
            rc = gt_side_feed(side, part, length, err);
    }
    free(piece);
    return rc;
}

static int read_side(struct gt_side *side, const char *path, struct gt_error *err)
{
    gzFile file = open_report(path);
    int rc =
        file ? feed_all(file, side, path, err) : gt_error_errno(err, "cannot open %s", path);

    if (file)
        gzclose_r(file);
    return rc;
}

static int write_page(struct gt_output *output, const struct gt_buf *html, bool quiet,
                      struct gt_error *err)
{
    char *path = strdup(output->path);
    int rc =
        path ? gt_output_write(output, html->data, html->length, err) : gt_error_memory(err);

    if (rc == 0)
        rc = gt_earlier_keep_any(output, quiet, err);
    if (rc == 0)
        rc = gt_output_commit(output, err);
    else
        gt_output_abandon(output);
    if (rc == 0 && !quiet)
        gt_say("wrote %s", path);
    free(path);
    return rc;
}

static int say_text(const struct gt_comparison *comparison, struct gt_error *err)
{
    struct gt_buf text;
    int rc;

    gt_buf_init(&text);
    rc = gt_comparison_text(comparison, &text) ? gt_error_memory(err) : 0;
    if (rc == 0)
        gt_say_text(&text);
    gt_buf_release(&text);
    return rc;
}

static int compare(struct gt_comparison *comparison, struct gt_output *files, size_t count,
                   bool quiet, struct gt_error *err)
{
    struct gt_buf html;
    int rc = 0;

    gt_buf_init(&html);
    for (unsigned i = 0; rc == 0 && i < GT_SIDES; i++)
        rc = read_side(&comparison->sides[i], comparison->paths[i], err);
    if (rc == 0)
        rc = gt_comparison_make(comparison, err);
    if (rc == 0 && gt_comparison_page(comparison, &html))
        rc = gt_error_memory(err);
    if (rc == 0 && !quiet)
        rc = say_text(comparison, err);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = write_page(&files[i], &html, quiet, err);
    gt_buf_release(&html);
    return rc;
}

/* The outputs are opened before the reports are read: a bad path is found early. */
int gt_comparing_run(const char *before, const char *after, const struct gt_strvec *outputs,
                     bool quiet, struct gt_error *err)
{
    size_t count = outputs->count ? outputs->count : 1, opened = 0;
    struct gt_output *files = calloc(count, sizeof(*files));
    struct gt_comparison comparison;
    int rc = files ? 0 : gt_error_memory(err);

    gt_comparison_init(&comparison, before, after);
    for (; rc == 0 && opened < count; opened += rc == 0)
        rc = gt_output_open_until(&files[opened],
                                  outputs->count ? outputs->items[opened] : default_output,
                                  gt_interrupt_stop(), err);
    if (rc == 0)
        rc = compare(&comparison, files, count, quiet, err);
    for (size_t i = 0; i < opened; i++)
        gt_output_abandon(&files[i]);
    free(files);
    gt_comparison_release(&comparison);
    return rc;
}
