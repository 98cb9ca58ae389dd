/* SPDX-License-Identifier: MIT */
#include "ingest/ingest.h"

#include "agentlog/agentlog.h"
#include "base/nstime.h"
#include "model/feed.h"
#include "script/source.h"
#include "viztracer/viztracer.h"

#include <stdlib.h>
#include <string.h>

enum { MERGED_MAX = 2 }; /* an agent's log, VizTracer's trace */

/* A source of events beside the text. */
struct merged {
    int (*next)(void *source, struct gt_event *event, struct gt_error *err);
    void *source;   /* the caller's; NULL: used up */
    unsigned parts; /* enum gt_agentlog_part: wanted beside functions and their like */
    bool pending;   /* `event` waits for its time */
    struct gt_event event;
};

struct gt_ingest {
    struct gt_ingest_options options;
    struct gt_source source;
    struct gt_timeline *timeline;
    struct gt_recorded out;
    struct merged merged[MERGED_MAX];
    size_t merged_count;
    const struct gt_agentlog *agentlog; /* NULL: there is none */
    const struct gt_viztracer *viztracer;
    const char *viztracer_name;
    int32_t root_pid;
    int64_t ended_ns;                   /* of the program; 0: not known */
    bool expects_text;                  /* to have none is a failure */
    int64_t text_start_ns, text_end_ns; /* of the text's events; -1: none */
};

/* What an event was recorded for; 0: for all. */
static unsigned part_of(enum gt_event_kind kind)
{
    return gt_event_group(kind) == GT_EVENTS_GIL ? GT_DETECT_GIL : 0;
}

/* What the gate did to measure is not the program's. */
static bool is_gates(const struct gt_event *event)
{
    return event->comm_length == sizeof(GT_GATE_NAME) - 1 &&
           memcmp(event->comm, GT_GATE_NAME, event->comm_length) == 0;
}

static int feed(struct gt_ingest *ingest, const struct gt_event *event)
{
    unsigned part = part_of(event->kind);

    if (part && !(ingest->options.detect & part))
        return 0;
    if (part == GT_DETECT_GIL && is_gates(event))
        return 0;
    ingest->out.gil_hits += part == GT_DETECT_GIL;
    return gt_timeline_feed(ingest->timeline, event) ? GT_ERR_MEMORY : 0;
}

static bool is_wanted(const struct merged *merged, const struct gt_event *event)
{
    switch (gt_event_group(event->kind)) {
    case GT_EVENTS_FUNCTION:
    case GT_EVENTS_MARK:
    case GT_EVENTS_SYNC:
        return true;
    case GT_EVENTS_GIL:
        return merged->parts & GT_AGENTLOG_GIL;
    default:
        break;
    }
    if (event->kind == GT_EVENT_COMM && event->new_name.by_threading)
        return true;
    if (event->kind == GT_EVENT_LOST)
        return merged->parts & GT_AGENTLOG_GIL;
    return merged->parts & GT_AGENTLOG_LIVES;
}

/* Have the source's next event at hand, unless it is used up. 0 or negative. */
static int look_ahead(const struct gt_ingest *ingest, struct merged *merged)
{
    int rc;

    if (merged->pending || !merged->source)
        return 0;
    rc = merged->next(merged->source, &merged->event, NULL);
    merged->pending = rc > 0;
    if (rc <= 0)
        merged->source = NULL;
    /* The root's parent is giltracer itself: not part of the recording. */
    if (rc > 0 && merged->event.kind == GT_EVENT_FORK &&
        merged->event.pid == ingest->root_pid && merged->event.tid == ingest->root_pid)
        merged->event.creator.pid = merged->event.creator.tid = 0;
    return rc < 0 ? rc : 0;
}

/* Feed what was seen elsewhere before `until_ns`, the earliest first. */
static int take_merged(struct gt_ingest *ingest, int64_t until_ns)
{
    for (;;) {
        struct merged *first = NULL;

        for (size_t i = 0; i < ingest->merged_count; i++) {
            struct merged *merged = &ingest->merged[i];
            int rc = look_ahead(ingest, merged);

            if (rc < 0)
                return rc;
            if (merged->pending && (!first || merged->event.time_ns < first->event.time_ns))
                first = merged;
        }
        if (!first || first->event.time_ns >= until_ns)
            return 0;
        first->pending = false;
        if (first->event.kind == GT_EVENT_STOPPED && !(first->parts & GT_AGENTLOG_GIL))
            first->event.stopped.gil = false;
        if (is_wanted(first, &first->event) && feed(ingest, &first->event) < 0)
            return GT_ERR_MEMORY;
    }
}

/* An event that the model has a use for of its own was asked to be counted as well. */
static int count(struct gt_ingest *ingest, const struct gt_event *event)
{
    char *const *names = ingest->options.counters;
    struct gt_event copy;

    for (; event->kind != GT_EVENT_COUNTER && event->name && names && *names; names++) {
        if (strlen(*names) != event->name_length ||
            memcmp(*names, event->name, event->name_length) != 0)
            continue;
        copy = *event;
        copy.kind = GT_EVENT_COUNTER;
        copy.period = 1;
        return feed(ingest, &copy);
    }
    return 0;
}

static int take_event(void *context, const struct gt_event *event)
{
    struct gt_ingest *ingest = context;

    if (ingest->merged_count && event->time_ns > 0) {
        if (ingest->text_start_ns < 0)
            ingest->text_start_ns = event->time_ns;
        ingest->text_end_ns = event->time_ns;
        if (take_merged(ingest, event->time_ns) < 0)
            return GT_ERR_MEMORY;
    }
    return count(ingest, event) < 0 ? GT_ERR_MEMORY : feed(ingest, event);
}

static int next_of_agentlog(void *source, struct gt_event *event, struct gt_error *err)
{
    return gt_agentlog_next(source, event, err);
}

void gt_ingest_set_agentlog(struct gt_ingest *ingest, struct gt_agentlog *log, unsigned parts)
{
    const struct gt_agentlog_quality *quality = gt_agentlog_quality(log);

    if (parts)
        gt_ingest_expect_no_text(ingest);
    ingest->agentlog = log;
    ingest->out.agent_sees_gil = parts & GT_AGENTLOG_GIL;
    ingest->out.blind = parts & GT_AGENTLOG_GIL && !quality->threads;
    ingest->out.agent_cpus = quality->cpus;
    ingest->merged[ingest->merged_count++] =
        (struct merged){.next = next_of_agentlog, .source = log, .parts = parts};
}

void gt_ingest_lack_agentlog(struct gt_ingest *ingest, unsigned parts)
{
    if (parts)
        gt_ingest_expect_no_text(ingest);
    ingest->out.agent_sees_gil = ingest->out.blind = parts & GT_AGENTLOG_GIL;
}

void gt_ingest_expect_no_text(struct gt_ingest *ingest)
{
    ingest->expects_text = false;
}

static int next_of_viztracer(void *source, struct gt_event *event, struct gt_error *err)
{
    return gt_viztracer_next(source, event, err);
}

void gt_ingest_set_viztracer(struct gt_ingest *ingest, struct gt_viztracer *trace,
                             const char *name)
{
    ingest->viztracer = trace;
    ingest->out.viztracer = true;
    ingest->viztracer_name = name;
    ingest->merged[ingest->merged_count++] =
        (struct merged){.next = next_of_viztracer, .source = trace};
}

/* Another run's, or of another clock? */
static int check_viztracer(const struct gt_ingest *ingest, struct gt_error *err)
{
    const struct gt_viztracer_quality *quality;

    if (!ingest->viztracer || ingest->text_start_ns < 0)
        return 0;
    quality = gt_viztracer_quality(ingest->viztracer);
    if (quality->start_ns <= ingest->text_end_ns && quality->end_ns >= ingest->text_start_ns)
        return 0;
    return gt_error_set(
        err, GT_ERR_FORMAT,
        "%s is of another run, or of another clock: it covers %.3f s to %.3f s, the recording "
        "%.3f s to %.3f s (record with perf record -k CLOCK_MONOTONIC)",
        ingest->viztracer_name, (double)quality->start_ns / GT_NS_PER_S,
        (double)quality->end_ns / GT_NS_PER_S, (double)ingest->text_start_ns / GT_NS_PER_S,
        (double)ingest->text_end_ns / GT_NS_PER_S);
}

struct gt_ingest *gt_ingest_new(const struct gt_ingest_options *options, struct gt_error *err)
{
    struct gt_ingest *ingest = calloc(1, sizeof(*ingest));

    if (!ingest) {
        gt_error_memory(err);
        return NULL;
    }
    ingest->options = *options;
    ingest->out.detect = options->detect;
    ingest->out.probed = options->probed;
    ingest->root_pid = -1;
    ingest->expects_text = true;
    ingest->text_start_ns = ingest->text_end_ns = -1;
    gt_source_init(&ingest->source, take_event, ingest, true);
    ingest->timeline = gt_timeline_new(options->single_gil, err);
    ingest->out.timeline = ingest->timeline;
    if (!ingest->timeline) {
        gt_ingest_free(ingest);
        return NULL;
    }
    gt_timeline_set_runtime(ingest->timeline, options->runtime);
    gt_timeline_set_probed(ingest->timeline, options->probed);
    gt_timeline_set_realtime(ingest->timeline, options->realtime_ns);
    for (size_t i = 0; options->counters && options->counters[i]; i++)
        if (gt_counters_expect(ingest->timeline, options->counters[i])) {
            gt_ingest_free(ingest);
            gt_error_memory(err);
            return NULL;
        }
    return ingest;
}

void gt_ingest_free(struct gt_ingest *ingest)
{
    if (!ingest)
        return;
    gt_timeline_free(ingest->timeline);
    gt_source_release(&ingest->source);
    free(ingest);
}

int gt_ingest_feed(struct gt_ingest *ingest, const char *data, size_t length,
                   struct gt_error *err)
{
    int rc = gt_source_feed(&ingest->source, data, length);

    return rc < 0 ? gt_error_memory(err) : 0;
}

void gt_ingest_set_target(struct gt_ingest *ingest, int32_t pid, int64_t ended_ns)
{
    ingest->root_pid = pid;
    ingest->ended_ns = ended_ns;
}

/* Text of which nothing was understood is some other file. */
static int check_format(const struct gt_ingest *ingest, struct gt_error *err)
{
    const struct gt_source *source = &ingest->source;

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

/* What the agent measured, after all of its log was taken. */
static void take_costs(struct gt_ingest *ingest)
{
    const struct gt_agentlog_quality *agent;

    if (!ingest->agentlog)
        return;
    agent = gt_agentlog_quality(ingest->agentlog);
    ingest->out.event_ps = agent->event_ps;
    ingest->out.call_ps = agent->call_ps;
    ingest->out.c_call_ps = agent->c_call_ps;
    ingest->out.code_permille = agent->code_permille;
}

int gt_ingest_finish(struct gt_ingest *ingest, struct gt_error *err)
{
    struct gt_timeline *timeline = ingest->timeline;
    int rc = gt_source_finish(&ingest->source);
    int64_t recorded_ns;

    if (rc < 0)
        return gt_error_memory(err);
    recorded_ns = timeline->end_ns;
    rc = take_merged(ingest, INT64_MAX);
    if (rc < 0)
        return gt_error_memory(err);
    take_costs(ingest);
    if (ingest->ended_ns > 0 && !gt_timeline_saw_exit(timeline, ingest->root_pid))
        gt_timeline_ended_early(timeline, recorded_ns, ingest->ended_ns);
    rc = ingest->expects_text ? check_format(ingest, err) : 0;
    if (rc == 0)
        rc = check_viztracer(ingest, err);
    if (rc < 0)
        return rc;
    timeline->quality.lines = ingest->source.lines;
    timeline->quality.unparsed_lines = ingest->source.unknown_lines;
    rc = gt_timeline_finish(timeline, err);
    if (rc < 0)
        return rc;
    /* Asked for states only: what is known of the GIL has marked the sleeps for it. */
    if (!(ingest->options.detect & GT_DETECT_GIL))
        gt_timeline_drop_gils(timeline);
    return 0;
}

const struct gt_recorded *gt_ingest_recorded(const struct gt_ingest *ingest)
{
    return &ingest->out;
}
