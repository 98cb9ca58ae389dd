/* SPDX-License-Identifier: MIT */
/* lib/analysis/blocked: waits for locks and stops by thread, and what had the lock meanwhile.
 */
#include "feed.h"

#include "analysis/blocked.h"
#include "analysis/profile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PID = 10, TIDS = PID + 4 };

static const uint64_t LOCK = 0x7f0000001000, STACK = 0x7e0000000000, STATE = 0x7f0000009000;

static void sync(struct gt_timeline *t, enum gt_event_kind kind, int64_t time_ns, int32_t tid,
                 uint64_t object, int64_t since_ns, enum gt_wait_for what, uint64_t lock)
{
    struct gt_event event = {
        .kind = kind,
        .time_ns = time_ns,
        .pid = PID,
        .tid = tid,
        .cpu = -1,
        .comm = "",
        .sync = {.object = object, .since_ns = since_ns, .left = (uint32_t)what, .lock = lock}};

    assert_int_equal(gt_timeline_feed(t, &event), 0);
}

static void waits(struct gt_timeline *t, int64_t time_ns, int32_t tid, uint64_t lock)
{
    sync(t, GT_EVENT_SEM_WAITS, time_ns, tid, lock, 0, GT_WAIT_FOR_SEMAPHORE, 0);
}

static void posts(struct gt_timeline *t, int64_t time_ns, int32_t tid, uint64_t lock,
                  int64_t since_ns)
{
    sync(t, GT_EVENT_SEM_POST, time_ns, tid, lock, since_ns, GT_WAIT_FOR_SEMAPHORE, 0);
}

static void gets(struct gt_timeline *t, int64_t time_ns, int32_t tid, uint64_t lock,
                 int64_t since_ns)
{
    sync(t, GT_EVENT_SEM_TAKEN, time_ns, tid, lock, since_ns, GT_WAIT_FOR_SEMAPHORE, 0);
}

static struct gt_timeline *begin(void)
{
    struct gt_timeline *t = gt_timeline_new(false, NULL);

    fork_task(t, 1, PID, PID, 0);
    for (int32_t tid = PID + 1; tid < TIDS; tid++)
        fork_task(t, 2, PID, tid, PID);
    return t;
}

static void finish(struct gt_timeline *t, struct gt_blocked *blocked)
{
    for (int32_t tid = TIDS; tid-- > PID;)
        exit_task(t, 1000000, PID, tid);
    assert_int_equal(gt_timeline_finish(t, NULL), 0);
    assert_int_equal(gt_blocked_find(blocked, t, NULL), 0);
}

static void end(struct gt_timeline *t, struct gt_blocked *blocked)
{
    gt_blocked_release(blocked);
    gt_timeline_free(t);
}

static const struct gt_chunks *of(const struct gt_timeline *t, const struct gt_blocked *blocked,
                                  int32_t tid)
{
    for (uint32_t i = 0; i < t->threads.count; i++)
        if (gt_thread_at(t, i)->tid == tid)
            return gt_blocked_of(blocked, i);
    return NULL;
}

static int32_t tid_of(const struct gt_timeline *t, uint32_t thread)
{
    return thread == GT_NO_INDEX ? 0 : gt_thread_at(t, thread)->tid;
}

/* 13 waits while first 11 has it, and then, for longer, 12. */
static void a_wait_names_the_hold_that_lasted_longest(void **state)
{
    struct gt_timeline *t = begin();
    struct gt_blocked blocked;
    const struct gt_blocked_span *span;
    const struct gt_span *hold;

    (void)state;
    waits(t, 900, 12, LOCK);
    waits(t, 1000, 13, LOCK);
    posts(t, 2000, 11, LOCK, 500);
    gets(t, 2100, 12, LOCK, 900);
    posts(t, 9000, 12, LOCK, 2100);
    gets(t, 9100, 13, LOCK, 1000);
    posts(t, 9500, 13, LOCK, 9100);
    finish(t, &blocked);
    assert_int_equal(of(t, &blocked, 13)->count, 1);
    span = gt_blocked_at(of(t, &blocked, 13), 0);
    assert_int_equal(span->kind, GT_BLOCKED_LOCK);
    assert_true(span->start_ns == 1000 && span->end_ns == 9100);
    assert_int_equal(tid_of(t, span->by), 12);
    hold = gt_span_at(&gt_lock_at(t, span->what)->as.holds, span->hold);
    assert_true(hold->start_ns == 2100 && hold->end_ns == 9000);
    assert_int_equal(tid_of(t, gt_blocked_at(of(t, &blocked, 12), 0)->by), 11);
    assert_true(!of(t, &blocked, 11) || of(t, &blocked, 11)->count == 0);
    end(t, &blocked);
}

static void who_had_it_may_not_be_known(void **state)
{
    struct gt_timeline *t = begin();
    struct gt_blocked blocked;

    (void)state;
    waits(t, 1000, 13, LOCK);
    gets(t, 5000, 13, LOCK, 1000);
    posts(t, 6000, 13, LOCK, 5000);
    finish(t, &blocked);
    assert_int_equal(gt_blocked_at(of(t, &blocked, 13), 0)->by, GT_NO_INDEX);
    assert_int_equal(gt_blocked_at(of(t, &blocked, 13), 0)->hold, GT_NO_INDEX);
    end(t, &blocked);
}

/* Which damaged recordings tell: a thread waits for two locks at once. */
static void spans_of_a_thread_do_not_overlap(void **state)
{
    struct gt_timeline *t = begin();
    struct gt_blocked blocked;
    const struct gt_chunks *spans;

    (void)state;
    gets(t, 5000, 13, LOCK, 1000);
    posts(t, 5500, 13, LOCK, 5000);
    gets(t, 7000, 13, LOCK + 64, 3000);
    posts(t, 7500, 13, LOCK + 64, 7000);
    gets(t, 4500, 13, LOCK + 128, 4000);
    posts(t, 4600, 13, LOCK + 128, 4500);
    finish(t, &blocked);
    spans = of(t, &blocked, 13);
    assert_int_equal(spans->count, 2);
    assert_true(gt_blocked_at(spans, 0)->start_ns == 1000);
    assert_true(gt_blocked_at(spans, 0)->end_ns == 5000);
    assert_true(gt_blocked_at(spans, 1)->start_ns == 5000);
    assert_true(gt_blocked_at(spans, 1)->end_ns == 7000);
    end(t, &blocked);
}

static void stops_are_among_them_and_who_asked(void **state)
{
    struct gt_timeline *t = begin();
    struct gt_blocked blocked;
    const struct gt_blocked_span *span;

    (void)state;
    for (int32_t tid = 12; tid < 14; tid++)
        sync(t, GT_EVENT_SEM_WAITS, 1000 * (tid - 11), tid, STACK + (uint64_t)tid * 4096, 0,
             GT_WAIT_FOR_ATTACH, STATE + (uint64_t)tid * 4096);
    for (int32_t tid = 12; tid < 14; tid++)
        posts(t, 7000 + tid, 11, STACK + (uint64_t)tid * 4096, 0);
    for (int32_t tid = 12; tid < 14; tid++)
        gets(t, 8000 + tid, tid, STACK + (uint64_t)tid * 4096, 1000 * (tid - 11));
    finish(t, &blocked);
    span = gt_blocked_at(of(t, &blocked, 13), 0);
    assert_int_equal(span->kind, GT_BLOCKED_STOPPED);
    assert_true(span->start_ns == 2000 && span->end_ns == 8013);
    assert_int_equal(tid_of(t, span->by), 11);
    span = gt_blocked_at(of(t, &blocked, 11), 0);
    assert_int_equal(span->kind, GT_BLOCKED_STOPS);
    assert_true(span->start_ns == 1000 && span->end_ns == 7013);
    end(t, &blocked);
}

/* Threads without a call have their root alone. */
static void profiles_have_waits_for_locks(void **state)
{
    struct gt_timeline *t = begin();
    struct gt_blocked blocked;
    struct gt_profile profile;

    (void)state;
    waits(t, 1000, 13, LOCK);
    posts(t, 5000, 11, LOCK, 500);
    gets(t, 5100, 13, LOCK, 1000);
    waits(t, 6000, 13, LOCK);
    posts(t, 6500, 12, LOCK, 5900);
    gets(t, 6600, 13, LOCK, 6000);
    finish(t, &blocked);
    assert_int_equal(gt_profile_init(&profile, t, &blocked, NULL), 0);
    for (size_t i = 0; i < profile.nodes.count; i++) {
        const struct gt_profile_node *node = gt_profile_at(&profile, i);
        bool waited = tid_of(t, node->thread) == 13;

        assert_true(node->lock_ns == (waited ? 4100 + 600 : 0));
        assert_true(node->wait_ns == 0 && node->hold_ns == 0);
    }
    gt_profile_release(&profile);
    end(t, &blocked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wait_names_the_hold_that_lasted_longest),
        cmocka_unit_test(who_had_it_may_not_be_known),
        cmocka_unit_test(spans_of_a_thread_do_not_overlap),
        cmocka_unit_test(stops_are_among_them_and_who_asked),
        cmocka_unit_test(profiles_have_waits_for_locks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
