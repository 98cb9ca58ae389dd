/* SPDX-License-Identifier: MIT */
/* lib/ingest/pairing, spool: what two sources saw of one call is one event. */
#include "feed.h"
#include "ingest/pairing.h"
#include "ingest/spool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { PID = 7, TID = 8, COND = 0x1000, ACQUIRED = 0x1058, FOREIGN = 0x9000 };

static struct gt_pairing *pairing;

static int setup(void **state)
{
    (void)state;
    pairing = gt_pairing_new(0, INT64_MAX, NULL);
    return pairing ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    gt_pairing_free(pairing);
    return 0;
}

static struct gt_event call(enum gt_event_kind kind, int64_t time_ns, uint64_t address)
{
    return (struct gt_event){
        .kind = kind, .time_ns = time_ns, .pid = PID, .tid = TID, .cond.address = address};
}

/* The agent's event; how many hits are handed on before it. */
static int agent(int64_t time_ns, uint64_t address)
{
    struct gt_event event = call(GT_EVENT_COND_SIGNAL, time_ns, address), missed;

    return gt_pairing_agent(pairing, &event, &missed);
}

/* A hit; the time of what is handed on, 0: nothing. */
static int64_t hit(int64_t time_ns, uint64_t address)
{
    struct gt_event event = call(GT_EVENT_COND_SIGNAL, time_ns, address);

    return gt_pairing_probe(pairing, &event) == 1 ? event.time_ns : 0;
}

static void both_saw_it(void **state)
{
    (void)state;
    assert_int_equal(agent(100, ACQUIRED), 0);
    assert_int_equal(hit(112, ACQUIRED), 0);
    assert_int_equal(agent(200, COND), 0);
    assert_int_equal(hit(212, COND), 0);
}

static void a_thread_without_the_agent_is_seen_by_probes(void **state)
{
    (void)state;
    assert_int_equal(hit(100, ACQUIRED), 100);
    assert_int_equal(hit(200, COND), 200);
    assert_int_equal(gt_pairing_unseen_count(pairing), 1);
    assert_int_equal(gt_pairing_unseen(pairing, 0), PID);
}

static void other_conditions_are_left_out(void **state)
{
    (void)state;
    agent(100, ACQUIRED);
    hit(112, ACQUIRED);
    assert_int_equal(hit(150, FOREIGN), 0);
    assert_int_equal(hit(160, FOREIGN), 0);
    assert_int_equal(agent(200, COND), 0);
}

/* It is handed on as soon as it is certain that no event of the agent's belongs to it. */
static void what_the_agent_missed_is_handed_on(void **state)
{
    struct gt_event event = call(GT_EVENT_COND_SIGNAL, 400000, COND), missed;

    (void)state;
    agent(100, COND);
    hit(112, COND);
    agent(150, ACQUIRED);
    hit(162, ACQUIRED);
    assert_int_equal(hit(200, COND), 0);
    assert_int_equal(hit(300, ACQUIRED), 200);
    assert_int_equal(gt_pairing_agent(pairing, &event, &missed), 1);
    assert_int_equal(missed.time_ns, 300);
}

/* The clocks may differ by a little. */
static void a_hit_may_come_before_its_event(void **state)
{
    (void)state;
    agent(100, COND);
    hit(112, COND);
    assert_int_equal(hit(150, ACQUIRED), 0);
    assert_int_equal(agent(151, ACQUIRED), 0);
    assert_int_equal(agent(200, COND), 0);
    assert_int_equal(hit(212, COND), 0);
}

static void a_hit_is_recorded_twice(void **state)
{
    (void)state;
    agent(100, COND);
    hit(112, COND);
    assert_int_equal(hit(5000112, COND), 0);
    assert_int_equal(agent(6000000, ACQUIRED), 0);
}

/* Where the thread had no CPU for long between the two: one call has one deadline. */
static void a_wait_is_recorded_twice(void **state)
{
    struct gt_event by_agent = call(GT_EVENT_COND_WAIT, 100, COND), missed;
    struct gt_event first = by_agent, again, next;

    (void)state;
    first.time_ns = 112;
    first.cond.deadline_ns = 5000100;
    again = first;
    again.time_ns = 3000000;
    next = first;
    next.time_ns = 3000900;
    next.cond.deadline_ns = 8000000;
    assert_int_equal(gt_pairing_agent(pairing, &by_agent, &missed), 0);
    assert_int_equal(gt_pairing_probe(pairing, &first), 0);
    assert_int_equal(gt_pairing_probe(pairing, &again), 0);
    assert_int_equal(gt_pairing_probe(pairing, &next), 0);
    assert_int_equal(agent(6000000, ACQUIRED), 1); /* the last one belongs to no event of it */
}

static void libc_signals_within_its_wait(void **state)
{
    struct gt_event by_agent = call(GT_EVENT_COND_WAIT, 300, COND), missed;
    struct gt_event by_probe = by_agent;

    (void)state;
    agent(100, ACQUIRED);
    hit(112, ACQUIRED);
    agent(200, COND);
    hit(212, COND);
    by_probe.time_ns = 312;
    assert_int_equal(gt_pairing_agent(pairing, &by_agent, &missed), 0);
    assert_int_equal(gt_pairing_probe(pairing, &by_probe), 0);
    assert_int_equal(hit(5000000, COND), 0);
    assert_int_equal(agent(5001000, ACQUIRED), 0);
    assert_int_equal(hit(5001012, ACQUIRED), 0);
    assert_int_equal(agent(5002000, COND), 0);
}

static void another_program_is_not_seen_until_its_agent_is(void **state)
{
    (void)state;
    agent(100, COND);
    gt_pairing_thread_ended(pairing, TID);
    assert_int_equal(hit(200, COND), 200);
    agent(300, COND);
    assert_int_equal(hit(312, COND), 0);
}

static void probes_serve_where_the_agent_ends(void **state)
{
    (void)state;
    agent(100, COND);
    hit(112, COND);
    gt_pairing_stopped(pairing, PID);
    assert_int_equal(hit(200, ACQUIRED), 200);
}

/* --- the sum --- */

static void feed_both(struct gt_timeline *timeline, int64_t time_ns, uint64_t address,
                      bool seen_by_agent, bool seen_by_probes)
{
    struct gt_event event = call(GT_EVENT_COND_SIGNAL, time_ns, address), missed;

    event.comm = "python";
    event.comm_length = 6;
    event.cpu = -1;
    if (seen_by_agent)
        assert_true(gt_pairing_agent(pairing, &event, &missed) >= 0);
    gt_timeline_feed(timeline, &event);
    if (seen_by_probes)
        hit(time_ns + 10, address);
}

static struct gt_agreement sum_of(bool agent_misses_none, bool probes_miss_none)
{
    struct gt_timeline *timeline = gt_timeline_new(true, NULL);
    struct gt_agreement agreement;

    for (int i = 0; i < 20; i++) {
        feed_both(timeline, 1000 + i * 1000, ACQUIRED, agent_misses_none || i != 5,
                  probes_miss_none || i != 7);
        feed_both(timeline, 1400 + i * 1000, COND, true, true);
    }
    assert_int_equal(gt_timeline_finish(timeline, NULL), 0);
    assert_int_equal(timeline->gils.count, 1);
    assert_int_equal(gt_pairing_sum(pairing, timeline, &agreement), 0);
    gt_timeline_free(timeline);
    return agreement;
}

static void sources_agree(void **state)
{
    struct gt_agreement found = sum_of(true, true);

    (void)state;
    assert_true(found.compared);
    assert_int_equal(found.both, 40);
    assert_int_equal(found.threads, 1);
    assert_int_equal(found.differing, 0);
    assert_int_equal(found.agent.acquisitions, 20);
    assert_int_equal(found.probes.releases, 20);
    assert_int_equal(found.agent.hold_ns, 20 * 400);
    assert_int_equal(found.probes.hold_ns, 20 * 400);
}

static void sources_differ(void **state)
{
    struct gt_agreement found = sum_of(true, false);

    (void)state;
    assert_int_equal(found.differing, 1);
    assert_int_equal(found.agent_only, 1);
    assert_int_equal(found.probes_only, 0);
    assert_int_equal(found.both, 39);
}

/* The last event that both saw, and the hit after the end. */
static void a_hit_of_the_end_belongs_to_its_event(void **state)
{
    struct gt_timeline *timeline = gt_timeline_new(true, NULL);
    struct gt_agreement found;

    (void)state;
    gt_pairing_free(pairing);
    pairing = gt_pairing_new(0, 40405, NULL);
    for (int i = 0; i < 50; i++) {
        feed_both(timeline, 1000 + i * 1000, ACQUIRED, true, true);
        feed_both(timeline, 1400 + i * 1000, COND, true, true);
    }
    assert_int_equal(gt_timeline_finish(timeline, NULL), 0);
    assert_int_equal(gt_pairing_sum(pairing, timeline, &found), 0);
    assert_int_equal(found.differing, 0);
    assert_int_equal(found.both, 80);
    gt_timeline_free(timeline);
}

/* The recordings begin while the program runs: of a call one of them has its half alone, and
 * what came before is not compared. */
static void what_came_before_is_not_compared(void **state)
{
    (void)state;
    for (int begins = 10000; begins <= 10420; begins += 10) {
        struct gt_timeline *timeline = gt_timeline_new(true, NULL);
        struct gt_agreement found;

        gt_pairing_free(pairing);
        pairing = gt_pairing_new(begins, INT64_MAX, NULL);
        for (int i = 0; i < 50; i++) {
            int at = 1000 + i * 1000;

            feed_both(timeline, at, ACQUIRED, true, at + 10 >= begins);
            feed_both(timeline, at + 400, COND, true, at + 410 >= begins);
        }
        assert_int_equal(gt_timeline_finish(timeline, NULL), 0);
        assert_int_equal(gt_pairing_sum(pairing, timeline, &found), 0);
        assert_int_equal(found.differing, 0);
        assert_int_equal(found.agent_only + found.probes_only, 0);
        assert_in_range(found.both, 80, 82);
        assert_int_equal(gt_pairing_unseen_count(pairing), 0);
        gt_timeline_free(timeline);
    }
}

/* The agent sees so many other threads. */
static void others_come(int count)
{
    for (int i = 1; i <= count; i++) {
        struct gt_event event = call(GT_EVENT_COND_SIGNAL, 22000, ACQUIRED), missed;

        event.tid = TID + i;
        assert_int_equal(gt_pairing_agent(pairing, &event, &missed), 0);
    }
}

/* The probes go while a thread is between the two, or the clocks tell it so: of the last call
 * one source has seen the beginning. */
static void one_call_is_under_way_at_the_end(void **state)
{
    (void)state;
    for (int source = 0; source < 2; source++) {
        struct gt_timeline *timeline = gt_timeline_new(true, NULL);
        struct gt_agreement found;

        gt_pairing_free(pairing);
        pairing = gt_pairing_new(0, INT64_MAX, NULL);
        for (int i = 0; i < 20; i++) {
            feed_both(timeline, 1000 + i * 1000, ACQUIRED, true, true);
            feed_both(timeline, 1400 + i * 1000, COND, true, true);
        }
        feed_both(timeline, 21000, ACQUIRED, source == 0, source == 1);
        others_come(40);
        assert_int_equal(gt_timeline_finish(timeline, NULL), 0);
        assert_int_equal(gt_pairing_sum(pairing, timeline, &found), 0);
        assert_int_equal(found.differing, 0);
        assert_int_equal(found.both, 40);
        assert_int_equal(found.agent.acquisitions, 20);
        assert_int_equal(found.probes.acquisitions, 20);
        assert_int_equal(found.agent.wait_ns + found.agent.hold_ns, 20 * 400);
        gt_timeline_free(timeline);
    }
}

static void the_agent_missed_one(void **state)
{
    struct gt_agreement found = sum_of(false, true);

    (void)state;
    assert_int_equal(found.differing, 1);
    assert_int_equal(found.probes_only, 1);
    assert_int_equal(found.agent_only, 0);
}

static void the_spool_gives_back_what_was_put(void **state)
{
    struct gt_spool *spool = gt_spool_new(NULL);
    struct gt_event event = call(GT_EVENT_COND_WAIT, 123, COND), back;

    (void)state;
    assert_non_null(spool);
    event.cpu = 3;
    event.cond.deadline_ns = 456;
    assert_int_equal(gt_spool_end_ns(spool), -1);
    assert_int_equal(gt_spool_put(spool, &event, NULL), 0);
    assert_int_equal(gt_spool_put(spool,
                                  &(struct gt_event){.kind = GT_EVENT_LOST,
                                                     .time_ns = 200,
                                                     .lost = {.events = 9, .since_ns = 150}},
                                  NULL),
                     0);
    assert_int_equal(gt_spool_count(spool), 1);
    assert_int_equal(gt_spool_end_ns(spool), 123);
    assert_int_equal(gt_spool_rewind(spool, NULL), 0);
    assert_int_equal(gt_spool_next(spool, &back, NULL), 1);
    assert_int_equal(back.kind, GT_EVENT_COND_WAIT);
    assert_int_equal(back.time_ns, 123);
    assert_int_equal(back.tid, TID);
    assert_int_equal(back.cpu, 3);
    assert_int_equal(back.cond.address, COND);
    assert_int_equal(back.cond.deadline_ns, 456);
    assert_int_equal(gt_spool_next(spool, &back, NULL), 1);
    assert_int_equal(back.kind, GT_EVENT_LOST);
    assert_int_equal(back.lost.events, 9);
    assert_int_equal(back.lost.since_ns, 150);
    assert_int_equal(gt_spool_next(spool, &back, NULL), 0);
    gt_spool_free(spool);
}

int main(void)
{
#define PAIRED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        PAIRED(both_saw_it),
        PAIRED(a_thread_without_the_agent_is_seen_by_probes),
        PAIRED(other_conditions_are_left_out),
        PAIRED(what_the_agent_missed_is_handed_on),
        PAIRED(a_hit_may_come_before_its_event),
        PAIRED(a_hit_is_recorded_twice),
        PAIRED(a_wait_is_recorded_twice),
        PAIRED(libc_signals_within_its_wait),
        PAIRED(another_program_is_not_seen_until_its_agent_is),
        PAIRED(probes_serve_where_the_agent_ends),
        PAIRED(sources_agree),
        PAIRED(sources_differ),
        PAIRED(a_hit_of_the_end_belongs_to_its_event),
        PAIRED(what_came_before_is_not_compared),
        PAIRED(one_call_is_under_way_at_the_end),
        PAIRED(the_agent_missed_one),
        cmocka_unit_test(the_spool_gives_back_what_was_put),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
