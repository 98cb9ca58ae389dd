/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include "../unit/feed.h"
#include "analysis/blockers.h"
#include "analysis/contention.h"
#include "analysis/flame.h"
#include "common/results.h"
#include "report/condition.h"
#include "report/metrics.h"
#include "report/flame_folded.h"
#include "report/flame_pprof.h"
#include "report/svg.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void must(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "fuzz: %s\n", what);
    abort();
}

/* A file in memory, made empty. */
static int memory_file(int *fd)
{
    if (*fd < 0)
        *fd = memfd_create("fuzz", MFD_CLOEXEC);
    must(*fd >= 0 && ftruncate(*fd, 0) == 0 && lseek(*fd, 0, SEEK_SET) == 0, "no memory file");
    return *fd;
}

void put(int fd, struct input *input, size_t size, size_t at)
{
    if (size > input->size)
        size = input->size;
    must(pwrite(fd, input->data, size, (off_t)at) == (ssize_t)size, "cannot write a log");
    input->data += size;
    input->size -= size;
}

const char *file_of(const uint8_t *data, size_t size)
{
    static char path[64];
    static int file = -1;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", memory_file(&file));
    must(pwrite(file, data, size, 0) == (ssize_t)size, "no room");
    return path;
}

char *text_of(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    must(text != NULL, "out of memory");
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

/* Blame adds up to the waits, per member. */
static void check_blame(const struct gt_gil *gil)
{
    struct gt_contention contention;

    must(gt_contention_init(&contention, gil, NULL) == 0, "out of memory");
    for (uint32_t member = 0; member < gil->members.count; member++) {
        size_t count, first = gt_contention_of(&contention, member, &count);
        int64_t sum_ns = 0;

        for (size_t at = first; at < first + count; at++)
            sum_ns += gt_blame_at(&contention, at)->ns;
        must(sum_ns == gt_gil_thread_at(gil, member)->wait_ns, "blame does not add up");
    }
    gt_contention_release(&contention);
}

/* So do functions and gaps, over all members. */
static void check_blockers(const struct gt_timeline *timeline, uint32_t index)
{
    const struct gt_gil *gil = gt_gil_at(timeline, index);
    struct gt_blockers blockers;
    double wait_ns = 0, blamed_ns = 0;

    must(gt_blockers_init(&blockers, timeline, index, NULL) == 0, "out of memory");
    for (uint32_t member = 0; member < gil->members.count; member++) {
        wait_ns += (double)gt_gil_thread_at(gil, member)->wait_ns;
        for (int gap = 0; gap < GT_GAPS; gap++)
            blamed_ns += (double)gt_gaps_at(&blockers, member)->ns[gap];
    }
    for (size_t row = 0; row < blockers.rows.count; row++)
        blamed_ns += (double)gt_blocker_at(&blockers, row)->waiting_ns;
    /* Exactly, where a double can tell; those that are absurd saturate. */
    must(wait_ns > 9e15 || blamed_ns == wait_ns, "blockers do not add up");
    gt_blockers_release(&blockers);
}

static void check_timeline(const struct gt_timeline *timeline)
{
    const char *broken = broken_invariant(timeline);

    must(!broken, broken ? broken : "");
    must(timeline->quality.accounting_errors == 0, "the parts exceed the whole");
    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        check_blame(gt_gil_at(timeline, i));
        check_blockers(timeline, i);
    }
}

static void check_json(const char *text, size_t length)
{
    json_error_t why;
    json_t *document = json_loadb(text, length, JSON_ALLOW_NUL, &why);

    if (!document)
        fprintf(stderr, "fuzz: line %d: %s\n", why.line, why.text);
    must(document != NULL, "an output is no valid JSON");
    json_decref(document);
}

/* Markup comes from us alone, and what it encloses has none: all brackets come in pairs. */
static void check_markup(const char *text, size_t length)
{
    bool open = false;

    for (size_t i = 0; i < length; i++) {
        must(text[i] != '<' || !open, "a bracket within a bracket");
        open = text[i] == '<' || (open && text[i] != '>');
    }
    must(!open, "a bracket that stays open");
}

/* From the page's data on: the viewer before it is ours. Only scripts hold data, and no markup.
 */
static void check_page(const char *text, size_t length)
{
    static const char data[] = "<script type=\"application/", end[] = "</script>";
    const char *stop = text + length;
    const char *at = memmem(text, length, data, strlen(data));

    must(at != NULL, "a page without data");
    while (at && (at = memmem(at, (size_t)(stop - at), data, strlen(data)))) {
        const char *content = memchr(at, '>', (size_t)(stop - at));
        const char *bracket = content ? memchr(content, '<', (size_t)(stop - content)) : NULL;

        must(bracket && (size_t)(stop - bracket) >= strlen(end) &&
                 memcmp(bracket, end, strlen(end)) == 0,
             "markup within the page's data");
        if (strncmp(at + strlen(data), "json", 4) == 0)
            check_json(content + 1, (size_t)(bracket - content - 1));
        at = bracket;
    }
}

/* Nothing moves a terminal but the ends of lines. */
static void check_lines(const char *text, size_t length)
{
    char *copy = text_of((const uint8_t *)text, length);

    must(strlen(copy) == length, "a NUL in text");
    gt_text_make_visible(copy);
    for (size_t i = 0; i < length; i++)
        must(copy[i] == text[i] || text[i] == '\n', "text that is not visible");
    must(length == 0 || text[length - 1] == '\n', "a line without end");
    free(copy);
}

static void no_check(const char *text, size_t length)
{
    (void)text;
    (void)length;
}

typedef void check_fn(const char *text, size_t length);

/* What was written to the output, looked at as `check` does. */
static void check_output(const struct gt_output *output, check_fn *check)
{
    off_t length = lseek(output->fd, 0, SEEK_CUR);
    void *text;

    if (length <= 0)
        return;
    text = mmap(NULL, (size_t)length, PROT_READ, MAP_SHARED, output->fd, 0);
    must(text != MAP_FAILED, "cannot map an output");
    check(text, (size_t)length);
    munmap(text, (size_t)length);
}

static struct gt_output memory_output(void)
{
    static int file = -1;

    return (struct gt_output){.fd = memory_file(&file), .direct = true, .path = "memory"};
}

static void write_outputs(struct gt_report *report)
{
    static const struct {
        enum gt_report_format format;
        check_fn *check;
    } outputs[] = {
        {GT_FORMAT_JSON, check_json}, {GT_FORMAT_JSON_GZ, no_check},
        {GT_FORMAT_HTML, check_page}, {GT_FORMAT_FOLDED, check_lines},
        {GT_FORMAT_PPROF, no_check},
    };

    for (size_t i = 0; i < sizeof(outputs) / sizeof(outputs[0]); i++) {
        struct gt_output output = memory_output();
        struct gt_error err = {0};

        must(gt_report_write(report, outputs[i].format, &output, &err) == 0, err.message);
        check_output(&output, outputs[i].check);
    }
}

/* Releases the graph. */
static void write_flame(struct gt_flame *flame, const struct gt_timeline *timeline)
{
    static const struct gt_label labels[] = {{"service", "checkout"}, {NULL, NULL}};
    static const struct gt_run_info info = {
        .host = "node", .rank = "3", .root_pid = 7, .labels = labels};
    struct gt_output output = memory_output();
    struct gt_buf folded;

    gt_buf_init(&folded);
    must(gt_flame_folded(flame, &folded) == 0 &&
             gt_svg_write(flame, "title", &output, NULL) == 0,
         "no flame graph");
    check_lines(folded.data, folded.length);
    check_output(&output, check_markup);
    output = memory_output();
    must(gt_flame_pprof_write(flame, "title", timeline, &info, &output, NULL) == 0,
         "no profile");
    check_output(&output, no_check);
    gt_buf_release(&folded);
    gt_flame_release(flame);
}

/* What offgil makes. */
static void write_flames(const struct gt_timeline *timeline)
{
    static const enum gt_sched_state states[] = {GT_SCHED_SLEEPING_GIL, GT_SCHED_SLEEPING};
    struct gt_flame flame;

    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        must(gt_flame_init(&flame, timeline, states[i], GT_FLAME_APART, NULL) == 0,
             "no flame graph");
        write_flame(&flame, timeline);
        must(gt_flame_init(&flame, timeline, states[i], GT_FLAME_BY_THREAD, NULL) == 0,
             "no flame graph");
        write_flame(&flame, timeline);
    }
    for (uint32_t i = 0; i < timeline->counters.count; i++) {
        must(gt_flame_init_counter(&flame, timeline, i, GT_FLAME_APART, NULL) == 0,
             "no flame graph");
        write_flame(&flame, timeline);
    }
}

static void judge(struct gt_report *report, const struct gt_metrics *metrics)
{
    static const char *const conditions[] = {"wait > 0%", "thread(\"*\").longest_hold >= 1ns",
                                             "blocker(\"*.*\") < 50%"};
    struct gt_buf text;

    gt_buf_init(&text);
    must(gt_metrics_print(metrics, &text) == 0, "out of memory");
    for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++) {
        struct gt_condition condition;

        must(gt_condition_parse(&condition, "--fail-if", conditions[i], NULL) == 0 &&
                 gt_report_check(report, &condition, conditions[i], &text) >= 0 &&
                 gt_buf_adds(&text, "\n") == 0,
             "cannot be judged");
    }
    check_lines(text.data, text.length);
    gt_buf_release(&text);
}

void check_report(struct gt_ingest *ingest, const struct gt_run_info *info,
                  const struct gt_report_options *options)
{
    struct gt_error err = {0};

    if (gt_ingest_finish(ingest, &err) < 0)
        must(err.code == GT_ERR_FORMAT && err.message[0], "no reason for having no report");
    else
        check_recorded(gt_ingest_recorded(ingest), info, options);
}

void check_recorded(const struct gt_recorded *recorded, const struct gt_run_info *info,
                    const struct gt_report_options *options)
{
    struct gt_error err = {0};
    struct gt_results results = {0};
    struct gt_report *report;
    struct gt_metrics metrics;
    struct gt_buf text;

    must(gt_results_make(&results, recorded, info, options, true, &err) == 0, "out of memory");
    report = results.report;
    check_timeline(recorded->timeline);
    gt_metrics_init(&metrics);
    must(gt_metrics_add(&metrics, report, &err) == 0, err.message);
    gt_report_set_metrics(report, &metrics);
    gt_buf_init(&text);
    must(gt_report_print(report, &(struct gt_print_options){0}, &text) == 0, "out of memory");
    check_lines(text.data, text.length);
    gt_buf_reset(&text);
    must(gt_report_print(report, &(struct gt_print_options){.width = 80}, &text) == 0,
         "out of memory");
    check_lines(text.data, text.length);
    gt_buf_reset(&text);
    must(gt_report_summary(report, &text, &err) == 0, err.message);
    check_json(text.data, text.length);
    gt_buf_release(&text);
    write_outputs(report);
    write_flames(recorded->timeline);
    judge(report, &metrics);
    gt_metrics_release(&metrics);
    gt_results_release(&results);
}
