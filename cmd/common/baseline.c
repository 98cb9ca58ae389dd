/* SPDX-License-Identifier: MIT */
#include "common/baseline.h"

#include "base/split.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SUMMARY_BYTES_MAX = 16 << 20 };

/* The parts of a summary that matter here, owned. */
struct baseline {
    json_t *schema, *metrics;
};

static void keep(json_t **part, json_t *value)
{
    json_decref(*part);
    *part = value;
}

/* Of a trace, the summary is one value beside its events (gt_split_fn). */
static int take_part(void *context, const char *key, bool element, const char *text,
                     size_t length)
{
    struct baseline *baseline = context;
    bool within = strcmp(key, "giltracer") == 0, schema = strcmp(key, "schema") == 0;
    json_t *value;

    if (element || (!within && !schema && strcmp(key, "metrics") != 0))
        return 0;
    value = json_loadb(text, length, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    if (within) {
        keep(&baseline->schema, json_incref(json_object_get(value, "schema")));
        keep(&baseline->metrics, json_incref(json_object_get(value, "metrics")));
        json_decref(value);
    } else {
        keep(schema ? &baseline->schema : &baseline->metrics, value);
    }
    return 0;
}

static int feed_file(struct gt_split *split, int fd, const char *path, struct gt_error *err)
{
    enum { PIECE_BYTES = 1 << 16 };
    char *piece = malloc(PIECE_BYTES);
    int rc = piece ? 0 : gt_error_memory(err);
    ssize_t got = 1;

    while (rc == 0 && got) {
        got = read(fd, piece, PIECE_BYTES);
        if (got < 0 && errno != EINTR)
            rc = gt_error_errno(err, "cannot read %s", path);
        else if (got > 0 && gt_split_feed(split, piece, (size_t)got))
            rc = gt_error_memory(err);
    }
    free(piece);
    return rc;
}

static int read_parts(struct baseline *baseline, const char *path, struct gt_error *err)
{
    struct gt_split split;
    int rc, fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return gt_error_errno(err, "cannot open %s", path);
    gt_split_init(&split, "traceEvents", SUMMARY_BYTES_MAX, take_part, baseline);
    rc = feed_file(&split, fd, path, err);
    if (rc == 0 && gt_split_status(&split) != GT_SPLIT_DONE)
        rc = gt_error_set(err, GT_ERR_FORMAT, "%s is not JSON, or was cut short", path);
    else if (rc == 0 && split.left_out)
        rc = gt_error_set(err, GT_ERR_FORMAT, "%s holds too large a summary for a baseline",
                          path);
    close(fd);
    gt_split_release(&split);
    return rc;
}

/* What makes no sense is left out. 0 or -1. */
static int take_metric(struct gt_metrics *metrics, const json_t *item)
{
    static const char *const keys[] = {"least", "median", "greatest"};
    const json_t *name = json_object_get(item, "name"), *unit = json_object_get(item, "unit");
    double range[3];

    if (!json_is_string(name) || json_string_length(name) == 0)
        return 0;
    for (int i = 0; i < 3; i++) {
        range[i] = json_number_value(json_object_get(item, keys[i]));
        if (!(fabs(range[i]) < (double)INT64_MAX))
            return 0;
    }
    return gt_metrics_put_range(
        metrics, json_string_value(name), json_string_length(name), range,
        json_is_string(unit) && strcmp(json_string_value(unit), "share") == 0,
        json_is_true(json_object_get(item, "of_thread")));
}

static int take_metrics(struct gt_metrics *metrics, const struct baseline *baseline,
                        const char *path, struct gt_error *err)
{
    const json_t *schema = baseline->schema, *item;
    const json_t *list = json_object_get(baseline->metrics, "list");

    if (!json_is_integer(schema))
        return gt_error_set(err, GT_ERR_FORMAT,
                            "%s is not a summary of giltracer: make it with --summary", path);
    if (json_integer_value(schema) != 1)
        return gt_error_set(err, GT_ERR_FORMAT,
                            "%s is a summary of schema %lld, this giltracer reads 1: make it "
                            "anew with --summary",
                            path, (long long)json_integer_value(schema));
    if (!json_is_array(list))
        return gt_error_set(err, GT_ERR_FORMAT,
                            "%s has no metrics, it is of an older giltracer: make it anew with "
                            "--summary",
                            path);
    metrics->runs = (uint32_t)json_integer_value(json_object_get(baseline->metrics, "runs"));
    for (size_t i = 0; (item = json_array_get(list, i)); i++)
        if (take_metric(metrics, item))
            return gt_error_memory(err);
    return 0;
}

int gt_baseline_read(struct gt_metrics *metrics, const char *path, struct gt_error *err)
{
    struct baseline baseline = {0};
    int rc = read_parts(&baseline, path, err);

    if (rc == 0)
        rc = take_metrics(metrics, &baseline, path, err);
    json_decref(baseline.schema);
    json_decref(baseline.metrics);
    return rc;
}
