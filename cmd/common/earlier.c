/* SPDX-License-Identifier: MIT */
#include "common/earlier.h"

#include "base/buf.h"
#include "common/console.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

/* In the page, the summary comes after its head, which is some 50 KB. */
enum { READ_BYTES = 1 << 20 };

/* The command in a summary, as report/summary.c writes it. A quotation mark in a string is
 * written with a backslash, so the end cannot be part of a word. */
static bool find_command(struct gt_buf *text)
{
    static const char before[] = "\"run\":{\"argv\":", behind[] = ",\"interpreter\":";
    const char *generator = strstr(text->data, "\"generator\":\"giltracer ");
    char *start = generator ? strstr(generator, before) : NULL;
    char *end = start ? strstr(start, behind) : NULL;

    if (!end)
        return false;
    start += sizeof(before) - 1;
    memmove(text->data, start, (size_t)(end - start));
    text->length = (size_t)(end - start);
    text->data[text->length] = '\0';
    return true;
}

static int add_piece(void *context, const char *text, size_t length)
{
    return gt_buf_add(context, text, length);
}

/* The beginning of a file, compressed or not. Closes it. What cannot be read is empty. */
static int read_beginning(int fd, struct gt_buf *text)
{
    gzFile stream = gzdopen(fd, "rb");
    char *data = malloc(READ_BYTES);
    int length = stream && data ? gzread(stream, data, READ_BYTES) : 0;
    int failed = !data || !stream;

    if (length > 0)
        failed |= gt_buf_add(text, data, strnlen(data, (size_t)length));
    if (stream)
        gzclose(stream);
    else
        close(fd);
    free(data);
    return failed ? -1 : 0;
}

/* The command of the report that `output` would replace; empty: there is none. */
static int find_theirs(const struct gt_output *output, struct gt_buf *command,
                       struct gt_error *err)
{
    int fd = gt_output_open_old(output);

    if (fd >= 0 && read_beginning(fd, command))
        return gt_error_memory(err);
    if (!command->length || !find_command(command))
        gt_buf_reset(command);
    return 0;
}

static int keep(const struct gt_output *output, bool quiet, struct gt_error *err)
{
    int rc = gt_output_keep_old(output, err);

    if (rc == 0 && !quiet)
        gt_say("kept the report of another command as %s.old", output->path);
    return rc;
}

int gt_earlier_keep(const struct gt_output *output, const struct gt_report *report, bool quiet,
                    struct gt_error *err)
{
    struct gt_buf theirs, ours;
    int rc;

    gt_buf_init(&theirs);
    gt_buf_init(&ours);
    rc = find_theirs(output, &theirs, err);
    if (rc == 0 && theirs.length) {
        rc = gt_report_summary_to(report, add_piece, &ours, err);
        if (rc == 0 && find_command(&ours) && strcmp(theirs.data, ours.data) != 0)
            rc = keep(output, quiet, err);
    }
    gt_buf_release(&theirs);
    gt_buf_release(&ours);
    return rc;
}

int gt_earlier_keep_any(const struct gt_output *output, bool quiet, struct gt_error *err)
{
    struct gt_buf theirs;
    int rc;

    gt_buf_init(&theirs);
    rc = find_theirs(output, &theirs, err);
    if (rc == 0 && theirs.length)
        rc = keep(output, quiet, err);
    gt_buf_release(&theirs);
    return rc;
}
