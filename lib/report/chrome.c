#include "report/internal.h"

#include "base/nstime.h"
#include "report/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Chrome Trace Event Format, as Perfetto, chrome://tracing and VizTracer's viewer read it.
 * Layout and meaning of every field: SCHEMA.md.
 *
 * GIL spans are `X` events on a track of their own per GIL and thread, since they do not nest
 * with function spans: half the size of `b`/`e` pairs, and the track sits below its thread.
 */

enum {
    TRACK_FIRST = 1 << 30, /* above every tid (at most 2^22), below 2^31 */
    TRACK_LOST = TRACK_FIRST - 1,
    TRACK_STATES = 1 << 29, /* + thread index */
    TRACKS_PER_THREAD = 8,  /* room in the sort order */
};

static void put_metadata(struct gt_stream *stream, const char *what, int32_t pid, uint32_t tid,
                         const char *key, const struct gt_buf *value)
{
    struct gt_buf line;

    gt_buf_init(&line);
    if (gt_buf_addf(
            &line,
            "{\"ph\":\"M\",\"name\":\"%s\",\"pid\":%d,\"tid\":%u,\"args\":{\"%s\":%s}},\n",
            what, pid, tid, key, value->data) &&
        stream->status == 0)
        stream->status = gt_error_memory(&stream->error);
    gt_stream_add(stream, line.data, line.length);
    gt_buf_release(&line);
}

static void put_name(struct gt_stream *stream, const char *what, int32_t pid, uint32_t tid,
                     const char *name, size_t length, const char *suffix)
{
    struct gt_buf value;

    gt_buf_init(&value);
    if ((gt_buf_adds(&value, "\"") || gt_buf_add_json(&value, name, length) ||
         gt_buf_addf(&value, "%s\"", suffix)) &&
        stream->status == 0)
        stream->status = gt_error_memory(&stream->error);
    put_metadata(stream, what, pid, tid, "name", &value);
    gt_buf_release(&value);
}

static void put_sort_index(struct gt_stream *stream, int32_t pid, uint32_t tid, uint32_t index)
{
    struct gt_buf value;

    gt_buf_init(&value);
    if (gt_buf_addf(&value, "%u", index) && stream->status == 0)
        stream->status = gt_error_memory(&stream->error);
    put_metadata(stream, "thread_sort_index", pid, tid, "sort_index", &value);
    gt_buf_release(&value);
}

static void put_threads(const struct gt_report *report, struct gt_stream *stream)
{
    const struct gt_timeline *timeline = report->timeline;

    for (uint32_t i = 0; i < timeline->processes.count; i++) {
        const struct gt_process *process = gt_process_at(timeline, i);

        put_name(stream, "process_name", process->pid, (uint32_t)process->pid,
                 gt_intern_text(&timeline->names, process->name),
                 gt_intern_length(&timeline->names, process->name), "");
    }
    for (uint32_t i = 0; i < timeline->threads.count; i++) {
        const struct gt_thread *thread = gt_thread_at(timeline, i);
        int32_t pid = gt_process_at(timeline, thread->process)->pid;
        char label[64];
        size_t length = gt_timeline_thread_label(timeline, i, label, sizeof(label));

        put_name(stream, "thread_name", pid, (uint32_t)thread->tid, label, length, "");
        put_sort_index(stream, pid, (uint32_t)thread->tid, thread->number * TRACKS_PER_THREAD);
    }
}

/* Everything of a span's record before its time is the same for one track and kind. */
struct track {
    char head[2][192]; /* hold, wait */
    size_t length[2];
};

static void put_track(const struct gt_report *report, struct gt_stream *stream,
                      uint32_t gil_index, const struct gt_gil_thread *member,
                      uint32_t track_tid, struct track *track)
{
    static const char *const names[2] = {"GIL hold", "GIL wait"};
    const struct gt_timeline *timeline = report->timeline;
    const struct gt_gil *gil = gt_gil_at(timeline, gil_index);
    const struct gt_thread *thread = gt_thread_at(timeline, member->thread);
    int32_t pid = gt_process_at(timeline, thread->process)->pid;
    char label[64], suffix[32] = " GIL";
    size_t length = gt_timeline_thread_label(timeline, member->thread, label, sizeof(label));

    if (gil->number)
        snprintf(suffix, sizeof(suffix), " GIL %u", gil->number);
    put_name(stream, "thread_name", pid, track_tid, label, length, suffix);
    put_sort_index(stream, pid, track_tid,
                   thread->number * TRACKS_PER_THREAD + 1 +
                       gil->number % (TRACKS_PER_THREAD - 1));
    for (int i = 0; i < 2; i++)
        track->length[i] = (size_t)snprintf(
            track->head[i], sizeof(track->head[i]),
            "{\"ph\":\"X\",\"cat\":\"gil\",\"name\":\"%s\",\"pid\":%d,\"tid\":%u,"
            "\"args\":{\"tid\":%d,\"gil\":%u},\"ts\":",
            names[i], pid, track_tid, thread->tid, gil_index);
}

static void put_spans(const struct gt_report *report, struct gt_stream *stream,
                      const struct gt_gil *gil, const struct track *tracks, bool waits)
{
    const struct gt_chunks *spans = waits ? &gil->waits : &gil->holds;
    int64_t zero_ns = gt_report_zero_ns(report);
    uint32_t thread = GT_NO_INDEX;
    const struct track *track = NULL;

    for (size_t i = 0; i < spans->count; i++) {
        const struct gt_span *span = gt_span_at(spans, i);
        char *at = gt_stream_reserve(stream, sizeof(track->head[0]) + 96);

        if (span->thread != thread) {
            thread = span->thread;
            track = &tracks[gt_hashmap_get(&gil->member_of, thread)];
        }
        memcpy(at, track->head[waits], track->length[waits]);
        at = gt_put_us(at + track->length[waits], span->start_ns - zero_ns);
        memcpy(at, ",\"dur\":", 7);
        at = gt_put_length_us(at + 7, span->start_ns - zero_ns, span->end_ns - zero_ns);
        memcpy(at, "},\n", 3);
        gt_stream_advance(stream, at + 3);
    }
}

static int put_gils(const struct gt_report *report, struct gt_stream *stream)
{
    const struct gt_timeline *timeline = report->timeline;
    uint32_t next_track = TRACK_FIRST;

    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        const struct gt_gil *gil = gt_gil_at(timeline, i);
        struct track *tracks = calloc(gil->members.count + 1, sizeof(*tracks));

        if (!tracks)
            return -1;
        for (uint32_t m = 0; m < gil->members.count; m++)
            put_track(report, stream, i, gt_gil_thread_at(gil, m), next_track++, &tracks[m]);
        put_spans(report, stream, gil, tracks, false);
        put_spans(report, stream, gil, tracks, true);
        free(tracks);
    }
    return 0;
}

/* ftrace's letters, as Perfetto's importer of `T` records reads them. */
static const char *perfetto_state(enum gt_sched_state state)
{
    static const char *const letters[GT_SCHED_STATES] = {
        [GT_SCHED_RUNNING] = "Running", [GT_SCHED_PREEMPTED] = "R+",
        [GT_SCHED_WOKEN] = "R",         [GT_SCHED_SLEEPING] = "S",
        [GT_SCHED_SLEEPING_GIL] = "S",  [GT_SCHED_UNINTERRUPTIBLE] = "D",
        [GT_SCHED_STOPPED] = "T",       [GT_SCHED_OFF_CPU] = "S",
        [GT_SCHED_OFF_CPU_GIL] = "S",
    };

    return letters[state];
}

/* States on a track of their own below the thread, or as Perfetto's own thread states. */
static void put_states(const struct gt_report *report, struct gt_stream *stream, uint32_t index)
{
    const struct gt_timeline *timeline = report->timeline;
    const struct gt_sched *sched = gt_sched_of(timeline, index);
    const struct gt_thread *thread = gt_thread_at(timeline, index);
    int32_t pid = gt_process_at(timeline, thread->process)->pid;
    bool perfetto = report->options.perfetto_states;
    uint32_t tid = perfetto ? (uint32_t)thread->tid : TRACK_STATES + index;
    int64_t zero_ns = gt_report_zero_ns(report);
    char label[64], head[96];
    size_t length = gt_timeline_thread_label(timeline, index, label, sizeof(label));

    if (sched->spans.count == 0)
        return;
    if (!perfetto) {
        put_name(stream, "thread_name", pid, tid, label, length, " state");
        put_sort_index(stream, pid, tid,
                       thread->number * TRACKS_PER_THREAD + TRACKS_PER_THREAD - 1);
    }
    snprintf(head, sizeof(head), "\",\"pid\":%d,\"tid\":%u,\"args\":{", pid, tid);
    for (size_t i = 0; i < sched->spans.count; i++) {
        const struct gt_state_span *span = gt_chunks_at(&sched->spans, i);
        char *at = gt_stream_reserve(stream, sizeof(head) + 192);

        at = stpcpy(at, perfetto ? "{\"ph\":\"T\",\"name\":\""
                                 : "{\"ph\":\"X\",\"cat\":\"sched\",\"name\":\"");
        at = stpcpy(at,
                    perfetto ? perfetto_state(span->state) : gt_sched_state_name(span->state));
        at = stpcpy(at, head);
        if (span->state == GT_SCHED_RUNNING && span->cpu != UINT16_MAX)
            at = gt_put_u64(stpcpy(at, "\"cpu\":"), span->cpu);
        at = gt_put_us(stpcpy(at, "},\"ts\":"), span->start_ns - zero_ns);
        at = gt_put_length_us(stpcpy(at, ",\"dur\":"), span->start_ns - zero_ns,
                              span->end_ns - zero_ns);
        gt_stream_advance(stream, stpcpy(at, "},\n"));
    }
}

/* Everything of a call's record that is the function's, made once. */
static char *call_head(const struct gt_timeline *timeline,
                       const struct gt_function_info *called)
{
    const char *category = called->flags & GT_FUNCTION_GC  ? "gc"
                           : called->flags & GT_FUNCTION_C ? "c"
                                                           : "python";
    struct gt_buf head;
    int failed;

    gt_buf_init(&head);
    failed = gt_buf_addf(&head, "{\"ph\":\"X\",\"cat\":\"%s\",\"name\":\"", category) ||
             gt_buf_add_json(&head, gt_intern_text(&timeline->names, called->name),
                             gt_intern_length(&timeline->names, called->name)) ||
             gt_buf_adds(&head, "\",\"args\":{\"file\":\"") ||
             gt_buf_add_json(&head, gt_intern_text(&timeline->names, called->file),
                             gt_intern_length(&timeline->names, called->file));
    if (!failed && called->line)
        failed = gt_buf_addf(&head, ":%u", called->line);
    if (failed || gt_buf_adds(&head, "\"}")) {
        gt_buf_release(&head);
        return NULL;
    }
    return head.data; /* owned by the caller: never empty, so allocated */
}

static void put_thread_calls(const struct gt_report *report, struct gt_stream *stream,
                             uint32_t index, char *const *heads)
{
    const struct gt_timeline *timeline = report->timeline;
    const struct gt_calls *calls = gt_calls_of(timeline, index);
    const struct gt_thread *thread = gt_thread_at(timeline, index);
    int64_t zero_ns = gt_report_zero_ns(report);
    char where[64];
    int length = snprintf(where, sizeof(where), ",\"pid\":%d,\"tid\":%d,\"ts\":",
                          gt_process_at(timeline, thread->process)->pid, thread->tid);

    for (size_t i = 0; i < calls->spans.count; i++) {
        const struct gt_call_span *span = gt_chunks_at(&calls->spans, i);
        char *at;

        gt_stream_adds(stream, heads[span->function]);
        at = gt_stream_reserve(stream, sizeof(where) + 96);
        memcpy(at, where, (size_t)length);
        at = gt_put_us(at + length, span->start_ns - zero_ns);
        at = gt_put_length_us(stpcpy(at, ",\"dur\":"), span->start_ns - zero_ns,
                              span->end_ns - zero_ns);
        gt_stream_advance(stream, stpcpy(at, "},\n"));
    }
}

static int put_calls(const struct gt_report *report, struct gt_stream *stream)
{
    const struct gt_timeline *timeline = report->timeline;
    char **heads = calloc(timeline->functions.count + 1, sizeof(*heads));
    int rc = heads ? 0 : -1;

    for (size_t i = 0; rc == 0 && i < timeline->functions.count; i++) {
        heads[i] = call_head(timeline, gt_chunks_at(&timeline->functions, i));
        rc = heads[i] ? 0 : -1;
    }
    for (uint32_t i = 0; rc == 0 && i < timeline->calls.count; i++)
        put_thread_calls(report, stream, i, heads);
    for (size_t i = 0; heads && i < timeline->functions.count; i++)
        free(heads[i]);
    free(heads);
    return rc;
}

/* Moments and numbers that the program recorded itself, as VizTracer writes them. */
static int put_marks(const struct gt_report *report, struct gt_stream *stream)
{
    const struct gt_timeline *timeline = report->timeline;
    struct gt_buf line;
    int rc = 0;

    gt_buf_init(&line);
    for (size_t i = 0; rc == 0 && i < timeline->marks.count; i++) {
        const struct gt_mark *mark = gt_chunks_at(&timeline->marks, i);
        const struct gt_thread *thread = gt_thread_at(timeline, mark->thread);
        char time[24];

        *gt_put_us(time, mark->time_ns - gt_report_zero_ns(report)) = '\0';
        gt_buf_reset(&line);
        rc = gt_buf_addf(
                 &line, "{%s,\"cat\":\"program\",\"pid\":%d,\"tid\":%d,\"ts\":%s,\"name\":\"",
                 mark->kind == GT_MARK_SERIES ? "\"ph\":\"C\"" : "\"ph\":\"i\",\"s\":\"t\"",
                 gt_process_at(timeline, thread->process)->pid, thread->tid, time) ||
             gt_buf_add_json(&line, gt_intern_text(&timeline->names, mark->name),
                             gt_intern_length(&timeline->names, mark->name)) ||
             gt_buf_addf(&line, "\",\"args\":%s},\n",
                         mark->detail ? gt_intern_text(&timeline->names, mark->detail) : "{}");
        gt_stream_add(stream, line.data, line.length);
    }
    gt_buf_release(&line);
    return rc ? -1 : 0;
}

/* One track per event and thread, and one for the process: running totals. */
static int put_counter(const struct gt_report *report, struct gt_stream *stream,
                       const struct gt_counter *counter)
{
    const struct gt_timeline *timeline = report->timeline;
    uint64_t *by_thread = calloc(timeline->threads.count, sizeof(*by_thread));
    uint64_t *by_process = calloc(timeline->processes.count, sizeof(*by_process));
    struct gt_buf line, label;
    int rc = by_thread && by_process ? 0 : -1;

    gt_buf_init(&line);
    gt_buf_init(&label);
    for (size_t i = 0; rc == 0 && i < counter->samples.count; i++) {
        const struct gt_counter_sample *sample = gt_chunks_at(&counter->samples, i);
        const struct gt_thread *thread = gt_thread_at(timeline, sample->thread);
        char time[24];

        by_thread[sample->thread] += sample->period;
        by_process[thread->process] += sample->period;
        *gt_put_us(time, sample->time_ns - gt_report_zero_ns(report)) = '\0';
        gt_buf_reset(&line);
        gt_buf_reset(&label);
        /* It names the track, and not every reader takes a NUL in a key. */
        rc = gt_report_name(report, sample->thread, &label) ||
             gt_buf_addf(&line, "{\"ph\":\"C\",\"pid\":%d,\"ts\":%s,\"name\":\"",
                         gt_process_at(timeline, thread->process)->pid, time) ||
             gt_buf_add_json(&line, gt_intern_text(&timeline->names, counter->name),
                             gt_intern_length(&timeline->names, counter->name)) ||
             gt_buf_adds(&line, "\",\"args\":{\"") ||
             gt_buf_add_json(&line, label.data, label.length) ||
             gt_buf_addf(&line, " (%d)\":%llu,\"process\":%llu}},\n", thread->tid,
                         (unsigned long long)by_thread[sample->thread],
                         (unsigned long long)by_process[thread->process]);
        gt_stream_add(stream, line.data, line.length);
    }
    gt_buf_release(&line);
    gt_buf_release(&label);
    free(by_thread);
    free(by_process);
    return rc ? -1 : 0;
}

static void put_lost_range(const struct gt_report *report, struct gt_stream *stream,
                           int32_t pid, int64_t start_ns, int64_t end_ns, const char *what)
{
    int64_t zero_ns = gt_report_zero_ns(report);
    char start[24], length[GT_LENGTH_BYTES + 1];
    struct gt_buf line;

    *gt_put_us(start, start_ns - zero_ns) = '\0';
    *gt_put_length_us(length, start_ns - zero_ns, end_ns - zero_ns) = '\0';
    gt_buf_init(&line);
    gt_buf_addf(&line,
                "{\"ph\":\"X\",\"cat\":\"lost\",\"name\":\"%s\",\"pid\":%d,"
                "\"tid\":%u,\"ts\":%s,\"dur\":%s},\n",
                what, pid, (unsigned)TRACK_LOST, start, length);
    gt_stream_add(stream, line.data, line.length);
    gt_buf_release(&line);
}

static void put_lost(const struct gt_report *report, struct gt_stream *stream)
{
    const struct gt_timeline *timeline = report->timeline;
    int32_t pid = timeline->processes.count ? gt_process_at(timeline, 0)->pid : 0;

    if (timeline->lost.count)
        put_name(stream, "thread_name", pid, TRACK_LOST, "events lost", 11, "");
    for (size_t i = 0; i < timeline->lost.count; i++) {
        const struct gt_lost_range *range = gt_chunks_at(&timeline->lost, i);
        char what[48];

        snprintf(what, sizeof(what), "%llu events lost", (unsigned long long)range->events);
        put_lost_range(report, stream, pid, range->start_ns, range->end_ns, what);
    }
    for (size_t i = 0; i < timeline->holes.count; i++) {
        const struct gt_hole *hole = gt_hole_at(&timeline->holes, i);

        pid = gt_process_at(timeline, hole->process)->pid;
        if (!hole->gil)
            continue;
        put_name(stream, "thread_name", pid, TRACK_LOST, "events lost", 11, "");
        put_lost_range(report, stream, pid, hole->start_ns, hole->end_ns, "not recorded");
    }
}

int gt_chrome_write(const struct gt_report *report, const struct gt_buf *summary, bool gzip,
                    struct gt_output *output, struct gt_error *err)
{
    struct gt_stream stream;
    int rc = gt_stream_init(&stream, output, gzip, err);

    if (rc < 0)
        return rc;
    gt_stream_adds(&stream, "{\"displayTimeUnit\":\"ms\",\n\"giltracer\":");
    gt_stream_add(&stream, summary->data, summary->length);
    gt_stream_adds(&stream, ",\n\"traceEvents\":[\n");
    put_threads(report, &stream);
    put_lost(report, &stream);
    for (uint32_t i = 0; gt_report_shows_states(report) && i < report->timeline->scheds.count;
         i++)
        put_states(report, &stream, i);
    for (size_t i = 0; i < report->timeline->counters.count; i++)
        if (put_counter(report, &stream, gt_chunks_at(&report->timeline->counters, i)) &&
            stream.status == 0)
            stream.status = gt_error_memory(&stream.error);
    if (put_marks(report, &stream) && stream.status == 0)
        stream.status = gt_error_memory(&stream.error);
    if (put_calls(report, &stream) && stream.status == 0)
        stream.status = gt_error_memory(&stream.error);
    if (put_gils(report, &stream) && stream.status == 0)
        stream.status = gt_error_memory(&stream.error);
    /* A last element without a comma, so that every line above may end in one. */
    gt_stream_adds(&stream, "{\"ph\":\"M\",\"name\":\"trace_config\",\"pid\":0,\"tid\":0,"
                            "\"args\":{\"name\":\"giltracer\"}}\n]}\n");
    return gt_stream_finish(&stream, err);
}
