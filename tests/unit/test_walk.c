/* SPDX-License-Identifier: MIT */
/* report/walk.h: one more writer, a table of hooks that notes down what the walk comes by. */
#include "base/buf.h"
#include "common/results.h"
#include "ingest/ingest.h"
#include "report/walk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* 13 waits once for 12, which holds twice; page faults of 12; states of both; a loss. */
static const char text[] =
    "python3 12/12 [000] 5.000000000: PERF_RECORD_COMM exec: python3:12/12\n"
    "python3 12/12 [000] 5.000100000: gil:signal: (1) cond=0x7f0000001058\n"
    "python3 12/12 [000] 5.000200000: gil:signal: (1) cond=0x7f0000001000\n"
    "python3 12/12 [000] 5.000300000: gil:signal: (1) cond=0x7f0000001058\n"
    "python3 12/12 [000] 5.000400000: PERF_RECORD_FORK(12:13):(12:12)\n"
    "python3 12/12 [000] 5.000450000:          1 page-faults:  ffffffff8177539a f+0x2 (k)\n"
    "python3 12/13 [001] 5.000600000: gil:wait: (1) cond=0x7f0000001000\n"
    "python3 12/13 [001] 5.000610000: sched:sched_switch: prev_comm=python3 prev_pid=13 "
    "prev_prio=120 prev_state=S ==> next_comm=swapper next_pid=0 next_prio=120\n"
    "python3 12/12 [000] 5.000900000: gil:signal: (1) cond=0x7f0000001000\n"
    "swapper 0/0 [001] 5.000910000: sched:sched_switch: prev_comm=swapper prev_pid=0 "
    "prev_prio=120 prev_state=R ==> next_comm=python3 next_pid=13 next_prio=120\n"
    "python3 12/13 [001] 5.000920000: gil:signal: (1) cond=0x7f0000001058\n"
    "python3 12/13 [001] 5.001000000: gil:signal: (1) cond=0x7f0000001000\n"
    "python3 12/13 [001] 5.001000000: PERF_RECORD_EXIT(12:13):(12:12)\n"
    "python3 12/12 [001] 5.001500000: PERF_RECORD_LOST lost 7\n"
    "python3 12/12 [000] 5.002000000: PERF_RECORD_EXIT(12:12):(12:12)\n";

static const struct gt_run_info info = {.root_pid = 12, .gil_enabled = true};
static char *const counters[] = {"page-faults", NULL};

struct made {
    struct gt_ingest *ingest;
    struct gt_results results;
};

static void make(struct made *made, unsigned detect)
{
    const struct gt_ingest_options options = {.detect = detect, .counters = counters};

    *made = (struct made){.ingest = gt_ingest_new(&options, NULL)};
    assert_non_null(made->ingest);
    assert_int_equal(gt_ingest_feed(made->ingest, text, sizeof(text) - 1, NULL), 0);
    assert_int_equal(gt_ingest_finish(made->ingest, NULL), 0);
    assert_int_equal(gt_results_make(&made->results, gt_ingest_recorded(made->ingest), &info,
                                     NULL, true, NULL),
                     0);
}

static void drop(struct made *made)
{
    gt_results_release(&made->results);
    gt_ingest_free(made->ingest);
}

/* --- the writer: a word per hook, in `out` --- */

struct notes {
    struct gt_buf out;
    unsigned items; /* on the track at hand */
    unsigned until; /* so many hooks, the next one fails; 0: none does */
    unsigned hooks;
};

static int note(struct notes *notes, const char *word, uint32_t index)
{
    if (notes->until && ++notes->hooks > notes->until)
        return GT_ERR_IO;
    return gt_buf_addf(&notes->out, "%s%s%u", notes->out.length ? " " : "", word, index)
               ? GT_ERR_MEMORY
               : 0;
}

static int on_begin(void *context)
{
    return note(context, "begin", 0);
}

static int on_end(void *context)
{
    return note(context, "end", 0);
}

static int on_summary(void *context, const char *piece, size_t length)
{
    assert_true(length >= 11);
    assert_memory_equal(piece, "{\"schema\":1", 11);
    return note(context, "summary", 0);
}

static int on_process(void *context, uint32_t index)
{
    return note(context, "process", index);
}

static int on_thread(void *context, uint32_t index)
{
    return note(context, "thread", index);
}

static int on_gil(void *context, uint32_t index)
{
    return note(context, "gil", index);
}

static int on_counter(void *context, uint32_t index)
{
    return note(context, "counter", index);
}

static int on_lost(void *context, uint32_t index)
{
    return note(context, "lost", index);
}

static int on_stack(void *context, const struct gt_profile *profile, uint32_t node)
{
    assert_true(node < profile->nodes.count);
    return note(context, "stack", node);
}

static int on_track(void *context, const struct gt_track *track)
{
    static const char *const names[GT_TRACKS] = {
        [GT_TRACK_HOLDS] = "holds",       [GT_TRACK_WAITS] = "waits",
        [GT_TRACK_UNKNOWNS] = "unknowns", [GT_TRACK_STATES] = "states",
        [GT_TRACK_CALLS] = "calls",       [GT_TRACK_SAMPLES] = "samples",
        [GT_TRACK_MARKS] = "marks",
    };
    struct notes *notes = context;

    notes->items = (unsigned)track->count;
    return note(context, names[track->kind], track->index);
}

/* Each item that was promised comes. */
static int on_track_end(void *context)
{
    struct notes *notes = context;

    assert_int_equal(notes->items, 0);
    return 0;
}

static int item(void *context, const char *word, uint32_t thread)
{
    struct notes *notes = context;

    assert_true(notes->items > 0);
    notes->items--;
    return note(context, word, thread);
}

static int on_span(void *context, const void *span)
{
    return item(context, "span", ((const struct gt_span *)span)->thread);
}

static int on_state(void *context, const void *span)
{
    return item(context, "state", ((const struct gt_state_span *)span)->state);
}

static int on_sample(void *context, const void *sample)
{
    return item(context, "sample", ((const struct gt_counter_sample *)sample)->thread);
}

static struct gt_hooks all_hooks(void)
{
    return (struct gt_hooks){
        .begin = on_begin,
        .summary = on_summary,
        .process = on_process,
        .thread = on_thread,
        .gil = on_gil,
        .counter = on_counter,
        .lost = on_lost,
        .stack = on_stack,
        .track = on_track,
        .span = on_span,
        .state = on_state,
        .sample = on_sample,
        .track_end = on_track_end,
        .end = on_end,
    };
}

static void expect(const struct made *made, const struct gt_hooks *hooks, const char *expected)
{
    struct notes notes = {0};

    gt_buf_init(&notes.out);
    assert_int_equal(gt_walk(made->results.report, hooks, &notes, NULL), 0);
    assert_string_equal(notes.out.data, expected);
    gt_buf_release(&notes.out);
}

/* --- tests --- */

static const enum gt_part lists[] = {GT_PART_SUMMARY, GT_PART_PROCESSES, GT_PART_THREADS,
                                     GT_PART_GILS,    GT_PART_FUNCTIONS, GT_PART_COUNTERS,
                                     GT_PART_LOST,    GT_PART_HOLES,     GT_PART_STACKS};
static const enum gt_part tracks[] = {GT_PART_SPANS, GT_PART_STATES, GT_PART_CALLS,
                                      GT_PART_SAMPLES, GT_PART_MARKS};

static void each_thing_comes_once(void **state)
{
    struct made made;
    struct gt_hooks hooks = all_hooks();

    (void)state;
    make(&made, GT_DETECT_GIL | GT_DETECT_SCHED);
    memcpy(hooks.order, lists, sizeof(lists));
    expect(&made, &hooks,
           "begin0 summary0 process0 thread0 thread1 gil0 counter0 lost0 stack0 stack1 end0");
    drop(&made);
}

static void tracks_have_their_items_in_the_order_of_time(void **state)
{
    struct made made;
    struct gt_hooks hooks = all_hooks();

    (void)state;
    make(&made, GT_DETECT_GIL | GT_DETECT_SCHED);
    memcpy(hooks.order, tracks, sizeof(tracks));
    expect(&made, &hooks,
           "begin0 holds0 span0 span0 span1 waits0 span1 unknowns0 span0 states0 state1 "
           "states1 state5 state1 "
           "samples0 sample0 marks0 end0");
    drop(&made);
}

static void parts_come_in_the_order_that_is_asked_for(void **state)
{
    struct made made;
    struct gt_hooks hooks = all_hooks();

    (void)state;
    make(&made, GT_DETECT_GIL);
    hooks.order[0] = GT_PART_LOST;
    hooks.order[1] = GT_PART_PROCESSES;
    expect(&made, &hooks, "begin0 lost0 process0 end0");
    hooks.order[0] = GT_PART_PROCESSES;
    hooks.order[1] = GT_PART_LOST;
    expect(&made, &hooks, "begin0 process0 lost0 end0");
    drop(&made);
}

static void states_that_were_not_asked_for_are_not_shown(void **state)
{
    struct made made;
    struct gt_hooks hooks = all_hooks();

    (void)state;
    make(&made, GT_DETECT_GIL);
    assert_true(gt_ingest_recorded(made.ingest)->timeline->saw_sched);
    hooks.order[0] = GT_PART_STATES;
    expect(&made, &hooks, "begin0 end0");
    drop(&made);
}

static void a_hook_that_is_missing_is_left_out(void **state)
{
    const struct gt_hooks none = {.order = {GT_PART_SUMMARY, GT_PART_PROCESSES, GT_PART_STACKS,
                                            GT_PART_HOLES, GT_PART_SPANS, GT_PART_STATES,
                                            GT_PART_SAMPLES, GT_PART_MARKS},
                                  .end = on_end};
    struct made made;

    (void)state;
    make(&made, GT_DETECT_GIL | GT_DETECT_SCHED);
    expect(&made, &none, "end0");
    drop(&made);
}

/* Wherever it fails: nothing is called after it, `end` neither. */
static void a_failure_ends_the_walk(void **state)
{
    struct made made;
    struct gt_hooks hooks = all_hooks();
    unsigned until = 1;
    int rc = GT_ERR_IO;

    (void)state;
    make(&made, GT_DETECT_GIL | GT_DETECT_SCHED);
    memcpy(hooks.order, lists, sizeof(lists));
    memcpy(hooks.order + sizeof(lists) / sizeof(lists[0]), tracks, sizeof(tracks));
    for (; rc == GT_ERR_IO; until++) {
        struct notes notes = {.until = until};

        gt_buf_init(&notes.out);
        rc = gt_walk(made.results.report, &hooks, &notes, NULL);
        if (rc == GT_ERR_IO) {
            assert_int_equal(notes.hooks, until + 1);
            assert_null(strstr(notes.out.data, "end0"));
        }
        gt_buf_release(&notes.out);
    }
    assert_int_equal(rc, 0);
    assert_true(until > 20);
    drop(&made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_thing_comes_once),
        cmocka_unit_test(tracks_have_their_items_in_the_order_of_time),
        cmocka_unit_test(parts_come_in_the_order_that_is_asked_for),
        cmocka_unit_test(states_that_were_not_asked_for_are_not_shown),
        cmocka_unit_test(a_hook_that_is_missing_is_left_out),
        cmocka_unit_test(a_failure_ends_the_walk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
