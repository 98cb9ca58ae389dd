/* SPDX-License-Identifier: MIT */
#include "ingest/ingest.h"

#include "agentlog/agentlog.h"
#include "event/probed_files.h"
#include "ingest/agent_costs.h"
#include "ingest/losses.h"
#include "ingest/native_log.h"
#include "ingest/pairing.h"
#include "ingest/semaphores.h"
#include "ingest/sleep_stack.h"
#include "ingest/spool.h"
#include "ingest/wanted.h"
#include "model/feed.h"
#include "script/source.h"
#include "viztracer/viztracer.h"

#include <stdlib.h>
#include <string.h>

enum { MERGED_MAX = 3 }; /* hits of probes, an agent's log, VizTracer's trace */

struct merged;
/* Feed a source's event; 0 or negative. */
typedef int take_fn(struct gt_ingest *ingest, const struct merged *from,
                    struct gt_event *event);

/* A source of events beside the text. */
struct merged {
    take_fn *take;
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
    struct gt_source probes;      /* text of the probes' own recording */
    struct gt_spool *spool;       /* … and what it holds; NULL: there is none */
    struct gt_native_log *native; /* NULL: there is none */
    struct gt_sleep_stacks sleep_stacks;
    struct gt_semaphores semaphores;
    struct gt_losses text_losses, probe_losses; /* where there are two recordings */
    struct gt_pairing *pairing; /* of the spool and the agent's log; NULL: not of both */
    const struct gt_agentlog *agentlog; /* NULL: there is none */
    const struct gt_viztracer *viztracer;
    const char *viztracer_name;
    int64_t since_ns, until_ns; /* of the recording, as gt_ingest_set_range has them */
    int32_t root_pid;
    int64_t ended_ns;                   /* of the program; 0: not known */
    bool expects_text;                  /* to have none is a failure */
    int64_t seen_start_ns, seen_end_ns; /* of the text, or of the log in its place; -1: none */
    char *cut;                          /* out.cut */
    struct gt_error spool_error;        /* why a hit could not be kept; code 0: none */
    int64_t recorded_ns;                /* the text is whole until then; 0: to its end */
    int64_t recording_end_ns;           /* where it should have ended, if it is not */
    bool rest_out;                      /* the text ends where the probes were taken out */
    bool unseen_told; /* that processes without the agent are not seen any more */
};

/* What an event was recorded for; 0: for all. */
static unsigned part_of(enum gt_event_kind kind)
{
    return gt_event_group(kind) == GT_EVENTS_GIL ? GT_DETECT_GIL : 0;
}

static int feed(struct gt_ingest *ingest, const struct gt_event *event)
{
    unsigned part = part_of(event->kind);

    if (part && !(ingest->options.detect & part))
        return 0;
    if (part == GT_DETECT_GIL && gt_is_of_gate(event))
        return 0;
    ingest->out.gil_hits += part == GT_DETECT_GIL;
    ingest->out.switches += event->kind == GT_EVENT_SWITCH_OUT;
    ingest->out.counted += event->kind == GT_EVENT_COUNTER;
    return gt_timeline_feed(ingest->timeline, event) ? GT_ERR_MEMORY : 0;
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

static int take_plain(struct gt_ingest *ingest, const struct merged *from,
                      struct gt_event *event)
{
    if (event->kind == GT_EVENT_STOPPED && !(from->parts & GT_AGENTLOG_GIL))
        event->stopped.gil = false;
    if (event->kind == GT_EVENT_ASLEEP &&
        gt_sleep_stack_name(&ingest->sleep_stacks, &ingest->timeline->native_stacks, event))
        return GT_ERR_MEMORY;
    return gt_is_wanted_of_source(event, from->parts) ||
                   (ingest->rest_out &&
                    gt_is_life_after_text(event, ingest->out.probes_out_ns, ingest->timeline))
               ? feed(ingest, event)
               : 0;
}

/* Probes serve where the agent ends, as long as they are in. */
static bool probes_go_on(const struct gt_ingest *ingest, const struct gt_event *event)
{
    return !ingest->out.probes_out_ns || event->time_ns < ingest->out.probes_out_ns;
}

static int take_of_agent(struct gt_ingest *ingest, const struct merged *from,
                         struct gt_event *event)
{
    struct gt_event missed;
    int rc = gt_pairing_agent(ingest->pairing, event, &missed);

    if (rc > 0)
        rc = feed(ingest, &missed);
    if (rc == 0 && event->kind == GT_EVENT_STOPPED && probes_go_on(ingest, event)) {
        gt_pairing_stopped(ingest->pairing, event->pid);
        event->stopped.gil = false;
    }
    return rc < 0 ? rc : take_plain(ingest, from, event);
}

/* What perf lost matters where nothing but probes saw a process. */
static int take_hit(struct gt_ingest *ingest, const struct merged *from, struct gt_event *event)
{
    int rc;

    (void)from;
    if (event->kind == GT_EVENT_LOST)
        return gt_pairing_unseen_count(ingest->pairing) ? feed(ingest, event) : 0;
    rc = gt_pairing_probe(ingest->pairing, event);
    return rc > 0 ? feed(ingest, event) : rc;
}

/* Probes were taken out: of processes that only they saw nothing more is known. */
static int tell_unseen(struct gt_ingest *ingest)
{
    const char *why = ingest->out.perf_died ? "perf was ended, and it has no agent"
                                            : "the probes were taken out, and it has no agent";
    size_t count = ingest->pairing ? gt_pairing_unseen_count(ingest->pairing) : 0;
    int rc = 0;

    ingest->unseen_told = true;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct gt_event event = {
            .kind = GT_EVENT_STOPPED,
            .time_ns = ingest->out.probes_out_ns,
            .pid = gt_pairing_unseen(ingest->pairing, i),
            .tid = -1,
            .cpu = -1,
            .stopped = {.why = why, .why_length = (uint32_t)strlen(why), .gil = true},
        };

        if (gt_timeline_saw_exit(ingest->timeline, event.pid))
            continue;
        ingest->out.unseen++;
        rc = feed(ingest, &event);
    }
    return rc;
}

/* The source whose next event is the earliest; NULL: there are no more. 0 or negative. */
static int find_first(struct gt_ingest *ingest, struct merged **first)
{
    *first = NULL;
    for (size_t i = 0; i < ingest->merged_count; i++) {
        struct merged *merged = &ingest->merged[i];
        int rc = look_ahead(ingest, merged);

        if (rc < 0)
            return rc;
        if (merged->pending && (!*first || merged->event.time_ns < (*first)->event.time_ns))
            *first = merged;
    }
    return 0;
}

static void note_time(struct gt_ingest *ingest, int64_t time_ns)
{
    if (ingest->seen_start_ns < 0 || time_ns < ingest->seen_start_ns)
        ingest->seen_start_ns = time_ns;
    if (time_ns > ingest->seen_end_ns)
        ingest->seen_end_ns = time_ns;
}

/* Feed what was seen elsewhere before `until_ns`, the earliest first. */
static int take_merged(struct gt_ingest *ingest, int64_t until_ns)
{
    struct merged *first;
    int rc;

    for (;;) {
        rc = find_first(ingest, &first);
        if (rc < 0)
            return rc;
        if (!first || first->event.time_ns >= until_ns)
            break;
        first->pending = false;
        if (first->parts & GT_AGENTLOG_LIVES)
            note_time(ingest, first->event.time_ns);
        if (first->take(ingest, first, &first->event) < 0)
            return GT_ERR_MEMORY;
    }
    if (ingest->out.probes_out_ns && !ingest->unseen_told &&
        until_ns > ingest->out.probes_out_ns)
        return tell_unseen(ingest);
    return 0;
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

/* Beside another recording, each tells by itself since when its events are missing. */
static int take_event(void *context, const struct gt_event *event)
{
    struct gt_ingest *ingest = context;
    struct gt_event told;
    int lost = ingest->pairing ? gt_losses_note(&ingest->text_losses, event, &told) : 0, rc;
    int64_t out_ns = ingest->out.probes_out_ns;

    if (lost < 0)
        return GT_ERR_MEMORY;
    event = lost ? &told : event;
    if (ingest->rest_out && gt_is_left_out_of_text(event, out_ns, ingest->timeline)) {
        ingest->out.switches += event->kind == GT_EVENT_SWITCH_OUT; /* they cost all the same */
        return 0;
    }
    if ((event->kind == GT_EVENT_EXEC || event->kind == GT_EVENT_EXIT) && ingest->pairing)
        gt_pairing_thread_ended(ingest->pairing, event->tid);
    if (ingest->merged_count && event->time_ns > 0) {
        note_time(ingest, event->time_ns);
        if (take_merged(ingest, event->time_ns) < 0)
            return GT_ERR_MEMORY;
    }
    if (count(ingest, event) < 0)
        return GT_ERR_MEMORY;
    rc = gt_semaphores_filter(&ingest->semaphores, &event, &told);
    return rc > 0 ? feed(ingest, event) : rc;
}

/* --- the probes' own recording --- */

static int spool_event(void *context, const struct gt_event *event)
{
    struct gt_ingest *ingest = context;
    struct gt_event told;
    int rc = gt_losses_note(&ingest->probe_losses, event, &told);

    if (rc < 0)
        return GT_ERR_MEMORY;
    if (rc > 0)
        return gt_spool_put(ingest->spool, &told, &ingest->spool_error);
    if (event->kind != GT_EVENT_COND_SIGNAL && event->kind != GT_EVENT_COND_WAIT)
        return 0;
    return event->time_ns < ingest->since_ns || gt_is_of_gate(event)
               ? 0
               : gt_spool_put(ingest->spool, event, &ingest->spool_error);
}

int gt_ingest_feed_probes(struct gt_ingest *ingest, const char *data, size_t length,
                          struct gt_error *err)
{
    int rc;

    if (!ingest->spool)
        ingest->spool = gt_spool_new(err);
    if (!ingest->spool)
        return err ? err->code : GT_ERR_MEMORY;
    rc = gt_source_feed(&ingest->probes, data, length);
    if (rc < 0 && ingest->spool_error.code && err)
        *err = ingest->spool_error;
    else if (rc < 0)
        rc = gt_source_failed(&ingest->probes, rc, err);
    return rc;
}

struct gt_native_log *gt_ingest_native(struct gt_ingest *ingest, struct gt_error *err)
{
    if (!ingest->native)
        ingest->native = gt_native_log_new(ingest->timeline, err);
    return ingest->native;
}

void gt_ingest_set_probes_out(struct gt_ingest *ingest, int64_t taken_out_ns, bool perf_died)
{
    ingest->out.probes_out_ns = taken_out_ns;
    ingest->out.perf_died = perf_died;
}

void gt_ingest_set_text_end(struct gt_ingest *ingest, int64_t recorded_ns, int64_t end_ns)
{
    ingest->recorded_ns = recorded_ns;
    ingest->recording_end_ns = end_ns;
}

void gt_ingest_set_rest_out(struct gt_ingest *ingest, bool wanted)
{
    ingest->rest_out = true;
    if (wanted)
        gt_timeline_states_ended(ingest->timeline, ingest->out.probes_out_ns);
}

static int next_of_spool(void *source, struct gt_event *event, struct gt_error *err)
{
    return gt_spool_next(source, event, err);
}

/* All hits are known: have them merged with the rest, which is about to come. 0 or negative. */
static int begin_pairing(struct gt_ingest *ingest, struct gt_error *err)
{
    int64_t until_ns = ingest->out.probes_out_ns;
    int rc;

    if (!ingest->spool || ingest->pairing)
        return 0;
    rc = gt_source_finish(&ingest->probes);
    if (rc < 0)
        return gt_source_failed(&ingest->probes, rc, err);
    rc = gt_spool_rewind(ingest->spool, err);
    if (rc < 0)
        return rc;
    if (!until_ns)
        until_ns = gt_spool_end_ns(ingest->spool);
    if (ingest->until_ns && ingest->until_ns < until_ns)
        until_ns = ingest->until_ns;
    ingest->pairing = gt_pairing_new(ingest->since_ns, until_ns, err);
    if (!ingest->pairing)
        return GT_ERR_MEMORY;
    for (size_t i = 0; i < ingest->merged_count; i++)
        if (ingest->merged[i].parts & GT_AGENTLOG_GIL)
            ingest->merged[i].take = take_of_agent;
    ingest->merged[ingest->merged_count++] =
        (struct merged){.take = take_hit, .next = next_of_spool, .source = ingest->spool};
    return 0;
}

/* --- the other sources --- */

static int next_of_agentlog(void *source, struct gt_event *event, struct gt_error *err)
{
    return gt_agentlog_next(source, event, err);
}

void gt_ingest_set_agentlog(struct gt_ingest *ingest, struct gt_agentlog *log, unsigned parts)
{
    const struct gt_agentlog_quality *quality = gt_agentlog_quality(log);

    ingest->expects_text &= !parts;
    ingest->agentlog = log;
    ingest->out.agent_sees_gil = parts & GT_AGENTLOG_GIL;
    ingest->out.blind = parts & GT_AGENTLOG_GIL && !quality->threads;
    ingest->out.agent_cpus = quality->cpus;
    ingest->merged[ingest->merged_count++] = (struct merged){
        .take = take_plain, .next = next_of_agentlog, .source = log, .parts = parts};
}

void gt_ingest_lack_agentlog(struct gt_ingest *ingest, unsigned parts)
{
    ingest->expects_text &= !parts;
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
        (struct merged){.take = take_plain, .next = next_of_viztracer, .source = trace};
}

struct gt_ingest *gt_ingest_new(const struct gt_ingest_options *options, struct gt_error *err)
{
    struct gt_ingest *ingest = calloc(1, sizeof(*ingest));

    if (!ingest) {
        gt_error_memory(err);
        return NULL;
    }
    ingest->options = *options;
    gt_sleep_stacks_init(&ingest->sleep_stacks);
    gt_semaphores_init(&ingest->semaphores, options->probed ? options->probed->python : NULL);
    ingest->out.detect = options->detect;
    ingest->out.probed = options->probed;
    ingest->root_pid = -1;
    ingest->expects_text = true;
    ingest->seen_start_ns = ingest->seen_end_ns = -1;
    gt_source_init(&ingest->source, take_event, ingest, true);
    ingest->source.mappings = true;
    gt_source_init(&ingest->probes, spool_event, ingest, false);
    ingest->out.timeline = ingest->timeline = gt_timeline_new(options->single_gil, err);
    if (!ingest->timeline) {
        gt_ingest_free(ingest);
        return NULL;
    }
    ingest->timeline->no_gil = options->no_gil;
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
    gt_source_release(&ingest->probes);
    gt_native_log_free(ingest->native);
    gt_sleep_stacks_release(&ingest->sleep_stacks);
    gt_semaphores_release(&ingest->semaphores);
    gt_spool_free(ingest->spool);
    gt_losses_release(&ingest->text_losses);
    gt_losses_release(&ingest->probe_losses);
    gt_pairing_free(ingest->pairing);
    free(ingest->cut);
    free(ingest);
}

int gt_ingest_feed(struct gt_ingest *ingest, const char *data, size_t length,
                   struct gt_error *err)
{
    int rc = begin_pairing(ingest, err);

    if (rc < 0)
        return rc;
    rc = gt_source_feed(&ingest->source, data, length);
    return rc < 0 ? gt_source_failed(&ingest->source, rc, err) : 0;
}

void gt_ingest_limit_text(struct gt_ingest *ingest, uint64_t most_events)
{
    ingest->source.most_events = most_events;
}

void gt_ingest_limit_probes(struct gt_ingest *ingest, uint64_t most_events)
{
    ingest->probes.most_events = most_events;
}

int gt_ingest_set_cut(struct gt_ingest *ingest, const char *why)
{
    if (ingest->out.cut)
        return 0;
    ingest->out.cut = ingest->cut = strdup(why);
    return ingest->cut ? 0 : GT_ERR_MEMORY;
}

void gt_ingest_set_target(struct gt_ingest *ingest, int32_t pid, int64_t ended_ns)
{
    ingest->root_pid = pid;
    ingest->ended_ns = ended_ns;
}

void gt_ingest_set_range(struct gt_ingest *ingest, int64_t since_ns, int64_t until_ns,
                         int64_t interval_ns)
{
    ingest->since_ns = since_ns;
    ingest->until_ns = until_ns;
    gt_timeline_set_range(ingest->timeline, since_ns, until_ns, interval_ns);
}

/* Who saw the GIL, and how far two that did agree. */
static int sum_up_sources(struct gt_ingest *ingest, struct gt_error *err)
{
    struct gt_recorded *out = &ingest->out;
    bool agent = ingest->agentlog && gt_agentlog_quality(ingest->agentlog)->threads > 0;
    int rc;

    if (!ingest->pairing)
        return 0;
    out->probe_hits = gt_spool_count(ingest->spool);
    out->blind &= out->probe_hits == 0;
    out->agent_sees_gil &= agent;
    if (!agent || !out->probe_hits)
        return 0;
    rc = gt_pairing_sum(ingest->pairing, out->timeline, &out->agreement);
    return rc < 0 ? gt_error_memory(err) : 0;
}

int gt_ingest_finish(struct gt_ingest *ingest, struct gt_error *err)
{
    struct gt_timeline *timeline = ingest->timeline;
    int64_t recorded_ns;
    int rc = begin_pairing(ingest, err);

    if (rc < 0)
        return rc;
    rc = gt_source_finish(&ingest->source);
    if (rc < 0)
        return gt_source_failed(&ingest->source, rc, err);
    recorded_ns = timeline->end_ns;
    rc = take_merged(ingest, INT64_MAX);
    if (rc < 0 || (ingest->native && gt_native_log_place(ingest->native)))
        return gt_error_memory(err);
    if (ingest->recorded_ns)
        gt_timeline_ended_early(timeline, ingest->recorded_ns, ingest->recording_end_ns);
    else if (ingest->ended_ns > 0 && !gt_timeline_saw_exit(timeline, ingest->root_pid))
        gt_timeline_ended_early(timeline, recorded_ns, ingest->ended_ns);
    rc = ingest->expects_text ? gt_source_check(&ingest->source, err) : 0;
    if (rc == 0 && ingest->viztracer && ingest->seen_start_ns >= 0)
        rc = gt_viztracer_check_run(ingest->viztracer, ingest->viztracer_name,
                                    ingest->seen_start_ns, ingest->seen_end_ns, err);
    if (rc < 0)
        return rc;
    ingest->out.gil_hits += ingest->semaphores.hits; /* each costs what one of the GIL does */
    timeline->probed_locks = ingest->semaphores.hits > 0 ||
                             (ingest->options.probed && ingest->options.probed->locks);
    timeline->quality.lines = ingest->source.lines;
    timeline->quality.unparsed_lines = ingest->source.unknown_lines;
    rc = gt_timeline_finish(timeline, err);
    if (rc == 0)
        rc = sum_up_sources(ingest, err);
    if (rc < 0)
        return rc;
    if (ingest->agentlog)
        gt_take_agent_costs(&ingest->out, gt_agentlog_quality(ingest->agentlog));
    /* Asked for states only: what is known of the GIL has marked the sleeps for it. */
    if (!(ingest->options.detect & GT_DETECT_GIL))
        gt_timeline_drop_gils(timeline);
    return 0;
}

struct gt_timeline *gt_ingest_take_timeline(struct gt_ingest *ingest)
{
    struct gt_timeline *timeline = ingest->timeline;

    ingest->timeline = NULL;
    return timeline;
}

const struct gt_recorded *gt_ingest_recorded(const struct gt_ingest *ingest)
{
    return &ingest->out;
}
