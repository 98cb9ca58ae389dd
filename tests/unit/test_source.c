/* SPDX-License-Identifier: MIT */
/* lib/script/source: the same events however the text is cut, whatever it holds. */
#include "script/source.h"

#include "base/error.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char text[] =
    "# perf's header: captured on x\n"
    "       perf-exec     0/0     [000]     0.000000000: PERF_RECORD_COMM: perf-exec:12/12\n"
    "      x ==> y=1 12/12 [001]  5.000000001: gil:signal: (7f46) cond=0x7f4623b4e720\n"
    "      python3.11 12/13 [001]  5.000000002: sched:sched_switch: prev_comm=a prev_pid=1 "
    "prev_prio=120 prev_state=D ==> next_comm=b next_pid=0 next_prio=120\n"
    "\tffffffff82265488 __schedule+0x628 ([kernel.kallsyms])\n"
    "\t    7f88 PyEval_Foo+0x28 (/usr/bin/python3.11)\n"
    "\n"
    "python3.11 12 [001]  5.000003:  1  page-faults:  ffff elf_load+0x28a ([kernel.kallsyms])\n"
    "\t    7f89 main+0x1 (/usr/bin/python3.11)\n"
    "\n"
    "a line of somebody else\n"
    "      python3.11 12/13 [001]  5.000000004: PERF_RECORD_LOST lost 16\n"
    "\r\n"
    "      python3.11 12/13 [001]  5.000000005: gil:wait: (7f46) cond=0x7f4623b4e720";

struct log {
    char text[8192];
    size_t length;
    int stop_after; /* events; -1 never */
};

static int write_down(void *context, const struct gt_event *event)
{
    struct log *log = context;
    uint64_t number = event->kind == GT_EVENT_COND_SIGNAL ? event->cond.address
                      : event->kind == GT_EVENT_COUNTER   ? event->period
                                                          : 0;
    uint32_t state = event->kind == GT_EVENT_SCHED_SWITCH ? event->switched.state : 0;

    if (log->stop_after == 0)
        return -77;
    log->stop_after--;
    log->length +=
        (size_t)snprintf(log->text + log->length, sizeof(log->text) - log->length,
                         "%d %" PRId64 " %d/%d [%d] %" PRIx64 " state %u '%.*s' '%.*s'\n",
                         (int)event->kind, event->time_ns, event->pid, event->tid, event->cpu,
                         number, state, (int)event->comm_length, event->comm,
                         (int)event->name_length, event->name ? event->name : "");
    for (uint32_t i = 0; i < event->frame_count; i++)
        log->length +=
            (size_t)snprintf(log->text + log->length, sizeof(log->text) - log->length,
                             "  %" PRIx64 " %.*s %.*s\n", event->frames[i].address,
                             (int)event->frames[i].symbol_length, event->frames[i].symbol,
                             (int)event->frames[i].dso_length, event->frames[i].dso);
    assert_true(log->length < sizeof(log->text));
    return 0;
}

/* Feed `length` bytes cut at `first` and then every `piece` bytes, each in a block of its own
 * size, so that AddressSanitizer sees its end. */
static void read_text(struct log *log, struct gt_source *source, bool stacks, const char *data,
                      size_t length, size_t first, size_t piece)
{
    memset(log, 0, sizeof(*log));
    log->stop_after = -1;
    gt_source_init(source, write_down, log, stacks);
    for (size_t at = 0; at < length;) {
        size_t size = at == 0 && first ? first : piece;
        char *copy;

        if (size > length - at)
            size = length - at;
        copy = malloc(size);
        assert_non_null(copy);
        memcpy(copy, data + at, size);
        assert_int_equal(gt_source_feed(source, copy, size), 0);
        free(copy);
        at += size;
    }
    assert_int_equal(gt_source_finish(source), 0);
}

static void the_same_however_cut(void **state)
{
    static struct gt_source whole, cut;
    static struct log expected, got;

    (void)state;
    for (int stacks = 0; stacks < 2; stacks++) {
        read_text(&expected, &whole, stacks, text, sizeof(text) - 1, 0, sizeof(text));
        assert_int_equal(whole.event_lines, 6);
        assert_int_equal(whole.unknown_lines, 2);
        for (size_t at = 1; at < sizeof(text); at++) {
            read_text(&got, &cut, stacks, text, sizeof(text) - 1, at, sizeof(text));
            assert_string_equal(got.text, expected.text);
            assert_int_equal(cut.lines, whole.lines);
            assert_int_equal(cut.unknown_lines, whole.unknown_lines);
            gt_source_release(&cut);
        }
        for (size_t piece = 1; piece < 40; piece++) {
            read_text(&got, &cut, stacks, text, sizeof(text) - 1, 0, piece);
            assert_string_equal(got.text, expected.text);
            gt_source_release(&cut);
        }
        gt_source_release(&whole);
    }
}

static void stacks_go_with_their_event(void **state)
{
    static struct gt_source source;
    static struct log log;

    (void)state;
    read_text(&log, &source, true, text, sizeof(text) - 1, 0, 7);
    assert_non_null(strstr(log.text, "state 4 'python3.11' 'sched:sched_switch'\n"
                                     "  ffffffff82265488 __schedule [kernel.kallsyms]\n"
                                     "  7f88 PyEval_Foo /usr/bin/python3.11\n"));
    assert_non_null(strstr(log.text, "'page-faults'\n"
                                     "  ffff elf_load [kernel.kallsyms]\n"
                                     "  7f89 main /usr/bin/python3.11\n"));
    gt_source_release(&source);
}

static void inlined_functions_are_of_the_file_around_them(void **state)
{
    static const char stack[] =
        "python 12 [001]  5.000001: sched:sched_switch: prev_comm=a prev_pid=12 prev_prio=120 "
        "prev_state=S ==> next_comm=b next_pid=0 next_prio=120\n"
        "\t   90d8f slow (inlined)\n"
        "\t  281cd6 inner (inlined)\n"
        "\t  281cd6 outer (inlined)\n"
        "\t  281cd6 real (/lib/libpython3.12.so.1.0)\n"
        "\t  302069 last (inlined)\n"
        "\n";
    static struct gt_source source;
    static struct log log;

    (void)state;
    read_text(&log, &source, true, stack, sizeof(stack) - 1, 0, 1000);
    assert_non_null(strstr(log.text, "  90d8f slow inlined\n"
                                     "  281cd6 inner /lib/libpython3.12.so.1.0\n"
                                     "  281cd6 outer /lib/libpython3.12.so.1.0\n"
                                     "  281cd6 real /lib/libpython3.12.so.1.0\n"
                                     "  302069 last inlined\n"));
    gt_source_release(&source);
}

static void a_stack_deeper_than_we_keep(void **state)
{
    static struct gt_source source;
    struct gt_buf deep;
    static struct log log;

    (void)state;
    gt_buf_init(&deep);
    gt_buf_adds(&deep, "x 12 [001]  5.000003: cycles: \n");
    for (int i = 0; i < 3000; i++)
        gt_buf_adds(&deep, "\t1 (a)\n");
    read_text(&log, &source, true, deep.data, deep.length, 0, 1000);
    assert_int_equal(source.event.frame_count, GT_STACK_MAX);
    gt_source_release(&source);
    gt_buf_release(&deep);
}

/* A line over the limit is one unknown line, whether it comes whole or in pieces. */
static void lines_without_end(void **state)
{
    static const size_t pieces[] = {1 << 12, GT_LINE_MAX, GT_LINE_MAX + 1, 3 << 20};
    const char *after = "\n      x 12/12 [001]  5.000000001: gil:signal: (7f46) cond=0x10\n";
    size_t length = GT_LINE_MAX + 1;
    char *data = malloc(length + strlen(after));
    static struct gt_source source;
    static struct log log;

    (void)state;
    assert_non_null(data);
    memset(data, 'x', length);
    memcpy(data, "      x 12/12 [001]  5.000000001: gil:signal: cond=0x10 ", 56);
    memcpy(data + length, after, strlen(after));
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        read_text(&log, &source, i % 2, data, length + strlen(after), 0, pieces[i]);
        assert_int_equal(source.lines, 2);
        assert_int_equal(source.unknown_lines, 1);
        assert_int_equal(source.event_lines, 1);
        assert_true(source.partial.capacity <= 2 * GT_LINE_MAX);
        gt_source_release(&source);
    }
    /* At the limit it is read. */
    read_text(&log, &source, false, data + 1, length - 1 + strlen(after), 0, 1 << 14);
    assert_int_equal(source.event_lines, 2);
    gt_source_release(&source);
    free(data);
}

static void zeros_and_bytes(void **state)
{
    static struct gt_source source;
    static struct log log;
    char data[600];

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (char)(i * 7);
    read_text(&log, &source, true, data, sizeof(data), 0, 11);
    assert_int_equal(source.event_lines, 0);
    gt_source_release(&source);
    memset(data, 0, sizeof(data));
    memcpy(data + 100, "\n      x\0y 12/12 [001]  5.000000001: gil:signal: cond=0x10\n", 60);
    read_text(&log, &source, false, data, sizeof(data), 0, 100);
    assert_int_equal(source.event_lines, 1);
    assert_int_equal(source.unknown_lines, 2);
    gt_source_release(&source);
    read_text(&log, &source, true, "", 0, 0, 1);
    assert_int_equal(source.lines, 0);
    gt_source_release(&source);
}

static void a_sink_that_refuses(void **state)
{
    static struct gt_source source;
    static struct log log;

    (void)state;
    for (int stacks = 0; stacks < 2; stacks++) {
        memset(&log, 0, sizeof(log));
        log.stop_after = 2;
        gt_source_init(&source, write_down, &log, stacks);
        assert_int_equal(gt_source_feed(&source, text, sizeof(text) - 1), -77);
        gt_source_release(&source);
    }
}

/* Feed `data` until it is refused, at most so many bytes of it. Returns how many were taken. */
static uint64_t feed_until_refused(struct gt_source *source, const char *data, size_t length,
                                   uint64_t most)
{
    uint64_t taken = 0;

    while (taken < most && gt_source_feed(source, data, length) == 0)
        taken += length;
    return taken;
}

static void what_cannot_be_a_recording_is_refused(void **state)
{
    static const char event[] =
        "      python3.11 12/13 [001]  5.000000004: PERF_RECORD_LOST lost 16\n";
    enum { BLOCK = 1 << 20 };
    static struct gt_source source;
    static struct log log;
    char *block = malloc(BLOCK);

    (void)state;
    assert_non_null(block);
    for (int lines = 0; lines < 2; lines++) { /* one line without end, and many */
        memset(block, 'x', BLOCK);
        if (lines)
            block[100] = '\n';
        memset(&log, 0, sizeof(log));
        log.stop_after = -1;
        gt_source_init(&source, write_down, &log, false);
        assert_int_equal(gt_source_feed(&source, event, sizeof(event) - 1), 0);
        assert_int_equal(
            feed_until_refused(&source, block, BLOCK, (uint64_t)GT_IDLE_MAX + 2 * BLOCK),
            GT_IDLE_MAX);
        assert_int_equal(gt_source_feed(&source, event, sizeof(event) - 1), GT_ERR_FORMAT);
        assert_int_equal(gt_source_finish(&source), 0);
        assert_int_equal(source.event_lines, 1);
        gt_source_release(&source);
    }
    free(block);
}

static void an_event_between_makes_it_a_recording(void **state)
{
    static const char event[] =
        "\n      python3.11 12/13 [001]  5.000000004: PERF_RECORD_LOST lost 16\n";
    enum { BLOCK = 16 << 20 };
    static struct gt_source source;
    static struct log log;
    char *block = malloc(BLOCK);

    (void)state;
    assert_non_null(block);
    memset(block, 'x', BLOCK);
    log.stop_after = -1;
    gt_source_init(&source, write_down, &log, false);
    for (uint64_t fed = 0; fed <= (uint64_t)GT_IDLE_MAX + BLOCK; fed += BLOCK) {
        if (fed == GT_IDLE_MAX / 2)
            assert_int_equal(gt_source_feed(&source, event, sizeof(event) - 1), 0);
        assert_int_equal(gt_source_feed(&source, block, BLOCK), 0);
    }
    gt_source_release(&source);
    free(block);
}

static void more_events_than_there_can_be(void **state)
{
    static const char event[] =
        "      python3.11 12/13 [001]  5.000000004: PERF_RECORD_LOST lost 16\n";
    static struct gt_source source;
    static struct log log;

    (void)state;
    memset(&log, 0, sizeof(log));
    log.stop_after = -1;
    gt_source_init(&source, write_down, &log, false);
    source.most_events = 3;
    assert_int_equal(feed_until_refused(&source, event, sizeof(event) - 1, 1000),
                     3 * (sizeof(event) - 1));
    gt_source_release(&source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_however_cut),
        cmocka_unit_test(stacks_go_with_their_event),
        cmocka_unit_test(inlined_functions_are_of_the_file_around_them),
        cmocka_unit_test(a_stack_deeper_than_we_keep),
        cmocka_unit_test(lines_without_end),
        cmocka_unit_test(zeros_and_bytes),
        cmocka_unit_test(a_sink_that_refuses),
        cmocka_unit_test(what_cannot_be_a_recording_is_refused),
        cmocka_unit_test(an_event_between_makes_it_a_recording),
        cmocka_unit_test(more_events_than_there_can_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
