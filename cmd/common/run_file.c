/* SPDX-License-Identifier: MIT */
#include "common/run_file.h"

#include "base/buf.h"
#include "base/fs.h"
#include "base/nstime.h"
#include "base/output.h"
#include "report/run_json.h"
#include "report/values.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SCHEMA = 1, BYTES_MAX = 1 << 20 };

static int write_text(const char *path, const char *text, struct gt_error *err)
{
    struct gt_output output;
    int rc = gt_output_open(&output, path, err);

    if (rc == 0)
        rc = gt_output_write(&output, text, strlen(text), err);
    if (rc == 0)
        rc = gt_output_commit(&output, err);
    gt_output_abandon(&output);
    return rc;
}

static const char *const recorded_files[] = {GT_PERF_FILE, GT_PROBES_FILE, GT_NATIVE_FILE};

enum { RECORDED_FILES = sizeof(recorded_files) / sizeof(recorded_files[0]) };

/* How long the folder's part of a path is, with the slash. */
static int folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? (int)(slash - path) + 1 : 0;
}

/* Of the file of that name beside `path`; -1: there is none. */
static int64_t bytes_beside(const char *path, const char *name)
{
    struct stat st;
    char *file;
    int rc;

    if (asprintf(&file, "%.*s%s", folder_length(path), path, name) < 0)
        return -1;
    rc = stat(file, &st);
    free(file);
    return rc == 0 && S_ISREG(st.st_mode) ? (int64_t)st.st_size : -1;
}

static json_t *lengths_value(const char *path)
{
    json_t *value = json_object();

    for (int i = 0; i < RECORDED_FILES; i++) {
        int64_t bytes = bytes_beside(path, recorded_files[i]);

        if (bytes >= 0)
            gt_json_set(&value, recorded_files[i], json_integer(bytes));
    }
    return value;
}

int gt_run_file_write(const char *path, const struct gt_run_info *info, bool agent,
                      struct gt_error *err)
{
    json_t *value =
        json_pack("{s:i, s:s, s:b, s:o, s:o, s:{s:I, s:I, s:i}}", "schema", SCHEMA, "generator",
                  "giltracer " GT_VERSION, "agent", agent, "run", gt_run_json(info), "bytes",
                  lengths_value(path), "costs", "hit_ns", (json_int_t)info->hit_ns, "switch_ns",
                  (json_int_t)info->switch_ns, "budget_percent", (int)info->budget_percent);
    char *text = value ? json_dumps(value, JSON_INDENT(1)) : NULL;
    int rc = text ? write_text(path, text, err) : gt_error_memory(err);

    free(text);
    json_decref(value);
    return rc;
}

/* --- reading --- */

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static int64_t number_of(const json_t *object, const char *key, int64_t otherwise)
{
    const json_t *value = json_object_get(object, key);

    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

/* What makes no sense is as if it were not there. */
static void take_anchor(struct gt_clock_anchor *anchor, const json_t *value)
{
    struct gt_clock_anchor read = {
        .monotonic_ns = number_of(value, "monotonic_ns", 0),
        .realtime_ns = number_of(value, "unix_ns", 0),
        .within_ns = number_of(value, "within_ns", -1),
        .error_ns = number_of(value, "error_ns", -1),
    };

    *anchor = read;
}

static void take_clocks(struct gt_run_file *file, const json_t *value)
{
    const json_t *anchors = json_object_get(value, "anchors");
    const char *boot_id = text_of(value, "boot_id");
    size_t count = json_array_size(anchors);

    if (boot_id && strlen(boot_id) < sizeof(file->clocks.boot_id))
        snprintf(file->clocks.boot_id, sizeof(file->clocks.boot_id), "%s", boot_id);
    if (count)
        take_anchor(&file->clocks.first, json_array_get(anchors, 0));
    if (count > 1)
        take_anchor(&file->clocks.last, json_array_get(anchors, count - 1));
    file->info.clocks = &file->clocks;
}

static int take_argv(struct gt_run_file *file, const json_t *list)
{
    const json_t *word;

    for (size_t i = 0; (word = json_array_get(list, i)); i++)
        if (json_is_string(word) && gt_strvec_push(&file->argv, json_string_value(word)))
            return -1;
    file->info.argv = file->argv.items;
    return 0;
}

static void take_rank(struct gt_run_file *file, const json_t *run)
{
    int64_t rank = number_of(run, "rank", -1);

    if (rank < 0 || rank > INT32_MAX)
        return;
    snprintf(file->rank, sizeof(file->rank), "%lld", (long long)rank);
    file->info.rank = file->rank;
}

static const struct gt_run_info unknown = {
    .exit_status = -1, .started_unix_ns = -1, .root_pid = -1, .gil_enabled = true};

int gt_run_file_take(struct gt_run_file *file, json_t *run, struct gt_error *err)
{
    struct gt_run_info *info = &file->info;
    const json_t *enabled = json_object_get(run, "gil_enabled");

    file->value = run;
    *info = unknown;
    gt_strvec_init(&file->argv);
    info->interpreter = text_of(run, "interpreter");
    info->version = text_of(run, "version");
    info->gil_source = text_of(run, "gil_source");
    info->host = text_of(run, "host");
    info->user = text_of(run, "user");
    info->gil_enabled = !json_is_false(enabled);
    info->exit_status = (int)number_of(run, "exit_status", -1);
    info->term_signal = (int)number_of(run, "term_signal", 0);
    info->root_pid = (int32_t)number_of(run, "root_pid", -1);
    info->started_unix_ns = number_of(run, "started_unix_ns", -1);
    take_clocks(file, json_object_get(run, "clocks"));
    take_rank(file, run);
    if (gt_user_labels_add_json(&file->labels, json_object_get(run, "labels"), err) < 0)
        return GT_ERR_MEMORY;
    info->labels = file->labels.list;
    return take_argv(file, json_object_get(run, "argv")) ? gt_error_memory(err) : 0;
}

static int take_document(struct gt_run_file *file, const json_t *document, const char *path,
                         struct gt_error *err)
{
    const json_t *costs = json_object_get(document, "costs");
    json_t *run = json_object_get(document, "run");
    int64_t schema = number_of(document, "schema", -1);
    int rc;

    if (!json_is_object(run) || schema < 0)
        return gt_error_set(err, GT_ERR_FORMAT, "%s is damaged: it does not say what ran",
                            path);
    if (schema != SCHEMA)
        return gt_error_set(err, GT_ERR_FORMAT,
                            "%s is of schema %lld, this giltracer reads %d (use the giltracer "
                            "that recorded it, or a newer one)",
                            path, (long long)schema, SCHEMA);
    rc = gt_run_file_take(file, json_incref(run), err);
    file->agent = json_is_true(json_object_get(document, "agent"));
    file->info.hit_ns = number_of(costs, "hit_ns", 0);
    file->info.switch_ns = number_of(costs, "switch_ns", 0);
    file->info.budget_percent = (unsigned)number_of(costs, "budget_percent", 0);
    return rc;
}

/* *document: NULL where it is no JSON. 0 or negative. */
static int load(const char *path, json_t **document, struct gt_error *err)
{
    struct gt_buf text;
    int rc;

    *document = NULL;
    gt_buf_init(&text);
    rc = gt_fs_read(path, &text, BYTES_MAX, err);
    if (rc == 0)
        *document = json_loadb(text.data, text.length, JSON_ALLOW_NUL, NULL);
    gt_buf_release(&text);
    return rc;
}

int gt_run_file_read(struct gt_run_file *file, const char *dir, struct gt_error *err)
{
    json_t *document = NULL;
    char *path;
    int rc;

    if (asprintf(&path, "%s/" GT_RUN_FILE, dir) < 0)
        path = NULL;
    file->info = unknown;
    rc = path ? load(path, &document, err) : gt_error_memory(err);
    if (rc == 0)
        rc = take_document(file, document, path, err);
    json_decref(document);
    free(path);
    return rc;
}

int gt_run_file_read_beside(struct gt_run_file *file, const char *path, struct gt_error *err)
{
    char *folder;
    int rc;

    file->info = unknown;
    if (strcmp(path, "-") == 0)
        return gt_error_set(err, GT_ERR_NOT_FOUND, "standard input is in no folder");
    if (asprintf(&folder, "%.*s.", folder_length(path), path) < 0)
        return gt_error_memory(err);
    rc = gt_run_file_read(file, folder, err);
    free(folder);
    return rc;
}

/* Of a file beside that run's; -1: not known. */
static int64_t bytes_recorded(const char *path, const char *name)
{
    json_t *document = NULL;
    int64_t bytes = -1;
    char *run;

    if (asprintf(&run, "%.*s" GT_RUN_FILE, folder_length(path), path) < 0)
        return -1;
    if (load(run, &document, NULL) == 0)
        bytes = number_of(json_object_get(document, "bytes"), name, -1);
    json_decref(document);
    free(run);
    return bytes;
}

void gt_run_file_check_length(const char *path, struct gt_error *damage)
{
    const char *name = path + folder_length(path);
    int64_t recorded = -1, bytes = -1;

    for (int i = 0; i < RECORDED_FILES; i++)
        if (strcmp(name, recorded_files[i]) == 0) {
            recorded = bytes_recorded(path, name);
            bytes = bytes_beside(path, name);
        }
    if (bytes >= 0 && bytes < recorded)
        gt_error_set(damage, GT_ERR_FORMAT,
                     "%s has %lld of the %lld bytes that were recorded: the report covers what "
                     "it holds",
                     path, (long long)bytes, (long long)recorded);
}

void gt_run_file_release(struct gt_run_file *file)
{
    json_decref(file->value);
    gt_strvec_release(&file->argv);
    gt_user_labels_release(&file->labels);
    *file = (struct gt_run_file){0};
}
