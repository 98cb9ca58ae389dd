#include "report/html.h"

#include "report/flames.h"
#include "report/pack.h"
#include "report/viewer.h"

#include <inttypes.h>
#include <string.h>

/* Text is gathered to this size before it is written. */
enum { FLUSH_BYTES = 64 * 1024, LABEL_BYTES = 64 };

/* What the writers below share. The first failure sticks in `rc`: callers need not look
 * after each piece. */
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
};

static void flush(struct page *page)
{
    if (page->rc == 0)
        page->rc = gt_output_write(page->output, page->text.data, page->text.length, page->err);
    gt_buf_reset(&page->text);
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

/* A JSON document inside <script>. In JSON `<` occurs only in strings, so escaping each one
 * keeps the document's meaning and keeps `</script>` and `<!--` out of the page. */
static void add_summary(struct page *page, const char *json, size_t length)
{
    const char *end = json + length;

    ADDF(page, "<script type=\"application/json\" id=\"summary-data\">");
    while (json < end) {
        const char *mark = memchr(json, '<', (size_t)(end - json));
        size_t plain = (size_t)((mark ? mark : end) - json);

        added(page, gt_buf_add(&page->text, json, plain));
        json += plain;
        if (mark) {
            ADDF(page, "\\u003c");
            json++;
        }
    }
    ADDF(page, "</script>\n");
}

/* An index, or null. */
static void add_index(struct page *page, uint32_t index)
{
    if (index == GT_NO_INDEX)
        ADDF(page, "null");
    else
        ADDF(page, "%" PRIu32, index);
}

static void add_processes(struct page *page)
{
    const struct gt_timeline *timeline = page->timeline;

    ADDF(page, "\"processes\":[");
    for (uint32_t i = 0; i < timeline->processes.count; i++) {
        const struct gt_process *process = gt_process_at(timeline, i);

        ADDF(page, "%s{\"pid\":%" PRId32 ",\"name\":", i ? ",\n" : "", process->pid);
        add_json_text(page, gt_intern_text(&timeline->names, process->name),
                      gt_intern_length(&timeline->names, process->name));
        ADDF(page, ",\"parent\":");
        add_index(page, process->parent);
        ADDF(page, ",\"start_ns\":%" PRId64 ",\"end_ns\":%" PRId64 "}",
             since_zero(page, process->start_ns), since_zero(page, process->end_ns));
    }
    ADDF(page, "],\n");
}

/* A thread's states where they are shown, else NULL. */
static const struct gt_sched *states_of(const struct page *page, uint32_t thread)
{
    return gt_report_shows_states(page->report) ? gt_sched_of(page->timeline, thread) : NULL;
}

static void add_threads(struct page *page)
{
    const struct gt_timeline *timeline = page->timeline;
    char label[LABEL_BYTES];

    ADDF(page, "\"threads\":[");
    for (uint32_t i = 0; i < timeline->threads.count; i++) {
        const struct gt_thread *thread = gt_thread_at(timeline, i);
        const struct gt_sched *sched = states_of(page, i);
        const struct gt_calls *calls = gt_calls_of(timeline, i);
        size_t length = gt_timeline_thread_label(timeline, i, label, sizeof(label));

        ADDF(page, "%s{\"tid\":%" PRId32 ",\"process\":%" PRIu32 ",\"label\":", i ? ",\n" : "",
             thread->tid, thread->process);
        add_json_text(page, label, length < sizeof(label) ? length : sizeof(label) - 1);
        ADDF(page,
             ",\"main\":%s,\"namesake\":%s,\"start_ns\":%" PRId64 ",\"end_ns\":%" PRId64
             ",\"states\":%zu,\"calls\":%zu}",
             thread->flags & GT_THREAD_MAIN ? "true" : "false",
             thread->flags & GT_THREAD_NAMESAKE ? "true" : "false",
             since_zero(page, thread->start_ns), since_zero(page, thread->end_ns),
             sched ? sched->spans.count : 0, calls ? calls->spans.count : 0);
    }
    ADDF(page, "],\n");
}

static void add_gils(struct page *page)
{
    const struct gt_timeline *timeline = page->timeline;

    ADDF(page, "\"gils\":[");
    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        const struct gt_gil *gil = gt_gil_at(timeline, i);

        ADDF(page,
             "%s{\"process\":%" PRIu32 ",\"number\":%" PRIu32 ",\"start_ns\":%" PRId64
             ",\"end_ns\":%" PRId64 ",\"holds\":%zu,\"waits\":%zu,\"members\":[",
             i ? ",\n" : "", gil->process, gil->number, since_zero(page, gil->start_ns),
             since_zero(page, gil->end_ns), gil->holds.count, gil->waits.count);
        for (uint32_t j = 0; j < gil->members.count; j++)
            ADDF(page, "%s%" PRIu32, j ? "," : "", gt_gil_thread_at(gil, j)->thread);
        ADDF(page, "]}");
    }
    ADDF(page, "],\n");
}

static void add_interned(struct page *page, const char *key, uint32_t id)
{
    const struct gt_intern *names = &page->timeline->names;

    ADDF(page, "\"%s\":", key);
    add_json_text(page, gt_intern_text(names, id), gt_intern_length(names, id));
}

static void add_functions(struct page *page)
{
    const struct gt_timeline *timeline = page->timeline;

    ADDF(page, "\"functions\":[");
    for (size_t i = 0; i < timeline->functions.count; i++) {
        const struct gt_function_info *called = gt_chunks_at(&timeline->functions, i);

        ADDF(page, "%s{", i ? ",\n" : "");
        add_interned(page, "name", called->name);
        ADDF(page, ",");
        add_interned(page, "file", called->file);
        ADDF(page, ",\"line\":%" PRIu32 ",\"kind\":\"%s\"}", called->line,
             called->flags & GT_FUNCTION_GC  ? "gc"
             : called->flags & GT_FUNCTION_C ? "c"
                                             : "python");
    }
    ADDF(page, "],\n");
}

static void add_counters(struct page *page)
{
    const struct gt_timeline *timeline = page->timeline;

    ADDF(page, "\"counters\":[");
    for (size_t i = 0; i < timeline->counters.count; i++) {
        const struct gt_counter *counter = gt_chunks_at(&timeline->counters, i);

        ADDF(page, "%s{\"name\":", i ? ",\n" : "");
        add_json_text(page, gt_intern_text(&timeline->names, counter->name),
                      gt_intern_length(&timeline->names, counter->name));
        ADDF(page, ",\"samples\":%zu}", counter->samples.count);
    }
    ADDF(page, "],\n");
}

/* The place of one of the timeline's names in the page's texts; UINT32_MAX: no memory. */
static uint32_t text_of(struct page *page, uint32_t id)
{
    const struct gt_intern *names = &page->timeline->names;

    return gt_intern_add(&page->texts, gt_intern_text(names, id), gt_intern_length(names, id));
}

static void add_marks(struct page *page)
{
    const struct gt_timeline *timeline = page->timeline;

    for (size_t i = 0; i < timeline->marks.count; i++) {
        const struct gt_mark *mark = gt_chunks_at(&timeline->marks, i);

        added(page, text_of(page, mark->name) == UINT32_MAX ||
                        text_of(page, mark->detail) == UINT32_MAX);
    }
    ADDF(page, "\"marks\":%zu,\n\"texts\":[", timeline->marks.count);
    for (uint32_t i = 0; i < gt_intern_count(&page->texts); i++) {
        ADDF(page, "%s", i ? ",\n" : "");
        add_json_text(page, gt_intern_text(&page->texts, i), gt_intern_length(&page->texts, i));
    }
    ADDF(page, "],\n");
}

static void add_lost(struct page *page)
{
    const struct gt_timeline *timeline = page->timeline;

    ADDF(page, "\"lost\":[");
    for (size_t i = 0; i < timeline->lost.count; i++) {
        const struct gt_lost_range *range = gt_chunks_at(&timeline->lost, i);

        ADDF(page, "%s[%" PRId64 ",%" PRId64 ",%" PRIu64 "]", i ? ",\n" : "",
             since_zero(page, range->start_ns), since_zero(page, range->end_ns), range->events);
    }
    ADDF(page, "],\n\"holes\":[");
    for (size_t i = 0, written = 0; i < timeline->holes.count; i++) {
        const struct gt_hole *hole = gt_hole_at(&timeline->holes, i);

        if (!hole->gil)
            continue;
        ADDF(page, "%s[%" PRId64 ",%" PRId64 ",%" PRIu32 "]", written++ ? ",\n" : "",
             since_zero(page, hole->start_ns), since_zero(page, hole->end_ns), hole->process);
    }
    ADDF(page, "]");
}

static void add_names(struct page *page)
{
    ADDF(page,
         "<script type=\"application/json\" id=\"page-data\">{\"schema\":1,"
         "\"generator\":\"giltracer " GT_VERSION "\",\"zero_ns\":%" PRId64
         ",\"duration_ns\":%" PRId64 ",\n",
         page->zero_ns, since_zero(page, page->timeline->end_ns));
    add_processes(page);
    add_threads(page);
    add_gils(page);
    ADDF(page, "\"states\":[");
    for (int i = 0; i < GT_SCHED_STATES; i++)
        ADDF(page, "%s\"%s\"", i ? "," : "", gt_sched_state_name((enum gt_sched_state)i));
    ADDF(page, "],\n");
    add_functions(page);
    add_counters(page);
    added(page, gt_flames_json(&page->flames, &page->text));
    ADDF(page, ",\n");
    add_marks(page);
    add_lost(page);
    ADDF(page, "}</script>\n");
}

/* Spans follow each other closely, in the order of their starts (holds) or ends (waits):
 * the second column is the difference of that time to the end of the span before. */
static int write_spans(struct page *page, struct gt_pack *pack, const struct gt_gil *gil,
                       bool holds)
{
    const struct gt_chunks *spans = holds ? &gil->holds : &gil->waits;
    uint32_t thread = GT_NO_INDEX, member = 0;
    int64_t previous_ns = 0;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < spans->count; i++) {
        const struct gt_span *span = gt_span_at(spans, i);
        int64_t start_ns = since_zero(page, span->start_ns);
        int64_t end_ns = since_zero(page, span->end_ns);

        if (span->thread != thread) {
            thread = span->thread;
            member = gt_hashmap_get(&gil->member_of, thread);
        }
        if (end_ns < start_ns)
            end_ns = start_ns;
        if (gt_pack_rows(pack) == 0)
            previous_ns = 0;
        gt_pack_put(pack, 0, (uint64_t)member << 2 | (span->flags & 3));
        gt_pack_put(pack, 1, gt_zigzag((holds ? start_ns : end_ns) - previous_ns));
        gt_pack_put(pack, 2, (uint64_t)(end_ns - start_ns));
        previous_ns = end_ns;
        rc = gt_pack_end_row(pack, page->err);
    }
    return rc == 0 ? gt_pack_end(pack, page->err) : rc;
}

static int write_states(struct page *page, struct gt_pack *pack, const struct gt_sched *sched)
{
    int64_t previous_ns = 0;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < sched->spans.count; i++) {
        const struct gt_state_span *span = gt_chunks_at(&sched->spans, i);
        int64_t start_ns = since_zero(page, span->start_ns);
        int64_t end_ns = since_zero(page, span->end_ns);
        unsigned cpu = span->cpu == UINT16_MAX ? 0 : span->cpu + 1U;

        if (end_ns < start_ns)
            end_ns = start_ns;
        if (gt_pack_rows(pack) == 0)
            previous_ns = 0;
        gt_pack_put(pack, 0, (uint64_t)cpu << 4 | span->state);
        gt_pack_put(pack, 1, gt_zigzag(start_ns - previous_ns));
        gt_pack_put(pack, 2, (uint64_t)(end_ns - start_ns));
        previous_ns = end_ns;
        rc = gt_pack_end_row(pack, page->err);
    }
    return rc == 0 ? gt_pack_end(pack, page->err) : rc;
}

static int write_samples(struct page *page, struct gt_pack *pack,
                         const struct gt_counter *counter)
{
    int64_t previous_ns = 0;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < counter->samples.count; i++) {
        const struct gt_counter_sample *sample = gt_chunks_at(&counter->samples, i);
        int64_t time_ns = since_zero(page, sample->time_ns);

        if (gt_pack_rows(pack) == 0)
            previous_ns = 0;
        gt_pack_put(pack, 0, sample->thread);
        gt_pack_put(pack, 1, gt_zigzag(time_ns - previous_ns));
        gt_pack_put(pack, 2, sample->period);
        previous_ns = time_ns;
        rc = gt_pack_end_row(pack, page->err);
    }
    return rc == 0 ? gt_pack_end(pack, page->err) : rc;
}

static int write_calls(struct page *page, struct gt_pack *pack, const struct gt_calls *calls)
{
    int64_t previous_ns = 0;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < calls->spans.count; i++) {
        const struct gt_call_span *span = gt_chunks_at(&calls->spans, i);
        int64_t start_ns = since_zero(page, span->start_ns);
        int64_t end_ns = since_zero(page, span->end_ns);

        if (end_ns < start_ns)
            end_ns = start_ns;
        if (gt_pack_rows(pack) == 0)
            previous_ns = 0;
        gt_pack_put(pack, 0, span->function);
        gt_pack_put(pack, 1, gt_zigzag(start_ns - previous_ns));
        gt_pack_put(pack, 2, (uint64_t)(end_ns - start_ns));
        gt_pack_put(pack, 3, (uint64_t)span->depth << 4 | (span->flags & 15));
        previous_ns = start_ns;
        rc = gt_pack_end_row(pack, page->err);
    }
    return rc == 0 ? gt_pack_end(pack, page->err) : rc;
}

static int write_marks(struct page *page, struct gt_pack *pack)
{
    const struct gt_chunks *marks = &page->timeline->marks;
    int64_t previous_ns = 0;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < marks->count; i++) {
        const struct gt_mark *mark = gt_chunks_at(marks, i);
        int64_t time_ns = since_zero(page, mark->time_ns);

        if (gt_pack_rows(pack) == 0)
            previous_ns = 0;
        gt_pack_put(pack, 0, (uint64_t)mark->thread << 1 | (mark->kind == GT_MARK_SERIES));
        gt_pack_put(pack, 1, gt_zigzag(time_ns - previous_ns));
        gt_pack_put(pack, 2, text_of(page, mark->name));
        gt_pack_put(pack, 3, text_of(page, mark->detail));
        previous_ns = time_ns;
        rc = gt_pack_end_row(pack, page->err);
    }
    return rc == 0 ? gt_pack_end(pack, page->err) : rc;
}

static int write_tables(struct page *page)
{
    const struct gt_timeline *timeline = page->timeline;
    struct gt_pack *pack = gt_pack_new(page->output, page->err);
    int rc = pack ? 0 : GT_ERR_MEMORY;

    for (uint32_t i = 0; rc == 0 && i < timeline->gils.count; i++) {
        const struct gt_gil *gil = gt_gil_at(timeline, i);

        gt_pack_begin(pack, "holds", i, 3);
        rc = write_spans(page, pack, gil, true);
        if (rc < 0)
            break;
        gt_pack_begin(pack, "waits", i, 3);
        rc = write_spans(page, pack, gil, false);
    }
    for (uint32_t i = 0; rc == 0 && i < timeline->threads.count; i++) {
        const struct gt_sched *sched = states_of(page, i);

        gt_pack_begin(pack, "states", i, 3);
        if (sched)
            rc = write_states(page, pack, sched);
    }
    for (uint32_t i = 0; rc == 0 && i < timeline->threads.count; i++) {
        const struct gt_calls *calls = gt_calls_of(timeline, i);

        gt_pack_begin(pack, "calls", i, 4);
        if (calls)
            rc = write_calls(page, pack, calls);
    }
    for (uint32_t i = 0; rc == 0 && i < timeline->counters.count; i++) {
        gt_pack_begin(pack, "counters", i, 3);
        rc = write_samples(page, pack, gt_chunks_at(&timeline->counters, i));
    }
    if (rc == 0) {
        gt_pack_begin(pack, "marks", 0, 4);
        rc = write_marks(page, pack);
    }
    if (rc == 0)
        rc = gt_flames_write(&page->flames, pack, page->err);
    gt_pack_free(pack);
    return rc;
}

int gt_html_write(const struct gt_report *report, const struct gt_buf *summary,
                  struct gt_output *output, struct gt_error *err)
{
    struct page page = {
        .report = report,
        .timeline = report->timeline,
        .output = output,
        .err = err,
        .zero_ns = gt_report_zero_ns(report),
    };

    gt_buf_init(&page.text);
    gt_intern_init(&page.texts);
    page.rc = gt_flames_init(&page.flames, report, err);
    if (page.rc < 0)
        goto out;
    add_viewer(&page, "head.html");
    add_summary(&page, summary->data, summary->length);
    add_names(&page);
    flush(&page);
    if (page.rc == 0)
        page.rc = write_tables(&page);
    add_viewer(&page, "tail.html");
    flush(&page);
out:
    gt_flames_release(&page.flames);
    gt_intern_release(&page.texts);
    gt_buf_release(&page.text);
    return page.rc;
}
