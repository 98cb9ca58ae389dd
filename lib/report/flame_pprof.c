/* SPDX-License-Identifier: MIT */
#include "report/flame_pprof.h"

#include "report/protobuf.h"
#include "report/stream.h"

#include <string.h>

/* A frame's name is one function and one location, whose ids are its own and 1; texts are "",
 * the names, and these two. Field numbers are profile.proto's. */
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

/* The root is everybody's, and is left out. */
static int put_sample(const struct gt_flame *flame, uint32_t index, struct gt_buf *out)
{
    struct gt_buf message, list;
    int failed = 0;

    gt_buf_init(&message);
    gt_buf_init(&list);
    for (uint32_t at = index; !failed && at; at = gt_flame_at(flame, at)->parent)
        failed = gt_protobuf_varint(&list, (uint64_t)gt_flame_at(flame, at)->name + 1);
    failed = failed || gt_protobuf_message(&message, 1, &list) ||
             gt_protobuf_varint(&list, (uint64_t)gt_flame_at(flame, index)->self_ns) ||
             gt_protobuf_message(&message, 2, &list) || gt_protobuf_message(out, 2, &message);
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

static int put_texts(const struct gt_flame *flame, const char *what, struct gt_buf *out)
{
    const char *unit = flame->counts ? "count" : "nanoseconds";
    int failed = gt_protobuf_bytes(out, 6, "", 0);

    for (uint32_t i = 0; !failed && i < gt_intern_count(&flame->names); i++)
        failed = gt_protobuf_bytes(out, 6, gt_intern_text(&flame->names, i),
                                   gt_intern_length(&flame->names, i));
    return failed || gt_protobuf_bytes(out, 6, what, strlen(what)) ||
                   gt_protobuf_bytes(out, 6, unit, strlen(unit))
               ? -1
               : 0;
}

/* Hand on what is in `out`. */
static int flush(struct gt_stream *stream, int failed, struct gt_buf *out)
{
    if (!failed)
        gt_stream_add(stream, out->data ? out->data : "", out->length);
    gt_buf_reset(out);
    return failed;
}

static int put_all(const struct gt_flame *flame, const char *what, struct gt_stream *stream)
{
    struct gt_buf out, message, line;
    int failed;

    gt_buf_init(&out);
    gt_buf_init(&message);
    gt_buf_init(&line);
    failed = flush(stream, put_type(flame, &message, &out), &out);
    for (uint32_t i = 1; !failed && i < flame->nodes.count; i++)
        if (gt_flame_at(flame, i)->self_ns)
            failed = flush(stream, put_sample(flame, i, &out), &out);
    for (uint32_t i = 0; !failed && i < gt_intern_count(&flame->names); i++)
        failed = flush(stream, put_location((uint64_t)i + 1, &message, &line, &out), &out);
    failed = failed || flush(stream, put_texts(flame, what, &out), &out);
    gt_buf_release(&out);
    gt_buf_release(&message);
    gt_buf_release(&line);
    return failed ? -1 : 0;
}

int gt_flame_pprof_write(const struct gt_flame *flame, const char *what,
                         struct gt_output *output, struct gt_error *err)
{
    struct gt_stream stream;
    int rc = gt_stream_init(&stream, output, true, err), status;

    if (rc < 0)
        return rc;
    rc = put_all(flame, what, &stream) ? gt_error_memory(err) : 0;
    status = gt_stream_finish(&stream, err);
    return status < 0 ? status : rc;
}
