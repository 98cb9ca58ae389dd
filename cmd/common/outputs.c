/* SPDX-License-Identifier: MIT */
#include "common/outputs.h"

#include "common/earlier.h"

#include <stdlib.h>
#include <string.h>

char *const *gt_outputs_paths(const struct gt_strvec *named)
{
    static char *const default_paths[] = {"giltracer.html", NULL};

    return named->count ? named->items : default_paths;
}

int gt_outputs_check(char *const *paths, struct gt_error *err)
{
    for (; *paths; paths++) {
        enum gt_report_format format;
        int rc = gt_report_format_of(*paths, &format, err);

        if (rc < 0)
            return rc;
    }
    return 0;
}

bool gt_outputs_show_estimates(char *const *paths, const char *summary, bool quiet)
{
    return !quiet || summary || gt_report_shows_estimates(paths);
}

/* The name as the file is opened by. */
static int expand(const struct gt_outputs *outputs, const char *name, struct gt_buf *path,
                  struct gt_error *err)
{
    gt_buf_init(path);
    if (outputs->expands)
        return gt_name_expand(&outputs->names, name, path, err);
    return gt_buf_adds(path, name) ? gt_error_memory(err) : 0;
}

int gt_outputs_expand(struct gt_outputs *outputs, char *const *paths, const char *summary,
                      bool *no_rank, struct gt_error *err)
{
    struct gt_buf unused;
    bool wants_rank = summary && gt_name_has(summary, 'n');
    int rc = 0;

    outputs->expands = true;
    gt_names_init(&outputs->names);
    for (; *paths && rc == 0; paths++) {
        wants_rank |= gt_name_has(*paths, 'n');
        rc = expand(outputs, *paths, &unused, err);
        gt_buf_release(&unused);
    }
    if (rc == 0 && summary) {
        rc = expand(outputs, summary, &unused, err);
        gt_buf_release(&unused);
    }
    *no_rank = wants_rank && !outputs->names.has_rank;
    return rc;
}

static int rename_file(const struct gt_outputs *outputs, struct gt_output *output,
                       const char *asked, struct gt_error *err)
{
    struct gt_buf path;
    int rc;

    if (!gt_name_has(asked, 'p'))
        return 0;
    rc = expand(outputs, asked, &path, err);
    if (rc == 0)
        rc = gt_output_rename(output, path.data, err);
    gt_buf_release(&path);
    return rc;
}

int gt_outputs_set_pid(struct gt_outputs *outputs, int pid, struct gt_error *err)
{
    int rc = 0;

    if (!outputs->expands)
        return 0;
    outputs->names.pid = pid;
    for (size_t i = 0; i < outputs->count && rc == 0; i++)
        rc = rename_file(outputs, &outputs->files[i], outputs->asked[i], err);
    if (rc == 0 && outputs->has_summary)
        rc = rename_file(outputs, &outputs->summary, outputs->asked_summary, err);
    return rc;
}

static int open_one(const struct gt_outputs *outputs, struct gt_output *output,
                    const char *name, const struct gt_stop *stop, struct gt_error *err)
{
    struct gt_buf path;
    int rc = expand(outputs, name, &path, err);

    if (rc == 0)
        rc = gt_output_open_until(output, path.data, stop, err);
    gt_buf_release(&path);
    return rc;
}

static int open_file(struct gt_outputs *outputs, const char *path, const struct gt_stop *stop,
                     struct gt_error *err)
{
    int rc = gt_report_format_of(path, &outputs->formats[outputs->count], err);

    if (rc == 0)
        rc = open_one(outputs, &outputs->files[outputs->count], path, stop, err);
    if (rc == 0)
        outputs->count++;
    return rc;
}

int gt_outputs_open(struct gt_outputs *outputs, char *const *paths, const char *summary,
                    const struct gt_stop *stop, struct gt_error *err)
{
    size_t wanted = 0;
    int rc = 0;

    while (paths[wanted])
        wanted++;
    outputs->asked = paths;
    outputs->asked_summary = summary;
    outputs->files = calloc(wanted + 1, sizeof(*outputs->files));
    outputs->formats = calloc(wanted + 1, sizeof(*outputs->formats));
    if (!outputs->files || !outputs->formats)
        return gt_error_memory(err);
    for (size_t i = 0; i < wanted && rc == 0; i++)
        rc = open_file(outputs, paths[i], stop, err);
    if (rc < 0 || !summary)
        return rc;
    rc = open_one(outputs, &outputs->summary, summary, stop, err);
    outputs->has_summary = rc == 0;
    return rc;
}

int gt_outputs_write_file(struct gt_outputs *outputs, size_t index,
                          const struct gt_report *report, bool quiet, struct gt_error *err)
{
    struct gt_output *output = &outputs->files[index];
    char *path = strdup(output->path); /* committing releases the output */
    int rc = gt_report_write(report, outputs->formats[index], output, err);

    if (rc == 0)
        rc = gt_earlier_keep(output, report, quiet, err);
    if (rc == 0)
        rc = gt_output_commit(output, err);
    else
        gt_output_abandon(output);
    if (rc == 0 && !quiet && path && strcmp(path, "-") != 0)
        gt_say("wrote %s", path);
    free(path);
    return rc;
}

struct writing {
    struct gt_output *output;
    struct gt_error *err;
};

static int write_piece(void *context, const char *text, size_t length)
{
    struct writing *writing = context;

    return gt_output_write(writing->output, text, length, writing->err);
}

int gt_outputs_write_summary(struct gt_outputs *outputs, const struct gt_report *report,
                             bool quiet, struct gt_error *err)
{
    struct writing writing = {&outputs->summary, err};
    int rc;

    if (!outputs->has_summary)
        return 0;
    outputs->has_summary = false;
    rc = gt_report_summary_to(report, write_piece, &writing, err);
    if (rc == 0)
        rc = gt_earlier_keep(&outputs->summary, report, quiet, err);
    if (rc == 0)
        rc = gt_output_commit(&outputs->summary, err);
    else
        gt_output_abandon(&outputs->summary);
    return rc;
}

void gt_outputs_print_table(const struct gt_report *report, enum gt_color color)
{
    struct gt_buf text;

    gt_buf_init(&text);
    if (gt_report_print(report, gt_console_wants_color(color), &text) == 0)
        gt_say_text(&text);
    gt_buf_release(&text);
}

void gt_outputs_release(struct gt_outputs *outputs)
{
    for (size_t i = 0; i < outputs->count; i++)
        if (outputs->files[i].path)
            gt_output_abandon(&outputs->files[i]);
    if (outputs->has_summary)
        gt_output_abandon(&outputs->summary);
    free(outputs->files);
    free(outputs->formats);
    *outputs = (struct gt_outputs){0};
}
