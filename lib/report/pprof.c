#include "report/profile.h"

#include "analysis/profile.h"
#include "base/nstime.h"
#include "report/stream.h"

#include <string.h>

/*
 * A small writer of protocol buffers: fields are appended to a gt_buf; messages within
 * messages are built in a buffer of their own first. Field numbers are profile.proto's.
 */

enum { VARINT = 0, BYTES = 2 }; /* wire types */

static int put_varint(struct gt_buf *out, uint64_t value)
{
    char bytes[10];
    size_t length = 0;

    for (; value >= 0x80; value >>= 7)
        bytes[length++] = (char)(value | 0x80);
    bytes[length++] = (char)value;
    return gt_buf_add(out, bytes, length);
}

static int put_number(struct gt_buf *out, unsigned field, uint64_t value)
{
    return put_varint(out, field << 3 | VARINT) || put_varint(out, value) ? -1 : 0;
}

static int put_bytes(struct gt_buf *out, unsigned field, const char *data, size_t length)
{
    return put_varint(out, field << 3 | BYTES) || put_varint(out, length) ||
                   gt_buf_add(out, data ? data : "", length)
               ? -1
               : 0;
}

/* Append `message` as a field, and empty it. */
static int put_message(struct gt_buf *out, unsigned field, struct gt_buf *message)
{
    int rc = put_bytes(out, field, message->data, message->length);

    gt_buf_reset(message);
    return rc;
}

struct writer {
    const struct gt_report *report;
    struct gt_profile profile;
    struct gt_stream stream;
    struct gt_intern strings; /* id 0 is "", as the format wants it */
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
    return id;
}

static uint32_t word(struct writer *writer, const char *text)
{
    return string(writer, text ? text : "", text ? strlen(text) : 0);
}

/* What is in `out` goes to the file. */
static void flush(struct writer *writer)
{
    gt_stream_add(&writer->stream, writer->out.data ? writer->out.data : "",
                  writer->out.length);
    gt_buf_reset(&writer->out);
}

static int put_sample_type(struct writer *writer, const char *type, const char *unit)
{
    return put_number(&writer->message, 1, word(writer, type)) ||
           put_number(&writer->message, 2, word(writer, unit)) ||
           put_message(&writer->out, 1, &writer->message);
}

static int put_label(struct writer *writer, const char *key, uint32_t text, int64_t number)
{
    if (put_number(&writer->inner, 1, word(writer, key)) ||
        (text ? put_number(&writer->inner, 2, text)
              : put_number(&writer->inner, 3, (uint64_t)number)))
        return -1;
    return put_message(&writer->message, 3, &writer->inner);
}

static uint32_t label_of(struct writer *writer, uint32_t thread)
{
    char label[64];
    size_t length =
        gt_timeline_thread_label(writer->report->timeline, thread, label, sizeof(label));

    return string(writer, label, length);
}

static int put_labels(struct writer *writer, uint32_t index)
{
    const struct gt_timeline *timeline = writer->report->timeline;
    const struct gt_thread *thread = gt_thread_at(timeline, index);
    const struct gt_process *process = gt_process_at(timeline, thread->process);
    uint32_t command = string(writer, gt_intern_text(&timeline->names, process->name),
                              gt_intern_length(&timeline->names, process->name));

    return (writer->report->info->host &&
            put_label(writer, "host", word(writer, writer->report->info->host), 0)) ||
           put_label(writer, "pid", 0, process->pid) ||
           put_label(writer, "tid", 0, thread->tid) ||
           put_label(writer, "thread", label_of(writer, index), 0) ||
           (command && put_label(writer, "command", command, 0));
}

/* Locations 1… are the functions, then come the threads. */
static uint64_t location_of(const struct writer *writer, const struct gt_profile_node *node)
{
    return node->parent != GT_NO_INDEX
               ? (uint64_t)node->function + 1
               : writer->report->timeline->functions.count + node->thread + 1;
}

static int put_sample(struct writer *writer, uint32_t index)
{
    const struct gt_profile_node *node = gt_profile_at(&writer->profile, index);
    uint32_t thread = node->thread;
    uint64_t values[] = {(uint64_t)node->wait_ns, (uint64_t)node->hold_ns, node->holds};

    for (uint32_t at = index; at != GT_NO_INDEX;
         at = gt_profile_at(&writer->profile, at)->parent)
        if (put_varint(&writer->inner,
                       location_of(writer, gt_profile_at(&writer->profile, at))))
            return -1;
    if (put_message(&writer->message, 1, &writer->inner))
        return -1;
    for (size_t i = 0; i < 3; i++)
        if (put_varint(&writer->inner, values[i]))
            return -1;
    return put_message(&writer->message, 2, &writer->inner) || put_labels(writer, thread) ||
           put_message(&writer->out, 2, &writer->message);
}

/* A location and its function, of the same id. */
static int put_function(struct writer *writer, uint64_t id, uint32_t name, uint32_t file,
                        uint32_t line)
{
    if (put_number(&writer->inner, 1, id) || put_number(&writer->inner, 2, line) ||
        put_number(&writer->message, 1, id) ||
        put_message(&writer->message, 4, &writer->inner) ||
        put_message(&writer->out, 4, &writer->message))
        return -1;
    return put_number(&writer->message, 1, id) || put_number(&writer->message, 2, name) ||
           put_number(&writer->message, 3, name) || put_number(&writer->message, 4, file) ||
           put_number(&writer->message, 5, line) ||
           put_message(&writer->out, 5, &writer->message);
}

static int put_functions(struct writer *writer)
{
    const struct gt_timeline *timeline = writer->report->timeline;
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && i < timeline->functions.count; i++) {
        const struct gt_function_info *called = gt_chunks_at(&timeline->functions, i);
        struct gt_buf name;

        gt_buf_init(&name);
        rc = gt_profile_name(writer->report, i, &name) ||
             put_function(writer, (uint64_t)i + 1, word(writer, name.data),
                          string(writer, gt_intern_text(&timeline->names, called->file),
                                 gt_intern_length(&timeline->names, called->file)),
                          called->line);
        gt_buf_release(&name);
        flush(writer);
    }
    for (uint32_t i = 0; rc == 0 && i < timeline->threads.count; i++)
        rc = put_function(writer, timeline->functions.count + i + 1, label_of(writer, i), 0, 0);
    return rc;
}

static int put_strings(struct writer *writer)
{
    for (uint32_t i = 0; i < gt_intern_count(&writer->strings); i++) {
        if (put_bytes(&writer->out, 6, gt_intern_text(&writer->strings, i),
                      gt_intern_length(&writer->strings, i)))
            return -1;
        flush(writer);
    }
    return 0;
}

static int put_all(struct writer *writer)
{
    const struct gt_report *report = writer->report;
    int64_t length_ns = report->timeline->end_ns - gt_report_zero_ns(report);

    if (put_sample_type(writer, "wait", "nanoseconds") ||
        put_sample_type(writer, "hold", "nanoseconds") ||
        put_sample_type(writer, "count", "count"))
        return -1;
    for (uint32_t i = 0; i < writer->profile.nodes.count; i++) {
        const struct gt_profile_node *node = gt_profile_at(&writer->profile, i);

        if ((node->wait_ns || node->hold_ns) && put_sample(writer, i))
            return -1;
        flush(writer);
    }
    if (put_functions(writer) ||
        (report->info->started_unix_ns > 0 &&
         put_number(&writer->out, 9, (uint64_t)report->info->started_unix_ns)) ||
        (length_ns > 0 && put_number(&writer->out, 10, (uint64_t)length_ns)) ||
        put_number(&writer->out, 14, word(writer, "wait")))
        return -1;
    return put_strings(writer);
}

int gt_pprof_write(const struct gt_report *report, struct gt_output *output,
                   struct gt_error *err)
{
    struct writer writer = {.report = report};
    int rc = gt_profile_init(&writer.profile, report->timeline, err);

    if (rc < 0)
        return rc;
    gt_intern_init(&writer.strings);
    gt_buf_init(&writer.out);
    gt_buf_init(&writer.message);
    gt_buf_init(&writer.inner);
    rc = gt_stream_init(&writer.stream, output, true, err);
    if (rc == 0) {
        int failed = word(&writer, "") != 0 || put_all(&writer);

        rc = gt_stream_finish(&writer.stream, err);
        if (failed)
            rc = gt_error_memory(err);
    }
    gt_intern_release(&writer.strings);
    gt_buf_release(&writer.out);
    gt_buf_release(&writer.message);
    gt_buf_release(&writer.inner);
    gt_profile_release(&writer.profile);
    return rc;
}
