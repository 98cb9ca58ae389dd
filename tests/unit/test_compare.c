/* SPDX-License-Identifier: MIT */
/* What differs between two reports: figures, noise, stacks, and the page. */
#include "compare/comparison.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct gt_comparison comparison;
static struct gt_error err;
static struct gt_buf html, text;

/* A summary of one GIL, whose threads are `members`, and more keys. */
static char *summary(const char *members, const char *more)
{
    char *json;

    assert_true(asprintf(&json,
                         "{\"schema\":1,\"run\":{\"argv\":[\"x\"],\"wall_ns\":1000000000},"
                         "\"gils\":[{\"process\":\"python3\",\"threads\":[%s]}]%s}",
                         members, more) > 0);
    return json;
}

static char *member(const char *label, int tid, int wait_ms, int hold_ms)
{
    char *json;

    assert_true(asprintf(&json,
                         "{\"label\":\"%s\",\"pid\":1,\"tid\":%d,\"lifetime_ns\":1000000000,"
                         "\"wait_ns\":%d000000,\"hold_ns\":%d000000,\"longest_wait_ns\":7}",
                         label, tid, wait_ms, hold_ms) > 0);
    return json;
}

static int compare(const char *before, const char *after)
{
    int rc;

    err = (struct gt_error){0};
    gt_comparison_init(&comparison, "before.json", "after.json");
    gt_buf_init(&html);
    gt_buf_init(&text);
    assert_int_equal(gt_side_feed(&comparison.sides[0], before, strlen(before), &err), 0);
    assert_int_equal(gt_side_feed(&comparison.sides[1], after, strlen(after), &err), 0);
    rc = gt_comparison_make(&comparison, &err);
    if (rc == 0) {
        assert_int_equal(gt_comparison_page(&comparison, &html), 0);
        assert_int_equal(gt_comparison_text(&comparison, &text), 0);
    }
    return rc;
}

static void end(void)
{
    gt_buf_release(&html);
    gt_buf_release(&text);
    gt_comparison_release(&comparison);
}

static void says(const char *words)
{
    if (!strstr(text.data, words))
        fail_msg("%s\nis not in\n%s", words, text.data);
}

static void page_has(const char *words)
{
    if (!strstr(html.data, words))
        fail_msg("%s is not in the page", words);
}

/* "wait" of the threads: `median` in percent, +- noise, of so many runs. */
static char *metrics(int runs, int median, int noise, const char *more)
{
    char *json;

    assert_true(asprintf(&json,
                         ",\"metrics\":{\"runs\":%d,\"list\":[{\"name\":\"wait\",\"least\":%f,"
                         "\"median\":%f,\"greatest\":%f}%s]}",
                         runs, (median - noise) / 100.0, median / 100.0,
                         (median + noise) / 100.0, more) > 0);
    return json;
}

/* Of the thread: as much, with a noise of 10%. */
static const char THREADS[] =
    ",{\"name\":\"thread main: wait\",\"least\":0.3,\"median\":0.4,\"greatest\":0.5},"
    "{\"name\":\"thread main: hold\",\"least\":0.1,\"median\":0.1,\"greatest\":0.1}";

static void with_wait(int runs, int median, int noise, int after_median)
{
    char *thread = member("main", 1, median * 10, 100), *before, *after;
    char *thread_after = member("main", 1, after_median * 10, 100);
    char *metrics_before = metrics(runs, median, noise, THREADS);
    char *metrics_after = metrics(runs, after_median, noise, THREADS);

    before = summary(thread, metrics_before);
    after = summary(thread_after, metrics_after);
    assert_int_equal(compare(before, after), 0);
    free(thread);
    free(thread_after);
    free(before);
    free(after);
    free(metrics_before);
    free(metrics_after);
}

static void noise_is_no_change(void **state)
{
    (void)state;
    with_wait(5, 40, 5, 44);
    says(
        "Waiting for the GIL did not change: 40.0% of their time before and 44.0% after, which "
        "is within the noise of 8.5%.");
    says("What changed:\n  nothing\n");
    says("within the noise:\n");
    end();
    with_wait(5, 40, 2, 44);
    says("Threads waited for the GIL more: 40.0% of their time before and 44.0% after");
    says("waiting for the GIL, of the threads' time: 40.0% before, 44.0% after (4.0% more, "
         "noise "
         "3.4%)");
    page_has("<li class=\"more\">waiting for the GIL");
    end();
    with_wait(5, 40, 2, 30);
    says("less: 40.0%");
    page_has("<li class=\"less\">waiting for the GIL");
    end();
    with_wait(5, 40, 2, 40);
    says("did not change: 40.0% of their time before and 40.0% after.");
    end();
    with_wait(1, 40, 0, 44);
    says("it is not known whether that is noise");
    says("What differs (of so few runs");
    says("40.0% before, 44.0% after (+4.0%)");
    assert_null(strstr(html.data, "class=\"more\""));
    end();
}

static const struct gt_figure_row *row_of(enum gt_figure_group group, const char *name)
{
    for (size_t i = 0; i < comparison.figures.rows.count; i++) {
        const struct gt_figure_row *row = gt_figure_at(&comparison.figures, i);

        if (row->group == group &&
            strcmp(gt_intern_text(&comparison.names, row->name), name) == 0)
            return row;
    }
    fail_msg("no row %s", name);
    return NULL;
}

static void join(char *into, size_t size, char *const *members, size_t count)
{
    into[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        snprintf(into + strlen(into), size - strlen(into), "%s%s", i ? "," : "", members[i]);
        free(members[i]);
    }
}

static void threads_of_a_kind_are_one_row_with_their_greatest_noise(void **state)
{
    static const char spreads[] =
        ",{\"name\":\"thread worker-1: wait\",\"least\":0.1,\"median\":0.2,\"greatest\":0.3},"
        "{\"name\":\"thread worker-2: wait\",\"least\":0.2,\"median\":0.2,\"greatest\":0.2}";
    char members[2000], *before, *after, *spread;

    (void)state;
    spread = metrics(3, 10, 0, spreads);
    join(members, sizeof(members),
         (char *[]){member("worker-1", 1, 200, 1), member("worker-2", 2, 200, 1)}, 2);
    before = summary(members, spread);
    join(members, sizeof(members),
         (char *[]){member("worker-3", 1, 250, 1), member("worker-9", 2, 290, 1),
                    member("worker-4", 3, 300, 1)},
         3);
    after = summary(members, spread);
    assert_int_equal(compare(before, after), 0);
    const struct gt_figure_row *row = row_of(GT_FIGURE_THREADS, "worker-*");
    assert_int_equal(row->count[GT_BEFORE], 2);
    assert_int_equal(row->count[GT_AFTER], 3);
    assert_true(row->values[0].side[GT_AFTER].median > 0.279 &&
                row->values[0].side[GT_AFTER].median < 0.281);
    assert_true(row->values[0].change.noise > 0.283 && row->values[0].change.noise < 0.284);
    assert_int_equal(gt_figure_judge(&row->values[0]), GT_FIGURE_NOISE);
    end();
    free(before);
    free(after);
    free(spread);
}

/* Where functions were not traced, threads are waited for, which are many of a kind. */
static void threads_that_are_waited_for_are_of_kinds(void **state)
{
    static const char more[] =
        ",\"blockers\":[{\"function\":\"w-1\",\"kind\":\"native\",\"waiting_ns\":50000000},"
        "{\"function\":\"w-2\",\"kind\":\"native\",\"waiting_ns\":70000000}]"
        ",\"metrics\":{\"runs\":3,\"list\":[{\"name\":\"blocker w-1: waiting\",\"least\":4e7,"
        "\"median\":5e7,\"greatest\":6e7},{\"name\":\"blocker w-2: waiting\",\"least\":5e7,"
        "\"median\":7e7,\"greatest\":9e7}]}";
    char *thread = member("main", 1, 400, 100), *before = summary(thread, more);

    (void)state;
    assert_int_equal(compare(before, before), 0);
    const struct gt_figure_row *row = row_of(GT_FIGURE_FUNCTIONS, "w-*");
    assert_true(row->values[0].side[GT_BEFORE].median == 12e7);
    assert_true(row->values[0].change.noise > 8.49e7 && row->values[0].change.noise < 8.51e7);
    end();
    free(thread);
    free(before);
}

/* However little noise there is. */
static void shares_that_hardly_differ_are_no_change(void **state)
{
    char *before = member("main", 1, 400, 100), *after = member("main", 1, 404, 100);
    char *spread = metrics(3, 40, 0, ""), *first = summary(before, spread);
    char *second = summary(after, spread);

    (void)state;
    assert_int_equal(compare(first, second), 0);
    says("What changed:\n  nothing\n");
    says("main waited for the GIL: 40.0% before, 40.4% after\n");
    end();
    free(before);
    free(after);
    free(spread);
    free(first);
    free(second);
}

static void what_came_and_went_is_told(void **state)
{
    char *thread = member("main", 1, 400, 100), *spread, *before, *after;

    (void)state;
    spread = metrics(3, 40, 1,
                     ",{\"name\":\"blocker gone: waiting\",\"least\":9e7,\"median\":1e8,"
                     "\"greatest\":1.1e8}");
    char *more;
    assert_true(
        asprintf(&more,
                 ",\"blockers\":[{\"function\":\"gone\",\"file\":\"/a/b/c.py\",\"line\":3,"
                 "\"waiting_ns\":90000000,\"count\":2},{\"function\":\"tiny\","
                 "\"waiting_ns\":900,\"count\":2}]%s",
                 spread) > 0);
    before = summary(thread, more);
    after = summary(thread, ",\"metrics\":{\"runs\":3,\"list\":[]}");
    assert_int_equal(compare(before, after), 0);
    says("gone was waited for: 100.0 ms before, nothing after (100.0 ms less, noise 28.3 ms)");
    assert_null(strstr(text.data, "tiny"));
    page_has("b/c.py</bdi>:3");
    page_has("1 of less than 0.1 ms on both sides are left out");
    end();
    free(more);
    free(thread);
    free(spread);
    free(before);
    free(after);
}

static void circumstances_that_differ_are_told(void **state)
{
    (void)state;
    assert_int_equal(
        compare("{\"schema\":1,\"run\":{\"argv\":[\"a\"],\"gil_source\":\"agent\"},\"gils\":"
                "[{\"threads\":[{\"label\":\"a\",\"lifetime_ns\":9,\"unknown_ns\":3}]}]}",
                "{\"schema\":1,\"run\":{\"argv\":[\"a\",\"<b>\"],\"gil_source\":\"futex\"},"
                "\"gils\":"
                "[{\"threads\":[{\"label\":\"b\",\"lifetime_ns\":9}]}]}"),
        0);
    says("The commands differ: a before, a <b> after.");
    says("The GIL was recorded in different ways, which cost differently: agent before, futex "
         "after.");
    says("they may be of different programs");
    says("Not known are 33.3% of the threads' time before, and 0.0% after");
    page_has("a &lt;b&gt; after.</li>");
    end();
}

static char *trace(const char *events)
{
    char *thread = member("main", 7, 300, 300), *of = summary(thread, ""), *json;

    assert_true(asprintf(&json, "{\"giltracer\":%s,\"traceEvents\":[%s]}", of, events) > 0);
    free(thread);
    free(of);
    return json;
}

#define CALL(name, file, start, length)                                                        \
    "{\"ph\":\"X\",\"cat\":\"python\",\"name\":\"" name                                        \
    "\",\"pid\":1,\"tid\":7,\"args\":{\"file\":\"" file "\"},\"ts\":" #start                   \
    ",\"dur\":" #length "}"
#define GIL(name, start, length)                                                               \
    "{\"ph\":\"X\",\"cat\":\"gil\",\"name\":\"GIL " name                                       \
    "\",\"pid\":1,\"tid\":99,\"args\":{\"tid\":7,\"gil\":0},\"ts\":" #start                    \
    ",\"dur\":" #length "}"

static int64_t self_ns(const char *name, const char *file, enum gt_pair_what what,
                       unsigned side)
{
    for (size_t i = 1; i < comparison.pair.nodes.count; i++) {
        const struct gt_pair_node *node = gt_pair_at(&comparison.pair, i);
        const char *full = gt_intern_text(&comparison.names, node->name);

        if (strcmp(full, name) == 0 && (!file || strcmp(full + strlen(full) + 1, file) == 0))
            return node->time[what][side].self_ns;
    }
    return -1;
}

/* The same function in another place of the file, and the file in another folder, is the same.
 */
static void times_are_charged_to_stacks_of_both(void **state)
{
    char *before = trace(
        CALL("outer", "/x/a.py:3", 0, 1000) "," CALL("inner", "/x/a.py:9", 100, 200) "," GIL(
            "hold", 50, 150) "," GIL("wait", 200, 500) "," GIL("hold", 700, 400));
    char *after = trace(GIL("wait", 0, 100) "," CALL("outer", "/y/z/a.py:4", 0, 100));

    (void)state;
    assert_int_equal(compare(before, after), 0);
    assert_int_equal(self_ns("outer", "a.py", GT_PAIR_HOLD, 0), 50000 + 300000);
    assert_int_equal(self_ns("inner", "a.py", GT_PAIR_HOLD, 0), 100000);
    assert_int_equal(self_ns("main", NULL, GT_PAIR_HOLD, 0), 100000);
    assert_int_equal(self_ns("inner", "a.py", GT_PAIR_WAIT, 0), 100000);
    assert_int_equal(self_ns("outer", "a.py", GT_PAIR_WAIT, 0), 400000);
    assert_int_equal(self_ns("outer", "a.py", GT_PAIR_WAIT, 1), 100000);
    assert_int_equal(self_ns("inner", "a.py", GT_PAIR_WAIT, 1), 0);
    assert_int_equal(gt_pair_at(&comparison.pair, 0)->time[GT_PAIR_WAIT][0].total_ns, 500000);
    page_has("outer (a.py): 500.0 µs before, 100.0 µs after (−400.0 µs)");
    page_has("class=\"shrunk-3\"");
    page_has("Waiting for the GIL: 500.0 µs before, 100.0 µs after");
    end();
    free(before);
    free(after);
}

static void events_that_make_no_sense_are_left_out_and_counted(void **state)
{
    char *before = trace(GIL("hold", -5, 1) ",7," GIL("hold", 1e30, 1) "," GIL("wait", 5, 2));
    char *after = trace(GIL("wait", 5, 2));

    (void)state;
    assert_int_equal(compare(before, after), 0);
    assert_int_equal(comparison.sides[GT_BEFORE].left_out, 3);
    says("Some of the first report's events make no sense");
    end();
    free(before);
    free(after);
}

static void names_are_text(void **state)
{
    char *thread = member("</script><b onclick='x'>\\u0000\\u202e", 1, 400, 100);
    char *before = summary(thread, "");

    (void)state;
    assert_int_equal(compare(before, before), 0);
    page_has("&lt;/script&gt;&lt;b onclick=&#39;x&#39;&gt;");
    assert_null(strstr(html.data, "<b onclick"));
    assert_null(strstr(html.data, "\u202e"));
    end();
    free(thread);
    free(before);
}

static void what_is_no_report_is_refused(void **state)
{
    static const struct {
        const char *text, *word;
    } cases[] = {
        {"perf.data", "before.json is not JSON"},
        {"{\"schema\":1,\"gils\":[", "was cut short"},
        {"{}", "before.json is not a report of giltracer"},
        {"{\"traceEvents\":[]}", "is not a report"},
        {"{\"schema\":2,\"gils\":[]}", "of schema 2"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(compare(cases[i].text, "{\"schema\":1,\"gils\":[]}"), GT_ERR_FORMAT);
        if (!strstr(err.message, cases[i].word))
            fail_msg("%s", err.message);
        end();
    }
    assert_int_equal(compare("{\"schema\":1,\"gils\":[]}", "{\"schema\":1,\"gils\":[]}"), 0);
    says("Neither report tells of a GIL.");
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(noise_is_no_change),
        cmocka_unit_test(threads_of_a_kind_are_one_row_with_their_greatest_noise),
        cmocka_unit_test(threads_that_are_waited_for_are_of_kinds),
        cmocka_unit_test(shares_that_hardly_differ_are_no_change),
        cmocka_unit_test(what_came_and_went_is_told),
        cmocka_unit_test(circumstances_that_differ_are_told),
        cmocka_unit_test(times_are_charged_to_stacks_of_both),
        cmocka_unit_test(events_that_make_no_sense_are_left_out_and_counted),
        cmocka_unit_test(names_are_text),
        cmocka_unit_test(what_is_no_report_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
