/* SPDX-License-Identifier: MIT */
#include "tracejson/tracejson.h"

#include "base/split.h"
#include "model/feed.h"
#include "tracejson/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { SCHEMA = 1, BUFFER_BYTES = 256 * 1024, PART_BYTES_MAX = 256 << 20, FOUND = 1 };

/* One pass over the file. */
struct pass {
    struct gt_tracejson *reader; /* NULL: the summary alone is wanted */
    json_t *summary;
    bool is_summary_file; /* what --summary writes: no trace */
};

static int take_element(struct pass *pass, const char *text, size_t length)
{
    json_t *event;
    int rc;

    if (!pass->reader || !pass->reader->has_summary)
        return 0;
    event = json_loadb(text, length, JSON_ALLOW_NUL, NULL);
    if (!event) {
        pass->reader->nonsense++;
        return 0;
    }
    rc = gt_tracejson_take_event(pass->reader, event);
    json_decref(event);
    return rc;
}

/* Of a gt_split. The summary is the first value. */
static int take_part(void *context, const char *key, bool element, const char *text,
                     size_t length)
{
    struct pass *pass = context;
    int rc = 0;

    if (element)
        return take_element(pass, text, length);
    pass->is_summary_file |= strcmp(key, "gils") == 0;
    if (strcmp(key, "giltracer") != 0)
        return 0;
    json_decref(pass->summary);
    pass->summary = json_loadb(text, length, JSON_ALLOW_NUL, NULL);
    if (!pass->reader)
        return FOUND;
    if (pass->summary && !pass->reader->has_summary) {
        rc = gt_tracejson_take_summary(pass->reader, pass->summary);
        pass->reader->has_summary = true;
        json_decref(pass->summary);
        pass->summary = NULL;
    }
    return rc;
}

/* gzread passes on what is not compressed. 0, FOUND, or negative. */
static int read_file(const char *path, struct gt_split *split, bool *damaged,
                     struct gt_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    gzFile file = fd >= 0 ? gzdopen(fd, "rb") : NULL;
    char *buffer = malloc(BUFFER_BYTES);
    int got = 0, rc = 0;

    if (!file) {
        rc = gt_error_errno(err, "cannot open %s", path);
        if (fd >= 0)
            close(fd);
    } else if (!buffer) {
        rc = gt_error_memory(err);
    }
    while (rc == 0 && (got = gzread(file, buffer, BUFFER_BYTES)) > 0)
        if ((rc = gt_split_feed(split, buffer, (size_t)got)) < 0)
            gt_error_memory(err);
    *damaged = got < 0;
    if (file)
        gzclose(file);
    free(buffer);
    return rc;
}

static int check_summary(const struct pass *pass, const char *path, struct gt_error *err)
{
    const json_t *schema = json_object_get(pass->summary, "schema");

    if (!pass->summary && pass->is_summary_file)
        return gt_error_set(err, GT_ERR_FORMAT,
                            "%s is a summary, which holds no timeline: name the report itself "
                            "(-o NAME.json.gz), or the folder of --keep",
                            path);
    if (!json_is_integer(schema))
        return gt_error_set(
            err, GT_ERR_FORMAT,
            "%s is no report of giltracer's, or is cut short before its summary "
            "ends (name a .json or .json.gz that -o wrote, or the folder of "
            "--keep)",
            path);
    if (json_integer_value(schema) != SCHEMA)
        return gt_error_set(err, GT_ERR_FORMAT,
                            "%s is a report of schema %lld, this giltracer reads %d (make it "
                            "anew of its recording)",
                            path, (long long)json_integer_value(schema), SCHEMA);
    if (json_object_get(pass->summary, "recordings"))
        return gt_error_set(err, GT_ERR_FORMAT,
                            "%s is of several recordings already, and keeps none of their "
                            "clocks: name these recordings themselves",
                            path);
    return 0;
}

json_t *gt_tracejson_run(const char *path, struct gt_error *err)
{
    struct pass pass = {0};
    json_t *run = NULL;
    struct gt_split split;
    bool damaged;
    int rc;

    gt_split_init(&split, "traceEvents", PART_BYTES_MAX, take_part, &pass);
    rc = read_file(path, &split, &damaged, err);
    if (rc >= 0 && check_summary(&pass, path, err) == 0) {
        run = json_incref(json_object_get(pass.summary, "run"));
        if (!json_is_object(run)) {
            json_decref(run);
            run = NULL;
            gt_error_set(err, GT_ERR_FORMAT, "%s is damaged: it does not say what ran", path);
        }
    }
    gt_split_release(&split);
    json_decref(pass.summary);
    return run;
}

static void release(struct gt_tracejson *reader)
{
    for (size_t i = 0; reader->open && i < reader->timeline->threads.count; i++)
        gt_chunks_release(&reader->open[i]);
    free(reader->open);
    free(reader->next_of);
    gt_hashmap_release(&reader->process_of);
    gt_hashmap_release(&reader->thread_of);
    gt_hashmap_release(&reader->function_of);
    gt_intern_release(&reader->function_keys);
    gt_chunks_release(&reader->tracks);
}

static int judge(const struct gt_tracejson *reader, const struct gt_split *split, bool damaged,
                 const char *path, struct gt_error *err)
{
    if (!damaged && !reader->nonsense && !split->left_out &&
        gt_split_status(split) == GT_SPLIT_DONE)
        return 0;
    return gt_error_set(err, GT_ERR_FORMAT,
                        "%s is damaged, or was cut short: make it anew of its recording, or "
                        "leave it out",
                        path);
}

struct gt_timeline *gt_tracejson_read(const char *path, struct gt_error *err)
{
    struct gt_tracejson reader = {.timeline = gt_timeline_new(false, err)};
    struct pass pass = {.reader = &reader};
    struct gt_split split;
    bool damaged = false;
    int rc = reader.timeline ? 0 : GT_ERR_MEMORY;

    gt_hashmap_init(&reader.process_of);
    gt_hashmap_init(&reader.thread_of);
    gt_hashmap_init(&reader.function_of);
    gt_intern_init(&reader.function_keys);
    gt_chunks_init(&reader.tracks, sizeof(struct gt_tracejson_track));
    gt_split_init(&split, "traceEvents", PART_BYTES_MAX, take_part, &pass);
    if (rc == 0)
        rc = read_file(path, &split, &damaged, err);
    if (rc == 0 && !reader.has_summary)
        rc = check_summary(&pass, path, err);
    if (rc == 0 && (gt_tracejson_finish(&reader) || gt_tracejson_check(&reader)))
        rc = gt_error_memory(err);
    if (rc == 0)
        rc = judge(&reader, &split, damaged, path, err);
    if (reader.timeline)
        release(&reader);
    gt_split_release(&split);
    json_decref(pass.summary);
    if (rc == 0)
        return reader.timeline;
    gt_timeline_free(reader.timeline);
    return NULL;
}
