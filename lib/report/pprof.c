/* SPDX-License-Identifier: MIT */
#include "report/writers.h"

#include "base/nstime.h"
#include "model/locks.h"
#include "report/labels.h"
#include "report/native.h"
#include "report/protobuf.h"
#include "report/sample_labels.h"
#include "report/stream.h"
#include "report/walk.h"

#include <string.h>

/* Field numbers are those of profile.proto. */

struct writer {
    const struct gt_report *report;
    struct gt_error *err;
    struct gt_stream stream;
    struct gt_intern strings; /* id 0 is "", as the format wants it */
    bool failed;              /* to add one */
    struct gt_sample_labels labels;
    bool has_locks; /* threads waited for locks: these have a value of their own */
    struct gt_buf out, message, inner;
};

static uint32_t string(struct writer *writer, const char *text, size_t length)
{
    struct gt_buf clean;
    uint32_t id = UINT32_MAX;

    gt_buf_init(&clean);
    if (gt_buf_add_utf8(&clean, text, length) == 0)
        id = gt_intern_add(&writer->strings, clean.data ? clean.data : "", clean.length);
    gt_buf_release(&clean);
    writer->failed = writer->failed || id == UINT32_MAX;
    return id;
}

static uint32_t word(struct writer *writer, const char *text)
{
    return string(writer, text ? text : "", text ? strlen(text) : 0);
}

/* What is in `out` goes to the file, unless something failed. 0 or negative. */
static int flush(struct writer *writer, int failed)
{
    if (failed || writer->failed)
        return gt_error_memory(writer->err);
    gt_stream_add(&writer->stream, writer->out.data ? writer->out.data : "",
                  writer->out.length);
    gt_buf_reset(&writer->out);
    return writer->stream.status;
}

static int put_sample_type(struct writer *writer, const char *type, const char *unit)
{
    if (gt_protobuf_number(&writer->message, 1, word(writer, type)) ||
        gt_protobuf_number(&writer->message, 2, word(writer, unit)))
        return -1;
    return gt_protobuf_message(&writer->out, 1, &writer->message);
}

/* A text has an id that is not 0, unless it is empty: then it is no label. */
static int put_label(void *context, const char *key, const char *text, size_t length,
                     int64_t number)
{
    struct writer *writer = context;
    uint32_t id = text ? string(writer, text, length) : 0;

    if (text && !id)
        return 0;
    if (gt_protobuf_number(&writer->inner, 1, word(writer, key)) ||
        (text ? gt_protobuf_number(&writer->inner, 2, id)
              : gt_protobuf_number(&writer->inner, 3, (uint64_t)number)))
        return -1;
    return gt_protobuf_message(&writer->message, 3, &writer->inner);
}

static uint32_t label_of(struct writer *writer, uint32_t thread)
{
    char label[64];
    size_t length =
        gt_timeline_thread_label(writer->report->timeline, thread, label, sizeof(label));

    return string(writer, label, length);
}

/* Locations 1… are the functions, then come the threads, then native functions. */
static uint64_t location_of(const struct writer *writer, const struct gt_profile_node *node)
{
    const struct gt_timeline *timeline = writer->report->timeline;

    if (node->native != GT_NO_INDEX)
        return timeline->functions.count + timeline->threads.count + node->native + 1;
    return node->parent != GT_NO_INDEX ? (uint64_t)node->function + 1
                                       : timeline->functions.count + node->thread + 1;
}

static int put_sample(struct writer *writer, const struct gt_profile *profile, uint32_t index)
{
    const struct gt_profile_node *node = gt_profile_at(profile, index);
    uint64_t values[] = {(uint64_t)node->wait_ns, (uint64_t)node->hold_ns, node->holds,
                         (uint64_t)node->lock_ns};

    for (uint32_t at = index; at != GT_NO_INDEX; at = gt_profile_at(profile, at)->parent)
        if (gt_protobuf_varint(&writer->inner, location_of(writer, gt_profile_at(profile, at))))
            return -1;
    if (gt_protobuf_message(&writer->message, 1, &writer->inner))
        return -1;
    for (size_t i = 0; i < (writer->has_locks ? 4 : 3); i++)
        if (gt_protobuf_varint(&writer->inner, values[i]))
            return -1;
    if (gt_protobuf_message(&writer->message, 2, &writer->inner) ||
        gt_sample_labels_put(&writer->labels, node->thread, put_label, writer))
        return -1;
    return gt_protobuf_message(&writer->out, 2, &writer->message);
}

/* A location and its function, of the same id. */
static int put_location(struct writer *writer, uint64_t id, uint32_t name, uint32_t file,
                        uint32_t line)
{
    struct gt_buf *message = &writer->message;

    if (gt_protobuf_number(&writer->inner, 1, id) ||
        gt_protobuf_number(&writer->inner, 2, line) || gt_protobuf_number(message, 1, id) ||
        gt_protobuf_message(message, 4, &writer->inner) ||
        gt_protobuf_message(&writer->out, 4, message))
        return -1;
    if (gt_protobuf_number(message, 1, id) || gt_protobuf_number(message, 2, name) ||
        gt_protobuf_number(message, 3, name) || gt_protobuf_number(message, 4, file) ||
        gt_protobuf_number(message, 5, line))
        return -1;
    return gt_protobuf_message(&writer->out, 5, message);
}

static int put_strings(struct writer *writer)
{
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && i < gt_intern_count(&writer->strings); i++)
        rc = flush(writer,
                   gt_protobuf_bytes(&writer->out, 6, gt_intern_text(&writer->strings, i),
                                     gt_intern_length(&writer->strings, i)));
    return rc;
}

/* --- hooks --- */

static int begin(void *context)
{
    struct writer *writer = context;

    if (word(writer, "") != 0 || put_sample_type(writer, "wait", "nanoseconds") ||
        put_sample_type(writer, "hold", "nanoseconds") ||
        put_sample_type(writer, "count", "count"))
        return gt_error_memory(writer->err);
    return flush(writer,
                 writer->has_locks ? put_sample_type(writer, "lock", "nanoseconds") : 0);
}

static int put_stack(void *context, const struct gt_profile *profile, uint32_t index)
{
    const struct gt_profile_node *node = gt_profile_at(profile, index);
    struct writer *writer = context;

    if (!node->wait_ns && !node->hold_ns && !node->lock_ns && !node->holds)
        return 0;
    return flush(writer, put_sample(writer, profile, index));
}

static int put_function(void *context, uint32_t index)
{
    struct writer *writer = context;
    const struct gt_timeline *timeline = writer->report->timeline;
    const struct gt_function_info *called = gt_chunks_at(&timeline->functions, index);
    struct gt_buf name;
    int failed;

    gt_buf_init(&name);
    failed = gt_report_function(writer->report, index, &name) ||
             put_location(writer, (uint64_t)index + 1, word(writer, name.data),
                          string(writer, gt_intern_text(&timeline->names, called->file),
                                 gt_intern_length(&timeline->names, called->file)),
                          called->line);
    gt_buf_release(&name);
    return flush(writer, failed);
}

static int put_thread(void *context, uint32_t index)
{
    struct writer *writer = context;
    size_t functions = writer->report->timeline->functions.count;

    return flush(writer,
                 put_location(writer, functions + index + 1, label_of(writer, index), 0, 0));
}

/* All of them: a frame is one function in one file. */
static int put_natives(struct writer *writer)
{
    const struct gt_timeline *timeline = writer->report->timeline;
    uint64_t before = timeline->functions.count + timeline->threads.count;
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && i < gt_intern_count(&timeline->native_stacks.frames); i++) {
        struct gt_buf name;

        if (gt_intern_length(&timeline->native_stacks.frames, i) == 0)
            continue; /* the empty text, which is there from the beginning */
        gt_buf_init(&name);
        rc = flush(writer,
                   gt_native_name(writer->report, i, &name) ||
                       put_location(writer, before + i + 1,
                                    string(writer, name.data ? name.data : "", name.length),
                                    word(writer, gt_stacks_dso(&timeline->native_stacks, i)),
                                    0));
        gt_buf_release(&name);
    }
    return rc;
}

static int end(void *context)
{
    struct writer *writer = context;
    const struct gt_report *report = writer->report;
    int64_t length_ns = report->timeline->end_ns - gt_report_zero_ns(report);
    int rc;

    if (report->info->started_unix_ns > 0 &&
        gt_protobuf_number(&writer->out, 9, (uint64_t)report->info->started_unix_ns))
        return gt_error_memory(writer->err);
    if (length_ns > 0 && gt_protobuf_number(&writer->out, 10, (uint64_t)length_ns))
        return gt_error_memory(writer->err);
    if (gt_protobuf_number(
            &writer->out, 14,
            word(writer, writer->has_locks && !report->timeline->gils.count ? "lock" : "wait")))
        return gt_error_memory(writer->err);
    rc = flush(writer, 0);
    if (rc == 0)
        rc = put_natives(writer);
    return rc == 0 ? put_strings(writer) : rc;
}

static const struct gt_hooks hooks = {
    .order = {GT_PART_STACKS, GT_PART_FUNCTIONS, GT_PART_THREADS},
    .begin = begin,
    .stack = put_stack,
    .function = put_function,
    .thread = put_thread,
    .end = end,
};

int gt_pprof_write(const struct gt_report *report, struct gt_output *output,
                   struct gt_error *err)
{
    struct writer writer = {
        .report = report, .err = err, .has_locks = gt_lock_wait_ns(report->timeline) > 0};
    int rc = gt_stream_init(&writer.stream, output, true, err), status;

    if (rc < 0)
        return rc;
    gt_intern_init(&writer.strings);
    gt_buf_init(&writer.out);
    gt_buf_init(&writer.message);
    gt_buf_init(&writer.inner);
    rc = gt_sample_labels_init(&writer.labels, report->timeline, report->info, err);
    if (rc == 0)
        rc = gt_walk(report, &hooks, &writer, err);
    gt_sample_labels_release(&writer.labels);
    status = gt_stream_finish(&writer.stream, err);
    gt_intern_release(&writer.strings);
    gt_buf_release(&writer.out);
    gt_buf_release(&writer.message);
    gt_buf_release(&writer.inner);
    return status < 0 ? status : rc;
}
