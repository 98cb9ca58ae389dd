/* SPDX-License-Identifier: MIT */
/* Folded stacks and flame graphs, of names that mean no good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "analysis/flame.h"
#include "base/fs.h"
#include "base/output.h"
#include "feed.h"
#include "report/flame_folded.h"
#include "report/svg.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct gt_timeline *timeline;
static struct gt_buf text;

static int setup(void **state)
{
    (void)state;
    timeline = gt_timeline_new(false, NULL);
    gt_buf_init(&text);
    return timeline ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    gt_timeline_free(timeline);
    gt_buf_release(&text);
    return 0;
}

static struct gt_frame frame(const char *symbol, const char *dso)
{
    return (struct gt_frame){.symbol = symbol,
                             .dso = dso,
                             .symbol_length = (uint32_t)strlen(symbol),
                             .dso_length = (uint32_t)strlen(dso)};
}

/* A thread called `comm` sleeps with this stack, innermost first. */
static void sleeps(int64_t from_ns, int64_t until_ns, const char *comm, struct gt_frame *frames,
                   uint32_t count)
{
    struct gt_event event = {.kind = GT_EVENT_SCHED_SWITCH,
                             .time_ns = from_ns,
                             .pid = 7,
                             .tid = 7,
                             .comm = comm,
                             .comm_length = (uint32_t)strlen(comm),
                             .frames = frames,
                             .frame_count = count,
                             .switched.state = GT_STATE_SLEEPING};

    assert_int_equal(gt_timeline_feed(timeline, &event), 0);
    event.kind = GT_EVENT_SWITCH_IN;
    event.time_ns = until_ns;
    event.frame_count = 0;
    assert_int_equal(gt_timeline_feed(timeline, &event), 0);
}

static void make(struct gt_flame *flame, enum gt_sched_state state)
{
    assert_int_equal(gt_timeline_finish(timeline, NULL), 0);
    assert_int_equal(gt_flame_init(flame, timeline, state, false, NULL), 0);
    assert_int_equal(gt_flame_folded(flame, &text), 0);
}

static void outermost_first_and_summed_up(void **state)
{
    struct gt_frame in_gil[] = {frame("schedule", "[kernel.kallsyms]"),
                                frame("take_gil", "/bin/python3"),
                                frame("main", "/bin/python3")};
    struct gt_frame other[] = {frame("[unknown]", "/lib/libx.so"),
                               frame("main", "/bin/python3")};
    struct gt_flame flame;

    (void)state;
    sleeps(1000, 3000, "python", in_gil, 3);
    sleeps(10000, 15000, "python", in_gil, 3);
    sleeps(20000, 20400, "python", other, 2);
    make(&flame, GT_SCHED_SLEEPING_GIL);
    assert_string_equal(text.data, "python;main;take_gil;schedule_[k] 7\n");
    assert_int_equal(gt_flame_at(&flame, 0)->total_ns, 7000);
    assert_int_equal(flame.spans, 2);
    gt_flame_release(&flame);
    gt_buf_reset(&text);
    assert_int_equal(gt_flame_init(&flame, timeline, GT_SCHED_SLEEPING, false, NULL), 0);
    assert_int_equal(gt_flame_folded(&flame, &text), 0);
    assert_string_equal(text.data, "python;main;[libx.so] 1\n"); /* rounded up */
    gt_flame_release(&flame);
}

static void names_break_no_format(void **state)
{
    struct gt_frame frames[] = {frame("a;b\nc d 12", "/x"), frame("\033[31mred\377", "/x")};
    struct gt_flame flame;
    size_t lines = 0, separators = 0;

    (void)state;
    sleeps(1000, 3000, "e;vil", frames, 2);
    make(&flame, GT_SCHED_SLEEPING);
    for (size_t i = 0; i < text.length; i++) {
        lines += text.data[i] == '\n';
        separators += text.data[i] == ';';
        assert_true(text.data[i] == '\n' || (unsigned char)text.data[i] >= ' ');
    }
    assert_int_equal(lines, 1);
    assert_int_equal(separators, 2);
    gt_flame_release(&flame);
}

/* Every tag is one of ours, and closed where it should be: enough of XML for what we write. */
static void check_xml(const char *xml)
{
    static const char *const known[] = {"svg", "style", "rect", "text", "title", "g"};
    const char *open[16];
    size_t depth = 0;

    for (const char *at = xml; (at = strchr(at, '<')); at++) {
        bool closes = at[1] == '/', empty, found = false;
        const char *name = at + 1 + closes, *end = strchr(at, '>');

        assert_non_null(end);
        empty = end[-1] == '/';
        for (size_t i = 0; i < 6; i++) {
            size_t length = strlen(known[i]);

            if (strncmp(name, known[i], length) != 0 || !strchr(" >/", name[length]))
                continue;
            found = true;
            if (closes) {
                assert_true(depth > 0 && open[depth - 1] == known[i]);
                depth--;
            } else if (!empty) {
                assert_true(depth < 16);
                open[depth++] = known[i];
            }
        }
        assert_true(found);
    }
    assert_int_equal(depth, 0);
    for (const char *at = xml; (at = strchr(at, '&')); at++)
        assert_true(!strncmp(at, "&lt;", 4) || !strncmp(at, "&gt;", 4) ||
                    !strncmp(at, "&amp;", 5) || !strncmp(at, "&quot;", 6));
}

/* The number of an attribute that comes next after `at`. */
static double attribute(const char *at, const char *name)
{
    const char *found = strstr(at, name);

    assert_non_null(found);
    return strtod(found + strlen(name), NULL);
}

/* The outermost frames are below, the deepest on top; all within the picture. */
static void check_heights(const char *svg, double frame_height)
{
    double height = attribute(svg, " height=\""), top = height, bottom = 0;

    for (const char *at = svg; (at = strstr(at, "<rect x=")); at++) {
        double y = attribute(at, " y=\"");

        assert_true(attribute(at, " height=\"") <= frame_height);
        top = y < top ? y : top;
        bottom = y + frame_height > bottom ? y + frame_height : bottom;
    }
    assert_true(top >= 50); /* below the title and the legend */
    assert_true(bottom > top && bottom <= height);
}

static void the_graph_is_well_formed(void **state)
{
    struct gt_frame frames[] = {
        frame("<script>alert('x')</script>&amp;\"", "/x"),
        frame("]]>\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9 long long name", "/x")};
    char path[] = "/tmp/gt-flame-XXXXXX";
    struct gt_output output;
    struct gt_flame flame;
    struct gt_buf svg;

    (void)state;
    for (int i = 0; i < 50; i++)
        sleeps(1000 + i * 1000, 1900 + i * 1000, "<b>", frames + i % 2, (uint32_t)(2 - i % 2));
    make(&flame, GT_SCHED_SLEEPING);
    close(mkstemp(path));
    assert_int_equal(gt_output_open(&output, path, NULL), 0);
    assert_int_equal(gt_svg_write(&flame, "<title> & \"more\"", &output, NULL), 0);
    assert_int_equal(gt_output_commit(&output, NULL), 0);
    gt_buf_init(&svg);
    assert_int_equal(gt_fs_read(path, &svg, 1 << 20, NULL), 0);
    check_xml(svg.data);
    check_heights(svg.data, 17);
    assert_null(strstr(svg.data, "<script"));
    assert_non_null(strstr(svg.data, "&lt;script&gt;"));
    unlink(path);
    gt_buf_release(&svg);
    gt_flame_release(&flame);
}

static void deeper_than_any_stack(void **state)
{
    static struct gt_frame frames[256];
    static char names[256][8];
    struct gt_flame flame;

    (void)state;
    for (int i = 0; i < 256; i++) {
        snprintf(names[i], sizeof(names[i]), "f%d", i);
        frames[i] = frame(names[i], "/x");
    }
    sleeps(1000, 3000, "python", frames, 256);
    make(&flame, GT_SCHED_SLEEPING);
    assert_int_equal(flame.max_depth, 257);
    assert_int_equal(strncmp(text.data, "python;f255;f254;", 17), 0);
    assert_non_null(strstr(text.data, ";f1;f0 2\n"));
    gt_flame_release(&flame);
}

static void call(int64_t time_ns, const char *name, bool enter)
{
    const struct gt_function function = {.id = (uint32_t)name[0],
                                         .name = name,
                                         .name_length = (uint32_t)strlen(name),
                                         .file = "x.py",
                                         .file_length = 4};
    struct gt_event event = {.kind = enter ? GT_EVENT_CALL : GT_EVENT_RETURN,
                             .time_ns = time_ns,
                             .pid = 7,
                             .tid = 7,
                             .comm = "python",
                             .comm_length = 6,
                             .call.function = &function};

    assert_int_equal(gt_timeline_feed(timeline, &event), 0);
}

static void check_folded(unsigned flags, const char *expected)
{
    struct gt_flame flame;

    gt_buf_reset(&text);
    assert_int_equal(gt_flame_init(&flame, timeline, GT_SCHED_SLEEPING, flags, NULL), 0);
    assert_int_equal(gt_flame_folded(&flame, &text), 0);
    assert_string_equal(text.data, expected);
    gt_flame_release(&flame);
}

/* The whole stack, one that the copy of the stack is too short for, and a callback from C. */
static void functions_take_the_interpreters_place(void **state)
{
    static const char python[] = "/opt/libpython3.12.so.1.0", libc[] = "/lib/libc.so.6";
    struct gt_frame whole[] = {frame("futex", libc), frame("acquire", python),
                               frame("eval", python), frame("__libc_start_main", libc),
                               frame("_start", "/opt/bin/python3.12")};
    struct gt_frame callback[] = {frame("read", libc), frame("compare", python),
                                  frame("qsort", libc), frame("eval", python),
                                  frame("main", python)};

    (void)state;
    call(1000, "main", true);
    call(1500, "work", true);
    sleeps(2000, 12000, "python", whole, 5);
    sleeps(20000, 30000, "python", whole, 3);
    sleeps(40000, 50000, "python", callback, 5);
    call(60000, "work", false);
    sleeps(70000, 80000, "python", whole, 1);
    call(90000, "main", false);
    assert_int_equal(gt_timeline_finish(timeline, NULL), 0);
    check_folded(0, "python;__libc_start_main;main;work;futex 10\n"
                    "python;main;work;futex 10\n"
                    "python;main;work;qsort;read 10\n"
                    "python;main;futex 10\n");
    check_folded(GT_FLAME_KEEP_INTERPRETER,
                 "python;_start;__libc_start_main;main;work;eval;acquire;futex 10\n"
                 "python;main;work;eval;acquire;futex 10\n"
                 "python;main;work;main;eval;qsort;compare;read 10\n"
                 "python;main;futex 10\n");
}

/* Page faults of a thread, the second one with the GIL. */
static void events_are_counted(void **state)
{
    struct gt_frame frames[] = {frame("touch", "/x.so"), frame("eval", "/bin/python3")};
    struct gt_event event = {.kind = GT_EVENT_COUNTER,
                             .pid = 7,
                             .tid = 7,
                             .comm = "python",
                             .comm_length = 6,
                             .name = "page-faults/call-graph=dwarf,stack-size=2048/",
                             .name_length = 45,
                             .frames = frames,
                             .frame_count = 2,
                             .period = 3};
    struct gt_flame flame;

    (void)state;
    for (int i = 0; i < 3; i++) {
        event.time_ns = 1000 + i * 1000;
        event.period = (uint64_t)i + 1;
        event.frame_count = i < 2 ? 2 : 0;
        if (i == 1)
            acquire(timeline, 1500, 7, 7, 0x7f0000001000);
        if (i == 2)
            release(timeline, 2500, 7, 7, 0x7f0000001000);
        assert_int_equal(gt_timeline_feed(timeline, &event), 0);
    }
    assert_int_equal(gt_timeline_finish(timeline, NULL), 0);
    assert_int_equal(timeline->counters.count, 1);
    assert_int_equal(gt_flame_init_counter(&flame, timeline, 0, 0, NULL), 0);
    assert_int_equal(gt_flame_folded(&flame, &text), 0);
    assert_string_equal(text.data, "python 3\npython;eval;touch 3\n");
    assert_int_equal(flame.spans, 3);
    assert_int_equal(flame.spans_unstacked, 1);
    assert_int_equal(flame.sampled.count, 3);
    gt_flame_release(&flame);
    gt_buf_reset(&text);
    assert_int_equal(gt_flame_init_counter(&flame, timeline, 0, GT_FLAME_WITH_GIL, NULL), 0);
    assert_int_equal(gt_flame_folded(&flame, &text), 0);
    assert_string_equal(text.data, "python;eval;touch 2\n");
    gt_flame_release(&flame);
}

/* Of two threads that are called the same, and sleep in the same function. */
static void threads_are_kept_apart_for_labels(void **state)
{
    struct gt_frame frames[] = {frame("main", "/bin/python3")};
    int64_t ns[] = {0, 0};
    struct gt_flame flame;

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct gt_event event = {.kind = GT_EVENT_SCHED_SWITCH,
                                 .time_ns = 1000 + i,
                                 .pid = 7 + i,
                                 .tid = 7 + i,
                                 .comm = "python",
                                 .comm_length = 6,
                                 .frames = frames,
                                 .frame_count = 1,
                                 .switched.state = GT_STATE_SLEEPING};

        assert_int_equal(gt_timeline_feed(timeline, &event), 0);
    }
    for (int i = 0; i < 2; i++) {
        struct gt_event event = {.kind = GT_EVENT_SWITCH_IN,
                                 .time_ns = 3000 + 2000 * i,
                                 .pid = 7 + i,
                                 .tid = 7 + i,
                                 .comm = "python",
                                 .comm_length = 6};

        assert_int_equal(gt_timeline_feed(timeline, &event), 0);
    }
    assert_int_equal(gt_timeline_finish(timeline, NULL), 0);
    check_folded(0, "python;main 6\n");
    assert_int_equal(gt_flame_init(&flame, timeline, GT_SCHED_SLEEPING, GT_FLAME_APART, NULL),
                     0);
    assert_int_equal(gt_flame_at(&flame, 0)->thread, GT_NO_INDEX);
    for (uint32_t i = 1; i < flame.nodes.count; i++)
        ns[gt_flame_at(&flame, i)->thread] += gt_flame_at(&flame, i)->self_ns;
    assert_int_equal(ns[0], 2000);
    assert_int_equal(ns[1], 3999);
    assert_int_equal(gt_flame_at(&flame, 0)->total_ns, 5999);
    gt_flame_release(&flame);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(outermost_first_and_summed_up, setup, teardown),
        cmocka_unit_test_setup_teardown(names_break_no_format, setup, teardown),
        cmocka_unit_test_setup_teardown(the_graph_is_well_formed, setup, teardown),
        cmocka_unit_test_setup_teardown(functions_take_the_interpreters_place, setup, teardown),
        cmocka_unit_test_setup_teardown(deeper_than_any_stack, setup, teardown),
        cmocka_unit_test_setup_teardown(events_are_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(threads_are_kept_apart_for_labels, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
