/* SPDX-License-Identifier: MIT */
#include "ingest/native_log.h"

#include "base/chunks.h"
#include "ingest/function_start.h"
#include "ingest/wanted.h"
#include "model/feed.h"
#include "script/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sample {
    int64_t time_ns, weight_ns;
    int32_t pid, tid;
    uint32_t stack;
};

struct gt_native_log {
    struct gt_source source;
    struct gt_timeline *timeline;
    struct gt_function_starts starts;
    bool absolute; /* perf prints where code was in memory, not where it is in its file */
    struct gt_chunks samples; /* of struct sample, as they came: in the order of time */
};

/* Nothing of the kernel is kept: neither names nor addresses. */
static bool is_kernel(const struct gt_frame *frame)
{
    return frame->address >> 63 ||
           (frame->dso_length >= 7 && memcmp(frame->dso, "[kernel", 7) == 0);
}

/* What has no name gets its function's place in its file, so that samples of one function are
 * together; `name` has room for that. 0 or -1. */
static int name_frame(struct gt_native_log *log, struct gt_frame *frame, char *name,
                      size_t size)
{
    static const char unknown[] = "[unknown]";
    uint64_t start;

    if (frame->symbol_length != sizeof(unknown) - 1 ||
        memcmp(frame->symbol, unknown, sizeof(unknown) - 1) != 0)
        return 0;
    frame->symbol_length = 0;
    if (frame->dso_length == 0 || frame->dso[0] != '/' || log->absolute)
        return 0;
    start = gt_function_start(&log->starts, frame->dso, frame->dso_length, frame->address);
    if (!start)
        return 0;
    frame->symbol = name;
    frame->symbol_length = (uint32_t)snprintf(name, size, "+0x%llx", (unsigned long long)start);
    return gt_stacks_set_build(
        &log->timeline->native_stacks, frame->dso, frame->dso_length,
        gt_function_build_id(&log->starts, frame->dso, frame->dso_length));
}

/* No file is so long: libraries are mapped far above. */
static bool is_absolute(const struct gt_frame *frame)
{
    return frame->address >> 40 && !is_kernel(frame) && frame->dso_length > 0 &&
           frame->dso[0] == '/';
}

static int take_event(void *context, const struct gt_event *event)
{
    struct gt_native_log *log = context;
    struct gt_frame frames[GT_STACK_MAX];
    char names[GT_STACK_MAX][24];
    uint32_t count = 0, stack;
    struct sample *sample;

    if (event->kind != GT_EVENT_COUNTER || event->tid <= 0 || event->time_ns <= 0 ||
        gt_is_of_gate(event))
        return 0;
    for (uint32_t i = 0; i < event->frame_count; i++)
        log->absolute |= is_absolute(&event->frames[i]);
    for (uint32_t i = 0; i < event->frame_count; i++)
        if (!is_kernel(&event->frames[i])) {
            frames[count] = event->frames[i];
            if (name_frame(log, &frames[count], names[count], sizeof(names[count])))
                return GT_ERR_MEMORY;
            count++;
        }
    stack = gt_stacks_add(&log->timeline->native_stacks, frames, count);
    sample = gt_chunks_push(&log->samples);
    if (stack == UINT32_MAX || !sample)
        return GT_ERR_MEMORY;
    *sample = (struct sample){
        .time_ns = event->time_ns,
        .weight_ns =
            event->period > 0 && event->period <= INT32_MAX ? (int64_t)event->period : 1,
        .pid = event->pid,
        .tid = event->tid,
        .stack = stack,
    };
    return 0;
}

struct gt_native_log *gt_native_log_new(struct gt_timeline *timeline, struct gt_error *err)
{
    struct gt_native_log *log = calloc(1, sizeof(*log));

    if (!log) {
        gt_error_memory(err);
        return NULL;
    }
    gt_source_init(&log->source, take_event, log, true);
    gt_function_starts_init(&log->starts);
    gt_chunks_init(&log->samples, sizeof(struct sample));
    log->timeline = timeline;
    timeline->saw_native = true;
    return log;
}

void gt_native_log_free(struct gt_native_log *log)
{
    if (!log)
        return;
    gt_source_release(&log->source);
    gt_function_starts_release(&log->starts);
    gt_chunks_release(&log->samples);
    free(log);
}

void gt_native_log_limit(struct gt_native_log *log, uint64_t most_events)
{
    log->source.most_events = most_events;
}

int gt_native_log_feed(struct gt_native_log *log, const char *data, size_t length,
                       struct gt_error *err)
{
    int rc = gt_source_feed(&log->source, data, length);

    return rc < 0 ? gt_source_failed(&log->source, rc, err) : 0;
}

int gt_native_log_place(struct gt_native_log *log)
{
    if (gt_source_finish(&log->source))
        return -1;
    for (size_t i = 0; i < log->samples.count; i++) {
        const struct sample *sample = gt_chunks_at(&log->samples, i);
        const struct gt_event event = {
            .kind = GT_EVENT_SAMPLE,
            .cpu = -1,
            .time_ns = sample->time_ns,
            .pid = sample->pid,
            .tid = sample->tid,
            .sample = {.stack = sample->stack, .weight_ns = sample->weight_ns},
        };

        if (gt_timeline_feed(log->timeline, &event))
            return -1;
    }
    return 0;
}
