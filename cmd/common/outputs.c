/* SPDX-License-Identifier: MIT */
#include "common/outputs.h"

#include "base/append.h"
#include "base/nstime.h"
#include "common/console.h"
#include "common/earlier.h"
#include "report/short_calls.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* A file of lines, to which the summary is appended. A descriptor, or negative. */
static int open_lines(const struct gt_outputs *outputs, struct gt_error *err)
{
    struct gt_buf path;
    int rc = expand(outputs, outputs->asked_summary, &path, err);

    if (rc == 0)
        rc = gt_append_open(path.data, err);
    gt_buf_release(&path);
    return rc;
}

static int open_summary(struct gt_outputs *outputs, const struct gt_stop *stop,
                        struct gt_error *err)
{
    int rc;

    if (!gt_append_is_lines(outputs->asked_summary)) {
        rc = open_one(outputs, &outputs->summary, outputs->asked_summary, stop, err);
        outputs->has_summary = rc == 0;
        return rc;
    }
    outputs->lines_fd = -1;
    if (!outputs->expands || !gt_name_has(outputs->asked_summary, 'p')) {
        outputs->lines_fd = open_lines(outputs, err);
        if (outputs->lines_fd < 0)
            return outputs->lines_fd;
    }
    outputs->has_lines = true;
    return 0;
}

int gt_outputs_open(struct gt_outputs *outputs, char *const *paths, const char *summary,
                    const struct gt_stop *stop, struct gt_error *err)
{
    size_t wanted = 0;
    int rc = 0;

    while (paths && paths[wanted])
        wanted++;
    outputs->asked = paths;
    outputs->asked_summary = summary;
    outputs->files = calloc(wanted + 1, sizeof(*outputs->files));
    outputs->formats = calloc(wanted + 1, sizeof(*outputs->formats));
    if (!outputs->files || !outputs->formats)
        return gt_error_memory(err);
    for (size_t i = 0; i < wanted && rc == 0; i++)
        rc = open_file(outputs, paths[i], stop, err);
    return rc < 0 || !summary ? rc : open_summary(outputs, stop, err);
}

/* A trace that is too large for its viewers: say so before it is written. */
static void tell_size(const struct gt_report *report, const char *path)
{
    struct gt_short_calls plan;
    char limit[32];

    if (gt_short_calls_plan(report, &plan) || plan.bytes <= GT_TRACE_BYTES_MAX)
        return;
    if (!plan.limit_ns) {
        gt_say("%s will be of some %.1f GB (.json.gz is smaller; --min-duration records fewer "
               "calls)",
               path, (double)plan.bytes / 1e9);
        return;
    }
    gt_say(
        "%s would be of some %.1f GB: %llu calls shorter than %s are put together in it, as "
        "%llu spans (.json.gz, or --keep-short-calls, has each; --min-duration records fewer)",
        path, (double)plan.bytes / 1e9, (unsigned long long)plan.calls,
        gt_duration_text(plan.limit_ns, limit, sizeof(limit)), (unsigned long long)plan.runs);
}

int gt_outputs_write_file(struct gt_outputs *outputs, size_t index,
                          const struct gt_report *report, bool quiet, struct gt_error *err)
{
    struct gt_output *output = &outputs->files[index];
    char *path = strdup(output->path); /* committing releases the output */
    int rc;

    if (!quiet && path && outputs->formats[index] == GT_FORMAT_JSON)
        tell_size(report, strcmp(path, "-") == 0 ? "the JSON" : path);
    rc = gt_report_write(report, outputs->formats[index], output, err);
    if (rc == 0)
        rc = gt_earlier_keep(output, report, quiet, err);
    if (rc == 0)
        rc = gt_output_commit(output, err);
    else
        gt_output_abandon(output);
    if (rc == 0 && !quiet && path && strcmp(path, "-") != 0)
        gt_say("wrote %s%s%s", path, outputs->because ? " because " : "",
               outputs->because ? outputs->because : "");
    if (rc == 0 && outputs->formats[index] == GT_FORMAT_HTML && !outputs->page)
        outputs->page = path;
    else
        free(path);
    return rc;
}

static int append_summary(struct gt_outputs *outputs, const struct gt_buf *json,
                          struct gt_error *err)
{
    outputs->has_lines = false;
    if (outputs->lines_fd < 0)
        outputs->lines_fd = open_lines(outputs, err);
    if (outputs->lines_fd < 0)
        return outputs->lines_fd;
    return gt_append_line(outputs->lines_fd, outputs->asked_summary, json->data, json->length,
                          err);
}

/* In one piece: where the descriptor is that of a file to which others append, too, lines stay
 * whole. */
static int write_summary(struct gt_outputs *outputs, const struct gt_report *report,
                         struct gt_buf *json, bool quiet, struct gt_error *err)
{
    int rc = gt_buf_adds(json, "\n") ? gt_error_memory(err) : 0;

    outputs->has_summary = false;
    if (rc == 0)
        rc = gt_output_write(&outputs->summary, json->data, json->length, err);
    if (rc == 0)
        rc = gt_earlier_keep(&outputs->summary, report, quiet, err);
    if (rc == 0)
        rc = gt_output_commit(&outputs->summary, err);
    else
        gt_output_abandon(&outputs->summary);
    return rc;
}

int gt_outputs_write_summary(struct gt_outputs *outputs, const struct gt_report *report,
                             bool quiet, struct gt_error *err)
{
    struct gt_buf json;
    int rc;

    if (!outputs->has_summary && !outputs->has_lines)
        return 0;
    gt_buf_init(&json);
    rc = gt_report_summary(report, &json, err);
    if (rc == 0)
        rc = outputs->has_lines ? append_summary(outputs, &json, err)
                                : write_summary(outputs, report, &json, quiet, err);
    gt_buf_release(&json);
    return rc;
}

void gt_outputs_print_table(const struct gt_report *report, enum gt_color color, bool all)
{
    const struct gt_print_options how = {
        .width = gt_console_width(),
        .color = gt_console_wants_color(color),
        .brief = gt_console_is_terminal() && !all,
    };
    struct gt_buf text;

    gt_buf_init(&text);
    if (gt_report_print(report, &how, &text) == 0)
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
    if (outputs->has_lines && outputs->lines_fd >= 0)
        close(outputs->lines_fd);
    free(outputs->page);
    free(outputs->files);
    free(outputs->formats);
    *outputs = (struct gt_outputs){0};
}
