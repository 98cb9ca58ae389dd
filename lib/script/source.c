/* SPDX-License-Identifier: MIT */
#include "script/source.h"

#include "base/error.h"
#include "script/perfdata.h"

#include <string.h>

void gt_source_init(struct gt_source *source, gt_event_sink *sink, void *context,
                    bool want_stacks)
{
    memset(source, 0, sizeof(*source));
    gt_parser_init(&source->parser);
    gt_buf_init(&source->partial);
    gt_buf_init(&source->text);
    source->sink = sink;
    source->context = context;
    source->want_stacks = want_stacks;
}

void gt_source_release(struct gt_source *source)
{
    gt_parser_release(&source->parser);
    gt_buf_release(&source->partial);
    gt_buf_release(&source->text);
    gt_perfdata_free(source->data);
}

/* Copy a slice into `text` and note where, since the buffer may move until the end. */
static int keep(struct gt_source *source, const char *slice, size_t length, size_t *offset)
{
    *offset = source->text.length;
    return gt_buf_add(&source->text, slice, length);
}

static int keep_frame(struct gt_source *source, const struct gt_frame *frame)
{
    uint32_t at = source->event.frame_count;

    if (at == GT_STACK_MAX)
        return 0;
    source->frames[at] = *frame;
    if (keep(source, frame->symbol, frame->symbol_length, &source->frame_offsets[at].symbol) ||
        keep(source, frame->dso, frame->dso_length, &source->frame_offsets[at].dso))
        return GT_ERR_MEMORY;
    source->event.frame_count++;
    return 0;
}

/* Keep the event until its stack is complete. */
static int hold_back(struct gt_source *source, const struct gt_event *event)
{
    gt_buf_reset(&source->text);
    source->event = *event;
    source->event.frame_count = 0;
    if (keep(source, event->comm, event->comm_length, &source->comm_offset) ||
        keep(source, event->name, event->name_length, &source->name_offset) ||
        (event->frame_count && keep_frame(source, event->frames)))
        return GT_ERR_MEMORY;
    source->pending = true;
    return 0;
}

/* perf shows a function that was inlined with the address of the one that it became part of,
 * which follows it, and "inlined" for its file: it is in the same file. */
static void place_inlined(struct gt_frame *frames, uint32_t count)
{
    for (uint32_t i = count; i-- > 1;) {
        struct gt_frame *inner = &frames[i - 1];
        const struct gt_frame *outer = &frames[i];

        if (inner->address == outer->address && inner->dso_length == 7 &&
            memcmp(inner->dso, "inlined", 7) == 0) {
            inner->dso = outer->dso;
            inner->dso_length = outer->dso_length;
        }
    }
}

/* The stack is complete: hand the event over. */
static int complete(struct gt_source *source)
{
    const char *base = source->text.data;

    if (!source->pending)
        return 0;
    source->pending = false;
    source->event.comm = base + source->comm_offset;
    source->event.name = base + source->name_offset;
    source->event.frames = source->frames;
    for (uint32_t i = 0; i < source->event.frame_count; i++) {
        source->frames[i].symbol = base + source->frame_offsets[i].symbol;
        source->frames[i].dso = base + source->frame_offsets[i].dso;
    }
    place_inlined(source->frames, source->event.frame_count);
    return source->sink(source->context, &source->event);
}

/* The kinds whose stacks say something; the many others are handed on at once. */
static bool may_have_stack(const struct gt_event *event)
{
    return event->kind == GT_EVENT_SCHED_SWITCH || event->kind == GT_EVENT_COUNTER ||
           event->kind == GT_EVENT_COND_WAIT;
}

static int take_line(struct gt_source *source, const char *line, const char *end)
{
    struct gt_event event;
    struct gt_frame frame;
    int rc;

    source->lines++;
    switch (gt_parse_line(&source->parser, line, end, &event, &frame)) {
    case GT_LINE_EVENT:
        source->event_lines++;
        rc = complete(source);
        if (rc < 0)
            return rc;
        if (source->want_stacks && may_have_stack(&event))
            return hold_back(source, &event);
        return source->sink(source->context, &event);
    case GT_LINE_FRAME:
        if (source->pending && keep_frame(source, &frame))
            return GT_ERR_MEMORY;
        return 0;
    case GT_LINE_END:
        return complete(source);
    case GT_LINE_COMMENT:
        return 0;
    default:
        source->unknown_lines++;
        return 0;
    }
}

/* A line too long, however it was cut: no event is so long. */
static void refuse_line(struct gt_source *source)
{
    source->lines++;
    source->unknown_lines++;
}

/* The rest of a line that a former piece began. Returns how many bytes it took. */
static int take_rest(struct gt_source *source, const char *data, size_t length, size_t *taken)
{
    const char *newline = memchr(data, '\n', length);
    size_t piece = newline ? (size_t)(newline - data) : length;
    int rc = 0;

    *taken = newline ? piece + 1 : piece;
    if (!source->skipping && source->partial.length + piece > GT_LINE_MAX) {
        source->skipping = true;
        refuse_line(source);
    }
    if (!source->skipping && gt_buf_add(&source->partial, data, piece))
        return GT_ERR_MEMORY;
    if (newline) {
        if (!source->skipping)
            rc = take_line(source, source->partial.data,
                           source->partial.data + source->partial.length);
        source->skipping = false;
        gt_buf_reset(&source->partial);
    }
    return rc;
}

/* A piece was taken: can a recording go on like this? */
static bool is_flood(struct gt_source *source, uint64_t events_before, size_t length)
{
    source->idle_bytes = source->event_lines == events_before ? source->idle_bytes + length : 0;
    return source->idle_bytes > GT_IDLE_MAX ||
           (source->most_events && source->event_lines > source->most_events);
}

/* Is it a recording? 0, or GT_ERR_MEMORY. */
static int begin(struct gt_source *source, const char *bytes, size_t length)
{
    if (source->begun || !gt_perfdata_begins(bytes, length))
        return 0;
    source->data = gt_perfdata_new(source->sink, source->context, source->mappings);
    return source->data ? 0 : GT_ERR_MEMORY;
}

static int count_lines(struct gt_source *source, int rc)
{
    source->lines = source->event_lines = gt_perfdata_lines(source->data);
    return rc;
}

static int feed_text(struct gt_source *source, const char *data, size_t length)
{
    const char *end = data + length;
    uint64_t events_before = source->event_lines;
    const char *newline;
    size_t taken;
    int rc = 0;

    if (source->flooded)
        return GT_ERR_FORMAT;
    if ((source->partial.length || source->skipping) && length) {
        rc = take_rest(source, data, length, &taken);
        data += taken;
    }
    while (rc >= 0 && data < end && (newline = memchr(data, '\n', (size_t)(end - data)))) {
        if (newline - data > GT_LINE_MAX)
            refuse_line(source);
        else
            rc = take_line(source, data, newline);
        data = newline + 1;
    }
    if (rc >= 0 && data < end)
        rc = take_rest(source, data, (size_t)(end - data), &taken);
    if (rc < 0)
        return rc;
    source->flooded = is_flood(source, events_before, length);
    return source->flooded ? GT_ERR_FORMAT : 0;
}

int gt_source_feed(struct gt_source *source, const char *data, size_t length)
{
    int rc = begin(source, data, length);

    source->begun = true;
    if (rc < 0)
        return rc;
    return source->data ? count_lines(source, gt_perfdata_feed(source->data, data, length))
                        : feed_text(source, data, length);
}

int gt_source_finish(struct gt_source *source)
{
    int rc = 0;

    if (source->data)
        return count_lines(source, gt_perfdata_finish(source->data));
    if (source->partial.length && !source->skipping)
        rc = take_line(source, source->partial.data,
                       source->partial.data + source->partial.length);
    gt_buf_reset(&source->partial);
    if (rc >= 0)
        rc = complete(source);
    return rc < 0 ? rc : 0;
}

int gt_source_failed(const struct gt_source *source, int rc, struct gt_error *err)
{
    if (rc == GT_ERR_UNSUPPORTED)
        return gt_error_set(err, GT_ERR_FORMAT,
                            "only perf script can read all of it: the rest was not read");
    if (rc != GT_ERR_FORMAT)
        return gt_error_memory(err);
    if (source->idle_bytes > GT_IDLE_MAX)
        return gt_error_set(err, rc, "%d MiB of its text hold no event: the rest was not read",
                            GT_IDLE_MAX >> 20);
    return gt_error_set(err, rc,
                        "its text holds more than %llu events, which is more than a recording "
                        "of its size can: the rest was not read",
                        (unsigned long long)source->most_events);
}

int gt_source_check(const struct gt_source *source, struct gt_error *err)
{
    if (source->event_lines > 0)
        return 0;
    if (source->unknown_lines == 0)
        return gt_error_set(
            err, GT_ERR_FORMAT,
            "this is not the output of perf script: it is empty (did perf script "
            "fail, or record nothing?)");
    return gt_error_set(err, GT_ERR_FORMAT,
                        "this is not the output of perf script: none of its %llu lines has the "
                        "form of an event (record with `perf script --ns -F "
                        "comm,pid,tid,cpu,time,event,trace --show-task-events`)",
                        (unsigned long long)source->lines);
}
