/* SPDX-License-Identifier: MIT */
/* lib/script/parse: every form of launch/PERF.md, "The text of perf script", and names made to
 * mislead. */
#include "script/parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct gt_parser parser;
static struct gt_event event;
static struct gt_frame frame;
static char text[4096];

static enum gt_line_kind parse(const char *line)
{
    size_t length = strlen(line);

    assert_true(length < sizeof(text));
    memcpy(text, line, length);
    text[length] = '\n'; /* "at least one readable byte must follow" */
    return gt_parse_line(&parser, text, text + length, &event, &frame);
}

static int setup(void **state)
{
    (void)state;
    gt_parser_init(&parser);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    gt_parser_release(&parser);
    return 0;
}

static void check_head(const char *line, const char *comm, int32_t pid, int32_t tid,
                       int32_t cpu, int64_t time_ns)
{
    assert_int_equal(parse(line), GT_LINE_EVENT);
    assert_int_equal(event.comm_length, strlen(comm));
    assert_memory_equal(event.comm, comm, strlen(comm));
    assert_int_equal(event.pid, pid);
    assert_int_equal(event.tid, tid);
    assert_int_equal(event.cpu, cpu);
    assert_int_equal(event.time_ns, time_ns);
}

#define SIGNAL "gil:signal: (7f46234a5e20) cond=0x7f4623b4e720"

static void heads_with_and_without_their_fields(void **state)
{
    (void)state;
    check_head("      python3.11 12744/12745 [001]  1325.085011065: " SIGNAL, "python3.11",
               12744, 12745, 1, 1325085011065);
    check_head("      python3.11 12744/12745 [001]  1325.085011: " SIGNAL, "python3.11", 12744,
               12745, 1, 1325085011000);
    check_head("      python3.11 12745 [127]  1325.085011065: " SIGNAL, "python3.11", 0, 12745,
               127, 1325085011065);
    check_head("      python3.11 12745  1325.085011065: " SIGNAL, "python3.11", 0, 12745, -1,
               1325085011065);
    check_head("12744/12745 [001]  1325.085011065: " SIGNAL, "", 12744, 12745, 1,
               1325085011065);
    check_head("  745/745   [000]     5.000000001: " SIGNAL, "", 745, 745, 0, 5000000001);
    check_head("12745  5.000001: " SIGNAL, "", 0, 12745, -1, 5000001000);
    check_head("python3 12745 [001]  5.000001: " SIGNAL, "python3", 0, 12745, 1, 5000001000);
    check_head("       perf-exec     0/0     [000]     0.000000000: PERF_RECORD_COMM: "
               "perf-exec:12744/12744",
               "perf-exec", 12744, 12744, 0, 0);
    assert_int_equal(event.kind, GT_EVENT_COMM);
}

static void names_that_look_like_anything(void **state)
{
    static const char *const comms[] = {
        "my wrk 1:2 [3]", "x ==> y=1", "a 1 [0] 1.2:", "1 [0] 1.222:",
        "9 8.765432:",    "12/13 [0]", "#hash",        "sched_switch: x",
        "[001]",          "1",         "1/2",          "a\\b\"c",
        "\xff\xfe\x80",   "= 0x12",    ") (",          "exactly15bytes!",
    };
    char line[256];

    (void)state;
    for (size_t i = 0; i < sizeof(comms) / sizeof(comms[0]); i++) {
        snprintf(line, sizeof(line), "%16s 12744/12745 [001]  1325.085011065: " SIGNAL,
                 comms[i]);
        check_head(line, comms[i], 12744, 12745, 1, 1325085011065);
        snprintf(line, sizeof(line), "%16s 12745  1325.085011: " SIGNAL, comms[i]);
        check_head(line, comms[i], 0, 12745, -1, 1325085011000);
        /* Not padded, as before stacks. */
        snprintf(line, sizeof(line), "%s 12745 [001]  1325.085011065: " SIGNAL, comms[i]);
        check_head(line, comms[i], 0, 12745, 1, 1325085011065);
        assert_int_equal(event.kind, GT_EVENT_COND_SIGNAL);
    }
}

static void tasks_that_are_gone(void **state)
{
    (void)state;
    check_head("             :-1    -1/-1    [001]  5.000000001: " SIGNAL, ":-1", -1, -1, 1,
               5000000001);
    check_head("             :-1    -1 [001]  5.000000001: " SIGNAL, ":-1", 0, -1, 1,
               5000000001);
    check_head(":-1 -1 [001]  5.000000001: " SIGNAL, ":-1", 0, -1, 1, 5000000001);
    check_head("          :12345 12345/12345 [-01]  5.000000001: " SIGNAL, ":12345", 12345,
               12345, -1, 5000000001);
    check_head("                 12744/12745 [001]  5.000000001: " SIGNAL, "", 12744, 12745, 1,
               5000000001);
}

static void numbers_that_do_not_fit(void **state)
{
    static const char *const lines[] = {
        "  python3 99999999999/1 [001]  5.000001: " SIGNAL,
        "  python3 1/99999999999 [001]  5.000001: " SIGNAL,
        "  python3 -2147483650/1 [001]  5.000001: " SIGNAL,
        "  python3 1/1 [99999999999]  5.000001: " SIGNAL,
        "  python3 1/1 [001]  99999999999999999999999999999999.000001: " SIGNAL,
        "  python3 1/1 [001]  9999999999999.000001: " SIGNAL,
        "  python3 1/1 [001]  5.0000001: " SIGNAL,
        "  python3 1/1 [001]  5: " SIGNAL,
        "  python3 111111111111111111111111111111111111111111/1 [001]  5.000001: " SIGNAL,
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        assert_int_not_equal(parse(lines[i]), GT_LINE_EVENT);
    /* A value longer than a number makes the event say nothing. */
    assert_int_equal(parse("  python3 1/1 [001]  5.000001: sched:sched_wakeup: comm=x "
                           "pid=99999999999 prio=1 target_cpu=000"),
                     GT_LINE_EVENT);
    assert_int_equal(event.kind, GT_EVENT_OTHER);
    assert_int_equal(
        parse("  python3 1/1 [001]  5.000001: gil:signal: cond=0x11112222333344445"),
        GT_LINE_EVENT);
    assert_int_equal(event.kind, GT_EVENT_OTHER);
}

static enum gt_event_kind kind_of(const char *name)
{
    char line[256];

    snprintf(line, sizeof(line),
             "      python3.11 1/2 [001]  5.000000001: %s: (7f46) cond=0x7f4623b4e720", name);
    assert_int_equal(parse(line), GT_LINE_EVENT);
    return event.kind;
}

/* perf's name for a return where another run's probe has the first name: no "__return" in it.
 */
static void returns_whose_names_were_taken(void **state)
{
    (void)state;
    assert_int_equal(parse("          python 10582/10582 [001]  1459.242327990: "
                           "gt_1u_85t_34j:take_gil_2: (7f9a0a15d120 <- 7f9a0a15d3b9)"),
                     GT_LINE_EVENT);
    assert_int_equal(event.kind, GT_EVENT_TAKE_RETURN);
    assert_int_equal(parse("          python 10582/10582 [001]  1459.242327990: "
                           "gt_1u_85t_34j:contended_wait_2: (7f9a0a15d120 <- 7f9a0a15d3b9) "
                           "result=0x0"),
                     GT_LINE_EVENT);
    assert_int_equal(event.kind, GT_EVENT_BLOCK_EXIT);
}

static void probes_that_people_name(void **state)
{
    (void)state;
    assert_int_equal(kind_of("gil:signal"), GT_EVENT_COND_SIGNAL);
    assert_int_equal(event.cond.address, 0x7f4623b4e720);
    assert_int_equal(kind_of("gil:signal_1"), GT_EVENT_COND_SIGNAL);
    assert_int_equal(kind_of("giltrace:signal"), GT_EVENT_COND_SIGNAL); /* eight letters */
    assert_int_equal(kind_of("probe_libc:pthread_cond_signal"), GT_EVENT_COND_SIGNAL);
    assert_int_equal(kind_of("probe_libc:pthread_cond_signal_1"), GT_EVENT_COND_SIGNAL);
    assert_int_equal(kind_of("gt_12_ab:wait"), GT_EVENT_COND_WAIT);
    assert_int_equal(kind_of("p:wait"), GT_EVENT_COND_WAIT);
    assert_int_equal(kind_of("probe_libc:pthread_cond_timedwait_1"), GT_EVENT_COND_WAIT);
    assert_int_equal(kind_of("probe_libc:pthread_cond_clockwait"), GT_EVENT_COND_WAIT);
    assert_int_equal(kind_of("python:take_gil"), GT_EVENT_TAKE_ENTER);
    assert_int_equal(kind_of("python:take_gil_1"), GT_EVENT_TAKE_ENTER);
    assert_int_equal(kind_of("python:take_gil_constprop_0"), GT_EVENT_TAKE_ENTER);
    assert_int_equal(kind_of("python:take_gil__return"), GT_EVENT_TAKE_RETURN);
    assert_int_equal(kind_of("python:take_gil__return_1"), GT_EVENT_TAKE_RETURN);
    assert_int_equal(kind_of("python:drop_gil"), GT_EVENT_DROP_ENTER);
    assert_int_equal(kind_of("python:drop_gil__return"), GT_EVENT_DROP_RETURN);
    assert_int_equal(kind_of("probe_libc:pthread_cond_signal__return"), GT_EVENT_COUNTER);
    assert_int_equal(kind_of("signal:signal_generate"), GT_EVENT_COUNTER);
    assert_int_equal(kind_of("syscalls:sys_enter_rt_sigtimedwait"), GT_EVENT_COUNTER);
    assert_int_equal(kind_of("sched:sched_stat_wait"), GT_EVENT_COUNTER);
    assert_int_equal(kind_of("sched:sched_process_exit"), GT_EVENT_OTHER);
    /* A probe without its argument tells nothing. */
    assert_int_equal(parse("      python3.11 1/2 [001]  5.000000001: gil:signal: (7f46)"),
                     GT_LINE_EVENT);
    assert_int_equal(event.kind, GT_EVENT_OTHER);
    /* More names than are remembered are still understood. */
    for (int i = 0; i < 600; i++) {
        char name[64];

        snprintf(name, sizeof(name), "group%d:signal", i);
        assert_int_equal(kind_of(name), GT_EVENT_COND_SIGNAL);
    }
    assert_true(parser.names.count <= 256);
}

static void counters_periods_and_modifiers(void **state)
{
    (void)state;
    assert_int_equal(parse("      python3.11 12792  1344.864677297:          1        "
                           "page-faults:  ffffffff8177539a elf_load+0x28a ([kernel.kallsyms])"),
                     GT_LINE_EVENT);
    assert_int_equal(event.kind, GT_EVENT_COUNTER);
    assert_int_equal(event.period, 1);
    assert_int_equal(event.name_length, 11);
    assert_memory_equal(event.name, "page-faults", 11);
    assert_int_equal(event.frame_count, 1);
    assert_int_equal(event.frames[0].address, 0xffffffff8177539a);
    assert_memory_equal(event.frames[0].symbol, "elf_load", event.frames[0].symbol_length);
    assert_memory_equal(event.frames[0].dso, "[kernel.kallsyms]", 17);
    assert_int_equal(kind_of("cycles:u"), GT_EVENT_COUNTER);
    assert_int_equal(kind_of("cpu-clock:ppp"), GT_EVENT_COUNTER);
    assert_int_equal(kind_of("cpu/cycles/:ukhH"), GT_EVENT_COUNTER);
    assert_int_equal(kind_of("L1-dcache-loads"), GT_EVENT_COUNTER);
    assert_int_equal(parse("python3 12792 1344.864677:     250000 cycles:u: "), GT_LINE_EVENT);
    assert_int_equal(event.period, 250000);
    assert_memory_equal(event.name, "cycles:u", event.name_length);
}

static void records(void **state)
{
#define HEAD "      python3.11 12744/12744 [001]  1325.086767238: "
    (void)state;
    assert_int_equal(parse(HEAD "PERF_RECORD_FORK(12744:12749):(12744:12744)"), GT_LINE_EVENT);
    assert_int_equal(event.kind, GT_EVENT_FORK);
    assert_int_equal(event.pid, 12744);
    assert_int_equal(event.tid, 12749);
    assert_int_equal(event.creator.pid, 12744);
    assert_int_equal(event.creator.tid, 12744);
    assert_int_equal(parse(HEAD "PERF_RECORD_EXIT(12744:12749):(12744:12749)"), GT_LINE_EVENT);
    assert_int_equal(event.kind, GT_EVENT_EXIT);
    assert_int_equal(event.tid, 12749);
    assert_int_equal(parse(HEAD "PERF_RECORD_EXIT(1:2):(-1:-1)"), GT_LINE_EVENT);
    assert_int_equal(parse(HEAD "PERF_RECORD_EXIT(1:99999999999):(1:1)"), GT_LINE_UNKNOWN);
    assert_int_equal(parse(HEAD "PERF_RECORD_EXIT(1:2"), GT_LINE_UNKNOWN);
    assert_int_equal(parse(HEAD "PERF_RECORD_COMM exec: python3.11:12750/12751"),
                     GT_LINE_EVENT);
    assert_int_equal(event.kind, GT_EVENT_EXEC);
    assert_int_equal(event.pid, 12750);
    assert_int_equal(event.tid, 12751);
    assert_memory_equal(event.new_name.text, "python3.11", event.new_name.length);
    assert_int_equal(parse(HEAD "PERF_RECORD_COMM: a: b/c:1/2:12750/12751"), GT_LINE_EVENT);
    assert_int_equal(event.kind, GT_EVENT_COMM);
    assert_int_equal(event.new_name.length, 10);
    assert_memory_equal(event.new_name.text, "a: b/c:1/2", 10);
    assert_int_equal(parse(HEAD "PERF_RECORD_COMM: :12750/12751"), GT_LINE_EVENT);
    assert_int_equal(event.new_name.length, 0);
    assert_int_equal(parse(HEAD "PERF_RECORD_LOST lost 16"), GT_LINE_EVENT);
    assert_int_equal(event.kind, GT_EVENT_LOST);
    assert_int_equal(event.lost.events, 16);
    assert_int_equal(event.cpu, 1);
    assert_int_equal(parse(HEAD "PERF_RECORD_LOST_SAMPLES lost 3"), GT_LINE_EVENT);
    assert_int_equal(event.kind, GT_EVENT_LOST);
    assert_int_equal(event.lost.events, 3);
    assert_int_equal(parse(HEAD "PERF_RECORD_SWITCH IN         "), GT_LINE_EVENT);
    assert_int_equal(event.kind, GT_EVENT_SWITCH_IN);
    assert_int_equal(parse(HEAD "PERF_RECORD_SWITCH OUT        "), GT_LINE_EVENT);
    assert_int_equal(event.kind, GT_EVENT_SWITCH_OUT);
    assert_int_equal(event.switched.state, 0);
    assert_int_equal(parse(HEAD "PERF_RECORD_SWITCH OUT preempt"), GT_LINE_EVENT);
    assert_int_equal(event.switched.state, GT_STATE_RUNNABLE);
    assert_int_equal(
        parse(HEAD "PERF_RECORD_SWITCH_CPU_WIDE OUT preempt  next pid/tid:    0/0"),
        GT_LINE_EVENT);
    assert_int_equal(event.kind, GT_EVENT_SWITCH_OUT);
}

static void mappings(void **state)
{
    (void)state;
    assert_int_equal(parse(HEAD "PERF_RECORD_MMAP2 1/2: [0x7fef4cb06000(0x273000) @ 0x106000 "
                                "fe:00 73606 0]: r-xp /a b/libx.so]: y"),
                     GT_LINE_EVENT);
    assert_int_equal(event.kind, GT_EVENT_MMAP);
    assert_int_equal(event.pid, 1);
    assert_int_equal(event.tid, 2);
    assert_true(event.mapping.address == 0x7fef4cb06000 && event.mapping.offset == 0x106000);
    assert_int_equal(event.mapping.path_length, 16);
    assert_memory_equal(event.mapping.path, "/a b/libx.so]: y", 16);
    assert_true(event.mapping.inode == 73606 && event.mapping.device == 0xfe00000);
    assert_int_equal(parse(HEAD "PERF_RECORD_MMAP2 1/1: [0x7f(0x1) @ 0 0 0 0]: r-xp /a=0x12"),
                     GT_LINE_EVENT);
    assert_int_equal(event.kind, GT_EVENT_MMAP);
    assert_true(event.mapping.offset == 0 && event.mapping.inode == 0);
    assert_int_equal(parse(HEAD "PERF_RECORD_MMAP2 1/1: [0x7f(0x1) @ 0 <a1b2c3d4>]: r-xp /a"),
                     GT_LINE_EVENT);
    assert_int_equal(event.mapping.inode, 0);
    assert_int_equal(parse(HEAD "PERF_RECORD_MMAP -1/0: [0xffffffff81000000(0x1276508) @ "
                                "0xffffffff81000000]: x [kernel.kallsyms]_text"),
                     GT_LINE_EVENT);
    assert_int_equal(event.pid, -1);
    assert_int_equal(parse(HEAD "PERF_RECORD_MMAP2 1/1: [0x7f(0x1)"), GT_LINE_UNKNOWN);
    assert_int_equal(parse(HEAD "PERF_RECORD_MMAP2 1/1: [0x7f(0x1) @ 0 0 0 0]: r-xp"),
                     GT_LINE_UNKNOWN);
    assert_int_equal(parse(HEAD "PERF_RECORD_MMAP2 x: [0x7f(0x1) @ 0 0 0 0]: r-xp /a"),
                     GT_LINE_UNKNOWN);
}

static void check_switch(const char *arguments, uint32_t state, int32_t next)
{
    char line[512];

    snprintf(line, sizeof(line), HEAD "sched:sched_switch: %s", arguments);
    assert_int_equal(parse(line), GT_LINE_EVENT);
    assert_int_equal(event.kind, GT_EVENT_SCHED_SWITCH);
    assert_int_equal(event.switched.state, state);
    assert_int_equal(event.switched.next_tid, next);
}

#define PREV(COMM, STATE) "prev_comm=" COMM " prev_pid=7 prev_prio=120 prev_state=" STATE
#define NEXT(COMM)        " ==> next_comm=" COMM " next_pid=9 next_prio=120"

static void switches_in_both_texts(void **state)
{
    (void)state;
    check_switch(PREV("a", "S") NEXT("b"), GT_STATE_SLEEPING, 9);
    check_switch(PREV("a", "R+") NEXT("b"), GT_STATE_RUNNABLE, 9);
    check_switch(PREV("a", "R") NEXT("b"), GT_STATE_RUNNABLE, 9);
    check_switch(PREV("a", "D|W") NEXT("b"), GT_STATE_UNINTERRUPTIBLE, 9);
    check_switch(PREV("a", "t") NEXT("b"), GT_STATE_STOPPED, 9);
    check_switch(PREV("a", "X") NEXT("b"), GT_STATE_DEAD, 9);
    check_switch(PREV("a", "I") NEXT("b"), GT_STATE_IDLE, 9);
    check_switch("bash:6868 [120] S ==> bash:6870 [120]", GT_STATE_SLEEPING, 6870);
    check_switch("bash:6868 [120] R ==> swapper/1:0 [120]", GT_STATE_RUNNABLE, 0);
    check_switch("bash:6868 [120] D|K ==> x:3 [98]", GT_STATE_UNINTERRUPTIBLE, 3);
}

/* Either task may be called like a part of the text. */
static void switches_with_hostile_names(void **state)
{
    (void)state;
    check_switch(PREV("x S ==> y", "R") NEXT("b"), GT_STATE_RUNNABLE, 9);
    check_switch(PREV("a", "R") NEXT("x S ==> y"), GT_STATE_RUNNABLE, 9);
    check_switch(PREV(" ==> next_comm=", "R") NEXT(" ==> next_comm="), GT_STATE_RUNNABLE, 9);
    check_switch(PREV("a", "D") NEXT("p next_pid=5 x"), GT_STATE_UNINTERRUPTIBLE, 9);
    check_switch(PREV("a", "D") NEXT("x next_prio=1"), GT_STATE_UNINTERRUPTIBLE, 9);
    check_switch(PREV("a", "D") NEXT(""), GT_STATE_UNINTERRUPTIBLE, 9);
    check_switch("x S ==> y:6868 [120] R ==> b:6870 [120]", GT_STATE_RUNNABLE, 6870);
    check_switch("a:6868 [120] R ==> x S ==> y:6870 [120]", GT_STATE_RUNNABLE, 6870);
    check_switch("a:6868 [120] R ==> q:1 [1]:6870 [120]", GT_STATE_RUNNABLE, 6870);
    check_switch("nothing of the kind", 0, 0);
    check_switch("", 0, 0);
    check_switch(" next_prio=1", 0, 0);
    check_switch("=", 0, 0);
}

static void check_wakeup(const char *arguments, enum gt_event_kind kind, int32_t tid)
{
    char line[512];

    snprintf(line, sizeof(line), HEAD "%s", arguments);
    assert_int_equal(parse(line), GT_LINE_EVENT);
    assert_int_equal(event.kind, kind);
    if (kind != GT_EVENT_OTHER)
        assert_int_equal(event.woken_tid, tid);
}

static void wakeups_in_both_texts(void **state)
{
    (void)state;
    check_wakeup("sched:sched_wakeup: comm=x pid=15 prio=120 target_cpu=001",
                 GT_EVENT_SCHED_WAKEUP, 15);
    check_wakeup("sched:sched_wakeup_new: comm=x pid=15 prio=120 target_cpu=001",
                 GT_EVENT_SCHED_WAKEUP, 15);
    check_wakeup("sched:sched_waking: comm= pid=7 a pid=15 prio=120 target_cpu=000",
                 GT_EVENT_SCHED_WAKING, 15);
    check_wakeup("sched:sched_wakeup: bash:15 [120] success=1 CPU:001", GT_EVENT_SCHED_WAKEUP,
                 15);
    check_wakeup("sched:sched_wakeup: a:1 [2]:15 [120] CPU:001", GT_EVENT_SCHED_WAKEUP, 15);
    check_wakeup("sched:sched_wakeup: bash:15 [120]", GT_EVENT_SCHED_WAKEUP, 15);
    check_wakeup("sched:sched_wakeup: nonsense", GT_EVENT_OTHER, 0);
}

static void check_frame(const char *line, uint64_t address, const char *symbol, const char *dso)
{
    assert_int_equal(parse(line), GT_LINE_FRAME);
    assert_int_equal(frame.address, address);
    assert_int_equal(frame.symbol_length, strlen(symbol));
    assert_memory_equal(frame.symbol, symbol, strlen(symbol));
    assert_int_equal(frame.dso_length, strlen(dso));
    assert_memory_equal(frame.dso, dso, strlen(dso));
}

static void frames(void **state)
{
    (void)state;
    check_frame("\t    7f88 PyEval_Foo+0x28 (/usr/bin/python3.11)", 0x7f88, "PyEval_Foo",
                "/usr/bin/python3.11");
    check_frame("\tffffffff82265488 __schedule+0x628 ([kernel.kallsyms])", 0xffffffff82265488,
                "__schedule", "[kernel.kallsyms]");
    check_frame("            7f88 [unknown] (/usr/lib/lib c++.so)", 0x7f88, "[unknown]",
                "/usr/lib/lib c++.so");
    check_frame("\t7f88 run(int, char (*)(int))+0x1f (/tmp/libstdc++.so (deleted))", 0x7f88,
                "run(int, char (*)(int))", "/tmp/libstdc++.so (deleted)");
    check_frame("\t7f88 operator+(A, B)+0x1f (/tmp/a)", 0x7f88, "operator+(A, B)", "/tmp/a");
    check_frame("\t7f88 operator+ (/tmp/a)", 0x7f88, "operator+", "/tmp/a");
    check_frame("\t7f88 f+0x1 ([unknown])", 0x7f88, "f", "[unknown]");
    assert_int_equal(parse("\tnot a frame"), GT_LINE_UNKNOWN);
    assert_int_equal(parse("\t7f88"), GT_LINE_UNKNOWN);
    assert_int_equal(parse("\t7f88 )"), GT_LINE_UNKNOWN);
}

static void other_lines(void **state)
{
    (void)state;
    assert_int_equal(parse(""), GT_LINE_END);
    assert_int_equal(parse("# ========"), GT_LINE_COMMENT);
    assert_int_equal(parse("#"), GT_LINE_COMMENT);
    assert_int_equal(parse("hello"), GT_LINE_UNKNOWN);
    assert_int_equal(parse("      python3.11 12744/12744 [001]"), GT_LINE_UNKNOWN);
    assert_int_equal(parse("      python3.11 12744/12744 [001]  1325.086767238:"),
                     GT_LINE_UNKNOWN);
    assert_int_equal(parse(" "), GT_LINE_UNKNOWN);
    assert_int_equal(parse("[{\"ph\": \"X\", \"ts\": 1.5}]"), GT_LINE_UNKNOWN);
}

/* No prefix of any line may be read past its end: each is copied to a block of its own size,
 * so that AddressSanitizer sees it. */
static void lines_cut_anywhere(void **state)
{
    static const char *const lines[] = {
        HEAD SIGNAL,
        HEAD "PERF_RECORD_FORK(12744:12749):(12744:12744)",
        HEAD "PERF_RECORD_COMM exec: python3.11:12750/12751",
        HEAD "PERF_RECORD_LOST_SAMPLES lost 3",
        HEAD "sched:sched_switch: " PREV("a", "S") NEXT("b"),
        HEAD "sched:sched_switch: bash:6868 [120] S ==> bash:6870 [120]",
        HEAD "sched:sched_wakeup: comm=x pid=15 prio=120 target_cpu=001",
        "python3 12 1344.864677297: 1 page-faults:  ffff elf_load+0x28a ([kernel])",
        "\t7f88 run(int, char (*)(int))+0x1f (/tmp/libstdc++.so (deleted))",
        "             :-1    -1/-1    [-01]  5.000000001: x",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        for (size_t length = 0; length <= strlen(lines[i]); length++) {
            char *copy = malloc(length + 1);

            assert_non_null(copy);
            memcpy(copy, lines[i], length);
            copy[length] = '\n';
            gt_parse_line(&parser, copy, copy + length, &event, &frame);
            free(copy);
        }
}

#define TASK "         python3 10/11 [001]  3612.843774364: "

static void check_futex(const char *line, uint64_t address, uint32_t operation, bool timed)
{
    assert_int_equal(parse(line), GT_LINE_EVENT);
    assert_int_equal(event.kind, GT_EVENT_FUTEX_ENTER);
    assert_true(event.futex.address == address);
    assert_int_equal(event.futex.operation & 0x7f, operation);
    assert_int_equal(event.futex.timed, timed);
}

static void both_texts_of_futex(void **state)
{
    (void)state;
    check_futex(TASK "syscalls:sys_enter_futex: uaddr: 0x00a5b8f8, op: 0x00000089, val: "
                     "0x00000000, utime: 0x7feced36ab30, uaddr2: 0x00000000, val3: 0xffffffff",
                0xa5b8f8, 9, true);
    check_futex(TASK "syscalls:sys_enter_futex: uaddr: 0x7fb3cdd08c84, op: 0x00000081, val: "
                     "0x00000001, utime: 0x00000000, uaddr2: 0x00000000, val3: 0x00000000",
                0x7fb3cdd08c84, 1, false);
    check_futex(TASK "syscalls:sys_enter_futex: op=FUTEX_WAKE|FUTEX_PRIVATE_FLAG "
                     "uaddr=0x7f71d79e4a4c val=2147483647",
                0x7f71d79e4a4c, 1, false);
    check_futex(TASK
                "syscalls:sys_enter_futex: op=FUTEX_WAIT|FUTEX_PRIVATE_FLAG uaddr=0xa5b8f8 "
                "val=0x00000002 utime=0x00000000",
                0xa5b8f8, 0, false);
    check_futex(TASK "syscalls:sys_enter_futex: op=FUTEX_WAIT_BITSET|FUTEX_PRIVATE_FLAG|"
                     "FUTEX_CLOCK_REALTIME uaddr=0x30cabe30 val=0x00000000 utime=0x7fff0010 "
                     "val3=0xffffffff",
                0x30cabe30, 9, true);
    check_futex(TASK "syscalls:sys_enter_futex: op=FUTEX_SOMETHING uaddr=0x8", 8, 0x7f, false);
    assert_int_equal(parse(TASK "syscalls:sys_enter_futex: op=FUTEX_WAIT val=0x2"),
                     GT_LINE_EVENT);
    assert_int_equal(event.kind, GT_EVENT_OTHER);
    assert_int_equal(parse(TASK "syscalls:sys_exit_futex: 0xffffffffffffff92"), GT_LINE_EVENT);
    assert_int_equal(event.kind, GT_EVENT_FUTEX_EXIT);
    assert_true(event.result == -110);
}

static void probes_of_the_futex_source(void **state)
{
    (void)state;
    check_futex(TASK "gt_1_2_3:contended_wake_1: (7f90ee4feeb8) uaddr=0xa5b8f4 op=0x81",
                0xa5b8f4, 1, false);
    assert_int_equal(parse(TASK "gt_1_2_3:contended_wait: (7f90ee4feeb8) cond=0xa5b8d0"),
                     GT_LINE_EVENT);
    assert_int_equal(event.kind, GT_EVENT_BLOCK_ENTER);
    assert_true(event.cond.address == 0xa5b8d0 && event.cond.deadline_ns == GT_NO_DEADLINE);
    assert_true(event.cond.mutex == 0);
    assert_int_equal(parse(TASK "gt_1_2_3:contended_wait: (7f90ee4feeb8) cond=0xa5b8d0 "
                                "sec=2560 nsec=313198719 mutex=0xa5b900"),
                     GT_LINE_EVENT);
    assert_true(event.cond.mutex == 0xa5b900 && event.cond.deadline_ns == 2560313198719);
    assert_int_equal(parse(TASK "gt_1_2_3:wait: (7f90ee4feeb8) cond=0xa5b8d0 sec=1 nsec=2 "
                                "mutex=0xa5b900"),
                     GT_LINE_EVENT);
    assert_int_equal(event.kind, GT_EVENT_COND_WAIT);
    assert_true(event.cond.mutex == 0xa5b900 && event.cond.deadline_ns == 1000000002);
    assert_int_equal(parse(TASK "gt_1_2_3:contended_block: (7f90ee4feeb8) cond=0xa5b928"),
                     GT_LINE_EVENT);
    assert_int_equal(event.kind, GT_EVENT_BLOCK_ENTER);
    assert_true(event.cond.address == 0xa5b928 && !event.cond.deadline_ns);
    assert_int_equal(parse(TASK "gt_1_2_3:contended_wait__return: (5f2aee <- 7f90ee4ff6a0) "
                                "result=0x6e"),
                     GT_LINE_EVENT);
    assert_int_equal(event.kind, GT_EVENT_BLOCK_EXIT);
    assert_true(event.result == 110);
    assert_int_equal(parse(TASK "gt_1_2_3:contended_wake: (7f90ee4feeb8)"), GT_LINE_EVENT);
    assert_int_equal(event.kind, GT_EVENT_OTHER);
}

#define WAIT_OF(values) TASK "gt_1_2_3:semaphore_wait_1: (7f0008b61d00) " values
#define PARKS                                                                                  \
    "sem=0x7f0008a75de0 sp=0x7f0008a75d68 value=0x0 shared=0x0 caller=0x55b3fc06f94a "         \
    "lock=0x200007229ca arg=0x7f0008a75e80 bits=0x3"

static enum gt_event_kind wait_of(const char *line)
{
    assert_int_equal(parse(line), GT_LINE_EVENT);
    return event.kind;
}

static void probes_of_locks(void **state)
{
    (void)state;
    /* On the heap, as CPython's locks up to 3.13. */
    assert_int_equal(wait_of(WAIT_OF("sem=0xf2dd60 sp=0x7efd5b2af958 value=0x0 shared=0x0 "
                                     "caller=0x4f905f lock=0x31 arg=0x7efd5b44fd30 bits=0x0 "
                                     "s0=0x4f905f s1=0x0 s23=0x7f10")),
                     GT_EVENT_SEM_WAITS);
    assert_true(event.sync.object == 0xf2dd60 && event.sync.left == GT_WAIT_FOR_SEMAPHORE);
    assert_true(event.sync.callers[0] == 0x4f905f && event.sync.callers[1] == 0x4f905f);
    assert_true(event.sync.callers[2] == 0 && event.sync.callers[24] == 0x7f10);
    assert_true(event.sync.lock == 0 && event.sync.type == NULL);
    /* On the waiter's own stack, which parks: for a mutex that others wait for, … */
    assert_int_equal(wait_of(WAIT_OF(PARKS)), GT_EVENT_SEM_WAITS);
    assert_true(event.sync.lock == 0x200007229ca && event.sync.left == GT_WAIT_FOR_MUTEX);
    assert_null(event.sync.type);
    /* … for one without that bit, or without an argument: no mutex. */
    assert_int_equal(wait_of(WAIT_OF("sem=0x8000 sp=0x7f00 value=0x0 shared=0x0 caller=0x4 "
                                     "lock=0x200007229ca arg=0x8100 bits=0x1")),
                     GT_EVENT_SEM_WAITS);
    assert_int_equal(event.sync.left, GT_WAIT_FOR_EVENT);
    assert_int_equal(wait_of(WAIT_OF("sem=0x8000 sp=0x7f00 value=0x0 shared=0x0 caller=0x4 "
                                     "lock=0x200007229ca arg=0x0 bits=0x3")),
                     GT_EVENT_SEM_WAITS);
    assert_int_equal(event.sync.left, GT_WAIT_FOR_EVENT);
    /* It is free; processes share it; the probe does not tell enough. */
    assert_int_equal(wait_of(WAIT_OF("sem=0x80 sp=0x7f value=0x1 shared=0x0 caller=0x4 "
                                     "lock=0x0 arg=0x0 bits=0x0")),
                     GT_EVENT_OTHER);
    assert_int_equal(wait_of(WAIT_OF("sem=0x80 sp=0x7f value=0x0 shared=0x80 caller=0x4 "
                                     "lock=0x0 arg=0x0 bits=0x0")),
                     GT_EVENT_OTHER);
    assert_int_equal(wait_of(WAIT_OF("sem=0x80 sp=0x7f value=0x0")), GT_EVENT_OTHER);
    assert_int_equal(wait_of(TASK "gt_1_2_3:semaphore_wait_1__return: (7f00 <- 55b3) "
                                  "result=0xffffffff"),
                     GT_EVENT_SEM_RETURN);
    assert_true(event.result != 0);
    assert_int_equal(wait_of(TASK "gt_1_2_3:semaphore_give: (7f7f) sem=0xf2dd60"),
                     GT_EVENT_SEM_POST);
    assert_true(event.sync.object == 0xf2dd60 && event.sync.since_ns == GT_NOT_SEEN);
    assert_int_equal(wait_of(TASK "gt_1_2_3:semaphore_made: (7f7f) sem=0xf2dd60"),
                     GT_EVENT_SEM_NEW);
    assert_true(event.sync.object == 0xf2dd60);
    assert_int_equal(wait_of(TASK "gt_1_2_3:semaphore_give: (7f7f)"), GT_EVENT_OTHER);
}

/* "type", and what comes behind it in memory; the name of `list`. */
#define META "meta=0x726f2f0065707974 "
#define LIST "name0=0x7473696c "

static const char *type_of(const char *line)
{
    assert_int_equal(wait_of(line), GT_EVENT_SEM_WAITS);
    return event.sync.type;
}

static void objects_are_believed_where_their_type_is_a_type(void **state)
{
    static const char of_list[] = WAIT_OF(PARKS " oflags=0x80001000 o" META "o" LIST);

    (void)state;
    assert_string_equal(type_of(of_list), "list");
    /* The type's type is no subclass of type; its own type has another name. */
    assert_null(type_of(WAIT_OF(PARKS " oflags=0x7fffffff o" META "o" LIST)));
    assert_null(type_of(WAIT_OF(PARKS " oflags=0x80001000 ometa=0x7365707974 o" LIST)));
    assert_null(type_of(WAIT_OF(PARKS " oflags=0x80001000 o" META)));
    /* No identifier, or a longer one than what was fetched. */
    assert_null(type_of(WAIT_OF(PARKS " oflags=0x80001000 o" META "oname0=0x0a73696c")));
    assert_null(type_of(WAIT_OF(PARKS " oflags=0x80001000 o" META
                                      "oname0=0x6161616161616161 oname1=0x6161616161616161 "
                                      "oname2=0x6161616161616161 oname3=0x6161616161616161")));
    /* A lock that is an object itself is one of threading's. */
    assert_null(type_of(WAIT_OF("sem=0x8000 sp=0x7f00 value=0x0 shared=0x0 caller=0x4 "
                                "lock=0x20000722900 arg=0x8100 bits=0x3 wflags=0x80001000 "
                                "w" META "w" LIST)));
    assert_string_equal(type_of(WAIT_OF("sem=0x8000 sp=0x7f00 value=0x0 shared=0x0 caller=0x4 "
                                        "lock=0x20000722900 arg=0x8100 bits=0x3 "
                                        "wflags=0x80001000 w" META
                                        "wname0=0x2e6461657268745f wname1=0x6b636f6c")),
                        "_thread.lock");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(both_texts_of_futex, setup, teardown),
        cmocka_unit_test_setup_teardown(probes_of_the_futex_source, setup, teardown),
        cmocka_unit_test_setup_teardown(probes_of_locks, setup, teardown),
        cmocka_unit_test_setup_teardown(objects_are_believed_where_their_type_is_a_type, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(heads_with_and_without_their_fields, setup, teardown),
        cmocka_unit_test_setup_teardown(names_that_look_like_anything, setup, teardown),
        cmocka_unit_test_setup_teardown(tasks_that_are_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(numbers_that_do_not_fit, setup, teardown),
        cmocka_unit_test_setup_teardown(probes_that_people_name, setup, teardown),
        cmocka_unit_test_setup_teardown(returns_whose_names_were_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(counters_periods_and_modifiers, setup, teardown),
        cmocka_unit_test_setup_teardown(records, setup, teardown),
        cmocka_unit_test_setup_teardown(mappings, setup, teardown),
        cmocka_unit_test_setup_teardown(switches_in_both_texts, setup, teardown),
        cmocka_unit_test_setup_teardown(switches_with_hostile_names, setup, teardown),
        cmocka_unit_test_setup_teardown(wakeups_in_both_texts, setup, teardown),
        cmocka_unit_test_setup_teardown(frames, setup, teardown),
        cmocka_unit_test_setup_teardown(other_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(lines_cut_anywhere, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
