/* SPDX-License-Identifier: MIT */
#include "report/flame_pprof.h"

#include "report/protobuf.h"
#include "report/sample_labels.h"
#include "report/stream.h"

#include <string.h>

struct labelling {
    struct gt_sample_labels labels;
    const struct gt_flame *flame;
    struct gt_intern texts; /* of labels; they stand behind all others */
    struct gt_buf *message; /* the sample's */
};

/* A frame's name is one function and one location, whose ids are its own and 1; texts are "",
 * the names, two on what is counted, and those of labels. Field numbers are profile.proto's. */
static uint64_t text_of_what(const struct gt_flame *flame)
{
    return (uint64_t)gt_intern_count(&flame->names) + 1;
}

static int put_type(const struct gt_flame *flame, struct gt_buf *message, struct gt_buf *out)
{
    return gt_protobuf_number(message, 1, text_of_what(flame)) ||
                   gt_protobuf_number(message, 2, text_of_what(flame) + 1) ||
                   gt_protobuf_message(out, 1, message)
               ? -1
               : 0;
}

/* 0: no memory. */
static uint64_t label_text(struct labelling *to, const char *text, size_t length)
{
    struct gt_buf clean;
    uint32_t id = UINT32_MAX;

    gt_buf_init(&clean);
    if (gt_buf_add_utf8(&clean, text, length) == 0)
        id = gt_intern_add(&to->texts, clean.data, clean.length);
    gt_buf_release(&clean);
    return id == UINT32_MAX ? 0 : text_of_what(to->flame) + 2 + id;
}

static int put_label(void *context, const char *key, const char *text, size_t length,
                     int64_t number)
{
    struct labelling *to = context;
    uint64_t key_text = label_text(to, key, strlen(key));
    uint64_t value = text && length ? label_text(to, text, length) : (uint64_t)number;
    struct gt_buf label;
    int failed;

    if (text && !length)
        return 0;
    if (!key_text || (text && !value))
        return -1;
    gt_buf_init(&label);
    failed = gt_protobuf_number(&label, 1, key_text) ||
             gt_protobuf_number(&label, text ? 2 : 3, value) ||
             gt_protobuf_message(to->message, 3, &label);
    gt_buf_release(&label);
    return failed ? -1 : 0;
}

/* The root is everybody's, and is left out. */
static int put_sample(const struct gt_flame *flame, uint32_t index, struct labelling *labelling,
                      struct gt_buf *out)
{
    uint32_t thread = gt_flame_at(flame, index)->thread;
    struct gt_buf message, list;
    int failed = 0;

    gt_buf_init(&message);
    gt_buf_init(&list);
    for (uint32_t at = index; !failed && at; at = gt_flame_at(flame, at)->parent)
        failed = gt_protobuf_varint(&list, (uint64_t)gt_flame_at(flame, at)->name + 1);
    failed = failed || gt_protobuf_message(&message, 1, &list) ||
             gt_protobuf_varint(&list, (uint64_t)gt_flame_at(flame, index)->self_ns) ||
             gt_protobuf_message(&message, 2, &list);
    labelling->message = &message;
    if (!failed && thread != GT_NO_INDEX)
        failed = gt_sample_labels_put(&labelling->labels, thread, put_label, labelling);
    failed = failed || gt_protobuf_message(out, 2, &message);
    gt_buf_release(&message);
    gt_buf_release(&list);
    return failed ? -1 : 0;
}

static int put_location(uint64_t id, struct gt_buf *message, struct gt_buf *line,
                        struct gt_buf *out)
{
    return gt_protobuf_number(line, 1, id) || gt_protobuf_number(message, 1, id) ||
                   gt_protobuf_message(message, 4, line) ||
                   gt_protobuf_message(out, 4, message) || gt_protobuf_number(message, 1, id) ||
                   gt_protobuf_number(message, 2, id) || gt_protobuf_number(message, 3, id) ||
                   gt_protobuf_message(out, 5, message)
               ? -1
               : 0;
}

static int put_texts(const struct gt_flame *flame, const char *what,
                     const struct gt_intern *labels, struct gt_buf *out)
{
    const char *unit = flame->counts ? "count" : "nanoseconds";
    int failed = gt_protobuf_bytes(out, 6, "", 0);

    for (uint32_t i = 0; !failed && i < gt_intern_count(&flame->names); i++)
        failed = gt_protobuf_bytes(out, 6, gt_intern_text(&flame->names, i),
                                   gt_intern_length(&flame->names, i));
    failed = failed || gt_protobuf_bytes(out, 6, what, strlen(what)) ||
             gt_protobuf_bytes(out, 6, unit, strlen(unit));
    for (uint32_t i = 0; !failed && i < gt_intern_count(labels); i++)
        failed =
            gt_protobuf_bytes(out, 6, gt_intern_text(labels, i), gt_intern_length(labels, i));
    return failed ? -1 : 0;
}

/* Hand on what is in `out`. */
static int flush(struct gt_stream *stream, int failed, struct gt_buf *out)
{
    if (!failed)
        gt_stream_add(stream, out->data ? out->data : "", out->length);
    gt_buf_reset(out);
    return failed;
}

static int put_all(const struct gt_flame *flame, const char *what, struct labelling *labelling,
                   struct gt_stream *stream)
{
    struct gt_buf out, message, line;
    int failed;

    gt_buf_init(&out);
    gt_buf_init(&message);
    gt_buf_init(&line);
    failed = flush(stream, put_type(flame, &message, &out), &out);
    for (uint32_t i = 1; !failed && i < flame->nodes.count; i++)
        if (gt_flame_at(flame, i)->self_ns)
            failed = flush(stream, put_sample(flame, i, labelling, &out), &out);
    for (uint32_t i = 0; !failed && i < gt_intern_count(&flame->names); i++)
        failed = flush(stream, put_location((uint64_t)i + 1, &message, &line, &out), &out);
    failed = failed || flush(stream, put_texts(flame, what, &labelling->texts, &out), &out);
    gt_buf_release(&out);
    gt_buf_release(&message);
    gt_buf_release(&line);
    return failed ? -1 : 0;
}

int gt_flame_pprof_write(const struct gt_flame *flame, const char *what,
                         const struct gt_timeline *timeline, const struct gt_run_info *info,
                         struct gt_output *output, struct gt_error *err)
{
    struct labelling labelling = {.flame = flame};
    struct gt_stream stream;
    int rc = gt_stream_init(&stream, output, true, err), status;

    if (rc < 0)
        return rc;
    gt_intern_init(&labelling.texts);
    rc = gt_sample_labels_init(&labelling.labels, timeline, info, err);
    if (rc == 0)
        rc = put_all(flame, what, &labelling, &stream) ? gt_error_memory(err) : 0;
    gt_sample_labels_release(&labelling.labels);
    gt_intern_release(&labelling.texts);
    status = gt_stream_finish(&stream, err);
    return status < 0 ? status : rc;
}
