/* SPDX-License-Identifier: MIT */
#include "report/values.h"

#include "base/nstime.h"
#include "report/counters.h"
#include "report/labels.h"
#include "report/run_json.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The "giltracer" object: SCHEMA.md says what each key means. Jansson steals the references
 * of `_new` values and treats NULL as failure, so allocation failures surface at the end. */

static json_t *run_value(const struct gt_report *report)
{
    int64_t zero_ns = gt_report_zero_ns(report), end_ns = report->timeline->end_ns;
    json_t *value = gt_run_json(report->info);

    gt_json_set(&value, "function_source", gt_json_optional(gt_report_function_source(report)));
    gt_json_set(&value, "start_ns", json_integer(zero_ns));
    gt_json_set(&value, "wall_ns", json_integer(end_ns > 0 ? end_ns - zero_ns : 0));
    return value;
}

/* Whom each waiter waited for grows with the square of the threads: of thousands, each lists
 * those that it waited for most. */
static size_t blames_max(const struct gt_gil *gil)
{
    enum { ALL = 100000, LEAST = 16 };
    size_t max = ALL / (gil->members.count + 1);

    return max > LEAST ? max : LEAST;
}

/* `thread` GT_NO_INDEX: of no thread in particular. */
static json_t *blame_value(const struct gt_report *report, uint32_t thread, const char *label,
                           int64_t ns, int64_t wait_ns)
{
    double share = wait_ns ? (double)ns / (double)wait_ns : 0;

    if (thread == GT_NO_INDEX)
        return json_pack("{s:n, s:n, s:s, s:I, s:f}", "thread", "tid", "label", label, "ns",
                         (json_int_t)ns, "share", share);
    return json_pack("{s:i, s:i, s:o, s:I, s:f}", "thread", (int)thread, "tid",
                     gt_thread_at(report->timeline, thread)->tid, "label",
                     gt_json_label(report, thread), "ns", (json_int_t)ns, "share", share);
}

static json_t *blamed_value(const struct gt_report *report, uint32_t gil_index, uint32_t waiter)
{
    const struct gt_gil *gil = gt_gil_at(report->timeline, gil_index);
    const struct gt_contention *contention = &report->analysis->contentions[gil_index];
    int64_t wait_ns = gt_gil_thread_at(gil, waiter)->wait_ns, others_ns = 0, nobody_ns = 0;
    size_t count, first = gt_contention_of(contention, waiter, &count);
    size_t max = blames_max(gil);
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++) {
        const struct gt_blame *blame = gt_blame_at(contention, first + i);

        if (blame->holder == GT_NO_INDEX)
            nobody_ns = blame->ns;
        else if (blame->holder == GT_OTHERS || i >= max)
            others_ns = gt_add_ns(others_ns, blame->ns);
        else
            gt_json_add(&list, blame_value(report, gt_gil_thread_at(gil, blame->holder)->thread,
                                           NULL, blame->ns, wait_ns));
    }
    if (others_ns)
        gt_json_add(&list, blame_value(report, GT_NO_INDEX, "(others)", others_ns, wait_ns));
    if (nobody_ns)
        gt_json_add(&list, blame_value(report, GT_NO_INDEX, "(nobody)", nobody_ns, wait_ns));
    return list;
}

static json_t *states_value(const struct gt_sched *sched)
{
    json_t *states = json_object();

    for (int i = GT_SCHED_RUNNING; i < GT_SCHED_STATES; i++)
        if (sched->state_count[i])
            gt_json_set(&states, gt_sched_state_name((enum gt_sched_state)i),
                        json_pack("{s:I, s:I}", "ns", (json_int_t)sched->state_ns[i], "count",
                                  (json_int_t)sched->state_count[i]));
    return states;
}

static json_t *thread_value(const struct gt_report *report, uint32_t index)
{
    const struct gt_timeline *timeline = report->timeline;
    const struct gt_thread *thread = gt_thread_at(timeline, index);
    const struct gt_sched *sched = gt_sched_of(timeline, index);
    int64_t zero_ns = gt_report_zero_ns(report);
    json_t *value =
        json_pack("{s:i, s:i, s:i, s:o, s:b, s:I, s:I, s:b, s:b}", "thread", (int)index, "tid",
                  thread->tid, "pid", gt_process_at(timeline, thread->process)->pid, "label",
                  gt_json_label(report, index), "main", (thread->flags & GT_THREAD_MAIN) != 0,
                  "start_ns", (json_int_t)(thread->start_ns - zero_ns), "end_ns",
                  (json_int_t)(thread->end_ns - zero_ns), "saw_start",
                  (thread->flags & GT_THREAD_SAW_START) != 0, "saw_exit",
                  (thread->flags & GT_THREAD_SAW_EXIT) != 0);

    if (value && gt_lock_wait_of(timeline, index))
        gt_json_set(&value, "lock_wait_ns", json_integer(gt_lock_wait_of(timeline, index)));
    if (value && gt_stopped_of(timeline, index))
        gt_json_set(&value, "stopped_ns", json_integer(gt_stopped_of(timeline, index)));
    if (value && sched && gt_report_shows_states(report)) {
        gt_json_set(&value, "states", states_value(sched));
        gt_json_set(&value, "ready_holding_ns", json_integer(sched->ready_holding_ns));
        gt_json_set(&value, "ready_holding_count",
                    json_integer((json_int_t)sched->ready_holding_count));
    }
    return value;
}

static json_t *member_value(const struct gt_report *report, uint32_t gil_index, uint32_t index)
{
    const struct gt_gil_thread *member =
        gt_gil_thread_at(gt_gil_at(report->timeline, gil_index), index);
    int64_t free_ns =
        member->lifetime_ns - member->hold_ns - member->wait_ns - member->unknown_ns;
    json_t *value = thread_value(report, member->thread);
    struct gt_contended_member contended =
        gt_contended_of(&report->analysis->contended[gil_index], index);
    json_t *sums = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "lifetime_ns",
        (json_int_t)member->lifetime_ns, "hold_ns", (json_int_t)member->hold_ns, "wait_ns",
        (json_int_t)member->wait_ns, "free_ns", (json_int_t)free_ns, "unknown_ns",
        (json_int_t)member->unknown_ns, "holds", (json_int_t)member->holds, "waits",
        (json_int_t)member->waits, "longest_wait_ns", (json_int_t)member->longest_wait_ns,
        "longest_hold_ns", (json_int_t)member->longest_hold_ns, "contended_ns",
        (json_int_t)contended.ns, "contended_hold_ns", (json_int_t)contended.hold_ns,
        "blocked_by", blamed_value(report, gil_index, index));

    if (!value || !sums || json_object_update(value, sums)) {
        json_decref(value);
        value = NULL;
    }
    json_decref(sums);
    return value;
}

static const char *source_name(enum gt_gil_origin source)
{
    return source == GT_GIL_FROM_COND    ? "cond"
           : source == GT_GIL_FROM_FUTEX ? "futex"
                                         : "functions";
}

/* What the process is, as far as that is known. */
static void set_process(const struct gt_report *report, uint32_t index, json_t **value)
{
    const struct gt_timeline *timeline = report->timeline;
    const struct gt_gil *gil = gt_gil_at(timeline, index);
    const char *at = gt_intern_text(&timeline->names, gil->command);
    const char *end = at + gt_intern_length(&timeline->names, gil->command);
    const struct gt_process *process = gt_process_at(timeline, gil->process);
    uint32_t parent = process->parent;
    json_t *words = json_array();
    struct gt_buf title;

    if (process->own_pid != process->pid)
        gt_json_set(value, "own_pid", json_integer(process->own_pid));
    if (timeline->recordings.count)
        gt_json_set(value, "recording", json_integer(process->recording));
    if (parent != GT_NO_INDEX)
        gt_json_set(value, "parent_pid", json_integer(gt_process_at(timeline, parent)->pid));
    for (; at < end; at += strnlen(at, (size_t)(end - at)) + 1)
        gt_json_add(&words, gt_json_text(at, strnlen(at, (size_t)(end - at))));
    if (gil->role)
        gt_json_set(value, "role",
                    gt_json_text(gt_intern_text(&timeline->names, gil->role),
                                 gt_intern_length(&timeline->names, gil->role)));
    if (!gil->command) {
        json_decref(words);
        return;
    }
    gt_json_set(value, "command", words);
    gt_buf_init(&title);
    gt_json_set(value, "title",
                gt_report_process(report, index, &title)
                    ? NULL
                    : json_stringn(title.length ? title.data : "", title.length));
    gt_buf_release(&title);
}

/* Without its "threads", which are written one by one. */
static json_t *gil_value(const struct gt_report *report, uint32_t index)
{
    const struct gt_timeline *timeline = report->timeline;
    const struct gt_gil *gil = gt_gil_at(timeline, index);
    const struct gt_process *process = gt_process_at(timeline, gil->process);
    int64_t zero_ns = gt_report_zero_ns(report), hold_ns = 0, wait_ns = 0;
    char address[24];
    json_t *value;

    for (uint32_t i = 0; i < gil->members.count; i++) {
        hold_ns = gt_add_ns(hold_ns, gt_gil_thread_at(gil, i)->hold_ns);
        wait_ns = gt_add_ns(wait_ns, gt_gil_thread_at(gil, i)->wait_ns);
    }
    snprintf(address, sizeof(address), "0x%llx", (unsigned long long)gil->address);
    value = json_pack(
        "{s:i, s:i, s:o, s:i, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "index",
        (int)index, "pid", process->pid, "process",
        gt_json_text(gt_intern_text(&timeline->names, gil->name),
                     gt_intern_length(&timeline->names, gil->name)),
        "number", (int)gil->number, "address", address, "source", source_name(gil->source),
        "start_ns", (json_int_t)(gil->start_ns - zero_ns), "end_ns",
        (json_int_t)(gil->end_ns - zero_ns), "hold_ns", (json_int_t)hold_ns, "wait_ns",
        (json_int_t)wait_ns, "contended_ns", (json_int_t)report->analysis->contended[index].ns,
        "violations", (json_int_t)gil->defects.overlaps, "handovers",
        (json_int_t)gil->handovers, "unknown_ns", (json_int_t)gil->unknown_ns);
    set_process(report, index, &value);
    if (gil->unsure_ns)
        gt_json_set(&value, "unsure_ns", json_integer(gil->unsure_ns));
    return value;
}

static json_t *quality_value(const struct gt_quality *quality)
{
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
        "events", (json_int_t)quality->events, "gil_events", (json_int_t)quality->gil_events,
        "lost_events", (json_int_t)quality->lost_events, "lost_ns",
        (json_int_t)quality->lost_ns, "unordered", (json_int_t)quality->unordered, "duplicates",
        (json_int_t)quality->duplicates, "passed_signals", (json_int_t)quality->passed_signals,
        "takes_without_return", (json_int_t)quality->takes_without_return, "returns_missing",
        (json_int_t)quality->returns_missing, "unmatched_releases",
        (json_int_t)quality->unmatched_releases, "unmatched_takes",
        (json_int_t)quality->unmatched_takes, "dropped_gils", (json_int_t)quality->dropped_gils,
        "overlaps", (json_int_t)quality->overlaps, "accounting_errors",
        (json_int_t)quality->accounting_errors, "unparsed_lines",
        (json_int_t)quality->unparsed_lines, "lines", (json_int_t)quality->lines);
}

static json_t *counter_sum_value(const struct gt_report *report,
                                 const struct gt_counter_sum *sum)
{
    struct gt_counter_rates rates;

    gt_counter_rates(report->timeline, sum, &rates);
    return json_pack("{s:i, s:i, s:o, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f}", "thread",
                     (int)sum->thread, "tid", gt_thread_at(report->timeline, sum->thread)->tid,
                     "label", gt_json_label(report, sum->thread), "samples",
                     (json_int_t)sum->samples, "total", (json_int_t)sum->total, "holding",
                     (json_int_t)sum->holding, "waiting", (json_int_t)sum->waiting, "free",
                     (json_int_t)rates.free, "holding_per_s", rates.holding_per_s,
                     "waiting_per_s", rates.waiting_per_s, "free_per_s", rates.free_per_s);
}

/* Without its "threads", which are written one by one. */
static json_t *counter_value(const struct gt_report *report, const struct gt_counter *counter)
{
    const struct gt_intern *names = &report->timeline->names;

    return json_pack("{s:o, s:I}", "name",
                     gt_json_text(gt_intern_text(names, counter->name),
                                  gt_intern_length(names, counter->name)),
                     "samples", (json_int_t)counter->samples.count);
}

/* What was recorded of scheduling; null when nothing is shown of it. */
static json_t *sched_value(const struct gt_report *report)
{
    const struct gt_timeline *timeline = report->timeline;

    if (!gt_report_shows_states(report))
        return json_null();
    return json_pack("{s:b, s:b, s:i}", "reasons", timeline->saw_reasons, "stacks",
                     timeline->saw_stacks, "distinct_stacks",
                     (int)gt_intern_count(&timeline->stacks.stacks) - 1);
}

/*
 * The document is written value by value: jansson needs some kilobytes for what is a line of
 * text, and there may be as many threads as a server had requests.
 */
struct sink {
    gt_emit *emit;
    void *context;
    struct gt_buf text; /* not emitted yet */
    int rc;             /* what emit returned; 0: nothing failed */
    bool no_memory;     /* jansson forgets some of its callback's failures */
};

static bool has_failed(const struct sink *sink)
{
    return sink->no_memory || sink->rc < 0;
}

/* Jansson's output, with what could end an HTML <script> escaped (only strings hold it). */
static int append(const char *text, size_t length, void *context)
{
    struct sink *sink = context;
    const char *end = text + length;

    while (text < end && !sink->no_memory) {
        const char *stop = text;

        while (stop < end && *stop != '<' && *stop != '>' && *stop != '&')
            stop++;
        sink->no_memory = gt_buf_add(&sink->text, text, (size_t)(stop - text)) ||
                          (stop < end && gt_buf_addf(&sink->text, "\\u%04x", *stop));
        text = stop + 1;
    }
    return sink->no_memory ? -1 : 0;
}

static void flush(struct sink *sink)
{
    if (!has_failed(sink) && sink->text.length)
        sink->rc = sink->emit(sink->context, sink->text.data, sink->text.length);
    gt_buf_reset(&sink->text);
}

/* `before`: what separates the value from the one before it. Takes the reference. */
static void put(struct sink *sink, const char *before, json_t *value)
{
    enum { PIECE_BYTES = 1 << 16 };

    if (sink->text.length >= PIECE_BYTES)
        flush(sink);
    if (!value || gt_buf_adds(&sink->text, before) ||
        json_dump_callback(value, append, sink,
                           JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(6)))
        sink->no_memory = true;
    json_decref(value);
}

static void put_text(struct sink *sink, const char *text)
{
    sink->no_memory = sink->no_memory || gt_buf_adds(&sink->text, text);
}

/* An object that was just put goes on: with a list, under `key` (`,"key":[`). */
static void reopen(struct sink *sink, const char *key)
{
    if (has_failed(sink))
        return;
    sink->text.length--;
    put_text(sink, key);
}

/* Takes the reference. */
static void put_groups(struct sink *sink, json_t *groups)
{
    if (groups && json_array_size(groups) == 0)
        json_decref(groups);
    else
        put(sink, ",\"groups\":", groups);
}

static void put_gil(struct sink *sink, const struct gt_report *report, uint32_t index)
{
    put(sink, index ? "," : "", gil_value(report, index));
    reopen(sink, ",\"threads\":[");
    for (uint32_t i = 0;
         !has_failed(sink) && i < gt_gil_at(report->timeline, index)->members.count; i++)
        put(sink, i ? "," : "", member_value(report, index, i));
    put_text(sink, "]");
    put_groups(sink, gt_summary_groups(report, index));
    put_text(sink, "}");
}

static void put_counter(struct sink *sink, const struct gt_report *report, size_t index)
{
    const struct gt_counter *counter = gt_chunks_at(&report->timeline->counters, index);

    put(sink, index ? "," : "", counter_value(report, counter));
    reopen(sink, ",\"threads\":[");
    for (size_t i = 0; !has_failed(sink) && i < counter->sums.count; i++)
        put(sink, i ? "," : "", counter_sum_value(report, gt_chunks_at(&counter->sums, i)));
    put_text(sink, "]}");
}

/* The items of what was made for each GIL, in one list. */
static void put_of_gils(struct sink *sink, const struct gt_report *report,
                        gt_gil_value *value_of)
{
    bool any = false;

    for (uint32_t i = 0; !has_failed(sink) && i < report->timeline->gils.count; i++) {
        json_t *items = value_of(report, i);

        sink->no_memory = sink->no_memory || !items;
        for (size_t k = 0; !has_failed(sink) && k < json_array_size(items); k++) {
            put(sink, any ? "," : "", json_incref(json_array_get(items, k)));
            any = true;
        }
        json_decref(items);
    }
}

static void put_gils(struct sink *sink, const struct gt_report *report)
{
    put_text(sink, ",\"gils\":[");
    for (uint32_t i = 0; !has_failed(sink) && i < report->timeline->gils.count; i++)
        put_gil(sink, report, i);
    put_text(sink, "],\"blockers\":[");
    put_of_gils(sink, report, gt_summary_blockers);
    put_text(sink, "],\"load\":[");
    put_of_gils(sink, report, gt_summary_load);
    put_text(sink, "],\"worst\":[");
    put_of_gils(sink, report, gt_summary_worst);
    put_text(sink, "]");
}

/* What is told in a list of pieces, as long as there are any. */
static void put_lost(struct sink *sink, const struct gt_report *report)
{
    size_t at = 0;
    json_t *value;

    put_text(sink, ",\"lost\":[");
    for (bool any = false; !has_failed(sink) && gt_lost_next(report, &at, &value); any = true)
        put(sink, any ? "," : "", value);
    put_text(sink, "]");
}

static json_t *loss_value(const struct gt_report *report, const struct gt_loss *loss)
{
    int64_t zero_ns = gt_report_zero_ns(report);

    return json_pack("{s:o, s:I, s:I, s:I}", "cpu",
                     loss->cpu >= 0 ? json_integer(loss->cpu) : json_null(), "start_ns",
                     (json_int_t)(loss->start_ns - zero_ns), "end_ns",
                     (json_int_t)(loss->end_ns - zero_ns), "events", (json_int_t)loss->events);
}

/* By CPU, where perf told of any. */
static void put_losses(struct sink *sink, const struct gt_report *report)
{
    const struct gt_chunks *losses = &report->timeline->losses;

    if (losses->count == 0)
        return;
    put_text(sink, ",\"losses\":[");
    for (size_t i = 0; !has_failed(sink) && i < losses->count; i++)
        put(sink, i ? "," : "", loss_value(report, gt_chunks_at(losses, i)));
    put_text(sink, "]");
}

static void put_all(struct sink *sink, const struct gt_report *report)
{
    const struct gt_timeline *timeline = report->timeline;

    put_text(sink, "{\"schema\":1");
    put(sink, ",\"generator\":", json_string("giltracer " GT_VERSION));
    put(sink, ",\"run\":", run_value(report));
    if (timeline->recordings.count)
        put(sink, ",\"recordings\":", gt_recordings_value(report));
    put(sink, ",\"cost\":", gt_cost_value(report));
    put(sink, ",\"sources\":", gt_sources_value(report));
    put(sink, ",\"machine\":", gt_machine_value(report));
    put_text(sink, ",\"findings\":[");
    for (size_t i = 0; !has_failed(sink) && i < report->findings.count; i++)
        put(sink, i ? "," : "", json_string(report->findings.items[i]));
    put_text(sink, "]");
    if (gt_parallel_is_told(report))
        put(sink, ",\"parallel\":", gt_parallel_value(report));
    put(sink, ",\"sched\":", sched_value(report));
    put(sink, ",\"functions\":", gt_functions_value(report));
    put_text(sink, ",\"counters\":[");
    for (size_t i = 0; !has_failed(sink) && i < timeline->counters.count; i++)
        put_counter(sink, report, i);
    put_text(sink, "]");
    put_gils(sink, report);
    if (report->analysis->locks.rows.count)
        put(sink, ",\"locks\":", gt_locks_value(report));
    if (report->analysis->stops.count)
        put(sink, ",\"stops\":", gt_stops_value(report));
    put(sink, ",\"potential\":", gt_whatif_value(report));
    if (report->metrics)
        put(sink, ",\"metrics\":", gt_metrics_value(report->metrics));
    put_text(sink, ",\"threads\":[");
    for (uint32_t i = 0; !has_failed(sink) && i < timeline->threads.count; i++)
        put(sink, i ? "," : "", thread_value(report, i));
    put_text(sink, "]");
    put_lost(sink, report);
    put_losses(sink, report);
    put(sink, ",\"unseen\":", gt_unseen_value(report));
    put(sink, ",\"quality\":", quality_value(&timeline->quality));
    if (gt_left_out_any(&timeline->left_out) || timeline->left_out.counts ||
        timeline->left_out.locks || timeline->left_out.lost_ranges)
        put(sink, ",\"left_out\":", gt_left_out_value(report));
    put_text(sink, "}");
    flush(sink);
}

int gt_report_summary_to(const struct gt_report *report, gt_emit *emit, void *context,
                         struct gt_error *err)
{
    struct sink sink = {.emit = emit, .context = context};

    gt_buf_init(&sink.text);
    put_all(&sink, report);
    gt_buf_release(&sink.text);
    if (sink.rc < 0)
        return sink.rc;
    return sink.no_memory ? gt_error_memory(err) : 0;
}

static int add_piece(void *context, const char *text, size_t length)
{
    return gt_buf_add(context, text, length) ? GT_ERR_MEMORY : 0;
}

int gt_report_summary(const struct gt_report *report, struct gt_buf *json, struct gt_error *err)
{
    int rc = gt_report_summary_to(report, add_piece, json, err);

    return rc < 0 ? gt_error_memory(err) : 0;
}
