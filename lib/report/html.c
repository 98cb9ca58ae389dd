/* SPDX-License-Identifier: MIT */
#include "report/writers.h"

#include "analysis/analysis.h"
#include "report/blocked.h"
#include "report/facts.h"
#include "report/flames.h"
#include "report/legend.h"
#include "report/pack.h"
#include "report/page.h"
#include "report/slices.h"
#include "report/viewer.h"
#include "report/walk.h"

#include <inttypes.h>
#include <string.h>

/*
 * The page is written in two passes: one for the names, and how many rows of each table there
 * are, and one for the tables. SCHEMA.md ("Page data") describes both.
 */

/* Text is gathered to this size before it is written. */
enum { FLUSH_BYTES = 64 * 1024, LABEL_BYTES = 64 };

/* The first failure sticks in `rc`: hooks return it, and need not look after each piece. */
struct page {
    const struct gt_report *report;
    const struct gt_timeline *timeline;
    struct gt_output *output;
    struct gt_error *err;
    struct gt_buf text;
    struct gt_flames flames;
    struct gt_intern texts; /* of the marks */
    int64_t zero_ns;        /* times in the page count from here */
    int rc;
    uint64_t bytes; /* written, but for the tables */
    uint64_t most;  /* that it may have, if it is only measured */

    /* The list at hand: */
    bool in_list;
    const char *separator; /* before its next item */

    /* The table at hand: */
    struct gt_pack *pack;
    int64_t previous_ns; /* from where its column of times goes on */
    bool by_end;         /* its spans are in the order of their ends */
    const struct gt_gil *gil;
    uint32_t thread, member; /* of the span before */
};

static uint64_t bytes_of(const struct page *page)
{
    return page->bytes + (page->pack ? gt_pack_bytes(page->pack) : 0);
}

/* What is only measured need not be measured beyond the limit. */
static void stop_if_full(struct page *page)
{
    if (!page->output && page->rc == 0 && bytes_of(page) > page->most)
        page->rc = GT_ERR_CANCELLED;
}

static void flush(struct page *page)
{
    page->bytes += page->text.length;
    if (page->rc == 0 && page->output)
        page->rc = gt_output_write(page->output, page->text.data, page->text.length, page->err);
    gt_buf_reset(&page->text);
    stop_if_full(page);
}

/* Take note of a failed append; pass on what has gathered. */
static void added(struct page *page, int failed)
{
    if (failed && page->rc == 0)
        page->rc = gt_error_memory(page->err);
    if (page->text.length >= FLUSH_BYTES)
        flush(page);
}

#define ADDF(page, ...) added(page, gt_buf_addf(&(page)->text, __VA_ARGS__))

static void add_json_text(struct page *page, const char *data, size_t length)
{
    int failed = gt_buf_adds(&page->text, "\"") || gt_buf_add_json(&page->text, data, length) ||
                 gt_buf_adds(&page->text, "\"");

    added(page, failed);
}

static int64_t since_zero(const struct page *page, int64_t time_ns)
{
    return time_ns < page->zero_ns ? 0 : time_ns - page->zero_ns;
}

static void add_viewer(struct page *page, const char *name)
{
    for (const struct gt_viewer_file *file = gt_viewer_files; file->name; file++)
        if (strcmp(file->name, name) == 0)
            added(page, gt_buf_add(&page->text, file->data, file->length));
}

/* One of the timeline's names. */
static void add_interned(struct page *page, uint32_t id)
{
    const struct gt_intern *names = &page->timeline->names;

    add_json_text(page, gt_intern_text(names, id), gt_intern_length(names, id));
}

/* --- the names --- */

/* Before each item of a list. */
static void separate(struct page *page)
{
    ADDF(page, "%s", page->separator);
    page->separator = ",\n";
}

static int add_process(void *context, uint32_t index)
{
    struct page *page = context;
    const struct gt_process *process = gt_process_at(page->timeline, index);

    separate(page);
    ADDF(page, "{\"pid\":%" PRId32 ",\"name\":", process->pid);
    add_interned(page, process->name);
    ADDF(page, ",\"parent\":");
    if (process->parent == GT_NO_INDEX)
        ADDF(page, "null");
    else
        ADDF(page, "%" PRIu32, process->parent);
    ADDF(page, ",\"start_ns\":%" PRId64 ",\"end_ns\":%" PRId64 "}",
         since_zero(page, process->start_ns), since_zero(page, process->end_ns));
    return page->rc;
}

static int add_thread(void *context, uint32_t index)
{
    struct page *page = context;
    const struct gt_thread *thread = gt_thread_at(page->timeline, index);
    const struct gt_sched *sched =
        gt_report_shows_states(page->report) ? gt_sched_of(page->timeline, index) : NULL;
    const struct gt_calls *calls = gt_calls_of(page->timeline, index);
    const struct gt_chunks *blocked = gt_blocked_of(&page->report->analysis->blocked, index);
    char label[LABEL_BYTES];
    size_t length = gt_timeline_thread_label(page->timeline, index, label, sizeof(label));

    separate(page);
    ADDF(page, "{\"tid\":%" PRId32 ",\"process\":%" PRIu32 ",\"label\":", thread->tid,
         thread->process);
    add_json_text(page, label, length < sizeof(label) ? length : sizeof(label) - 1);
    ADDF(page,
         ",\"main\":%s,\"namesake\":%s,\"start_ns\":%" PRId64 ",\"end_ns\":%" PRId64
         ",\"states\":%zu,\"calls\":%zu",
         thread->flags & GT_THREAD_MAIN ? "true" : "false",
         thread->flags & GT_THREAD_NAMESAKE ? "true" : "false",
         since_zero(page, thread->start_ns), since_zero(page, thread->end_ns),
         sched ? sched->spans.count : 0, calls ? calls->spans.count : 0);
    ADDF(page, ",\"blocked\":%zu", blocked ? blocked->count : 0);
    if (calls)
        added(page, gt_levels_json(calls, &page->text));
    ADDF(page, "}");
    return page->rc;
}

static int add_gil(void *context, uint32_t index)
{
    struct page *page = context;
    const struct gt_gil *gil = gt_gil_at(page->timeline, index);

    separate(page);
    ADDF(page,
         "{\"process\":%" PRIu32 ",\"number\":%" PRIu32 ",\"start_ns\":%" PRId64
         ",\"end_ns\":%" PRId64 ",\"holds\":%zu,\"waits\":%zu,\"members\":[",
         gil->process, gil->number, since_zero(page, gil->start_ns),
         since_zero(page, gil->end_ns), gil->holds.count, gil->waits.count);
    for (uint32_t i = 0; i < gil->members.count; i++)
        ADDF(page, "%s%" PRIu32, i ? "," : "", gt_gil_thread_at(gil, i)->thread);
    ADDF(page, "]");
    if (gil->unknowns.count)
        ADDF(page, ",\"unknowns\":%zu", gil->unknowns.count);
    ADDF(page, "}");
    return page->rc;
}

static int add_function(void *context, uint32_t index)
{
    struct page *page = context;
    const struct gt_function_info *called = gt_chunks_at(&page->timeline->functions, index);

    separate(page);
    ADDF(page, "{\"name\":");
    add_interned(page, called->name);
    ADDF(page, ",\"file\":");
    add_interned(page, called->file);
    ADDF(page, ",\"line\":%" PRIu32 ",\"kind\":\"%s\"}", called->line,
         gt_function_kind_name(called));
    return page->rc;
}

static int add_counter(void *context, uint32_t index)
{
    struct page *page = context;
    const struct gt_counter *counter = gt_chunks_at(&page->timeline->counters, index);

    separate(page);
    ADDF(page, "{\"name\":");
    add_interned(page, counter->name);
    ADDF(page, ",\"samples\":%zu}", counter->samples.count);
    return page->rc;
}

static int add_lock(void *context, uint32_t index)
{
    struct page *page = context;
    const struct gt_lock *lock = gt_lock_at(page->timeline, index);

    separate(page);
    ADDF(page, "{\"kind\":\"%s\",\"holds\":%zu", gt_lock_kind_name(lock->kind),
         lock->as.holds.count);
    if (lock->type != GT_NO_INDEX) {
        ADDF(page, ",\"type\":");
        add_interned(page, lock->type);
    }
    ADDF(page, "}");
    return page->rc;
}

/* The place of one of the timeline's names in the page's texts; UINT32_MAX: no memory. */
static uint32_t text_of(struct page *page, uint32_t id)
{
    const struct gt_intern *names = &page->timeline->names;

    return gt_intern_add(&page->texts, gt_intern_text(names, id), gt_intern_length(names, id));
}

/* Nothing is written yet: its texts. */
static int take_texts(void *context, const void *item)
{
    struct page *page = context;
    const struct gt_mark *mark = item;

    added(page,
          text_of(page, mark->name) == UINT32_MAX || text_of(page, mark->detail) == UINT32_MAX);
    return page->rc;
}

static int add_texts(void *context)
{
    struct page *page = context;

    ADDF(page, "\"stops\":%zu,\"marks\":%zu,\n\"texts\":[", page->timeline->stops.count,
         page->timeline->marks.count);
    for (uint32_t i = 0; i < gt_intern_count(&page->texts); i++) {
        ADDF(page, "%s", i ? ",\n" : "");
        add_json_text(page, gt_intern_text(&page->texts, i), gt_intern_length(&page->texts, i));
    }
    ADDF(page, "],\n");
    return page->rc;
}

static int add_lost(void *context, uint32_t index)
{
    struct page *page = context;
    const struct gt_lost_range *range = gt_chunks_at(&page->timeline->lost, index);

    separate(page);
    ADDF(page, "[%" PRId64 ",%" PRId64 ",%" PRIu64 "]", since_zero(page, range->start_ns),
         since_zero(page, range->end_ns), range->events);
    return page->rc;
}

static int add_hole(void *context, uint32_t index)
{
    struct page *page = context;
    const struct gt_hole *hole = gt_hole_at(&page->timeline->holes, index);

    separate(page);
    ADDF(page, "[%" PRId64 ",%" PRId64 ",%" PRIu32 "]", since_zero(page, hole->start_ns),
         since_zero(page, hole->end_ns), hole->process);
    return page->rc;
}

static void add_names_head(struct page *page)
{
    ADDF(page,
         "</script>\n<script type=\"application/json\" id=\"page-data\">{\"schema\":1,"
         "\"generator\":\"giltracer " GT_VERSION "\",\"zero_ns\":%" PRId64
         ",\"duration_ns\":%" PRId64 ",\"rows\":%" PRIu64 ",\n",
         page->zero_ns, since_zero(page, page->timeline->end_ns), gt_page_rows(page->timeline));
    added(page, gt_facts_json(page->report, &page->text) ||
                    gt_legend_json(page->report, gt_flames_any(&page->flames), &page->text));
}

/* Closes the list before, and opens the next. */
static int begin_list(void *context, enum gt_part part)
{
    static const char *const keys[GT_PARTS] = {
        [GT_PART_PROCESSES] = "processes", [GT_PART_THREADS] = "threads",
        [GT_PART_GILS] = "gils",           [GT_PART_FUNCTIONS] = "functions",
        [GT_PART_COUNTERS] = "counters",   [GT_PART_LOST] = "lost",
        [GT_PART_HOLES] = "holes",         [GT_PART_LOCKS] = "locks",
    };
    struct page *page = context;

    if (page->in_list)
        ADDF(page, "],\n");
    if (part == GT_PART_SUMMARY)
        ADDF(page, "<script type=\"application/json\" id=\"summary-data\">");
    if (part == GT_PART_PROCESSES)
        add_names_head(page);
    if (part == GT_PART_MARKS)
        added(page,
              gt_flames_json(&page->flames, &page->text) || gt_buf_adds(&page->text, ",\n"));
    page->in_list = keys[part] != NULL;
    page->separator = "";
    if (page->in_list)
        ADDF(page, "\"%s\":[", keys[part]);
    return page->rc;
}

static int begin_page(void *context)
{
    struct page *page = context;

    add_viewer(page, "head.html");
    return page->rc;
}

/* It holds no `<` (report.h), so nothing in it ends the element. */
static int add_summary(void *context, const char *text, size_t length)
{
    struct page *page = context;

    added(page, gt_buf_add(&page->text, text, length));
    return page->rc;
}

static int end_names(void *context)
{
    struct page *page = context;

    ADDF(page, "]}</script>\n");
    flush(page);
    return page->rc;
}

static const struct gt_hooks names_hooks = {
    .order = {GT_PART_SUMMARY, GT_PART_PROCESSES, GT_PART_THREADS, GT_PART_GILS,
              GT_PART_FUNCTIONS, GT_PART_COUNTERS, GT_PART_MARKS, GT_PART_LOCKS, GT_PART_LOST,
              GT_PART_HOLES},
    .begin = begin_page,
    .part = begin_list,
    .summary = add_summary,
    .process = add_process,
    .thread = add_thread,
    .gil = add_gil,
    .function = add_function,
    .counter = add_counter,
    .lock = add_lock,
    .lost = add_lost,
    .hole = add_hole,
    .mark = take_texts,
    .track_end = add_texts,
    .end = end_names,
};

/* --- the tables --- */
static int begin_tables(void *context)
{
    struct page *page = context;

    page->pack = gt_pack_new(page->output, page->err);
    page->rc =
        page->pack ? gt_slices_write(page->report, page->pack, page->err) : GT_ERR_MEMORY;
    add_viewer(page, "script.html");
    flush(page);
    return page->rc;
}

static int begin_table(void *context, const struct gt_track *track)
{
    static const struct {
        const char *name;
        unsigned columns;
    } tables[GT_TRACKS] = {
        [GT_TRACK_BLOCKED] = {"blocked", 4},  [GT_TRACK_LOCK_HOLDS] = {"lock-holds", 3},
        [GT_TRACK_STOPS] = {"stops", 5},      [GT_TRACK_HOLDS] = {"holds", 3},
        [GT_TRACK_WAITS] = {"waits", 3},      [GT_TRACK_UNKNOWNS] = {"unknowns", 3},
        [GT_TRACK_STATES] = {"states", 3},    [GT_TRACK_CALLS] = {"calls", 4},
        [GT_TRACK_SAMPLES] = {"counters", 3}, [GT_TRACK_MARKS] = {"marks", 4},
    };
    struct page *page = context;

    gt_pack_begin(page->pack, tables[track->kind].name, track->index,
                  tables[track->kind].columns);
    page->previous_ns = 0;
    page->by_end = track->kind == GT_TRACK_WAITS || track->kind == GT_TRACK_UNKNOWNS;
    page->gil = NULL;
    if (page->by_end || track->kind == GT_TRACK_HOLDS)
        page->gil = gt_gil_at(page->timeline, track->index);
    page->thread = GT_NO_INDEX;
    return 0;
}

static int end_table(void *context)
{
    struct page *page = context;

    page->rc = gt_pack_end(page->pack, page->err);
    stop_if_full(page);
    return page->rc;
}

/* The column of times: differences, which start anew with each block. */
static void put_time(struct page *page, int64_t time_ns)
{
    if (gt_pack_rows(page->pack) == 0)
        page->previous_ns = 0;
    gt_pack_put(page->pack, 1, gt_zigzag(time_ns - page->previous_ns));
}

/* The next row's difference is to `next_ns`. */
static int end_row(struct page *page, int64_t next_ns)
{
    page->previous_ns = next_ns;
    page->rc = gt_pack_end_row(page->pack, page->err);
    if (gt_pack_rows(page->pack) == 0)
        stop_if_full(page);
    return page->rc;
}

/* A span by its start and length. Its end. */
static int64_t put_times(struct page *page, int64_t start_ns, int64_t end_ns)
{
    int64_t since_ns = since_zero(page, start_ns), until_ns = since_zero(page, end_ns);

    if (until_ns < since_ns)
        until_ns = since_ns;
    put_time(page, since_ns);
    gt_pack_put(page->pack, 2, (uint64_t)(until_ns - since_ns));
    return until_ns;
}

/* Spans follow each other closely, in the order of their starts (holds) or ends (waits):
 * the second column is the difference of that time to the end of the span before. */
static int put_span(void *context, const void *item)
{
    struct page *page = context;
    const struct gt_span *span = item;
    int64_t start_ns = since_zero(page, span->start_ns);
    int64_t end_ns = since_zero(page, span->end_ns);

    if (span->thread != page->thread) {
        page->thread = span->thread;
        page->member =
            page->gil ? gt_hashmap_get(&page->gil->member_of, span->thread) : span->thread;
    }
    if (end_ns < start_ns)
        end_ns = start_ns;
    gt_pack_put(page->pack, 0, (uint64_t)page->member << 2 | (span->flags & 3));
    put_time(page, page->by_end ? end_ns : start_ns);
    gt_pack_put(page->pack, 2, (uint64_t)(end_ns - start_ns));
    return end_row(page, end_ns);
}

static int put_state(void *context, const void *item)
{
    struct page *page = context;
    const struct gt_state_span *span = item;
    unsigned cpu = span->cpu == UINT16_MAX ? 0 : span->cpu + 1U;

    gt_pack_put(page->pack, 0, (uint64_t)cpu << 4 | span->state);
    return end_row(page, put_times(page, span->start_ns, span->end_ns));
}

/* A page that was cut may not have the hold. */
static int put_blocked(void *context, const void *item)
{
    struct page *page = context;
    const struct gt_blocked_span *span = item;
    bool had = span->kind == GT_BLOCKED_LOCK &&
               span->hold < gt_lock_at(page->timeline, span->what)->as.holds.count;

    gt_pack_put(page->pack, 0,
                (uint64_t)span->what << 4 | (unsigned)span->kind << 2 | (span->flags & 3));
    gt_pack_put(page->pack, 3, had ? (uint64_t)span->hold + 1 : 0);
    return end_row(page, put_times(page, span->start_ns, span->end_ns));
}

static int put_stop(void *context, const void *item)
{
    struct page *page = context;
    const struct gt_world_stop *stop = item;

    gt_pack_put(page->pack, 0, stop->thread);
    gt_pack_put(page->pack, 3, (uint64_t)(stop->all_ns - stop->start_ns));
    gt_pack_put(page->pack, 4, stop->count);
    return end_row(page, put_times(page, stop->start_ns, stop->end_ns));
}

static int put_call(void *context, const void *item)
{
    struct page *page = context;
    const struct gt_call_span *span = item;

    gt_pack_put(page->pack, 0, span->function);
    put_times(page, span->start_ns, span->end_ns);
    gt_pack_put(page->pack, 3, (uint64_t)span->depth << 4 | (span->flags & 15));
    return end_row(page, since_zero(page, span->start_ns));
}

static int put_sample(void *context, const void *item)
{
    struct page *page = context;
    const struct gt_counter_sample *sample = item;

    gt_pack_put(page->pack, 0, sample->thread);
    put_time(page, since_zero(page, sample->time_ns));
    gt_pack_put(page->pack, 2, sample->period);
    return end_row(page, since_zero(page, sample->time_ns));
}

static int put_mark(void *context, const void *item)
{
    struct page *page = context;
    const struct gt_mark *mark = item;
    int64_t time_ns = since_zero(page, mark->time_ns);

    gt_pack_put(page->pack, 0, (uint64_t)mark->thread << 1 | (mark->kind == GT_MARK_SERIES));
    put_time(page, time_ns);
    gt_pack_put(page->pack, 2, text_of(page, mark->name));
    gt_pack_put(page->pack, 3, text_of(page, mark->detail));
    return end_row(page, time_ns);
}

static int end_page(void *context)
{
    struct page *page = context;

    page->rc = gt_flames_write(&page->flames, page->pack, page->err);
    add_viewer(page, "tail.html");
    flush(page);
    return page->rc;
}

static const struct gt_hooks tables_hooks = {
    .order = {GT_PART_SPANS, GT_PART_SAMPLES, GT_PART_MARKS, GT_PART_STATES, GT_PART_BLOCKED,
              GT_PART_LOCK_HOLDS, GT_PART_STOPS, GT_PART_CALLS},
    .begin = begin_tables,
    .track = begin_table,
    .span = put_span,
    .state = put_state,
    .blocked = put_blocked,
    .stop = put_stop,
    .call = put_call,
    .sample = put_sample,
    .mark = put_mark,
    .track_end = end_table,
    .end = end_page,
};

/* --- the whole --- */

int gt_page_write(const struct gt_report *report, struct gt_output *output, uint64_t most,
                  uint64_t *bytes, struct gt_error *err)
{
    struct page page = {
        .report = report,
        .timeline = report->timeline,
        .output = output,
        .err = err,
        .most = most,
        .zero_ns = gt_report_zero_ns(report),
    };
    int rc = gt_flames_init(&page.flames, report, err);

    gt_buf_init(&page.text);
    gt_intern_init(&page.texts);
    if (rc == 0)
        rc = gt_walk(report, &names_hooks, &page, err);
    if (rc == 0)
        rc = gt_walk(report, &tables_hooks, &page, err);
    *bytes = bytes_of(&page);
    gt_pack_free(page.pack);
    gt_flames_release(&page.flames);
    gt_intern_release(&page.texts);
    gt_buf_release(&page.text);
    return rc == GT_ERR_CANCELLED && !output ? 0 : rc;
}
