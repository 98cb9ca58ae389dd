/* SPDX-License-Identifier: MIT */
#include "report/writers.h"

#include "base/nstime.h"
#include "report/blocked.h"
#include "report/labels.h"
#include "report/short_calls.h"
#include "report/stream.h"
#include "report/walk.h"

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
    TRACK_STATES = 1 << 29,  /* + thread index */
    TRACK_BLOCKED = 1 << 28, /* + thread index */
    TRACKS_PER_THREAD = 8,   /* room in the sort order */
};

/* Everything of a span's record before its time is the same for one thread and kind. */
struct member {
    char head[3][192]; /* hold, wait, not known */
    size_t length[3];
};

struct writer {
    const struct gt_report *report;
    const struct gt_timeline *timeline;
    int64_t zero_ns;
    struct gt_stream stream;
    struct gt_buf line, label; /* of the record at hand */
    char **call_heads;         /* by function: everything of a call's record that is its */
    struct gt_short_calls plan;
    struct gt_call_runs runs;

    /* Of the track at hand: */
    char head[96]; /* everything of a record that is the same for all */
    size_t head_length;
    const struct gt_gil *gil;
    struct member *members;      /* of that GIL */
    const struct member *member; /* that the last span was of, … */
    uint32_t thread;             /* … and its thread */
    enum gt_track_kind kind;
    uint32_t next_track;
    const struct gt_counter *counter;
    uint64_t *by_thread, *by_process; /* its totals so far */
};

/* Take note of a failed append. What has failed so far; 0: nothing. */
static int status_of(struct writer *writer, int failed)
{
    if (failed && writer->stream.status == 0)
        writer->stream.status = gt_error_memory(&writer->stream.error);
    return writer->stream.status;
}

/* Write what was put together in `line`. */
static int put_line(struct writer *writer, int failed)
{
    if (!failed)
        gt_stream_add(&writer->stream, writer->line.data, writer->line.length);
    gt_buf_reset(&writer->line);
    return status_of(writer, failed);
}

static int put_name(struct writer *writer, const char *what, int32_t pid, uint32_t tid,
                    const char *name, size_t length, const char *suffix)
{
    struct gt_buf *line = &writer->line;

    return put_line(writer, gt_buf_addf(line,
                                        "{\"ph\":\"M\",\"name\":\"%s\",\"pid\":%d,\"tid\":%u,"
                                        "\"args\":{\"name\":\"",
                                        what, pid, tid) ||
                                gt_buf_add_json(line, name, length) ||
                                gt_buf_addf(line, "%s\"}},\n", suffix));
}

/* One of a thread's tracks: its name, and its `place` among them. */
static int put_track(struct writer *writer, uint32_t thread, uint32_t tid, const char *suffix,
                     uint32_t place)
{
    const struct gt_thread *of = gt_thread_at(writer->timeline, thread);
    int32_t pid = gt_process_at(writer->timeline, of->process)->pid;
    char label[64];
    size_t length = gt_timeline_thread_label(writer->timeline, thread, label, sizeof(label));

    if (put_name(writer, "thread_name", pid, tid, label, length, suffix))
        return writer->stream.status;
    return put_line(writer, gt_buf_addf(&writer->line,
                                        "{\"ph\":\"M\",\"name\":\"thread_sort_index\","
                                        "\"pid\":%d,\"tid\":%u,"
                                        "\"args\":{\"sort_index\":%u}},\n",
                                        pid, tid, of->number * TRACKS_PER_THREAD + place));
}

/* --- lists --- */

static int put_begin(void *context)
{
    struct writer *writer = context;

    gt_stream_adds(&writer->stream, "{\"displayTimeUnit\":\"ms\",\n\"giltracer\":");
    return writer->stream.status;
}

static int put_summary(void *context, const char *text, size_t length)
{
    struct writer *writer = context;

    gt_stream_add(&writer->stream, text, length);
    return writer->stream.status;
}

/* After the summary, which comes first, all are events. */
static int put_part(void *context, enum gt_part part)
{
    struct writer *writer = context;
    const struct gt_short_calls *plan = &writer->plan;

    if (part != GT_PART_PROCESSES)
        return writer->stream.status;
    return put_line(writer,
                    (plan->limit_ns && gt_buf_addf(&writer->line, GT_SHORT_CALLS_KEY,
                                                   plan->calls, plan->runs, plan->limit_ns)) ||
                        gt_buf_adds(&writer->line, ",\n\"traceEvents\":[\n"));
}

/* A last element without a comma, so that every line above may end in one. */
static int put_end(void *context)
{
    struct writer *writer = context;

    gt_stream_adds(&writer->stream,
                   "{\"ph\":\"M\",\"name\":\"trace_config\",\"pid\":0,\"tid\":0,"
                   "\"args\":{\"name\":\"giltracer\"}}\n]}\n");
    return writer->stream.status;
}

static int put_process(void *context, uint32_t index)
{
    struct writer *writer = context;
    const struct gt_intern *names = &writer->timeline->names;
    const struct gt_process *process = gt_process_at(writer->timeline, index);

    return put_name(writer, "process_name", process->pid, (uint32_t)process->pid,
                    gt_intern_text(names, process->name),
                    gt_intern_length(names, process->name), "");
}

static int put_thread(void *context, uint32_t index)
{
    struct writer *writer = context;

    return put_track(writer, index, (uint32_t)gt_thread_at(writer->timeline, index)->tid, "",
                     0);
}

static int put_lost_range(struct writer *writer, int32_t pid, int64_t start_ns, int64_t end_ns,
                          const char *what)
{
    char start[24], length[GT_LENGTH_BYTES + 1];

    *gt_put_us(start, start_ns - writer->zero_ns) = '\0';
    *gt_put_length_us(length, start_ns - writer->zero_ns, end_ns - writer->zero_ns) = '\0';
    return put_line(writer, gt_buf_addf(&writer->line,
                                        "{\"ph\":\"X\",\"cat\":\"lost\",\"name\":\"%s\","
                                        "\"pid\":%d,\"tid\":%u,\"ts\":%s,\"dur\":%s},\n",
                                        what, pid, (unsigned)TRACK_LOST, start, length));
}

static int put_lost_name(struct writer *writer, int32_t pid)
{
    static const char name[] = "events lost";

    return put_name(writer, "thread_name", pid, TRACK_LOST, name, sizeof(name) - 1, "");
}

/* What everybody lost stands with the first process. */
static int put_lost(void *context, uint32_t index)
{
    struct writer *writer = context;
    const struct gt_timeline *timeline = writer->timeline;
    const struct gt_lost_range *range = gt_chunks_at(&timeline->lost, index);
    int32_t pid = timeline->processes.count ? gt_process_at(timeline, 0)->pid : 0;
    int rc = index == 0 ? put_lost_name(writer, pid) : 0;
    char what[48];

    snprintf(what, sizeof(what), "%llu events lost", (unsigned long long)range->events);
    return rc == 0 ? put_lost_range(writer, pid, range->start_ns, range->end_ns, what) : rc;
}

static int put_hole(void *context, uint32_t index)
{
    struct writer *writer = context;
    const struct gt_hole *hole = gt_hole_at(&writer->timeline->holes, index);
    int32_t pid = gt_process_at(writer->timeline, hole->process)->pid;
    int rc = put_lost_name(writer, pid);

    return rc == 0 ? put_lost_range(writer, pid, hole->start_ns, hole->end_ns, "not recorded")
                   : rc;
}

/* Nothing is written yet: the function's part of the records of its calls. */
static int make_call_head(void *context, uint32_t index)
{
    struct writer *writer = context;
    const struct gt_intern *names = &writer->timeline->names;
    const struct gt_function_info *called = gt_chunks_at(&writer->timeline->functions, index);
    const char *category = gt_function_kind_name(called);
    struct gt_buf head;
    int failed;

    gt_buf_init(&head);
    failed = gt_buf_addf(&head, "{\"ph\":\"X\",\"cat\":\"%s\",\"name\":\"", category) ||
             gt_buf_add_json(&head, gt_intern_text(names, called->name),
                             gt_intern_length(names, called->name)) ||
             gt_buf_adds(&head, "\",\"args\":{\"file\":\"") ||
             gt_buf_add_json(&head, gt_intern_text(names, called->file),
                             gt_intern_length(names, called->file)) ||
             (called->line && gt_buf_addf(&head, ":%u", called->line)) ||
             gt_buf_adds(&head, "\"}");
    if (failed) /* what has no memory yet cannot be freed */
        gt_buf_release(&head);
    else
        writer->call_heads[index] = head.data;
    return status_of(writer, failed);
}

/* --- the spans of a GIL --- */

static int begin_member(struct writer *writer, uint32_t gil_index, uint32_t index)
{
    static const char *const names[3] = {"GIL hold", "GIL wait", "GIL unknown"};
    uint32_t number = writer->gil->number, track = writer->next_track++;
    uint32_t thread = gt_gil_thread_at(writer->gil, index)->thread;
    const struct gt_thread *of = gt_thread_at(writer->timeline, thread);
    struct member *member = &writer->members[index];
    char suffix[32] = " GIL";

    if (number)
        snprintf(suffix, sizeof(suffix), " GIL %u", number);
    for (int i = 0; i < 3; i++)
        member->length[i] = (size_t)snprintf(
            member->head[i], sizeof(member->head[i]),
            "{\"ph\":\"X\",\"cat\":\"%s\",\"name\":\"%s\",\"pid\":%d,\"tid\":%u,"
            "\"args\":{\"tid\":%d,\"gil\":%u},\"ts\":",
            i < 2 ? "gil" : "lost", names[i], gt_process_at(writer->timeline, of->process)->pid,
            track, of->tid, gil_index);
    return put_track(writer, thread, track, suffix, 1 + number % (TRACKS_PER_THREAD - 1));
}

static int begin_holds(struct writer *writer, uint32_t index)
{
    const struct gt_gil *gil = gt_gil_at(writer->timeline, index);
    int rc = 0;

    free(writer->members);
    writer->members = calloc(gil->members.count + 1, sizeof(*writer->members));
    if (!writer->members)
        return status_of(writer, -1);
    writer->gil = gil;
    writer->thread = GT_NO_INDEX;
    for (uint32_t i = 0; rc == 0 && i < gil->members.count; i++)
        rc = begin_member(writer, index, i);
    return rc;
}

static int put_span(void *context, const void *item)
{
    struct writer *writer = context;
    const struct gt_span *span = item;
    const unsigned kind = writer->kind - GT_TRACK_HOLDS;
    const int64_t zero_ns = writer->zero_ns;
    const struct member *member;
    char *at = gt_stream_reserve(&writer->stream, sizeof(member->head[0]) + 96);

    if (span->thread != writer->thread) {
        writer->thread = span->thread;
        writer->member =
            &writer->members[gt_hashmap_get(&writer->gil->member_of, span->thread)];
    }
    member = writer->member;
    memcpy(at, member->head[kind], member->length[kind]);
    at = gt_put_us(at + member->length[kind], span->start_ns - zero_ns);
    memcpy(at, ",\"dur\":", 7);
    at = gt_put_length_us(at + 7, span->start_ns - zero_ns, span->end_ns - zero_ns);
    memcpy(at, "},\n", 3);
    gt_stream_advance(&writer->stream, at + 3);
    return writer->stream.status;
}

/* --- the states of a thread --- */

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

/* On a track of their own below the thread, or as Perfetto's own thread states. */
static int begin_states(struct writer *writer, uint32_t index)
{
    const struct gt_thread *thread = gt_thread_at(writer->timeline, index);
    bool perfetto = writer->report->options.perfetto_states;
    uint32_t tid = perfetto ? (uint32_t)thread->tid : TRACK_STATES + index;

    writer->head_length = (size_t)snprintf(
        writer->head, sizeof(writer->head), "\",\"pid\":%d,\"tid\":%u,\"args\":{",
        gt_process_at(writer->timeline, thread->process)->pid, tid);
    return perfetto ? 0 : put_track(writer, index, tid, " state", TRACKS_PER_THREAD - 1);
}

static int put_state(void *context, const void *item)
{
    struct writer *writer = context;
    const struct gt_state_span *span = item;
    bool perfetto = writer->report->options.perfetto_states;
    char *at = gt_stream_reserve(&writer->stream, sizeof(writer->head) + 192);

    at = stpcpy(at, perfetto ? "{\"ph\":\"T\",\"name\":\""
                             : "{\"ph\":\"X\",\"cat\":\"sched\",\"name\":\"");
    at = stpcpy(at, perfetto ? perfetto_state(span->state) : gt_sched_state_name(span->state));
    at = stpcpy(at, writer->head);
    if (span->state == GT_SCHED_RUNNING && span->cpu != UINT16_MAX)
        at = gt_put_u64(stpcpy(at, "\"cpu\":"), span->cpu);
    at = gt_put_us(stpcpy(at, "},\"ts\":"), span->start_ns - writer->zero_ns);
    at = gt_put_length_us(stpcpy(at, ",\"dur\":"), span->start_ns - writer->zero_ns,
                          span->end_ns - writer->zero_ns);
    gt_stream_advance(&writer->stream, stpcpy(at, "},\n"));
    return writer->stream.status;
}

/* --- the calls of a thread, its waits for locks, and stops --- */

static void begin_spans(struct writer *writer, uint32_t index, uint32_t tid)
{
    const struct gt_thread *thread = gt_thread_at(writer->timeline, index);

    writer->head_length =
        (size_t)snprintf(writer->head, sizeof(writer->head), ",\"pid\":%d,\"tid\":%u,\"ts\":",
                         gt_process_at(writer->timeline, thread->process)->pid, tid);
}

static int begin_calls(struct writer *writer, uint32_t index)
{
    begin_spans(writer, index, (uint32_t)gt_thread_at(writer->timeline, index)->tid);
    return 0;
}

static int begin_blocked(struct writer *writer, uint32_t index)
{
    begin_spans(writer, index, TRACK_BLOCKED + index);
    return put_track(writer, index, TRACK_BLOCKED + index, " locks", TRACKS_PER_THREAD - 2);
}

/* Where and when: what comes after what it is. */
static int put_where(struct writer *writer, int64_t start_ns, int64_t end_ns)
{
    const int64_t zero_ns = writer->zero_ns;
    char *at = gt_stream_reserve(&writer->stream, sizeof(writer->head) + 96);

    memcpy(at, writer->head, writer->head_length);
    at = gt_put_us(at + writer->head_length, start_ns - zero_ns);
    at = gt_put_length_us(stpcpy(at, ",\"dur\":"), start_ns - zero_ns, end_ns - zero_ns);
    gt_stream_advance(&writer->stream, stpcpy(at, "},\n"));
    return writer->stream.status;
}

static int put_run(struct writer *writer, const struct gt_call_run *run)
{
    char *at = gt_stream_reserve(&writer->stream, 192);

    at = stpcpy(at, "{\"ph\":\"X\",\"cat\":\"short\",\"name\":\"short calls\",\"args\":{"
                    "\"calls\":");
    at = gt_put_us(stpcpy(gt_put_u64(at, run->calls), ",\"inside_us\":"), run->inside_ns);
    gt_stream_advance(&writer->stream, stpcpy(at, "}"));
    return put_where(writer, run->start_ns, run->end_ns);
}

static int put_blocked(void *context, const void *item)
{
    struct writer *writer = context;
    const struct gt_blocked_span *span = item;

    if (put_line(writer, gt_blocked_record(writer->report, span, &writer->line)))
        return writer->stream.status;
    return put_where(writer, span->start_ns, span->end_ns);
}

static int put_call(void *context, const void *item)
{
    struct writer *writer = context;
    const struct gt_call_span *span = item;
    struct gt_call_run before;
    bool kept = true;
    int rc = writer->plan.limit_ns ? gt_call_runs_take(&writer->runs, span, &kept, &before) : 0;

    if (rc < 0)
        return status_of(writer, rc);
    if (rc > 0)
        put_run(writer, &before);
    if (!kept)
        return writer->stream.status;
    gt_stream_adds(&writer->stream, writer->call_heads[span->function]);
    return put_where(writer, span->start_ns, span->end_ns);
}

/* Of calls, the last may have been short. */
static int end_track(void *context)
{
    struct writer *writer = context;
    struct gt_call_run last;

    return gt_call_runs_end(&writer->runs, &last) ? put_run(writer, &last)
                                                  : writer->stream.status;
}

/* --- what the program recorded itself, and counters --- */

/* As VizTracer writes them. */
static int put_mark(void *context, const void *item)
{
    struct writer *writer = context;
    const struct gt_timeline *timeline = writer->timeline;
    const struct gt_mark *mark = item;
    const struct gt_thread *thread = gt_thread_at(timeline, mark->thread);
    struct gt_buf *line = &writer->line;
    char time[24];

    *gt_put_us(time, mark->time_ns - writer->zero_ns) = '\0';
    return put_line(
        writer,
        gt_buf_addf(line, "{%s,\"cat\":\"program\",\"pid\":%d,\"tid\":%d,\"ts\":%s,\"name\":\"",
                    mark->kind == GT_MARK_SERIES ? "\"ph\":\"C\"" : "\"ph\":\"i\",\"s\":\"t\"",
                    gt_process_at(timeline, thread->process)->pid, thread->tid, time) ||
            gt_buf_add_json(line, gt_intern_text(&timeline->names, mark->name),
                            gt_intern_length(&timeline->names, mark->name)) ||
            gt_buf_addf(line, "\",\"args\":%s},\n",
                        mark->detail ? gt_intern_text(&timeline->names, mark->detail) : "{}"));
}

/* One track per event and thread, and one for the process: running totals. */
static int begin_samples(struct writer *writer, uint32_t index)
{
    const struct gt_timeline *timeline = writer->timeline;

    free(writer->by_thread);
    free(writer->by_process);
    writer->by_thread = calloc(timeline->threads.count + 1, sizeof(*writer->by_thread));
    writer->by_process = calloc(timeline->processes.count + 1, sizeof(*writer->by_process));
    writer->counter = gt_chunks_at(&timeline->counters, index);
    return status_of(writer, !writer->by_thread || !writer->by_process);
}

static int put_sample(void *context, const void *item)
{
    struct writer *writer = context;
    const struct gt_timeline *timeline = writer->timeline;
    const struct gt_counter_sample *sample = item;
    const struct gt_thread *thread = gt_thread_at(timeline, sample->thread);
    uint64_t *of_thread = &writer->by_thread[sample->thread];
    uint64_t *of_process = &writer->by_process[thread->process];
    struct gt_buf *line = &writer->line, *label = &writer->label;
    char time[24];

    *of_thread += sample->period;
    *of_process += sample->period;
    *gt_put_us(time, sample->time_ns - writer->zero_ns) = '\0';
    gt_buf_reset(label);
    /* It names the track, and not every reader takes a NUL in a key. */
    return put_line(
        writer,
        gt_report_name(writer->report, sample->thread, label) ||
            gt_buf_addf(line, "{\"ph\":\"C\",\"pid\":%d,\"ts\":%s,\"name\":\"",
                        gt_process_at(timeline, thread->process)->pid, time) ||
            gt_buf_add_json(line, gt_intern_text(&timeline->names, writer->counter->name),
                            gt_intern_length(&timeline->names, writer->counter->name)) ||
            gt_buf_adds(line, "\",\"args\":{\"") ||
            gt_buf_add_json(line, label->data, label->length) ||
            gt_buf_addf(line, " (%d)\":%llu,\"process\":%llu}},\n", thread->tid,
                        (unsigned long long)*of_thread, (unsigned long long)*of_process));
}

/* --- the whole --- */

/* The waits for a GIL, and what is not known, come after its holds. */
static int begin_track(void *context, const struct gt_track *track)
{
    static int (*const begins[GT_TRACKS])(struct writer *, uint32_t) = {
        [GT_TRACK_HOLDS] = begin_holds,     [GT_TRACK_STATES] = begin_states,
        [GT_TRACK_BLOCKED] = begin_blocked, [GT_TRACK_CALLS] = begin_calls,
        [GT_TRACK_SAMPLES] = begin_samples,
    };

    ((struct writer *)context)->kind = track->kind;
    return begins[track->kind] ? begins[track->kind](context, track->index) : 0;
}

static const struct gt_hooks hooks = {
    .order = {GT_PART_SUMMARY, GT_PART_PROCESSES, GT_PART_THREADS, GT_PART_LOST, GT_PART_HOLES,
              GT_PART_STATES, GT_PART_BLOCKED, GT_PART_SAMPLES, GT_PART_MARKS,
              GT_PART_FUNCTIONS, GT_PART_CALLS, GT_PART_SPANS},
    .begin = put_begin,
    .part = put_part,
    .summary = put_summary,
    .process = put_process,
    .thread = put_thread,
    .function = make_call_head,
    .lost = put_lost,
    .hole = put_hole,
    .track = begin_track,
    .track_end = end_track,
    .span = put_span,
    .state = put_state,
    .blocked = put_blocked,
    .call = put_call,
    .sample = put_sample,
    .mark = put_mark,
    .end = put_end,
};

static void release(struct writer *writer)
{
    for (size_t i = 0; writer->call_heads && i < writer->timeline->functions.count; i++)
        free(writer->call_heads[i]);
    free(writer->call_heads);
    free(writer->members);
    free(writer->by_thread);
    free(writer->by_process);
    gt_call_runs_release(&writer->runs);
    gt_buf_release(&writer->line);
    gt_buf_release(&writer->label);
}

static int write_trace(const struct gt_report *report, bool gzip, struct gt_output *output,
                       struct gt_error *err)
{
    const struct gt_timeline *timeline = report->timeline;
    struct writer writer = {.report = report,
                            .timeline = timeline,
                            .zero_ns = gt_report_zero_ns(report),
                            .next_track = TRACK_FIRST};
    int rc = gt_stream_init(&writer.stream, output, gzip, err), status;

    if (rc < 0)
        return rc;
    gt_buf_init(&writer.line);
    gt_buf_init(&writer.label);
    writer.call_heads = calloc(timeline->functions.count + 1, sizeof(*writer.call_heads));
    if (!gzip)
        status_of(&writer, gt_short_calls_plan(report, &writer.plan));
    gt_call_runs_init(&writer.runs, writer.plan.limit_ns);
    if (status_of(&writer, !writer.call_heads) == 0)
        rc = gt_walk(report, &hooks, &writer, err);
    status = gt_stream_finish(&writer.stream, err);
    release(&writer);
    return status < 0 ? status : rc;
}

int gt_chrome_write(const struct gt_report *report, struct gt_output *output,
                    struct gt_error *err)
{
    return write_trace(report, false, output, err);
}

int gt_chrome_write_gzip(const struct gt_report *report, struct gt_output *output,
                         struct gt_error *err)
{
    return write_trace(report, true, output, err);
}
