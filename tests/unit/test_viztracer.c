/* SPDX-License-Identifier: MIT */
/* lib/viztracer: VizTracer's JSON to events; cut anywhere, cut short, hostile. */
#include "base/buf.h"
#include "base/split.h"
#include "viztracer/viztracer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define METADATA "\"viztracer_metadata\": {\"version\": \"1.1.1\", \"overflow\": false}"
#define CALL(tid, ts, dur, name)                                                               \
    "{\"pid\": 7, \"tid\": " tid ", \"ts\": " ts ", \"dur\": " dur                             \
    ", \"ph\": \"X\", \"cat\": \"FEE\", \"name\": \"" name "\"}"

static char path[] = "/tmp/test_viztracer-XXXXXX";

static void write_file(const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static struct gt_viztracer *open_text(const char *text, struct gt_error *damage)
{
    struct gt_error err = {0};
    struct gt_viztracer *trace;

    write_file(text);
    trace = gt_viztracer_open(path, damage, &err);
    if (!trace)
        fail_msg("%s", err.message);
    return trace;
}

/* One line per event: "<ns> <tid> call|return|… <name>|<file>|<line>". */
static char *events_of(struct gt_viztracer *trace)
{
    static const char *const names[GT_EVENT_KINDS] = {[GT_EVENT_CALL] = "call",
                                                      [GT_EVENT_RETURN] = "return",
                                                      [GT_EVENT_INSTANT] = "instant",
                                                      [GT_EVENT_SERIES] = "series",
                                                      [GT_EVENT_COMM] = "comm"};
    struct gt_event event;
    struct gt_buf text;
    int64_t last_ns = 0;

    gt_buf_init(&text);
    while (gt_viztracer_next(trace, &event, NULL) > 0) {
        assert_true(event.time_ns >= last_ns);
        last_ns = event.time_ns;
        gt_buf_addf(&text, "%lld %d %s ", (long long)event.time_ns, event.tid,
                    names[event.kind]);
        if (event.kind == GT_EVENT_CALL || event.kind == GT_EVENT_RETURN)
            gt_buf_addf(&text, "%s|%s|%u\n", event.call.function->name,
                        event.call.function->file, event.call.function->line);
        else if (event.kind == GT_EVENT_COMM)
            gt_buf_addf(&text, "%.*s \n", (int)event.new_name.length, event.new_name.text);
        else
            gt_buf_addf(&text, "%.*s %s\n", (int)event.mark.name_length, event.mark.name,
                        event.mark.detail);
    }
    return text.data;
}

static void check(const char *json, const char *expected)
{
    struct gt_error damage = {0};
    struct gt_viztracer *trace = open_text(json, &damage);
    char *events = events_of(trace);

    assert_string_equal(events, expected);
    assert_int_equal(damage.code, 0);
    free(events);
    gt_viztracer_free(trace);
}

static void test_calls_come_in_the_order_of_time(void **state)
{
    (void)state;
    check("{\"traceEvents\": [" CALL("8", "2.5", "1", "time.sleep") ", " CALL(
              "8", "2", "3.25",
              "f.<locals>.g (/a (b)/c.py:12)") "," CALL("7", "1.001", "2",
                                                        "main (x.py:1)") "], " METADATA "}",
          "1001 7 call main|x.py|1\n"
          "2000 8 call f.<locals>.g|/a (b)/c.py|12\n"
          "2500 8 call time.sleep||0\n"
          "3001 7 return main|x.py|1\n"
          "3500 8 return time.sleep||0\n"
          "5250 8 return f.<locals>.g|/a (b)/c.py|12\n");
}

/* The outer call is written later; equal times must not turn it inside out. */
static void test_equal_times_nest_as_written(void **state)
{
    (void)state;
    check("{\"traceEvents\": [" CALL("7", "1", "1", "inner") "," CALL(
              "7", "1", "1", "outer") "], " METADATA "}",
          "1000 7 call outer||0\n1000 7 call inner||0\n"
          "2000 7 return inner||0\n2000 7 return outer||0\n");
}

/* Rounding makes neighbours overlap by a nanosecond: they stay neighbours. A call that ends a
 * nanosecond after its caller stays inside. */
static void test_rounded_times(void **state)
{
    (void)state;
    check("{\"traceEvents\": [" CALL("7", "1", "1.001", "a") "," CALL("7", "2", "5",
                                                                      "b") "], " METADATA "}",
          "1000 7 call a||0\n2000 7 return a||0\n2000 7 call b||0\n7000 7 return b||0\n");
    check(
        "{\"traceEvents\": [" CALL("7", "2", "8.001", "in") "," CALL("7", "1", "9",
                                                                     "out") "], " METADATA "}",
        "1000 7 call out||0\n2000 7 call in||0\n10000 7 return in||0\n10000 7 return out||0\n");
}

static void test_marks_and_names(void **state)
{
    (void)state;
    check("{" METADATA
          ", \"file_info\": {\"files\": {\"a\": [\"]}\\\"\", 1]}}, \"traceEvents\": ["
          "{\"ph\": \"M\", \"pid\": 7, \"tid\": 7, \"name\": \"thread_name\","
          " \"args\": {\"name\": \"MainThread\"}},"
          "{\"ph\": \"M\", \"pid\": 7, \"tid\": 9, \"name\": \"thread_name\","
          " \"args\": {\"name\": \"work\\u00e9r\"}},"
          "{\"ph\": \"i\", \"pid\": 7, \"tid\": 9, \"ts\": 4, \"name\": \"now\", \"s\": \"g\"},"
          "{\"ph\": \"C\", \"pid\": 7, \"tid\": 7, \"ts\": 5, \"name\": \"c\","
          " \"args\": {\"n\": 3, \"text\": \"no\"}},"
          "{\"ph\": \"b\", \"pid\": 7, \"tid\": 7, \"ts\": 5, \"name\": \"async\"}]}",
          "4000 9 comm work\xc3\xa9r \n4000 9 instant now \n5000 7 series c {\"n\":3}\n");
}

static void test_nonsense_is_counted(void **state)
{
    struct gt_error damage = {0};
    struct gt_viztracer *trace = open_text(
        "{\"traceEvents\": [1, \"}\", {}, [\"]\"], {\"ph\": \"X\"}, " CALL(
            "0", "1", "1",
            "a") "," CALL("7", "-1", "1",
                          "a") "," CALL("7", "1e300", "1",
                                        "a") "," CALL("7", "1", "1",
                                                      "a") ",{\"ph\": nonsense}], " METADATA
                                                           "}",
        &damage);

    (void)state;
    assert_int_equal(gt_viztracer_quality(trace)->events, 1);
    assert_int_equal(gt_viztracer_quality(trace)->damaged, 9);
    assert_non_null(strstr(damage.message, "9 entries"));
    gt_viztracer_free(trace);
}

static void test_a_name_may_hold_anything(void **state)
{
    struct gt_error damage = {0};
    struct gt_viztracer *trace = open_text(
        "{\"traceEvents\": [" CALL("7", "1", "1", "a\\u0000<b> (c.py:12)") "], " METADATA "}",
        &damage);
    struct gt_event event;

    (void)state;
    assert_int_equal(damage.code, 0);
    assert_int_equal(gt_viztracer_next(trace, &event, NULL), 1);
    assert_int_equal(event.call.function->name_length, 5);
    assert_memory_equal(event.call.function->name, "a\0<b>", 5);
    assert_string_equal(event.call.function->file, "c.py");
    assert_int_equal(event.call.function->line, 12);
    gt_viztracer_free(trace);
}

/* Wherever it ends, it is said, and what was whole before is there. */
static void test_cut_short(void **state)
{
    static const char whole[] = "{\"traceEvents\": [" CALL(
        "7", "1", "1", "a (b.py:1)") "," CALL("7", "3", "1", "c") "], " METADATA "}";
    const char *first_end = strchr(whole, '}');

    (void)state;
    for (size_t length = 0; length < sizeof(whole) - 1; length++) {
        struct gt_error damage = {0}, err = {0};
        char text[sizeof(whole)];
        struct gt_viztracer *trace;

        memcpy(text, whole, length);
        text[length] = '\0';
        write_file(text);
        trace = gt_viztracer_open(path, &damage, &err);
        if (trace) {
            assert_true(gt_viztracer_quality(trace)->events >= 1);
            assert_true(damage.code == GT_ERR_FORMAT);
        } else {
            assert_true(length <= (size_t)(first_end + 1 - whole));
            assert_int_equal(err.code, GT_ERR_FORMAT);
        }
        gt_viztracer_free(trace);
    }
}

static void test_other_files_are_refused(void **state)
{
    static const char *const others[] = {
        "",
        "[]",
        "hello",
        "{\"traceEvents\": []}",
        "{\"traceEvents\": [{\"ph\": \"X\"}]}",
        "{\"traceEvents\": }",
        "{\"traceEvents\": [}",
        "{\"a\": ]]]",
        "{" METADATA "}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct gt_error damage = {0}, err = {0};

        write_file(others[i]);
        assert_null(gt_viztracer_open(path, &damage, &err));
        assert_int_equal(err.code, GT_ERR_FORMAT);
        assert_non_null(strstr(err.message, path));
    }
}

static int collect(void *context, const char *key, bool element, const char *text,
                   size_t length)
{
    return gt_buf_addf(context, "%s%s=%.*s;", key, element ? "[]" : "", (int)length, text);
}

static void test_split_anywhere(void **state)
{
    static const char text[] =
        " { \"a\" : [1,2] , \"list\" : [ {\"x\":\"]}\\\"\"} , 3 ,[4,5] ] ,\"b\":\"}\" }\n";

    (void)state;
    for (size_t cut = 0; cut < sizeof(text); cut++) {
        struct gt_split split;
        struct gt_buf got;

        gt_buf_init(&got);
        gt_split_init(&split, "list", 100, collect, &got);
        assert_int_equal(gt_split_feed(&split, text, cut), 0);
        assert_int_equal(gt_split_feed(&split, text + cut, sizeof(text) - 1 - cut), 0);
        assert_int_equal(gt_split_status(&split), GT_SPLIT_DONE);
        assert_string_equal(
            got.data, "a=[1,2] ;list[]={\"x\":\"]}\\\"\"} ;list[]=3 ;list[]=[4,5] ;b=\"}\" ;");
        gt_split_release(&split);
        gt_buf_release(&got);
    }
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_come_in_the_order_of_time),
        cmocka_unit_test(test_equal_times_nest_as_written),
        cmocka_unit_test(test_rounded_times),
        cmocka_unit_test(test_marks_and_names),
        cmocka_unit_test(test_nonsense_is_counted),
        cmocka_unit_test(test_a_name_may_hold_anything),
        cmocka_unit_test(test_cut_short),
        cmocka_unit_test(test_other_files_are_refused),
        cmocka_unit_test(test_split_anywhere),
    };
    int fd = mkstemp(path);

    if (fd < 0)
        return 1;
    close(fd);
    return cmocka_run_group_tests(tests, NULL, remove_file);
}
