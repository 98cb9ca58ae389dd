#include "report/internal.h"

#include "base/nstime.h"
#include "launch/gate.h"
#include "launch/machine.h"
#include "report/html.h"
#include "report/profile.h"

#include <stdlib.h>
#include <string.h>

/* Which part of the report an event is for; 0: all. */
static unsigned part_of(enum gt_event_kind kind)
{
    if (kind >= GT_EVENT_COND_SIGNAL && kind <= GT_EVENT_DROP_RETURN)
        return GT_DETECT_GIL;
    return 0;
}

/* What the gate did to measure is not the program's. */
static bool is_gates(const struct gt_event *event)
{
    return event->comm_length == sizeof(GT_GATE_NAME) - 1 &&
           memcmp(event->comm, GT_GATE_NAME, event->comm_length) == 0;
}

static int feed(struct gt_report *report, const struct gt_event *event)
{
    unsigned part = part_of(event->kind);

    if (part && !(report->detect & part))
        return 0;
    if (part == GT_DETECT_GIL && is_gates(event))
        return 0;
    report->gil_hits += part == GT_DETECT_GIL;
    return gt_timeline_feed(report->timeline, event) ? GT_ERR_MEMORY : 0;
}

static bool is_wanted(const struct gt_merged *merged, const struct gt_event *event)
{
    if (event->kind >= GT_EVENT_CALL ||
        (event->kind == GT_EVENT_COMM && event->flags & GT_COMM_THREADING))
        return true;
    if (part_of(event->kind) == GT_DETECT_GIL || event->kind == GT_EVENT_LOST)
        return merged->parts & GT_AGENTLOG_GIL;
    return merged->parts & GT_AGENTLOG_LIVES;
}

/* Have the source's next event at hand, unless it is used up. 0 or negative. */
static int look_ahead(const struct gt_report *report, struct gt_merged *merged)
{
    int rc;

    if (merged->pending || !merged->source)
        return 0;
    rc = merged->next(merged->source, &merged->event, NULL);
    merged->pending = rc > 0;
    if (rc <= 0)
        merged->source = NULL;
    /* The root's parent is giltracer itself: not part of the story. */
    if (rc > 0 && merged->event.kind == GT_EVENT_FORK &&
        merged->event.pid == report->info->root_pid &&
        merged->event.tid == report->info->root_pid)
        merged->event.other_pid = merged->event.other_tid = 0;
    return rc < 0 ? rc : 0;
}

/* Feed what was seen elsewhere before `until_ns`, the earliest first. */
static int take_merged(struct gt_report *report, int64_t until_ns)
{
    for (;;) {
        struct gt_merged *first = NULL;

        for (size_t i = 0; i < report->merged_count; i++) {
            struct gt_merged *merged = &report->merged[i];
            int rc = look_ahead(report, merged);

            if (rc < 0)
                return rc;
            if (merged->pending && (!first || merged->event.time_ns < first->event.time_ns))
                first = merged;
        }
        if (!first || first->event.time_ns >= until_ns)
            return 0;
        first->pending = false;
        if (first->event.kind == GT_EVENT_STOPPED && !(first->parts & GT_AGENTLOG_GIL))
            first->event.flags &= ~(uint32_t)GT_STOPPED_GIL;
        if (is_wanted(first, &first->event) && feed(report, &first->event) < 0)
            return GT_ERR_MEMORY;
    }
}

/* An event that the model has a use for of its own was asked to be counted as well. */
static int count(struct gt_report *report, const struct gt_event *event)
{
    char *const *names = report->info->counters;
    struct gt_event copy;

    for (; event->kind != GT_EVENT_COUNTER && event->text && names && *names; names++) {
        if (strlen(*names) != event->text_length ||
            memcmp(*names, event->text, event->text_length) != 0)
            continue;
        copy = *event;
        copy.kind = GT_EVENT_COUNTER;
        copy.value = 1;
        return feed(report, &copy);
    }
    return 0;
}

static int take_event(void *context, const struct gt_event *event)
{
    struct gt_report *report = context;

    if (report->merged_count && event->time_ns > 0) {
        if (report->text_start_ns < 0)
            report->text_start_ns = event->time_ns;
        report->text_end_ns = event->time_ns;
        if (take_merged(report, event->time_ns) < 0)
            return GT_ERR_MEMORY;
    }
    return count(report, event) < 0 ? GT_ERR_MEMORY : feed(report, event);
}

static int next_of_agentlog(void *source, struct gt_event *event, struct gt_error *err)
{
    return gt_agentlog_next(source, event, err);
}

void gt_report_set_agentlog(struct gt_report *report, struct gt_agentlog *log, unsigned parts)
{
    report->without_text = parts != 0; /* else the text is to have told of the GIL */
    report->agentlog = log;
    report->agent_sees_gil = parts & GT_AGENTLOG_GIL;
    report->blind = parts & GT_AGENTLOG_GIL && (!log || !gt_agentlog_quality(log)->threads);
    report->agent_cpus = log ? gt_agentlog_quality(log)->cpus : 0;
    if (log)
        report->merged[report->merged_count++] =
            (struct gt_merged){.next = next_of_agentlog, .source = log, .parts = parts};
}

static int next_of_viztracer(void *source, struct gt_event *event, struct gt_error *err)
{
    return gt_viztracer_next(source, event, err);
}

void gt_report_set_viztracer(struct gt_report *report, struct gt_viztracer *trace,
                             const char *name)
{
    report->viztracer = trace;
    report->viztracer_name = name;
    report->merged[report->merged_count++] =
        (struct gt_merged){.next = next_of_viztracer, .source = trace};
}

/* Another run's, or of another clock? */
static int check_viztracer(const struct gt_report *report, struct gt_error *err)
{
    const struct gt_viztracer_quality *quality;

    if (!report->viztracer || report->text_start_ns < 0)
        return 0;
    quality = gt_viztracer_quality(report->viztracer);
    if (quality->start_ns <= report->text_end_ns && quality->end_ns >= report->text_start_ns)
        return 0;
    return gt_error_set(
        err, GT_ERR_FORMAT,
        "%s is of another run, or of another clock: it covers %.3f s to %.3f s, the recording "
        "%.3f s to %.3f s (record with perf record -k CLOCK_MONOTONIC)",
        report->viztracer_name, (double)quality->start_ns / GT_NS_PER_S,
        (double)quality->end_ns / GT_NS_PER_S, (double)report->text_start_ns / GT_NS_PER_S,
        (double)report->text_end_ns / GT_NS_PER_S);
}

struct gt_report *gt_report_new(unsigned detect, const struct gt_run_info *info,
                                struct gt_error *err)
{
    struct gt_report *report = calloc(1, sizeof(*report));

    if (!report) {
        gt_error_memory(err);
        return NULL;
    }
    report->detect = detect;
    report->info = info;
    report->text_start_ns = report->text_end_ns = -1;
    gt_strvec_init(&report->findings);
    gt_source_init(&report->source, take_event, report, true);
    report->timeline = gt_timeline_new(info->single_gil, err);
    if (!report->timeline) {
        gt_report_free(report);
        return NULL;
    }
    gt_timeline_set_runtime(report->timeline, info->runtime);
    gt_timeline_set_probed(report->timeline, info->probed);
    gt_timeline_set_realtime(report->timeline, info->realtime_ns);
    for (size_t i = 0; info->counters && info->counters[i]; i++)
        if (gt_counters_expect(report->timeline, info->counters[i])) {
            gt_report_free(report);
            gt_error_memory(err);
            return NULL;
        }
    return report;
}

void gt_report_free(struct gt_report *report)
{
    if (!report)
        return;
    if (report->contentions)
        for (uint32_t i = 0; i < report->timeline->gils.count; i++)
            gt_contention_release(&report->contentions[i]);
    if (report->blockers)
        for (uint32_t i = 0; i < report->timeline->gils.count; i++)
            gt_blockers_release(&report->blockers[i]);
    gt_whatif_release(&report->whatif);
    free(report->contentions);
    free(report->blockers);
    gt_timeline_free(report->timeline);
    gt_source_release(&report->source);
    gt_strvec_release(&report->findings);
    free(report);
}

int gt_report_feed(struct gt_report *report, const char *data, size_t length,
                   struct gt_error *err)
{
    int rc = gt_source_feed(&report->source, data, length);

    return rc < 0 ? gt_error_memory(err) : 0;
}

/* Text of which nothing was understood is some other file. */
static int check_format(const struct gt_report *report, struct gt_error *err)
{
    const struct gt_source *source = &report->source;

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

/* CPUs that the program could use, as what-if wants them: by a quota, and by the process's own
 * affinity, too. */
static double usable_cpus(const struct gt_report *report)
{
    double usable =
        report->info->usable_cpus > 0 ? report->info->usable_cpus : report->info->cpus;

    if (report->info->usable_cpus_changed)
        return -1;
    if (report->agent_cpus && (usable <= 0 || report->agent_cpus < usable))
        usable = report->agent_cpus;
    return usable;
}

/* To the time on a CPU; 0: not known. */
static double ready_ratio(const struct gt_report *report)
{
    const struct gt_machine *machine = report->info->machine;
    double running = (double)report->crowd.running_ns, ready = (double)report->crowd.ready_ns;

    if (report->crowd.ready_ns < 0 && machine && machine->ready_ns >= 0) {
        running = (double)machine->cpu_ns;
        ready = (double)machine->ready_ns;
    }
    return running > 0 && ready >= 0 ? ready / running : 0;
}

/* Of a hit of a probe the gate knows, of the rest the agent. */
static int estimate_cost(struct gt_report *report, struct gt_error *err)
{
    const struct gt_agentlog_quality *agent =
        report->agentlog ? gt_agentlog_quality(report->agentlog) : NULL;
    struct gt_cost_measured measured = {.gil_events = report->gil_hits,
                                        .call_ps = agent ? agent->call_ps : 0,
                                        .c_call_ps = agent ? agent->c_call_ps : 0,
                                        .code_permille = agent ? agent->code_permille : 0,
                                        .ready_ratio = ready_ratio(report)};
    int64_t hit_ns = report->info->hit_ns;

    if (report->agent_sees_gil && agent)
        measured.gil_event_ps = agent->event_ps;
    else if (!report->agent_sees_gil && hit_ns > 0)
        measured.gil_event_ps = gt_times_ns(hit_ns, 1000) + (agent ? agent->event_ps : 0);
    return gt_cost_estimate(report->timeline, report->blockers, &measured, &report->cost, err);
}

static int analyse(struct gt_report *report, struct gt_error *err)
{
    const struct gt_timeline *timeline = report->timeline;
    size_t count = timeline->gils.count;
    int rc = 0;

    report->contentions = calloc(count + 1, sizeof(*report->contentions));
    report->blockers = calloc(count + 1, sizeof(*report->blockers));
    if (!report->contentions || !report->blockers)
        return gt_error_memory(err);
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        rc = gt_contention_init(&report->contentions[i], gt_gil_at(timeline, i), err);
        if (rc == 0)
            rc = gt_blockers_init(&report->blockers[i], timeline, i, err);
    }
    if (rc == 0)
        rc = gt_crowd_init(&report->crowd, timeline, report->blockers, err);
    if (rc == 0)
        rc = estimate_cost(report, err);
    if (rc < 0)
        return rc;
    return gt_whatif_init(&report->whatif, timeline, report->blockers, usable_cpus(report),
                          report->cost.code_ns > 0 ? report->cost.total_ns : 0, err);
}

void gt_report_set_end(struct gt_report *report, int64_t ended_ns)
{
    report->ended_ns = ended_ns;
}

int gt_report_finish(struct gt_report *report, struct gt_error *err)
{
    struct gt_timeline *timeline = report->timeline;
    int rc = gt_source_finish(&report->source);
    int64_t recorded_ns;

    if (rc < 0)
        return gt_error_memory(err);
    recorded_ns = timeline->end_ns;
    rc = take_merged(report, INT64_MAX);
    if (rc < 0)
        return gt_error_memory(err);
    if (report->ended_ns > 0 && !gt_timeline_saw_exit(timeline, report->info->root_pid))
        gt_timeline_ended_early(timeline, recorded_ns, report->ended_ns);
    rc = report->without_text ? 0 : check_format(report, err);
    if (rc == 0)
        rc = check_viztracer(report, err);
    if (rc < 0)
        return rc;
    timeline->quality.lines = report->source.lines;
    timeline->quality.unparsed_lines = report->source.unknown_lines;
    rc = gt_timeline_finish(timeline, err);
    if (rc < 0)
        return rc;
    /* Asked for states only: what is known of the GIL has marked the sleeps for it. */
    if (!(report->detect & GT_DETECT_GIL))
        gt_timeline_drop_gils(timeline);
    rc = analyse(report, err);
    if (rc < 0)
        return rc;
    if (gt_findings_make(report))
        return gt_error_memory(err);
    if (!(report->detect & GT_DETECT_SCHED))
        gt_timeline_drop_states(timeline);
    return 0;
}

void gt_report_set_metrics(struct gt_report *report, const struct gt_metrics *metrics)
{
    report->metrics = metrics;
}

const struct gt_timeline *gt_report_timeline(const struct gt_report *report)
{
    return report->timeline;
}

static const struct {
    const char *ending;
    enum gt_report_format format;
} endings[] = {
    {".json", GT_FORMAT_JSON}, {".json.gz", GT_FORMAT_JSON_GZ}, {".html", GT_FORMAT_HTML},
    {".htm", GT_FORMAT_HTML},  {".folded", GT_FORMAT_FOLDED},   {".pb.gz", GT_FORMAT_PPROF},
};

int gt_report_format_of(const char *path, enum gt_report_format *format, struct gt_error *err)
{
    size_t length = strlen(path);

    if (strcmp(path, "-") == 0) {
        *format = GT_FORMAT_JSON;
        return 0;
    }
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        size_t size = strlen(endings[i].ending);

        if (length >= size && strcmp(path + length - size, endings[i].ending) == 0) {
            *format = endings[i].format;
            return 0;
        }
    }
    return gt_error_set(err, GT_ERR_USAGE,
                        "%s: the ending of an output's name says its format: .html, .json, "
                        ".json.gz, .folded or .pb.gz",
                        path);
}

int gt_report_write(struct gt_report *report, enum gt_report_format format,
                    struct gt_output *output, struct gt_error *err)
{
    struct gt_buf summary;
    int rc;

    if (format == GT_FORMAT_FOLDED)
        return gt_folded_write(report, output, err);
    if (format == GT_FORMAT_PPROF)
        return gt_pprof_write(report, output, err);
    gt_buf_init(&summary);
    rc = gt_report_summary(report, &summary, err);
    if (rc == 0 && format == GT_FORMAT_HTML)
        rc = gt_html_write(report->timeline, summary.data, summary.length,
                           report->info->keep_interpreter_frames, output, err);
    else if (rc == 0)
        rc = gt_chrome_write(report, &summary, format == GT_FORMAT_JSON_GZ, output, err);
    gt_buf_release(&summary);
    return rc;
}

int gt_report_name(const struct gt_report *report, uint32_t thread, struct gt_buf *text)
{
    char label[64];
    size_t length = gt_timeline_thread_label(report->timeline, thread, label, sizeof(label));

    return gt_buf_add_visible(text, label, length);
}

int gt_report_label(const struct gt_report *report, uint32_t index, struct gt_buf *text)
{
    const struct gt_thread *thread = gt_thread_at(report->timeline, index);

    if (gt_report_name(report, index, text))
        return -1;
    return thread->flags & GT_THREAD_NAMESAKE ? gt_buf_addf(text, " (%d)", thread->tid) : 0;
}
