/* SPDX-License-Identifier: MIT */
/* model/holes: what is not known of one process, and what of all others still is. */
#include "feed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { THREADS = 3, FIRST_PID = 100, SECOND_PID = 200, STEPS = 3000 };

#define GIL UINT64_C(0x7000)

static const char why[] = "the disk is full";

static struct gt_timeline *new_timeline(void)
{
    struct gt_timeline *timeline = gt_timeline_new(false, NULL);

    assert_non_null(timeline);
    return timeline;
}

static void stop(struct gt_timeline *timeline, int64_t time_ns, int32_t pid, bool gil)
{
    struct gt_event event = {.kind = GT_EVENT_STOPPED,
                             .time_ns = time_ns,
                             .pid = pid,
                             .tid = -1,
                             .cpu = -1,
                             .comm = "",
                             .stopped = {why, sizeof(why) - 1, gil, false}};

    assert_int_equal(gt_timeline_feed(timeline, &event), 0);
}

static void lose_of(struct gt_timeline *timeline, int64_t since_ns, int64_t time_ns,
                    int32_t pid)
{
    struct gt_event event = {.kind = GT_EVENT_LOST,
                             .time_ns = time_ns,
                             .pid = pid,
                             .tid = pid,
                             .cpu = -1,
                             .comm = "",
                             .lost = {1, since_ns, true}};

    assert_int_equal(gt_timeline_feed(timeline, &event), 0);
}

/* A process of which threads take turns at random, with waits before. */
struct player {
    int32_t pid;
    int32_t owner; /* tid; 0: nobody */
    bool waits[THREADS];
};

static void step(struct gt_timeline *timeline, struct player *player, int64_t time_ns)
{
    int thread = rand() % THREADS;
    int32_t tid = player->pid + thread;

    if (player->owner == tid) {
        release(timeline, time_ns, player->pid, tid, GIL);
        player->owner = 0;
    } else if (player->owner) {
        await(timeline, time_ns, player->pid, tid, GIL);
        player->waits[thread] = true;
    } else {
        acquire(timeline, time_ns, player->pid, tid, GIL);
        player->owner = tid;
        player->waits[thread] = false;
    }
}

static void ends(struct gt_timeline *timeline, int64_t time_ns, int32_t pid)
{
    for (int32_t i = THREADS; i-- > 0;)
        exit_task(timeline, time_ns, pid, pid + i);
}

/* Two processes; the first one stops recording at `stop_ns`, if that is not 0. */
static struct gt_timeline *play(unsigned seed, int64_t stop_ns)
{
    struct gt_timeline *timeline = new_timeline();
    struct player first = {.pid = FIRST_PID}, second = {.pid = SECOND_PID};
    int64_t time_ns = 1000;

    srand(seed);
    for (int32_t i = 0; i < THREADS; i++) {
        fork_task(timeline, time_ns, first.pid, first.pid + i, i ? first.pid : 0);
        fork_task(timeline, time_ns, second.pid, second.pid + i, i ? second.pid : 0);
    }
    for (int i = 0; i < STEPS; i++) {
        bool stops = stop_ns && time_ns < stop_ns;

        time_ns += 1 + rand() % 100;
        if (stops && time_ns >= stop_ns)
            stop(timeline, stop_ns, FIRST_PID, true);
        /* What a thread still writes is not believed, either. */
        step(timeline, rand() % 2 ? &first : &second, time_ns);
    }
    ends(timeline, time_ns + 100, first.pid);
    ends(timeline, time_ns + 100, second.pid);
    assert_int_equal(gt_timeline_finish(timeline, NULL), 0);
    return timeline;
}

static const struct gt_gil *gil_of(const struct gt_timeline *timeline, int32_t pid)
{
    for (uint32_t i = 0; i < timeline->gils.count; i++)
        if (gt_process_at(timeline, gt_gil_at(timeline, i)->process)->pid == pid)
            return gt_gil_at(timeline, i);
    fail_msg("no GIL of process %d", pid);
    return NULL;
}

/* Spans are those of the whole recording, as far as they come before `until_ns`. */
static void check_spans(const struct gt_timeline *holed, const struct gt_chunks *known,
                        const struct gt_timeline *whole, const struct gt_chunks *all,
                        int64_t until_ns)
{
    size_t found = 0;

    for (size_t i = 0; i < all->count; i++) {
        const struct gt_span *want = gt_span_at(all, i);
        int64_t end_ns = want->end_ns < until_ns ? want->end_ns : until_ns;
        bool is_there = false;

        if (want->start_ns >= until_ns)
            continue;
        for (size_t j = 0; j < known->count && !is_there; j++) {
            const struct gt_span *have = gt_span_at(known, j);

            is_there = have->start_ns == want->start_ns && have->end_ns == end_ns &&
                       gt_thread_at(holed, have->thread)->tid ==
                           gt_thread_at(whole, want->thread)->tid;
        }
        assert_true(is_there);
        found++;
    }
    assert_int_equal(known->count, found);
}

static void what_is_known_is_what_it_is_without_a_hole(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 40; seed++) {
        struct gt_timeline *whole = play(seed, 0);
        int64_t stop_ns =
            whole->start_ns + 500 + rand() % (whole->end_ns - whole->start_ns - 1000);
        struct gt_timeline *holed = play(seed, stop_ns);
        const struct gt_gil *gil = gil_of(holed, FIRST_PID);

        check_spans(holed, &gil->holds, whole, &gil_of(whole, FIRST_PID)->holds, stop_ns);
        check_spans(holed, &gil->waits, whole, &gil_of(whole, FIRST_PID)->waits, stop_ns);
        assert_int_equal(gil->unknown_ns, gil->end_ns - stop_ns);
        for (uint32_t i = 0; i < gil->members.count; i++)
            assert_int_equal(gt_gil_thread_at(gil, i)->unknown_ns, gil->end_ns - stop_ns);
        gil = gil_of(holed, SECOND_PID);
        check_spans(holed, &gil->holds, whole, &gil_of(whole, SECOND_PID)->holds, INT64_MAX);
        check_spans(holed, &gil->waits, whole, &gil_of(whole, SECOND_PID)->waits, INT64_MAX);
        assert_int_equal(gil->unknown_ns, 0);
        assert_int_equal(holed->quality.overlaps + holed->quality.accounting_errors, 0);
        assert_int_equal(holed->holes.count, 1);
        assert_false(gt_is_whole(holed));
        assert_true(gt_is_whole(whole));
        gt_timeline_free(whole);
        gt_timeline_free(holed);
    }
}

static void a_gap_is_of_one_process(void **state)
{
    struct gt_timeline *timeline = new_timeline();
    const struct gt_gil *gil;

    (void)state;
    fork_task(timeline, 100, 10, 10, 0);
    fork_task(timeline, 100, 10, 11, 10);
    fork_task(timeline, 100, 20, 20, 0);
    acquire(timeline, 110, 10, 10, GIL);
    acquire(timeline, 110, 20, 20, GIL);
    release(timeline, 120, 10, 10, GIL);
    acquire(timeline, 130, 10, 10, GIL);
    await(timeline, 150, 10, 11, GIL);
    lose_of(timeline, 200, 300, 10);
    acquire(timeline, 310, 10, 11, GIL);
    release(timeline, 320, 10, 11, GIL);
    release(timeline, 340, 20, 20, GIL);
    exit_task(timeline, 400, 10, 11);
    exit_task(timeline, 400, 10, 10);
    exit_task(timeline, 400, 20, 20);
    assert_int_equal(gt_timeline_finish(timeline, NULL), 0);
    gil = gil_of(timeline, 10);
    assert_int_equal(gil->unknown_ns, 100);
    assert_int_equal(gt_lost_longest(gt_lost_of(timeline, gil->process), 0, 1000), 100);
    assert_int_equal(gt_gil_thread_at(gil, 0)->hold_ns, 10 + 70);
    assert_int_equal(gt_gil_thread_at(gil, 1)->wait_ns, 50);
    assert_int_equal(gt_gil_thread_at(gil, 1)->hold_ns, 10);
    gil = gil_of(timeline, 20);
    assert_int_equal(gil->unknown_ns, 0);
    assert_int_equal(gt_gil_thread_at(gil, 0)->hold_ns, 230);
    assert_int_equal(timeline->lost.count, 0);
    gt_timeline_free(timeline);
}

/* Another program of the same process begins a log of its own. */
static void an_exec_ends_a_hole(void **state)
{
    struct gt_timeline *timeline = new_timeline();

    (void)state;
    fork_task(timeline, 100, 10, 10, 0);
    acquire(timeline, 110, 10, 10, GIL);
    stop(timeline, 150, 10, true);
    name_task(timeline, GT_EVENT_EXEC, 200, 10, 10, "python3");
    acquire(timeline, 210, 10, 10, GIL);
    release(timeline, 260, 10, 10, GIL);
    exit_task(timeline, 300, 10, 10);
    assert_int_equal(gt_timeline_finish(timeline, NULL), 0);
    assert_int_equal(timeline->holes.count, 1);
    assert_int_equal(gt_hole_at(&timeline->holes, 0)->start_ns, 150);
    assert_int_equal(gt_hole_at(&timeline->holes, 0)->end_ns, 200);
    gt_timeline_free(timeline);
}

/* The GIL is seen by perf: only the calls are not known any more. */
static void calls_alone_can_be_lost(void **state)
{
    static const struct gt_function function = {
        .id = 1, .name = "f", .name_length = 1, .file = "x.py", .file_length = 4};
    struct gt_event call = {.kind = GT_EVENT_CALL,
                            .time_ns = 110,
                            .pid = 10,
                            .tid = 10,
                            .cpu = -1,
                            .comm = "",
                            .call.function = &function};
    struct gt_timeline *timeline = new_timeline();
    const struct gt_call_span *span;

    (void)state;
    fork_task(timeline, 100, 10, 10, 0);
    acquire(timeline, 105, 10, 10, GIL);
    assert_int_equal(gt_timeline_feed(timeline, &call), 0);
    stop(timeline, 150, 10, false);
    release(timeline, 200, 10, 10, GIL);
    acquire(timeline, 250, 10, 10, GIL);
    call.time_ns = 260;
    assert_int_equal(gt_timeline_feed(timeline, &call), 0);
    exit_task(timeline, 300, 10, 10);
    assert_int_equal(gt_timeline_finish(timeline, NULL), 0);
    assert_int_equal(gt_calls_of(timeline, 0)->spans.count, 1);
    span = gt_chunks_at(&gt_calls_of(timeline, 0)->spans, 0);
    assert_int_equal(span->end_ns, 150);
    assert_int_equal(gil_of(timeline, 10)->unknown_ns, 0);
    assert_int_equal(gt_gil_thread_at(gil_of(timeline, 10), 0)->hold_ns, 95 + 50);
    assert_true(gt_is_whole(timeline));
    gt_timeline_free(timeline);
}

/* The gate's events may have been lost, or the program's first. */
static void what_was_lost_before_the_first_thread_is_not_before_the_run(void **state)
{
    struct gt_timeline *timeline = new_timeline();
    struct gt_event lost = {.kind = GT_EVENT_LOST,
                            .time_ns = 90,
                            .pid = 10,
                            .tid = 10,
                            .cpu = 0,
                            .comm = "",
                            .lost = {.events = 3, .since_ns = 20}};

    (void)state;
    assert_non_null(timeline);
    assert_int_equal(gt_timeline_feed(timeline, &lost), 0);
    fork_task(timeline, 100, 10, 10, 0);
    acquire(timeline, 105, 10, 10, GIL);
    release(timeline, 200, 10, 10, GIL);
    exit_task(timeline, 300, 10, 10);
    assert_int_equal(gt_timeline_finish(timeline, NULL), 0);
    assert_int_equal(timeline->start_ns, 20);
    assert_int_equal(timeline->quality.lost_ns, 70);
    assert_int_equal(gt_thread_at(timeline, 0)->start_ns, 100);
    gt_timeline_free(timeline);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_known_is_what_it_is_without_a_hole),
        cmocka_unit_test(a_gap_is_of_one_process),
        cmocka_unit_test(an_exec_ends_a_hole),
        cmocka_unit_test(calls_alone_can_be_lost),
        cmocka_unit_test(what_was_lost_before_the_first_thread_is_not_before_the_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
