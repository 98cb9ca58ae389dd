/* SPDX-License-Identifier: MIT */
/* A page of a recording that is too large for one: it holds the beginning, and says so. */
#include "base/buf.h"
#include "common/results.h"
#include "ingest/ingest.h"
#include "ingest/native_log.h"
#include "report/facts.h"
#include "report/legend.h"
#include "report/page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

enum { PROCESSES = 120, ROUNDS = 30 };

static char *const command[] = {"python3", NULL};
static const struct gt_run_info info = {
    .argv = command, .started_unix_ns = -1, .root_pid = 12, .gil_enabled = true};
static const struct gt_ingest_options options = {.detect = GT_DETECT_GIL | GT_DETECT_SCHED};
static struct gt_ingest *ingest;
static struct gt_results results;

enum { LATE = 20, FIRST_LATE = 2000 }; /* threads of a name of their own, by their tid */

static void line(struct gt_buf *text, int pid, int tid, int64_t time_us, const char *what)
{
    char name[32] = "py";

    if (tid >= FIRST_LATE)
        snprintf(name, sizeof(name), "late-%d", tid - FIRST_LATE);
    assert_int_equal(gt_buf_addf(text, "%s %d/%d [000] %d.%06d000: %s\n", name, pid, tid,
                                 1 + (int)(time_us / 1000000), (int)(time_us % 1000000), what),
                     0);
}

/* Releases the texts. */
static void convert(struct gt_buf *text, struct gt_buf *native)
{
    ingest = gt_ingest_new(&options, NULL);
    assert_non_null(ingest);
    assert_int_equal(gt_ingest_feed(ingest, text->data, text->length, NULL), 0);
    if (native) {
        struct gt_native_log *log = gt_ingest_native(ingest, NULL);

        assert_non_null(log);
        assert_int_equal(gt_native_log_feed(log, native->data, native->length, NULL), 0);
        gt_buf_release(native);
    }
    assert_int_equal(gt_ingest_finish(ingest, NULL), 0);
    assert_int_equal(
        gt_results_make(&results, gt_ingest_recorded(ingest), &info, NULL, true, NULL), 0);
    gt_buf_release(text);
}

/* Processes begin one after the other, each with two threads that wait for each other; of one
 * of them the stack is sampled. */
static int make(void **state)
{
    struct gt_buf text, native;
    int64_t time_us = 0;
    char fork[64];

    (void)state;
    gt_buf_init(&text);
    gt_buf_init(&native);
    for (int i = 0; i < PROCESSES; i++) {
        int pid = 1000 + 2 * i;

        snprintf(fork, sizeof(fork), "PERF_RECORD_FORK(%d:%d):(%d:%d)", pid, pid + 1, pid, pid);
        line(&text, pid, pid, time_us++, "gil:signal: (1) cond=0x7f0000001058");
        line(&text, pid, pid, time_us++, "gil:signal: (1) cond=0x7f0000001000");
        line(&text, pid, pid + 1, time_us++, fork);
        for (int k = 0; k < ROUNDS; k++) {
            int own = pid + k % 2, other = pid + (k + 1) % 2;

            line(&text, pid, own, time_us++, "gil:signal: (1) cond=0x7f0000001058");
            line(&text, pid, other, time_us++, "gil:wait: (1) cond=0x7f0000001000");
            line(&text, pid, own, time_us++, "gil:signal: (1) cond=0x7f0000001000");
            line(&text, pid, own, time_us++, "1 page-faults: ");
        }
        line(&native, pid, pid + 1, time_us, "10 cpu-clock:u: \n\t1000 inner (/x.so)\n");
    }
    convert(&text, &native);
    return 0;
}

/* Two threads take turns for a second; then many others, of a kind that was not there, wait. */
static int make_late(void **state)
{
    enum { STEPS = 60 };
    struct gt_buf text;
    int64_t time_us = 0;
    char what[96];

    (void)state;
    gt_buf_init(&text);
    line(&text, 1000, 1001, time_us++, "PERF_RECORD_FORK(1000:1001):(1000:1000)");
    for (int i = 0; i < 2000; i++) {
        line(&text, 1000, 1000 + i % 2, time_us += 250, "gil:signal: (1) cond=0x7f0000001058");
        line(&text, 1000, 1000 + i % 2, time_us += 250, "gil:signal: (1) cond=0x7f0000001000");
    }
    for (int i = 0; i < LATE; i++) {
        snprintf(what, sizeof(what), "PERF_RECORD_FORK(1000:%d):(1000:1000)", FIRST_LATE + i);
        line(&text, 1000, FIRST_LATE + i, time_us++, what);
        if (i)
            line(&text, 1000, FIRST_LATE + i, time_us++, "gil:wait: (1) cond=0x7f0000001000");
    }
    for (int i = 0; i < STEPS; i++) {
        line(&text, 1000, FIRST_LATE + i % LATE, time_us++,
             "gil:signal: (1) cond=0x7f0000001058");
        line(&text, 1000, FIRST_LATE + i % LATE, time_us += 5000,
             "gil:signal: (1) cond=0x7f0000001000");
        line(&text, 1000, FIRST_LATE + i % LATE, time_us++,
             "gil:wait: (1) cond=0x7f0000001000");
    }
    convert(&text, NULL);
    return 0;
}

static int drop(void **state)
{
    (void)state;
    gt_results_release(&results);
    gt_ingest_free(ingest);
    return 0;
}

static void write_page(uint64_t most, struct gt_buf *page)
{
    char path[] = "/tmp/gt_page_XXXXXX";
    struct gt_output output;
    char piece[4096];
    FILE *file;

    assert_true(close(mkstemp(path)) == 0);
    assert_int_equal(gt_output_open(&output, path, NULL), 0);
    assert_int_equal(gt_page_write_within(results.report, &output, most, NULL), 0);
    assert_int_equal(gt_output_commit(&output, NULL), 0);
    file = fopen(path, "r");
    assert_non_null(file);
    gt_buf_init(page);
    for (size_t got; (got = fread(piece, 1, sizeof(piece), file)) > 0;)
        assert_int_equal(gt_buf_add(page, piece, got), 0);
    fclose(file);
    unlink(path);
}

/* The JSON of the element with this id. */
static json_t *element(const struct gt_buf *page, const char *id)
{
    const char *start = strstr(page->data, id), *end;
    json_t *value;

    assert_non_null(start);
    start = strchr(start, '>') + 1;
    end = strstr(start, "</script>");
    value = json_loadb(start, (size_t)(end - start), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(value);
    return value;
}

/* The rows of a table in all its blocks. */
static json_int_t rows_of(const struct gt_buf *page, const char *table, size_t key)
{
    char head[96];
    json_int_t rows = 0;

    snprintf(head, sizeof(head), "data-table=\"%s\" data-key=\"%zu\" data-rows=\"", table, key);
    for (const char *at = page->data; (at = strstr(at, head)); at++)
        rows += strtol(at + strlen(head), NULL, 10);
    return rows;
}

static json_int_t number(json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

/* What the names announce is there, and refers to what is there. Returns the GILs. */
static size_t check_names(const struct gt_buf *page, json_t *data)
{
    size_t threads = json_array_size(json_object_get(data, "threads")), i, k;
    size_t processes = json_array_size(json_object_get(data, "processes"));
    json_t *item, *member, *gils = json_object_get(data, "gils");

    json_array_foreach(json_object_get(data, "threads"), i, item)
        assert_true(number(item, "process") < (json_int_t)processes);
    json_array_foreach(gils, i, item)
    {
        assert_true(number(item, "process") < (json_int_t)processes);
        assert_int_equal(rows_of(page, "holds", i), number(item, "holds"));
        assert_int_equal(rows_of(page, "waits", i), number(item, "waits"));
        json_array_foreach(json_object_get(item, "members"), k, member)
            assert_true(json_integer_value(member) < (json_int_t)threads);
    }
    json_array_foreach(json_object_get(data, "counters"), i, item)
        assert_int_equal(rows_of(page, "counters", i), number(item, "samples"));
    json_array_foreach(json_object_get(data, "flames"), i, item)
    {
        size_t state = (size_t)number(item, "state");

        assert_int_equal(rows_of(page, "flame", state), number(item, "nodes"));
        assert_int_equal(rows_of(page, "samples", state), number(item, "samples"));
    }
    return json_array_size(gils);
}

static void all_is_there_where_it_fits(void **state)
{
    struct gt_buf page;
    json_t *data, *summary;

    (void)state;
    write_page(UINT64_MAX, &page);
    data = element(&page, "page-data");
    summary = element(&page, "summary-data");
    assert_int_equal(check_names(&page, data), PROCESSES);
    assert_int_equal(rows_of(&page, "samples", GT_SCHED_RUNNING), PROCESSES);
    assert_int_equal(json_array_size(json_object_get(data, "lost")), 0);
    assert_null(strstr(page.data, "This page shows"));
    json_decref(data);
    json_decref(summary);
    gt_buf_release(&page);
}

static void a_page_that_is_too_large_holds_the_beginning(void **state)
{
    struct gt_buf whole, page;
    json_t *data, *summary, *lost;
    size_t viewer, gils;

    (void)state;
    write_page(UINT64_MAX, &whole);
    write_page(1, &page); /* nothing but the viewer fits, and that it says */
    viewer = page.length;
    assert_non_null(strstr(page.data, "This page shows the first"));
    gt_buf_release(&page);
    for (int part = 1; part <= 3; part++) {
        uint64_t most = viewer + (whole.length - viewer) * (uint64_t)part / 4;

        write_page(most, &page);
        assert_true(page.length <= most);
        assert_true(page.length - viewer >= (most - viewer) / 4);
        data = element(&page, "page-data");
        summary = element(&page, "summary-data");
        gils = check_names(&page, data);
        assert_true(gils > 0 && gils < PROCESSES);
        assert_in_range(rows_of(&page, "samples", GT_SCHED_RUNNING), gils - 1, gils);
        assert_int_equal(json_array_size(json_object_get(summary, "gils")), gils);
        assert_int_equal(json_array_size(json_object_get(summary, "load")), gils);
        assert_int_equal(json_array_size(json_object_get(summary, "threads")),
                         json_array_size(json_object_get(data, "threads")));
        lost = json_array_get(json_object_get(data, "lost"), 0);
        assert_int_equal(json_integer_value(json_array_get(lost, 1)),
                         number(data, "duration_ns"));
        assert_non_null(
            strstr(json_string_value(json_array_get(json_object_get(summary, "findings"), 0)),
                   "the JSON (-o x.json) has all of it"));
        json_decref(data);
        json_decref(summary);
        gt_buf_release(&page);
    }
    gt_buf_release(&whole);
}

static void the_worst_stretch_may_be_of_threads_that_are_not_in_the_page(void **state)
{
    struct gt_buf whole, page;
    json_t *data, *summary, *worst, *stretch;
    size_t most;

    (void)state;
    write_page(UINT64_MAX, &whole);
    write_page(1, &page);
    most = page.length + (whole.length - page.length) / 2;
    gt_buf_release(&page);
    write_page(most, &page);
    data = element(&page, "page-data");
    summary = element(&page, "summary-data");
    assert_int_equal(json_array_size(json_object_get(data, "threads")), 2);
    worst = json_array_get(json_object_get(summary, "worst"), 0);
    stretch = json_object_get(worst, "stretch");
    assert_string_equal(json_string_value(json_object_get(stretch, "waiters")),
                        "late-* (20 threads)");
    assert_non_null(strstr(json_string_value(json_object_get(worst, "sentence")),
                           ", late-* (20 threads) waited for the GIL "));
    json_decref(data);
    json_decref(summary);
    gt_buf_release(&page);
    gt_buf_release(&whole);
}

static void costs(int64_t total_ns, bool states, bool counters, const char *wanted)
{
    struct gt_analysis *analysis = results.analysis;
    struct gt_buf json;

    analysis->cost.total_ns = total_ns;
    analysis->perf_cost.states_dear = states;
    analysis->perf_cost.counters_dear = counters;
    gt_buf_init(&json);
    assert_int_equal(gt_facts_json(results.report, &json), 0);
    assert_non_null(strstr(json.data, wanted));
    gt_buf_release(&json);
}

static void what_recording_cost_is_told_in_a_few_words(void **state)
{
    struct gt_analysis *analysis = results.analysis;

    (void)state;
    analysis->perf_cost.states_percent = 12;
    analysis->perf_cost.counters_percent = 7;
    costs(-1, false, false, "\"cost\":\"\",");
    costs(analysis->wall_ns / 40, false, false, "\"cost\":\"Recording cost 2.5% of the run\",");
    costs(
        analysis->wall_ns / 40, true, false,
        "\"cost\":\"Recording cost 2.5% of the run; 12% of the CPU time for the scheduler\",");
    costs(-1, true, true,
          "\"cost\":\"Recording cost 12% of the CPU time for the scheduler, 7% of the CPU time "
          "for "
          "-e\",");
    costs(-1, false, true, "\"cost\":\"Recording cost 7% of the CPU time for -e\",");
}

/* The first texts of the rows of a list, each behind a blank. */
static void keys_of(const json_t *words, const char *list, struct gt_buf *keys)
{
    const json_t *row;
    size_t i;

    gt_buf_init(keys);
    json_array_foreach(json_object_get(words, list), i, row) assert_int_equal(
        gt_buf_addf(keys, " %s", json_string_value(json_array_get(row, 0))), 0);
}

static void words(bool flames, const char *tabs, const char *columns, const char *legend,
                  const char *neither)
{
    const char *const lists[] = {"tabs", "columns", "legend"},
                      *wanted[] = {tabs, columns, legend};
    struct gt_buf json, keys;
    json_t *all;

    gt_buf_init(&json);
    assert_int_equal(gt_buf_adds(&json, "{"), 0);
    assert_int_equal(gt_legend_json(results.report, flames, &json), 0);
    assert_int_equal(gt_buf_adds(&json, "\"end\":0}"), 0);
    all = json_loadb(json.data, json.length, 0, NULL);
    assert_non_null(all);
    assert_non_null(strstr(json.data, neither));
    for (int i = 0; i < 3; i++) {
        keys_of(all, lists[i], &keys);
        assert_string_equal(keys.data, wanted[i]);
        gt_buf_release(&keys);
    }
    assert_int_equal(json_array_size(json_object_get(all, "guide")), 5);
    json_decref(all);
    gt_buf_release(&json);
}

static void what_is_shown_is_what_was_recorded(void **state)
{
    const struct gt_timeline *timeline = gt_ingest_recorded(ingest)->timeline;

    (void)state;
    words(
        true, " threads blockers whatif matrix flame waits holds counters compare",
        " label lifetime_ns free_ns hold_ns wait_ns wanted_ns longest_wait_ns blocked_by waits "
        "holds longest_hold_ns",
        " hold wait free", "[\"free\",\"neither\"]");
    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        struct gt_gil *gil = gt_chunks_at(&timeline->gils, i);

        gil->source = GT_GIL_FROM_FUTEX;
    }
    words(false, " threads blockers whatif matrix waits holds counters compare",
          " label lifetime_ns wait_ns wanted_ns longest_wait_ns blocked_by waits holds "
          "longest_hold_ns",
          " hold wait free", "[\"free\",\"not waiting\"]");
}

#define TEST(name, make) cmocka_unit_test_setup_teardown(name, make, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_is_there_where_it_fits, make),
        TEST(a_page_that_is_too_large_holds_the_beginning, make),
        TEST(what_recording_cost_is_told_in_a_few_words, make_late),
        TEST(what_is_shown_is_what_was_recorded, make),
        TEST(the_worst_stretch_may_be_of_threads_that_are_not_in_the_page, make_late),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
