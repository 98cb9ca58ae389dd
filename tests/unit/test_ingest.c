/* SPDX-License-Identifier: MIT */
/* lib/ingest: the sources of one recording are merged in the order of time. */
#include "ingest/ingest.h"

#include "viztracer/viztracer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define TRACE(events)                                                                          \
    "{\"traceEvents\": [" events "], \"viztracer_metadata\": {\"version\": \"1.1.1\", "        \
    "\"overflow\": false}}"
#define INSTANT(ts, name)                                                                      \
    "{\"pid\": 7, \"tid\": 7, \"ts\": " ts ", \"ph\": \"i\", \"s\": \"t\", \"cat\": "          \
    "\"INSTANT\", \"name\": \"" name "\"}"
#define CALL(ts, dur)                                                                          \
    "{\"pid\": 7, \"tid\": 7, \"ts\": " ts ", \"dur\": " dur                                   \
    ", \"ph\": \"X\", \"cat\": \"FEE\", \"name\": \"f (a.py:1)\"}"

static struct gt_ingest *ingest;

static int begin(void **state)
{
    const struct gt_ingest_options options = {.detect = GT_DETECT_GIL};

    (void)state;
    ingest = gt_ingest_new(&options, NULL);
    return ingest ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    gt_ingest_free(ingest);
    return 0;
}

static struct gt_viztracer *open_trace(const char *json)
{
    char path[] = "/tmp/test_ingest-XXXXXX";
    struct gt_error damage = {0}, err = {0};
    struct gt_viztracer *trace;
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, json, strlen(json)), strlen(json));
    close(fd);
    trace = gt_viztracer_open(path, &damage, &err);
    unlink(path);
    if (!trace)
        fail_msg("%s", err.message);
    assert_int_equal(damage.code, 0);
    return trace;
}

static void feed_text(const char *text)
{
    assert_int_equal(gt_ingest_feed(ingest, text, strlen(text), NULL), 0);
}

static const struct gt_timeline *finish(void)
{
    struct gt_error err = {0};

    if (gt_ingest_finish(ingest, &err) < 0)
        fail_msg("%s", err.message);
    return gt_ingest_recorded(ingest)->timeline;
}

static void check_mark(const struct gt_timeline *timeline, size_t index, const char *name)
{
    const struct gt_mark *mark = gt_chunks_at(&timeline->marks, index);

    assert_string_equal(gt_intern_text(&timeline->names, mark->name), name);
}

static void of_sources_beside_the_text_the_earliest_comes_first(void **state)
{
    struct gt_viztracer *one = open_trace(TRACE(INSTANT("2", "b") ", " INSTANT("4", "d")));
    struct gt_viztracer *two = open_trace(TRACE(INSTANT("1", "a") ", " INSTANT("3", "c")));
    const struct gt_timeline *timeline;

    (void)state;
    gt_ingest_expect_no_text(ingest);
    gt_ingest_set_viztracer(ingest, one, "one");
    gt_ingest_set_viztracer(ingest, two, "two");
    timeline = finish();
    assert_int_equal(timeline->marks.count, 4);
    check_mark(timeline, 0, "a");
    check_mark(timeline, 1, "b");
    check_mark(timeline, 2, "c");
    check_mark(timeline, 3, "d");
    gt_viztracer_free(one);
    gt_viztracer_free(two);
}

static void at_equal_times_the_source_that_was_set_first_comes_first(void **state)
{
    struct gt_viztracer *one = open_trace(TRACE(INSTANT("1", "a") ", " INSTANT("1", "b")));
    struct gt_viztracer *two = open_trace(TRACE(INSTANT("1", "c")));
    const struct gt_timeline *timeline;

    (void)state;
    gt_ingest_expect_no_text(ingest);
    gt_ingest_set_viztracer(ingest, one, "one");
    gt_ingest_set_viztracer(ingest, two, "two");
    timeline = finish();
    assert_int_equal(timeline->marks.count, 3);
    check_mark(timeline, 0, "a");
    check_mark(timeline, 1, "b");
    check_mark(timeline, 2, "c");
    gt_viztracer_free(one);
    gt_viztracer_free(two);
}

/* A function begins in the nanosecond of the exec: it is one of the new program, which the exec
 * does not end. */
static void at_equal_times_the_text_comes_first(void **state)
{
    struct gt_viztracer *trace = open_trace(TRACE(CALL("5000000", "10")));
    const struct gt_timeline *timeline;
    const struct gt_call_span *call;

    (void)state;
    gt_ingest_set_viztracer(ingest, trace, "trace");
    feed_text("sh 7/7 [000] 4.000000000: PERF_RECORD_COMM exec: sh:7/7\n"
              "python3 7/7 [000] 5.000000000: PERF_RECORD_COMM exec: python3:7/7\n"
              "python3 7/7 [000] 6.000000000: PERF_RECORD_EXIT(7:7):(1:1)\n");
    timeline = finish();
    assert_int_equal(timeline->calls.count, 1);
    call =
        gt_chunks_at(&((const struct gt_calls *)gt_chunks_at(&timeline->calls, 0))->spans, 0);
    assert_int_equal(call->start_ns, 5000000000);
    assert_int_equal(call->end_ns, 5000010000);
    gt_viztracer_free(trace);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(of_sources_beside_the_text_the_earliest_comes_first),
        TEST(at_equal_times_the_source_that_was_set_first_comes_first),
        TEST(at_equal_times_the_text_comes_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
