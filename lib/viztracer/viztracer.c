/* SPDX-License-Identifier: MIT */
#include "viztracer/viztracer.h"

#include "base/nstime.h"
#include "base/split.h"
#include "viztracer/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { BUFFER_BYTES = 256 * 1024, EVENT_BYTES_MAX = 1 << 20 };

/* gzread passes on what is not compressed. 0, 1 when the file is damaged, or negative. */
static int read_all(gzFile file, struct gt_split *split, struct gt_error *err)
{
    char *buffer = malloc(BUFFER_BYTES);
    int got = 0, rc = 0;

    if (!buffer)
        return gt_error_memory(err);
    while (rc == 0 && (got = gzread(file, buffer, BUFFER_BYTES)) > 0)
        rc = gt_split_feed(split, buffer, (size_t)got);
    free(buffer);
    if (rc < 0)
        return gt_error_memory(err);
    return got < 0;
}

static int not_viztracers(const char *path, struct gt_error *err)
{
    return gt_error_set(err, GT_ERR_FORMAT,
                        "%s is not VizTracer's JSON (it has neither viztracer_metadata nor "
                        "function events): name the file that viztracer -o wrote",
                        path);
}

/* What is to be said of a file whose frame is as `end` says. */
static int judge(const struct gt_viztracer *trace, const char *path,
                 const struct gt_split *split, bool damaged, struct gt_error *damage,
                 struct gt_error *err)
{
    enum gt_split_end end = gt_split_status(split);

    if (!trace->recognised)
        return not_viztracers(path, err);
    if (!trace->quality.events)
        return gt_error_set(err, GT_ERR_FORMAT,
                            "%s holds no events: the program ended before VizTracer recorded "
                            "any, or the file was cut short",
                            path);
    if (end == GT_SPLIT_PARTIAL || damaged)
        gt_error_set(damage, GT_ERR_FORMAT,
                     "%s is %s: the report has the functions that come before", path,
                     damaged ? "damaged" : "cut short");
    else if (end == GT_SPLIT_NO_FRAME)
        gt_error_set(damage, GT_ERR_FORMAT,
                     "%s is no valid JSON: the report has the functions that come before it "
                     "breaks off",
                     path);
    else if (trace->quality.damaged || split->left_out)
        gt_error_set(damage, GT_ERR_FORMAT, "%s: %llu entries make no sense, and are left out",
                     path, (unsigned long long)(trace->quality.damaged + split->left_out));
    return 0;
}

static int read_file(struct gt_viztracer *trace, const char *path, struct gt_error *damage,
                     struct gt_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    gzFile file = fd >= 0 ? gzdopen(fd, "rb") : NULL;
    struct gt_split split;
    int rc;

    if (!file) {
        rc = gt_error_errno(err, "cannot open %s", path);
        if (fd >= 0)
            close(fd);
        return rc;
    }
    gt_split_init(&split, "traceEvents", EVENT_BYTES_MAX, gt_viztracer_take, trace);
    rc = read_all(file, &split, err);
    gzclose_r(file);
    if (rc >= 0)
        rc = judge(trace, path, &split, rc > 0, damage, err);
    gt_split_release(&split);
    return rc;
}

struct gt_viztracer *gt_viztracer_open(const char *path, struct gt_error *damage,
                                       struct gt_error *err)
{
    struct gt_viztracer *trace = calloc(1, sizeof(*trace));
    int rc;

    if (!trace) {
        gt_error_memory(err);
        return NULL;
    }
    gt_chunks_init(&trace->threads, sizeof(struct gt_viztracer_thread));
    gt_chunks_init(&trace->functions, sizeof(struct gt_function));
    gt_hashmap_init(&trace->thread_of);
    gt_hashmap_init(&trace->function_of);
    gt_intern_init(&trace->texts);
    trace->quality.start_ns = trace->quality.end_ns = -1;
    rc = read_file(trace, path, damage, err);
    if (rc == 0 && gt_viztracer_order(trace))
        rc = gt_error_memory(err);
    if (rc < 0) {
        gt_viztracer_free(trace);
        return NULL;
    }
    return trace;
}

void gt_viztracer_free(struct gt_viztracer *trace)
{
    if (!trace)
        return;
    for (size_t i = 0; i < trace->threads.count; i++) {
        free(gt_viztracer_thread_at(trace, i)->items);
        free(gt_viztracer_thread_at(trace, i)->open);
    }
    gt_chunks_release(&trace->threads);
    gt_chunks_release(&trace->functions);
    gt_hashmap_release(&trace->thread_of);
    gt_hashmap_release(&trace->function_of);
    gt_intern_release(&trace->texts);
    free(trace->heap);
    free(trace);
}

const struct gt_viztracer_quality *gt_viztracer_quality(const struct gt_viztracer *trace)
{
    return &trace->quality;
}

int gt_viztracer_check_run(const struct gt_viztracer *trace, const char *name, int64_t start_ns,
                           int64_t end_ns, struct gt_error *err)
{
    const struct gt_viztracer_quality *quality = gt_viztracer_quality(trace);

    if (quality->start_ns <= end_ns && quality->end_ns >= start_ns)
        return 0;
    return gt_error_set(
        err, GT_ERR_FORMAT,
        "%s is of another run, or of another clock: it covers %.3f s to %.3f s, the recording "
        "%.3f s to %.3f s (record with perf record -k CLOCK_MONOTONIC)",
        name, (double)quality->start_ns / GT_NS_PER_S, (double)quality->end_ns / GT_NS_PER_S,
        (double)start_ns / GT_NS_PER_S, (double)end_ns / GT_NS_PER_S);
}
