/* SPDX-License-Identifier: MIT */
/* lib/analysis/blockers: which function answers, what kept the GIL, and what nobody held. */
#include "feed.h"

#include "analysis/blockers.h"
#include "analysis/judgement.h"
#include "base/nstime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const uint64_t A = 0x7f0000001000;

#define MS ((int64_t)GT_NS_PER_MS)

enum { MAIN = 1, SORT, KEY, COLLECT, IMPORT, BODY, WRITE, OTHER, LOCK };

static void call(struct gt_timeline *t, int64_t time_ns, int32_t tid, uint32_t id, bool enter)
{
    static const struct {
        const char *name, *file;
        uint32_t flags;
    } known[] = {
        [MAIN] = {"main", "a.py", 0},
        [SORT] = {"sorted", "builtins", GT_FUNCTION_C},
        [KEY] = {"len", "builtins", GT_FUNCTION_C},
        [COLLECT] = {"gc.collect", "gc", GT_FUNCTION_C | GT_FUNCTION_GC},
        [IMPORT] = {"_find_and_load", "<frozen importlib._bootstrap>", 0},
        [BODY] = {"<module>", "b.py", 0},
        [WRITE] = {"write", "posix", GT_FUNCTION_C},
        [OTHER] = {"other", "a.py", 0},
        [LOCK] = {"lock.acquire", "_thread", GT_FUNCTION_C},
    };
    struct gt_function function = {.id = id,
                                   .line = id,
                                   .flags = known[id].flags,
                                   .name = known[id].name,
                                   .name_length = (uint32_t)strlen(known[id].name),
                                   .file = known[id].file,
                                   .file_length = (uint32_t)strlen(known[id].file)};
    struct gt_event event = {.kind = enter ? GT_EVENT_CALL : GT_EVENT_RETURN,
                             .time_ns = time_ns,
                             .pid = 10,
                             .tid = tid,
                             .cpu = -1,
                             .comm = "",
                             .call.function = &function};

    assert_int_equal(gt_timeline_feed(t, &event), 0);
}

/* 10 and 11 live, and the GIL is known: 10 had it from 20 to 30 ns. */
static struct gt_timeline *begin(void)
{
    struct gt_timeline *t = gt_timeline_new(false, NULL);

    assert_non_null(t);
    fork_task(t, 1, 10, 10, 0);
    fork_task(t, 10, 10, 11, 10);
    acquire(t, 20, 10, 10, A);
    release(t, 30, 10, 10, A);
    return t;
}

static struct gt_blockers end(struct gt_timeline *t)
{
    struct gt_blockers blockers;

    assert_int_equal(gt_timeline_finish(t, NULL), 0);
    assert_int_equal(gt_blockers_init(&blockers, t, 0, NULL), 0);
    return blockers;
}

static const struct gt_blocker *blocker_of(const struct gt_timeline *t,
                                           const struct gt_blockers *blockers,
                                           enum gt_doing_kind kind, const char *name)
{
    for (size_t i = 0; i < blockers->rows.count; i++) {
        const struct gt_blocker *row = gt_blocker_at(blockers, i);
        const struct gt_function_info *called;

        if (row->doing.kind != kind)
            continue;
        if (!name)
            return row;
        called = gt_chunks_at(&t->functions, row->doing.function);
        if (strcmp(gt_intern_text(&t->names, called->name), name) == 0)
            return row;
    }
    fail_msg("no blocker %s", name ? name : "");
    return NULL;
}

/* Where functions are not traced, one row is all that a thread did. */
static void a_part_of_a_thread_is_enough(void **state)
{
    struct gt_blocker row = {
        .doing.kind = GT_DOING_UNKNOWN,
        .interval_ns = 5 * MS,
        .requested = 20,
        .kept = 3,
        .longest_work_ns = 39 * MS,
        .longest_held_ns = 44 * MS,
        .after = {.total_ns = 116 * MS, .run_ns = 116 * MS, .known = true}};

    (void)state;
    assert_true(gt_blocker_keeps(&row));
    row.requested = 40; /* so rarely the machine does it, too */
    assert_false(gt_blocker_keeps(&row));
    row.requested = 20;
    row.after.run_ns = 90 * MS;
    assert_false(gt_blocker_keeps(&row));
    row.after.run_ns = 116 * MS;
    row.longest_work_ns = 25 * MS;
    assert_false(gt_blocker_keeps(&row));
}

/* main sorts for 30 ms, with a thousand calls of len, while 11 waits. */
static void a_c_function_answers_for_those_it_calls(void **state)
{
    struct gt_timeline *t = begin();
    struct gt_blockers blockers;
    const struct gt_blocker *row;

    (void)state;
    acquire(t, MS, 10, 10, A);
    call(t, 2 * MS, 10, MAIN, true);
    call(t, 3 * MS, 10, SORT, true);
    await(t, 4 * MS, 10, 11, A);
    for (int i = 0; i < 1000; i++) {
        call(t, 5 * MS + i * 20000, 10, KEY, true);
        call(t, 5 * MS + i * 20000 + 10000, 10, KEY, false);
        if (i % 250 == 200)
            await(t, 5 * MS + i * 20000 + 15000, 10, 11, A); /* from 9 ms on, every 5 */
    }
    await(t, 29 * MS, 10, 11, A);
    call(t, 33 * MS, 10, SORT, false);
    release(t, 34 * MS, 10, 10, A);
    acquire(t, 35 * MS, 10, 11, A);
    release(t, 36 * MS, 10, 11, A);
    blockers = end(t);
    row = blocker_of(t, &blockers, GT_DOING_C, "sorted");
    assert_int_equal(row->waiting_ns, 29 * MS);
    assert_int_equal(row->total_hold_ns, 30 * MS);
    assert_int_equal(row->count, 1);
    assert_int_equal(row->kept, 1);
    assert_int_equal(row->after.total_ns, 24 * MS - 15000); /* asked for it at 9 ms */
    assert_false(row->after.known);
    assert_int_equal(row->kept_in_loops, 1);
    assert_true(gt_blocker_keeps(row));
    assert_ptr_equal(row, gt_blocker_at(&blockers, 0));
    row = blocker_of(t, &blockers, GT_DOING_PYTHON, "main");
    assert_int_equal(row->waiting_ns, MS);
    assert_false(gt_blocker_keeps(row));
    assert_int_equal(gt_gaps_at(&blockers, 1)->ns[GT_GAP_HANDOVER], MS);
    assert_int_equal(blockers.utilization.total.handovers, 1);
    assert_int_equal(gt_utilization_percentile(&blockers.utilization, 50), MS);
    gt_blockers_release(&blockers);
    gt_timeline_free(t);
}

/* main calls other, then <module> does: 11 waits in both for `in_main` and `in_module`. */
static uint32_t caller_of_other(int64_t in_main, int64_t in_module, struct gt_timeline **t)
{
    int64_t now = 3 * MS;
    struct gt_blockers blockers;
    uint32_t caller;

    *t = begin();
    acquire(*t, MS, 10, 10, A);
    await(*t, 2 * MS, 10, 11, A);
    call(*t, now, 10, MAIN, true);
    call(*t, now, 10, OTHER, true);
    call(*t, now += in_main, 10, OTHER, false);
    call(*t, now, 10, BODY, true);
    call(*t, now, 10, OTHER, true);
    call(*t, now += in_module, 10, OTHER, false);
    release(*t, now + MS, 10, 10, A);
    acquire(*t, now + 2 * MS, 10, 11, A);
    release(*t, now + 3 * MS, 10, 11, A);
    blockers = end(*t);
    assert_int_equal(blocker_of(*t, &blockers, GT_DOING_PYTHON, "other")->waiting_ns,
                     in_main + in_module);
    caller = blocker_of(*t, &blockers, GT_DOING_PYTHON, "other")->doing.caller;
    gt_blockers_release(&blockers);
    return caller;
}

/* Not the one that called it first. */
static void a_python_function_is_shown_with_who_called_it_most(void **state)
{
    const int64_t times[][2] = {{8 * MS, MS}, {MS, 8 * MS}};
    const char *const names[] = {"main", "<module>"};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct gt_timeline *t;
        uint32_t caller = caller_of_other(times[i][0], times[i][1], &t);
        const struct gt_function_info *function = gt_chunks_at(&t->functions, caller);

        assert_string_equal(gt_intern_text(&t->names, function->name), names[i]);
        gt_timeline_free(t);
    }
}

/* A collection strikes in sorted; an import runs a module's body; each answers for itself. */
static void collections_and_imports_answer_for_themselves(void **state)
{
    struct gt_timeline *t = begin();
    struct gt_blockers blockers;

    (void)state;
    acquire(t, MS, 10, 10, A);
    await(t, MS, 10, 11, A);
    call(t, MS, 10, MAIN, true);
    call(t, 2 * MS, 10, SORT, true);
    call(t, 3 * MS, 10, COLLECT, true);
    call(t, 7 * MS, 10, COLLECT, false);
    call(t, 8 * MS, 10, SORT, false);
    call(t, 8 * MS, 10, IMPORT, true);
    call(t, 10 * MS, 10, BODY, true);
    call(t, 13 * MS, 10, BODY, false);
    call(t, 14 * MS, 10, IMPORT, false);
    release(t, 14 * MS, 10, 10, A);
    acquire(t, 14 * MS, 10, 11, A);
    blockers = end(t);
    assert_int_equal(blocker_of(t, &blockers, GT_DOING_GC, NULL)->waiting_ns, 4 * MS);
    assert_int_equal(blocker_of(t, &blockers, GT_DOING_C, "sorted")->waiting_ns, 2 * MS);
    assert_int_equal(blocker_of(t, &blockers, GT_DOING_IMPORT, "main")->waiting_ns, 3 * MS);
    assert_int_equal(blocker_of(t, &blockers, GT_DOING_PYTHON, "<module>")->waiting_ns, 3 * MS);
    gt_blockers_release(&blockers);
    gt_timeline_free(t);
}

/* One operation goes on around them, and does not look for requests: Python code would. */
static void an_operation_goes_on_after_a_collection(void **state)
{
    for (int looks = 0; looks < 2; looks++) {
        struct gt_timeline *t = begin();
        struct gt_blockers blockers;
        const struct gt_blocker *row;
        int64_t asks_ns = MS;

        (void)state;
        acquire(t, MS, 10, 10, A);
        call(t, MS, 10, MAIN, true);
        for (int i = 0; i < 20; i++) { /* 2 ms of it, and 1 ms of the collector */
            for (; asks_ns < (3 + 3 * i) * MS; asks_ns += 5 * MS + 15000)
                await(t, asks_ns, 10, 11, A);
            call(t, (3 + 3 * i) * MS, 10, COLLECT, true);
            call(t, (4 + 3 * i) * MS, 10, COLLECT, false);
            if (looks) {
                call(t, (4 + 3 * i) * MS + 1000, 10, KEY, true);
                call(t, (4 + 3 * i) * MS + 2000, 10, KEY, false);
            }
        }
        release(t, 61 * MS, 10, 10, A);
        acquire(t, 61 * MS, 10, 11, A);
        blockers = end(t);
        row = blocker_of(t, &blockers, GT_DOING_PYTHON, "main");
        assert_int_equal(gt_blocker_keeps(row), !looks);
        assert_int_equal(row->total_hold_ns, 40 * MS - 19 * 1000 * looks);
        assert_int_equal(row->waiting_ns, row->total_hold_ns);
        assert_int_equal(blocker_of(t, &blockers, GT_DOING_GC, NULL)->total_hold_ns, 20 * MS);
        if (!looks) {
            assert_int_equal(row->count, 1);
            assert_int_equal(row->kept, 1);
            assert_int_equal(row->longest_hold_ns, 40 * MS);
            assert_true(row->longest_kept_ns > 30 * MS && row->longest_kept_ns < 40 * MS);
        }
        gt_blockers_release(&blockers);
        gt_timeline_free(t);
    }
}

/* 11 waits though nobody holds: 10 takes the GIL once more, unasked; then it is 11's turn. */
static void gaps_are_told_apart(void **state)
{
    struct gt_timeline *t = begin();
    struct gt_blockers blockers;

    (void)state;
    acquire(t, MS, 10, 10, A);
    await(t, 2 * MS, 10, 11, A);
    release(t, 3 * MS, 10, 10, A);
    acquire(t, 5 * MS, 10, 10, A);
    release(t, 6 * MS, 10, 10, A);
    acquire(t, 7 * MS, 10, 11, A);
    release(t, 8 * MS, 10, 11, A);
    blockers = end(t);
    assert_int_equal(gt_gaps_at(&blockers, 1)->ns[GT_GAP_UNTAKEN], 2 * MS);
    assert_int_equal(gt_gaps_at(&blockers, 1)->ns[GT_GAP_HANDOVER], MS);
    assert_int_equal(gt_gaps_at(&blockers, 1)->ns[GT_GAP_UNKNOWN], 0);
    assert_int_equal(blocker_of(t, &blockers, GT_DOING_UNKNOWN, NULL)->waiting_ns, 2 * MS);
    gt_blockers_release(&blockers);
    gt_timeline_free(t);
}

enum { TIMES = 60 };

/* 11 calls it, which takes a microsecond without the GIL, and queues for 4 ms behind 10 every
 * time. */
static struct gt_blockers queue_again(struct gt_timeline *t, uint32_t id)
{
    int64_t now_ns = MS;

    acquire(t, now_ns, 10, 11, A);
    for (int i = 0; i < TIMES; i++) {
        call(t, now_ns + 1000, 11, id, true);
        release(t, now_ns + 2000, 10, 11, A);
        acquire(t, now_ns + 2500, 10, 10, A);
        await(t, now_ns + 3000, 10, 11, A);
        release(t, now_ns + 4 * MS, 10, 10, A);
        now_ns += 4 * MS + 3000;
        acquire(t, now_ns, 10, 11, A);
        call(t, now_ns + 500, 11, id, false);
    }
    release(t, now_ns + 600, 10, 11, A);
    return end(t);
}

static void who_queues_again_and_again_is_named(void **state)
{
    struct gt_timeline *t = begin();
    struct gt_blockers blockers = queue_again(t, WRITE);
    const struct gt_blocker *row = blocker_of(t, &blockers, GT_DOING_C, "write");

    (void)state;
    assert_int_equal(row->retakes, TIMES);
    assert_int_equal(row->contended, TIMES);
    assert_int_equal(row->away_ns, TIMES * 1000);
    assert_int_equal(row->retake_wait_ns, TIMES * 4 * MS);
    assert_true(gt_blocker_is_requeuer(row));
    gt_blockers_release(&blockers);
    gt_timeline_free(t);
}

/* Threads that pass work to each other could not do it with fewer calls. */
static void who_waits_for_another_thread_does_not_queue_again(void **state)
{
    struct gt_timeline *t = begin();
    struct gt_blockers blockers = queue_again(t, LOCK);
    const struct gt_blocker *row = blocker_of(t, &blockers, GT_DOING_C, "lock.acquire");

    (void)state;
    assert_int_equal(row->retakes, 0);
    assert_false(gt_blocker_is_requeuer(row));
    assert_false(gt_blocker_releases_mostly(row));
    gt_blockers_release(&blockers);
    gt_timeline_free(t);
}

/* 11 asks every 20 ms while 10 holds on. */
static void the_switch_interval_is_seen(void **state)
{
    struct gt_timeline *t = begin();
    struct gt_blockers blockers;

    (void)state;
    acquire(t, MS, 10, 10, A);
    for (int i = 0; i < 4; i++)
        await(t, 2 * MS + i * (20 * MS + 1000), 10, 11, A);
    release(t, 65 * MS, 10, 10, A);
    await(t, 65 * MS + 3000, 10, 11, A); /* woken too late: not the interval */
    acquire(t, 66 * MS, 10, 11, A);
    blockers = end(t);
    assert_int_equal(gt_gil_at(t, 0)->intervals.source, GT_INTERVAL_FROM_GAPS);
    assert_int_equal(blockers.interval_ns, 20 * MS + 1000);
    gt_blockers_release(&blockers);
    gt_timeline_free(t);
}

/* 11 calls sorted, then main, and has the GIL when the process ends, or just until then. */
static struct gt_blockers end_in_main(struct gt_timeline *t, bool releases)
{
    acquire(t, MS, 10, 11, A);
    call(t, MS, 11, MAIN, true);
    await(t, 2 * MS, 10, 10, A);
    call(t, 3 * MS, 11, SORT, true);
    for (int64_t ms = 7; ms < 95; ms += 5)
        await(t, ms * MS, 10, 10, A);
    call(t, 50 * MS, 11, SORT, false);
    if (releases)
        release(t, 95 * MS, 10, 11, A);
    exit_task(t, 95 * MS, 10, 11);
    exit_task(t, 95 * MS, 10, 10);
    return end(t);
}

static void a_process_that_ends_while_others_wait_may_be_a_deadlock(void **state)
{
    for (int releases = 0; releases < 2; releases++) {
        struct gt_timeline *t = begin();
        struct gt_blockers blockers = end_in_main(t, releases);
        const struct gt_blocker *row = blocker_of(t, &blockers, GT_DOING_PYTHON, "main");

        (void)state;
        assert_int_equal(row->kept, 1);
        assert_int_equal(row->deadlock, !releases);
        row = blocker_of(t, &blockers, GT_DOING_C, "sorted");
        assert_int_equal(row->kept, 1);
        assert_false(row->deadlock); /* it had returned */
        gt_blockers_release(&blockers);
        gt_timeline_free(t);
    }
}

/* 11 asks in the very nanosecond in which sorted returns: it is main that was asked. */
static void who_ends_as_the_request_comes_was_not_asked(void **state)
{
    struct gt_timeline *t = begin();
    struct gt_blockers blockers;
    const struct gt_blocker *row;

    (void)state;
    acquire(t, MS, 10, 10, A);
    call(t, MS, 10, MAIN, true);
    call(t, 2 * MS, 10, SORT, true);
    await(t, 3 * MS, 10, 11, A);
    call(t, 8 * MS, 10, SORT, false);
    await(t, 8 * MS, 10, 11, A);
    release(t, 20 * MS, 10, 10, A);
    acquire(t, 20 * MS, 10, 11, A);
    blockers = end(t);
    row = blocker_of(t, &blockers, GT_DOING_C, "sorted");
    assert_int_equal(row->waiting_ns, 5 * MS);
    assert_int_equal(row->requested, 0);
    assert_int_equal(row->asked_hold_ns, 0);
    row = blocker_of(t, &blockers, GT_DOING_PYTHON, "main");
    assert_int_equal(row->requested, 1);
    assert_int_equal(row->asked_hold_ns, 12 * MS);
    gt_blockers_release(&blockers);
    gt_timeline_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_part_of_a_thread_is_enough),
        cmocka_unit_test(a_c_function_answers_for_those_it_calls),
        cmocka_unit_test(a_python_function_is_shown_with_who_called_it_most),
        cmocka_unit_test(collections_and_imports_answer_for_themselves),
        cmocka_unit_test(an_operation_goes_on_after_a_collection),
        cmocka_unit_test(gaps_are_told_apart),
        cmocka_unit_test(who_queues_again_and_again_is_named),
        cmocka_unit_test(who_waits_for_another_thread_does_not_queue_again),
        cmocka_unit_test(the_switch_interval_is_seen),
        cmocka_unit_test(who_ends_as_the_request_comes_was_not_asked),
        cmocka_unit_test(a_process_that_ends_while_others_wait_may_be_a_deadlock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
