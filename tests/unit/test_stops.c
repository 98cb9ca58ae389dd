/* SPDX-License-Identifier: MIT */
/* lib/model/stops and lib/analysis/stop_causes: pauses in which one thread stops all others. */
#include "feed.h"

#include "analysis/stop_causes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PID = 10, ASKER = PID, FIRST, SECOND, THIRD, TIDS };

static const uint64_t STACK = 0x7e0000000000, STATE = 0x7f0000001000, EVENT = 0x7f0000009000;

static void feed_parked(struct gt_timeline *t, enum gt_event_kind kind, int64_t time_ns,
                        int32_t tid, int32_t of_tid, int64_t since_ns, enum gt_wait_for what,
                        uint64_t lock)
{
    assert_int_equal(feed_sync(t, kind, time_ns, PID, tid, STACK + (uint64_t)of_tid * 4096,
                               since_ns, (uint32_t)what, 0, lock),
                     0);
}

static void parks(struct gt_timeline *t, int64_t time_ns, int32_t tid)
{
    feed_parked(t, GT_EVENT_SEM_WAITS, time_ns, tid, tid, 0, GT_WAIT_FOR_ATTACH,
                STATE + (uint64_t)tid * 4096);
}

static void waits(struct gt_timeline *t, int64_t time_ns, int32_t tid, uint64_t event)
{
    feed_parked(t, GT_EVENT_SEM_WAITS, time_ns, tid, tid, 0, GT_WAIT_FOR_EVENT, event);
}

static void posts(struct gt_timeline *t, int64_t time_ns, int32_t tid, int32_t of_tid)
{
    feed_parked(t, GT_EVENT_SEM_POST, time_ns, tid, of_tid, 0, GT_WAIT_FOR_SEMAPHORE, 0);
}

static void ends(struct gt_timeline *t, int64_t time_ns, int32_t tid, int64_t since_ns,
                 bool taken)
{
    feed_parked(t, taken ? GT_EVENT_SEM_TAKEN : GT_EVENT_SEM_GAVE_UP, time_ns, tid, tid,
                since_ns, GT_WAIT_FOR_SEMAPHORE, 0);
}

static struct gt_timeline *begin(void)
{
    return begin_process(PID, TIDS);
}

static struct gt_stops_found finish(struct gt_timeline *t, int64_t end_ns)
{
    struct gt_stops_found found;

    assert_int_equal(end_process(t, PID, TIDS, end_ns), 0);
    assert_int_equal(gt_stops_find(&found, t), 0);
    return found;
}

static void end(struct gt_timeline *t, struct gt_stops_found *found)
{
    gt_stops_found_release(found);
    gt_timeline_free(t);
}

/* Asked for at `from`, while one thread parks at once and another one 1500 µs later. */
static void stop(struct gt_timeline *t, int64_t from)
{
    const int64_t us = 1000;

    waits(t, from, ASKER, EVENT);
    parks(t, from + 10 * us, FIRST);
    ends(t, from + 1000 * us, ASKER, from, false); /* a millisecond is over */
    waits(t, from + 1001 * us, ASKER, EVENT);
    posts(t, from + 1499 * us, SECOND, ASKER);
    parks(t, from + 1500 * us, SECOND);
    ends(t, from + 1510 * us, ASKER, from + 1001 * us, true);
    posts(t, from + 5000 * us, ASKER, FIRST);
    posts(t, from + 5001 * us, ASKER, SECOND);
    ends(t, from + 5010 * us, FIRST, from + 10 * us, true);
    ends(t, from + 5100 * us, SECOND, from + 1500 * us, true);
}

static void test_a_stop_lasts_from_asking_until_the_last_may_go_on(void **state)
{
    struct gt_timeline *t = begin();
    struct gt_stops_found found;
    const struct gt_world_stop *one;

    (void)state;
    stop(t, 10000000);
    found = finish(t, 20000000);
    assert_int_equal(t->stops.count, 1);
    one = gt_stop_at(t, 0);
    assert_int_equal(gt_thread_at(t, one->thread)->tid, ASKER);
    assert_true(one->start_ns == 10000000 && one->all_ns == 11510000);
    assert_true(one->end_ns == 15001000 && one->count == 2);
    assert_true(gt_stopped_of(t, 1) == 5000000 && gt_stopped_of(t, 2) == 3600000);
    assert_true(gt_stopped_of(t, 0) == 0);
    assert_true(found.lost_ns == 8600000 && found.total_ns == 5001000 && found.matter);
    assert_int_equal(found.rows.count, 1);
    assert_true(gt_stop_row_at(&found, 0)->until_ns == 1510000);
    end(t, &found);
}

static void test_stops_that_follow_each_other_are_several(void **state)
{
    struct gt_timeline *t = begin();
    struct gt_stops_found found;

    (void)state;
    stop(t, 10000000);
    stop(t, 15200000);
    parks(t, 30000000, FIRST); /* it wanted to go on while all were stopped for somebody */
    posts(t, 31000000, ASKER, FIRST);
    ends(t, 31010000, FIRST, 30000000, true);
    found = finish(t, 40000000);
    assert_int_equal(t->stops.count, 3);
    assert_true(gt_stop_at(t, 1)->start_ns == 15200000);
    assert_true(gt_stop_at(t, 2)->start_ns == 30000000 && gt_stop_at(t, 2)->count == 1);
    assert_true(gt_stop_row_at(&found, 0)->count == 3);
    end(t, &found);
}

/* Two stops that overlap would be counted twice. */
static void test_who_parks_while_others_may_go_on_is_of_the_same_stop(void **state)
{
    struct gt_timeline *t = begin();
    struct gt_stops_found found;

    (void)state;
    parks(t, 1000000, FIRST);
    parks(t, 1100000, THIRD);
    posts(t, 2000000, ASKER, FIRST);
    parks(t, 2000500, SECOND); /* late, and its turn comes before that of the third */
    posts(t, 2001000, ASKER, SECOND);
    posts(t, 2002000, ASKER, THIRD);
    ends(t, 2003000, FIRST, 1000000, true);
    ends(t, 2003000, SECOND, 2000500, true);
    ends(t, 2003000, THIRD, 1100000, true);
    parks(t, 5000000, FIRST);
    parks(t, 5001000, SECOND);
    posts(t, 6000000, ASKER, FIRST);
    posts(t, 6001000, ASKER, SECOND);
    parks(t, 6001500, THIRD); /* late, and the last one */
    posts(t, 6002000, ASKER, THIRD);
    for (int32_t tid = FIRST; tid <= THIRD; tid++)
        ends(t, 6003000, tid, tid == FIRST ? 5000000 : tid == SECOND ? 5001000 : 6001500, true);
    found = finish(t, 20000000);
    assert_int_equal(t->stops.count, 3);
    assert_true(gt_stop_at(t, 0)->start_ns == 1000000 && gt_stop_at(t, 0)->end_ns == 2002000);
    assert_true(gt_stop_at(t, 0)->count == 3 && gt_stop_at(t, 1)->count == 2);
    assert_true(gt_stop_at(t, 2)->start_ns >= gt_stop_at(t, 1)->end_ns);
    assert_true(found.total_ns == 1002000 + 1001000 + 500);
    end(t, &found);
}

static void test_who_waits_for_news_was_not_stopped(void **state)
{
    struct gt_timeline *t = begin();
    struct gt_stops_found found;

    (void)state;
    waits(t, 1000, FIRST, EVENT); /* it joins another thread */
    posts(t, 2000000, SECOND, FIRST);
    ends(t, 2001000, FIRST, 1000, true);
    parks(t, 3000000, SECOND); /* nobody lets it go on: the process ends */
    found = finish(t, 4000000);
    assert_int_equal(t->stops.count, 0);
    assert_true(found.lost_ns == 0 && !found.matter && found.rows.count == 0);
    assert_true(gt_stopped_of(t, 1) == 0 && gt_stopped_of(t, 2) == 0);
    end(t, &found);
}

static void test_what_the_asker_waited_for_before_is_no_part_of_it(void **state)
{
    struct gt_timeline *t = begin();
    struct gt_stops_found found;

    (void)state;
    waits(t, 1000, ASKER, EVENT + 64);
    ends(t, 5000000, ASKER, 1000, true);
    stop(t, 10000000);
    found = finish(t, 20000000);
    assert_int_equal(t->stops.count, 1);
    assert_true(gt_stop_at(t, 0)->start_ns == 10000000);
    end(t, &found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_stop_lasts_from_asking_until_the_last_may_go_on),
        cmocka_unit_test(test_stops_that_follow_each_other_are_several),
        cmocka_unit_test(test_who_parks_while_others_may_go_on_is_of_the_same_stop),
        cmocka_unit_test(test_who_waits_for_news_was_not_stopped),
        cmocka_unit_test(test_what_the_asker_waited_for_before_is_no_part_of_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
