/* SPDX-License-Identifier: MIT */
/* lib/report: from text to the summary, Chrome JSON and the table; hostile names included. */
#include "base/nstime.h"
#include "base/width.h"
#include "feed.h"

#include "base/buf.h"
#include "common/results.h"
#include "ingest/ingest.h"
#include "report/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>
#include <zlib.h>

static const struct gt_print_options for_file = {0}, colored = {.color = true};

/* 13 waits 300 us for 12, then holds 100 us; its name is made to break out of anything. */
static const char text[] =
    "         python3 12/12 [000]     5.000000000: PERF_RECORD_COMM exec: python3:12/12\n"
    "         python3 12/12 [000]     5.000100000: gil:signal: (1) cond=0x7f0000001058\n"
    "         python3 12/12 [000]     5.000200000: gil:signal: (1) cond=0x7f0000001000\n"
    "         python3 12/12 [000]     5.000300000: gil:signal: (1) cond=0x7f0000001058\n"
    "         python3 12/12 [000]     5.000400000: PERF_RECORD_FORK(12:13):(12:12)\n"
    "         python3 12/13 [001]     5.000500000: PERF_RECORD_COMM: </script>\"\x1b[m:12/13\n"
    " </script>\"\x1b[m 12/13 [001]     5.000600000: gil:wait: (1) cond=0x7f0000001000\n"
    "         python3 12/12 [000]     5.000900000: gil:signal: (1) cond=0x7f0000001000\n"
    " </script>\"\x1b[m 12/13 [001]     5.000900000: gil:signal: (1) cond=0x7f0000001058\n"
    " </script>\"\x1b[m 12/13 [001]     5.001000000: gil:signal: (1) cond=0x7f0000001000\n"
    " </script>\"\x1b[m 12/13 [001]     5.001000000: PERF_RECORD_EXIT(12:13):(12:12)\n"
    "         python3 12/12 [000]     5.002000000: PERF_RECORD_EXIT(12:12):(12:12)\n";

static char *const command[] = {"python3", "a \xff\n.py", NULL};
static const struct gt_run_info info = {.argv = command,
                                        .exit_status = 7,
                                        .started_unix_ns = -1,
                                        .root_pid = 12,
                                        .gil_enabled = true};

static const struct gt_ingest_options options = {.detect = GT_DETECT_GIL};
static struct gt_ingest *ingest; /* of the report at hand */
static struct gt_results results;

static struct gt_report *make_report(const char *data, size_t length)
{
    struct gt_error err;

    ingest = gt_ingest_new(&options, &err);
    assert_non_null(ingest);
    assert_int_equal(gt_ingest_feed(ingest, data, length, &err), 0);
    assert_int_equal(gt_ingest_finish(ingest, &err), 0);
    assert_int_equal(
        gt_results_make(&results, gt_ingest_recorded(ingest), &info, NULL, true, &err), 0);
    return results.report;
}

static void drop(void)
{
    gt_results_release(&results);
    gt_ingest_free(ingest);
}

static json_t *load(const char *data, size_t length)
{
    json_error_t error;
    json_t *value = json_loadb(data, length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);

    if (!value)
        fail_msg("line %d: %s", error.line, error.text);
    return value;
}

static int64_t number(json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static void the_summary_is_json_with_the_numbers(void **state)
{
    struct gt_report *report = make_report(text, sizeof(text) - 1);
    struct gt_buf json;
    struct gt_error err;
    json_t *root, *gil, *waiter, *blame;

    (void)state;
    gt_buf_init(&json);
    assert_int_equal(gt_report_summary(report, &json, &err), 0);
    assert_null(strpbrk(json.data, "<>&\x1b\n"));
    root = load(json.data, json.length);
    assert_int_equal(number(root, "schema"), 1);
    assert_int_equal(number(json_object_get(root, "run"), "exit_status"), 7);
    assert_int_equal(json_array_size(json_object_get(root, "gils")), 1);
    gil = json_array_get(json_object_get(root, "gils"), 0);
    assert_int_equal(number(gil, "pid"), 12);
    assert_int_equal(number(gil, "hold_ns"), 100000 + 600000 + 100000);
    assert_int_equal(number(gil, "wait_ns"), 300000);
    assert_int_equal(number(gil, "violations"), 0);
    waiter = json_array_get(json_object_get(gil, "threads"), 1);
    assert_int_equal(number(waiter, "tid"), 13);
    assert_int_equal(number(waiter, "lifetime_ns"), 600000);
    assert_int_equal(number(waiter, "hold_ns"), 100000);
    assert_int_equal(number(waiter, "wait_ns"), 300000);
    assert_int_equal(number(waiter, "free_ns"), 200000);
    assert_string_equal(json_string_value(json_object_get(waiter, "label")),
                        "</script>\"\x1b[m");
    blame = json_array_get(json_object_get(waiter, "blocked_by"), 0);
    assert_int_equal(number(blame, "tid"), 12);
    assert_int_equal(number(blame, "ns"), 300000);
    json_decref(root);
    gt_buf_release(&json);
    drop();
}

static char *write_to_file(struct gt_report *report, enum gt_report_format format,
                           struct gt_buf *content)
{
    char path[] = "/tmp/giltracer-test-XXXXXX";
    struct gt_output output;
    struct gt_error err;
    int fd = mkstemp(path);
    gzFile file;
    char piece[4096];
    int got;

    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(gt_output_open(&output, path, &err), 0);
    assert_int_equal(gt_report_write(report, format, &output, &err), 0);
    assert_int_equal(gt_output_commit(&output, &err), 0);
    file = gzopen(path, "rb"); /* reads what is not compressed too */
    assert_non_null(file);
    while ((got = gzread(file, piece, sizeof(piece))) > 0)
        assert_int_equal(gt_buf_add(content, piece, (size_t)got), 0);
    assert_int_equal(gzclose(file), Z_OK);
    unlink(path);
    return content->data;
}

/* Duration of all `X` events of this name, in us; *count of them. */
static double sum_spans(json_t *root, const char *name, int *count)
{
    json_t *events = json_object_get(root, "traceEvents"), *event;
    double sum = 0;
    size_t i;

    *count = 0;
    assert_true(json_is_array(events));
    json_array_foreach(events, i, event)
    {
        const char *phase = json_string_value(json_object_get(event, "ph"));

        assert_non_null(phase);
        assert_true(json_is_integer(json_object_get(event, "pid")));
        assert_true(json_is_integer(json_object_get(event, "tid")));
        assert_non_null(json_string_value(json_object_get(event, "name")));
        if (strcmp(phase, "X") != 0)
            continue;
        assert_true(json_number_value(json_object_get(event, "ts")) >= 0);
        if (strcmp(json_string_value(json_object_get(event, "name")), name) == 0) {
            sum += json_number_value(json_object_get(event, "dur"));
            ++*count;
        }
    }
    return sum;
}

/* The findings of a recording, joined by newlines. Free it. */
static char *findings_of(const char *data, size_t length)
{
    struct gt_report *report = make_report(data, length);
    struct gt_buf json, all;
    struct gt_error err;
    json_t *root, *finding;
    size_t i;

    gt_buf_init(&json);
    gt_buf_init(&all);
    assert_int_equal(gt_report_summary(report, &json, &err), 0);
    root = load(json.data, json.length);
    json_array_foreach(json_object_get(root, "findings"), i, finding)
    {
        assert_int_equal(gt_buf_adds(&all, json_string_value(finding)), 0);
        assert_int_equal(gt_buf_adds(&all, "\n"), 0);
    }
    json_decref(root);
    gt_buf_release(&json);
    drop();
    return all.data;
}

static void the_verdict_says_whether_and_who(void **state)
{
    struct gt_buf lines;
    char *findings = findings_of(text, sizeof(text) - 1);

    (void)state;
    /* 0.3 of 2 ms somebody waited; 0.3 of 1.9 + 0.6 ms of lives; all for main. */
    assert_non_null(strstr(findings, "Partly GIL-bound: threads of python3 (pid 12) waited for "
                                     "the GIL 11.5% of their time, 300.0 µs in all. At least "
                                     "one of them waited during 15.0% of the run, and then "
                                     "they waited 50.0% of their time.\n"));
    assert_non_null(strstr(findings, "main held the GIL for 100% of this waiting, the most. "
                                     "Largest pair: </script>\"?[m waited 300.0 µs for "
                                     "main.\n"));
    assert_true(strstr(findings, "GIL-bound") < strstr(findings, "exit status 7"));
    free(findings);

    gt_buf_init(&lines);
    for (int i = 0; i < 200; i++) /* holds of 4 us: that is all there is to a hit */
        gt_buf_addf(&lines,
                    "python3 12/12 [000] 5.%09d: gil:signal: (1) cond=0x7f0000001058\n"
                    "python3 12/12 [000] 5.%09d: gil:signal: (1) cond=0x7f0000001000\n",
                    i * 10000, i * 10000 + 4000);
    findings = findings_of(lines.data, lines.length);
    assert_non_null(strstr(findings, "the program is not GIL-bound"));
    assert_non_null(strstr(findings,
                           "Recording itself cost the program about 1.6 ms (80% of "
                           "the run): 400 events of the GIL at 4.0 µs. The verdict is "
                           "of the traced run; --gil-source agent records for "
                           "less.\n"));
    free(findings);
    gt_buf_release(&lines);
}

static void what_was_lost_is_no_proof(void **state)
{
    static const char lossy[] =
        "python3 12/12 [000] 5.000000000: gil:signal: (1) cond=0x7f0000001058\n"
        "python3 12/12 [000] 5.000100000: gil:signal: (1) cond=0x7f0000001000\n"
        "python3 12/12 [000] 5.000200000: gil:signal: (1) cond=0x7f0000001058\n"
        "python3 12/12 [000] 5.000300000: gil:signal: (1) cond=0x7f0000001000\n"
        "python3 12/12 [000] 5.000800000: PERF_RECORD_LOST lost 7\n"
        "python3 12/12 [000] 5.000900000: gil:signal: (1) cond=0x7f0000001058\n"
        "%s"
        "python3 12/12 [000] 5.000970000: gil:signal: (1) cond=0x7f0000001000\n"
        "%s";
    static const char wait[] = "python3 12/13 [000] 5.000950000: gil:wait: (1) "
                               "cond=0x7f0000001000\n";
    static const char take[] = "python3 12/13 [000] 5.000980000: gil:signal: (1) "
                               "cond=0x7f0000001058\n"
                               "python3 12/13 [000] 5.000990000: gil:signal: (1) "
                               "cond=0x7f0000001000\n";
    struct gt_buf lines;

    (void)state;
    for (int waits = 0; waits < 2; waits++) {
        char *findings;

        gt_buf_init(&lines);
        assert_int_equal(gt_buf_addf(&lines, lossy, waits ? wait : "", waits ? take : ""), 0);
        findings = findings_of(lines.data, lines.length);
        assert_non_null(strstr(findings, waits ? "since most of the run was lost: threads of "
                                                 "python3 (pid 12) waited"
                                               : "since most of the run was lost: no wait"));
        assert_null(strstr(findings, "Not GIL-bound"));
        assert_null(strstr(findings, "not GIL-bound"));
        free(findings);
        gt_buf_release(&lines);
    }
}

/* "A us: THREAD what": who takes, drops and waits for the GIL when, as perf would tell. */
struct step {
    int us;
    int tid;
    enum { TAKE, DROP, WAIT } what;
};

static char *findings_of_steps(const struct step *steps, size_t count)
{
    static const char *const words[] = {"signal: (1) cond=0x7f0000001058",
                                        "signal: (1) cond=0x7f0000001000",
                                        "wait: (1) cond=0x7f0000001000"};
    struct gt_buf lines;
    char *findings;

    gt_buf_init(&lines);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(gt_buf_addf(&lines, "python3 12/%d [000] 5.%06d000: gil:%s\n",
                                     steps[i].tid, steps[i].us, words[steps[i].what]),
                         0);
    findings = findings_of(lines.data, lines.length);
    gt_buf_release(&lines);
    return findings;
}

/* Thread 2 waits 200 us each for three; thread 4 waits 500 us, for one. */
static void the_largest_pair_is_not_who_waited_most(void **state)
{
    static const struct step steps[] = {
        {1, 12, TAKE},    {2, 12, DROP},    {3, 12, TAKE},   {10, 13, WAIT},  {210, 12, DROP},
        {210, 14, TAKE},  {410, 14, DROP},  {410, 13, TAKE}, {420, 13, DROP}, {420, 12, TAKE},
        {420, 15, WAIT},  {920, 12, DROP},  {920, 15, TAKE}, {920, 13, WAIT}, {1120, 15, DROP},
        {1120, 13, TAKE}, {1130, 13, DROP},
    };
    char *findings = findings_of_steps(steps, sizeof(steps) / sizeof(steps[0]));

    (void)state;
    assert_non_null(strstr(findings, "main held the GIL for 64% of this waiting, the most."));
    assert_non_null(strstr(findings, "Largest pair: thread 4 waited 500.0 µs for main."));
    free(findings);
}

/* What it shares is of its own life, when that is a part of the run. */
static void a_short_life_is_not_the_run(void **state)
{
    static const char lines[] =
        "python3 12/12 [000] 5.000001000: gil:signal: (1) cond=0x7f0000001058\n"
        "python3 12/12 [000] 5.000002000: gil:signal: (1) cond=0x7f0000001000\n"
        "python3 12/12 [000] 5.000003000: gil:signal: (1) cond=0x7f0000001058\n"
        "python3 12/13 [000] 5.000004000: gil:wait: (1) cond=0x7f0000001000\n"
        "python3 12/12 [000] 5.000084000: gil:signal: (1) cond=0x7f0000001000\n"
        "python3 12/13 [000] 5.000084000: gil:signal: (1) cond=0x7f0000001058\n"
        "python3 12/13 [000] 5.000100000: gil:signal: (1) cond=0x7f0000001000\n"
        "python3 12/13 [000] 5.000101000: PERF_RECORD_EXIT(12:13):(12:12)\n"
        "python3 12/12 [000] 5.000101000: %s\n"
        "sh      11/11 [000] 5.000%s00000: PERF_RECORD_EXIT(11:11):(1:1)\n";
    static const char exec[] = "PERF_RECORD_COMM exec: true:12/12";
    static const char leave[] = "PERF_RECORD_EXIT(12:12):(11:11)";

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct gt_buf text_of;
        char *findings;

        gt_buf_init(&text_of);
        assert_int_equal(gt_buf_addf(&text_of, lines, i == 2 ? exec : leave, i ? "8" : "1"), 0);
        findings = findings_of(text_of.data, text_of.length);
        assert_non_null(strstr(findings, "threads of python3 (pid 12) waited"));
        assert_non_null(strstr(findings, i ? "during 80.0% of that program's life."
                                           : "during 80.0% of the run."));
        free(findings);
        gt_buf_release(&text_of);
    }
}

static void what_is_missing_is_not_said_to_be_unreported(void **state)
{
    static const char lines[] =
        "python3 12/12 [000] 5.000001000: gil:signal: (1) cond=0x7f0000001058\n"
        "python3 12/12 [000] 5.000002000: gil:signal: (1) cond=0x7f0000001000\n"
        "python3 12/12 [000] 5.000003000: gil:signal: (1) cond=0x7f0000001058\n"
        "python3 12/13 [000] 5.000010000: gil:signal: (1) cond=0x7f0000001058\n"
        "python3 12/13 [000] 5.000100000: gil:signal: (1) cond=0x7f0000001000\n"
        "python3 12/13 [000] 5.000101000: gil:signal: (1) cond=0x7f0000001058\n"
        "python3 12/14 [000] 5.000110000: gil:wait: (1) cond=0x7f0000001000\n"
        "%s";
    static const char lost[] = "python3 12/12 [000] 5.000120000: PERF_RECORD_LOST lost 7\n";

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct gt_buf text_of;
        char *findings;

        gt_buf_init(&text_of);
        assert_int_equal(gt_buf_addf(&text_of, lines, i ? lost : ""), 0);
        findings = findings_of(text_of.data, text_of.length);
        assert_non_null(strstr(findings, "0 releases and 1 acquisitions have no counterpart"));
        assert_int_equal(!strstr(findings, "though none was reported lost"), i);
        /* With a loss nobody knows what became of it. */
        assert_int_equal(!strstr(findings,
                                 "1 time a thread still waited for the GIL as it, its "
                                 "process or the recording ended"),
                         i);
        free(findings);
        gt_buf_release(&text_of);
    }
}

/* Of two processes the agent's log has no end. */
static void ends_that_are_not_known_are_told_together(void **state)
{
    struct gt_timeline *timeline = gt_timeline_new(false, NULL);
    struct gt_recorded recorded = {.timeline = timeline, .detect = GT_DETECT_GIL};
    struct gt_results made = {0};
    struct gt_buf table;

    (void)state;
    for (int32_t pid = 20; pid <= 21; pid++) {
        struct gt_event stopped = {.kind = GT_EVENT_STOPPED,
                                   .time_ns = 200000 + pid,
                                   .pid = pid,
                                   .tid = -1,
                                   .cpu = -1,
                                   .comm = "",
                                   .stopped = {"killed", 6, true, true}};

        fork_task(timeline, 1000 + pid, pid, pid, 0);
        acquire(timeline, 100000 + pid, pid, pid, 0x7000);
        release(timeline, 101000 + pid, pid, pid, 0x7000);
        assert_int_equal(gt_timeline_feed(timeline, &stopped), 0);
        exit_task(timeline, 200000 + pid, pid, pid);
    }
    assert_int_equal(gt_timeline_finish(timeline, NULL), 0);
    assert_int_equal(gt_results_make(&made, &recorded, &info, NULL, true, NULL), 0);
    gt_buf_init(&table);
    assert_int_equal(gt_report_print(made.report, &for_file, &table), 0);
    assert_non_null(strstr(table.data, "The end of process 20 and 1 more was not recorded "
                                       "(killed, or still running)"));
    gt_buf_release(&table);
    gt_results_release(&made);
    gt_timeline_free(timeline);
}

static size_t count_lines(const char *printed)
{
    size_t lines = 0;

    for (; (printed = strchr(printed, '\n')); printed++)
        lines++;
    return lines;
}

static void check_that_a_kind_has_one_row(struct gt_report *report)
{
    struct gt_report_options all = report->options, few = report->options;
    struct gt_buf table;

    gt_buf_init(&table);
    assert_int_equal(gt_report_print(report, &for_file, &table), 0);
    assert_non_null(strstr(table.data, "\n(400) "));
    assert_non_null(strstr(table.data, "71.5 to 100.0"));
    assert_non_null(strstr(table.data, "  thread *\n"));
    assert_null(strstr(table.data, "\n13 "));
    assert_true(count_lines(table.data) < 20);
    gt_buf_reset(&table);
    all.all_threads = true;
    report->options = all;
    assert_int_equal(gt_report_print(report, &for_file, &table), 0);
    assert_non_null(strstr(table.data, "\n13 "));
    assert_non_null(strstr(table.data, "\n412 "));
    assert_null(strstr(table.data, "\n(400) "));
    report->options = few;
    gt_buf_release(&table);
}

/* 400 threads wait for one, then take turns: each list is cut, and its sum is the wait. */
static void of_many_holders_the_least_are_summed_up(void **state)
{
    enum { THREADS = 400 };
    struct gt_report *report;
    struct gt_buf lines, json;
    struct gt_error err;
    json_t *root, *row, *blame;
    size_t i, most = 0;

    (void)state;
    gt_buf_init(&lines);
    gt_buf_init(&json);
    for (int turn = 0; turn < 2; turn++)
        gt_buf_addf(&lines,
                    "python3 12/12 [000] 5.00000%d00: gil:signal: (1) cond=0x7f0000001058\n"
                    "python3 12/12 [000] 5.00000%d90: gil:signal: (1) cond=0x7f0000001000\n",
                    turn, turn);
    for (int tid = 13; tid < 13 + THREADS; tid++)
        gt_buf_addf(&lines,
                    "python3 12/%d [000] 5.000%03d000: gil:wait: (1) cond=0x7f0000001000\n",
                    tid, tid);
    for (int tid = 13; tid < 13 + THREADS; tid++)
        gt_buf_addf(&lines,
                    "python3 12/%d [000] 5.001%03d000: gil:signal: (1) cond=0x7f0000001058\n"
                    "python3 12/%d [000] 5.001%03d500: gil:signal: (1) cond=0x7f0000001000\n",
                    tid, tid, tid, tid);
    report = make_report(lines.data, lines.length);
    assert_int_equal(gt_report_summary(report, &json, &err), 0);
    root = load(json.data, json.length);
    json_array_foreach(
        json_object_get(json_array_get(json_object_get(root, "gils"), 0), "threads"), i, row)
    {
        json_t *blames = json_object_get(row, "blocked_by");
        size_t j, count = json_array_size(blames);
        int64_t sum = 0;

        json_array_foreach(blames, j, blame)
        {
            sum += number(blame, "ns");
        }
        assert_int_equal(sum, number(row, "wait_ns"));
        if (count > most) {
            most = count;
            assert_string_equal(
                json_string_value(json_object_get(json_array_get(blames, count - 1), "label")),
                "(nobody)");
        }
    }
    assert_true(most == 250 || most == 251); /* 100000 by threads, (others) and (nobody) */
    json_decref(root);
    check_that_a_kind_has_one_row(report);
    gt_buf_release(&lines);
    gt_buf_release(&json);
    drop();
}

static void chrome_json_is_valid(void **state)
{
    struct gt_report *report = make_report(text, sizeof(text) - 1);
    struct gt_buf plain, packed;
    json_t *root;
    int count;

    (void)state;
    gt_buf_init(&plain);
    gt_buf_init(&packed);
    write_to_file(report, GT_FORMAT_JSON, &plain);
    write_to_file(report, GT_FORMAT_JSON_GZ, &packed);
    assert_string_equal(plain.data, packed.data);
    assert_null(strstr(plain.data, "</script"));
    root = load(plain.data, plain.length);
    assert_true(json_is_object(json_object_get(root, "giltracer")));
    assert_int_equal((int)sum_spans(root, "GIL hold", &count), 800);
    assert_int_equal(count, 3);
    assert_int_equal((int)sum_spans(root, "GIL wait", &count), 300);
    assert_int_equal(count, 1);
    json_decref(root);
    gt_buf_release(&plain);
    gt_buf_release(&packed);
    drop();
}

static void a_full_disk_is_told(void **state)
{
    struct gt_report *report = make_report(text, sizeof(text) - 1);
    struct gt_error err;

    (void)state;
    for (int format = GT_FORMAT_JSON; format <= GT_FORMAT_HTML; format++) {
        struct gt_output output;

        assert_int_equal(gt_output_open(&output, "/dev/full", &err), 0);
        assert_int_equal(gt_report_write(report, (enum gt_report_format)format, &output, &err),
                         GT_ERR_IO);
        assert_non_null(strstr(err.message, "/dev/full"));
        gt_output_abandon(&output);
    }
    drop();
}

static void the_table_is_for_people(void **state)
{
    struct gt_report *report = make_report(text, sizeof(text) - 1);
    struct gt_buf table;

    (void)state;
    gt_buf_init(&table);
    assert_int_equal(gt_report_print(report, &for_file, &table), 0);
    assert_null(strchr(table.data, '\x1b')); /* neither ours nor the thread's */
    assert_non_null(strstr(table.data, "Summary of threads:"));
    assert_non_null(strstr(table.data, "\n12* "));
    assert_non_null(strstr(table.data, "\n13  "));
    assert_non_null(strstr(table.data, " 600.0 ")); /* total(µs) */
    assert_non_null(strstr(table.data, " 50.0"));   /* gil wait% */
    assert_non_null(strstr(table.data, "300.0 µs"));
    assert_non_null(strstr(table.data, "main (100%)"));
    assert_non_null(strstr(table.data, "exit status 7"));
    gt_buf_reset(&table);
    assert_int_equal(gt_report_print(report, &colored, &table), 0);
    assert_non_null(strstr(table.data, "\x1b[31m"));
    assert_null(strstr(table.data, "\"\x1b[m"));
    gt_buf_release(&table);
    drop();
}

/* No line is wider than the terminal, and the verdict comes first. */
static void the_table_fits_the_terminal(void **state)
{
    struct gt_report *report = make_report(text, sizeof(text) - 1);
    struct gt_buf table;

    (void)state;
    gt_buf_init(&table);
    for (size_t width = 60; width < 140; width += 5) {
        const struct gt_print_options how = {.width = width};

        gt_buf_reset(&table);
        assert_int_equal(gt_report_print(report, &how, &table), 0);
        assert_ptr_equal(strstr(table.data, "Partly GIL-bound"), table.data);
        for (char *line = strtok(table.data, "\n"); line; line = strtok(NULL, "\n"))
            if (gt_text_width(line, strlen(line)) > width)
                fail_msg("%zu columns: %s", width, line);
    }
    gt_buf_release(&table);
    drop();
}

static void put_line(struct gt_buf *lines, int64_t time_ns, int tid, const char *what)
{
    assert_int_equal(gt_buf_addf(lines, "   python3    12/%-5d [000] %5d.%09d: %s\n", tid,
                                 (int)(time_ns / GT_NS_PER_S), (int)(time_ns % GT_NS_PER_S),
                                 what),
                     0);
}

static void put_cond(struct gt_buf *lines, int64_t time_ns, int tid, const char *event,
                     int address)
{
    char what[64];

    snprintf(what, sizeof(what), "gil:%s: (7f00) cond=%#x", event, address);
    put_line(lines, time_ns, tid, what);
}

/* Of ten seconds, one thread waits for another from the fourth on, for so many stretches of 50
 * ms; then nothing is known for so many seconds. */
static void make_idle(struct gt_buf *lines, int stretches, int lost_s)
{
    enum { COND = 0x1000, ACQUIRED = 0x1058, STRETCH_NS = 50000000 };
    int64_t now_ns = 4 * (int64_t)GT_NS_PER_S;

    put_line(lines, 1, 13, "PERF_RECORD_FORK(12:13):(12:12)");
    for (int i = 0; i < stretches; i++) {
        put_cond(lines, now_ns, 12 + i % 2, "signal", ACQUIRED);
        put_cond(lines, now_ns + 1000000, 13 - i % 2, "wait", COND);
        now_ns += STRETCH_NS;
        put_cond(lines, now_ns, 12 + i % 2, "signal", COND);
    }
    now_ns += lost_s * (int64_t)GT_NS_PER_S;
    if (lost_s)
        put_line(lines, now_ns, 12, "PERF_RECORD_LOST lost 9");
    for (int i = 0; i < 2; i++) { /* each is seen again */
        put_cond(lines, ++now_ns, 12 + (stretches + i) % 2, "signal", ACQUIRED);
        put_cond(lines, ++now_ns, 12 + (stretches + i) % 2, "signal", COND);
    }
    put_line(lines, 10 * (int64_t)GT_NS_PER_S, 13, "PERF_RECORD_EXIT(12:13):(12:12)");
    put_line(lines, 10 * (int64_t)GT_NS_PER_S, 12, "PERF_RECORD_EXIT(12:12):(12:12)");
}

/* What a person at a terminal gets of it. Free it. */
static char *printed(int stretches, int lost_s)
{
    const struct gt_print_options how = {.brief = true};
    struct gt_buf lines, table;

    gt_buf_init(&lines);
    gt_buf_init(&table);
    make_idle(&lines, stretches, lost_s);
    assert_int_equal(gt_report_print(make_report(lines.data, lines.length), &how, &table), 0);
    gt_buf_release(&lines);
    drop();
    return table.data;
}

/* 0.2 of 10 s are not GIL-bound, and they are told. */
static void a_bad_moment_is_told_where_the_whole_is_good(void **state)
{
    char *table = printed(4, 0);

    (void)state;
    assert_non_null(strstr(table, "Not GIL-bound: "));
    assert_non_null(strstr(table, ", and then they waited 50.0% of their time.\n"));
    assert_non_null(strstr(table,
                           "\nWorst stretch: in the 199.0 ms from 00:04.00, 2 threads "
                           "waited for the GIL 49.2% of their time. The stretch has 100.0% of "
                           "all waiting for it, in 2.0% of the time.\n"));
    assert_non_null(strstr(table, "Summary of threads:"));
    free(table);
    table = printed(1, 0); /* for 49 ms */
    assert_non_null(strstr(table, "Not GIL-bound: "));
    assert_null(strstr(table, "Worst stretch"));
    assert_null(strstr(table, "Summary of threads:"));
    free(table);
    table = printed(4, 1);
    assert_non_null(strstr(table, " of all known waiting for it, in "));
    free(table);
    table = printed(4, 4); /* what is lost may have been as bad */
    assert_null(strstr(table, "Worst stretch"));
    free(table);
}

static void endings_name_formats(void **state)
{
    enum gt_report_format format;
    struct gt_error err;

    (void)state;
    assert_int_equal(gt_report_format_of("a.json", &format, &err), 0);
    assert_int_equal(format, GT_FORMAT_JSON);
    assert_int_equal(gt_report_format_of("a.json.gz", &format, &err), 0);
    assert_int_equal(format, GT_FORMAT_JSON_GZ);
    assert_int_equal(gt_report_format_of("b/a.html", &format, &err), 0);
    assert_int_equal(format, GT_FORMAT_HTML);
    assert_int_equal(gt_report_format_of("-", &format, &err), 0);
    assert_int_equal(format, GT_FORMAT_JSON);
    assert_int_equal(gt_report_format_of("a.txt", &format, &err), GT_ERR_USAGE);
    assert_non_null(strstr(err.message, ".json.gz"));
    assert_int_equal(gt_report_format_of("", &format, &err), GT_ERR_USAGE);
}

static void text_of_something_else(void **state)
{
    const char *other = "{\"traceEvents\": []}\nhello\n";
    struct gt_error err;
    struct gt_ingest *other_ingest = gt_ingest_new(&options, &err);

    (void)state;
    assert_int_equal(gt_ingest_feed(other_ingest, other, strlen(other), &err), 0);
    assert_int_equal(gt_ingest_finish(other_ingest, &err), GT_ERR_FORMAT);
    assert_non_null(strstr(err.message, "perf script"));
    gt_ingest_free(other_ingest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_summary_is_json_with_the_numbers),
        cmocka_unit_test(the_verdict_says_whether_and_who),
        cmocka_unit_test(what_was_lost_is_no_proof),
        cmocka_unit_test(the_largest_pair_is_not_who_waited_most),
        cmocka_unit_test(a_short_life_is_not_the_run),
        cmocka_unit_test(what_is_missing_is_not_said_to_be_unreported),
        cmocka_unit_test(ends_that_are_not_known_are_told_together),
        cmocka_unit_test(of_many_holders_the_least_are_summed_up),
        cmocka_unit_test(chrome_json_is_valid),
        cmocka_unit_test(a_full_disk_is_told),
        cmocka_unit_test(the_table_is_for_people),
        cmocka_unit_test(the_table_fits_the_terminal),
        cmocka_unit_test(a_bad_moment_is_told_where_the_whole_is_good),
        cmocka_unit_test(endings_name_formats),
        cmocka_unit_test(text_of_something_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
