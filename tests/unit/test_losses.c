/* SPDX-License-Identifier: MIT */
/*
 * Complete recordings with a known truth, out of which random ranges of events were cut, of one
 * CPU, of all, or of the process, and marked as lost: nothing that the model calls known may
 * differ from the truth.
 *
 * Seeded: GT_SEED=n repeats a failure, which names its seed.
 */
#include "feed.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { THREADS = 5, CPUS = 3, LENGTH = 3000, PID = 100, SEEDS = 1500, ALL_CPUS = -1 };

#define GIL UINT64_C(0x7f1200004000)

enum doing { ABSENT, FREE, WAITING, HOLDING };

enum source { CONDS, FUNCTIONS, SOURCES };

enum loss { LOSS_NONE, LOSS_OF_CPUS, LOSS_OF_PROCESS };

struct sim {
    uint64_t random;
    struct gt_timeline *timeline;
    enum source source;
    enum loss loss;
    int64_t now_ns;
    int owner; /* thread; -1: nobody */
    int alive;
    enum doing doing[THREADS];
    int cpu[THREADS];
    int64_t losing_since_ns[CPUS]; /* the last event that got through; -1: none is lost */
    bool lost_any[CPUS];
    int64_t seen_ns[CPUS];
    uint8_t truth[THREADS][LENGTH + 200]; /* enum doing, at each ns */
};

static int below(struct sim *sim, int limit)
{
    sim->random ^= sim->random << 13;
    sim->random ^= sim->random >> 7;
    sim->random ^= sim->random << 17;
    return (int)(sim->random % (unsigned)limit);
}

static void feed_one(struct sim *sim, struct gt_event *event)
{
    assert_int_equal(gt_timeline_feed(sim->timeline, event), 0);
}

/* perf notes what it lost on a CPU before the next event of that CPU. */
static bool gets_through(struct sim *sim, int thread)
{
    bool of_process = sim->loss == LOSS_OF_PROCESS;
    int at = of_process ? 0 : sim->cpu[thread];
    struct gt_event lost = {.kind = GT_EVENT_LOST,
                            .time_ns = sim->now_ns,
                            .pid = PID,
                            .tid = PID,
                            .cpu = of_process ? -1 : at,
                            .comm = "",
                            .lost = {1, of_process ? sim->seen_ns[0] : 0, of_process}};

    if (sim->losing_since_ns[at] >= 0) {
        sim->lost_any[at] = true;
        return false;
    }
    if (sim->lost_any[at])
        feed_one(sim, &lost);
    sim->lost_any[at] = false;
    sim->seen_ns[at] = sim->now_ns;
    return true;
}

static void send(struct sim *sim, int thread, enum gt_event_kind kind, uint64_t address)
{
    struct gt_event event = {.kind = kind,
                             .time_ns = sim->now_ns,
                             .pid = PID,
                             .tid = PID + thread,
                             .cpu = sim->cpu[thread],
                             .comm = ""};

    if (kind == GT_EVENT_FORK)
        event.creator.pid = event.creator.tid = PID;
    else
        event.cond.address = address;
    if (gets_through(sim, thread))
        feed_one(sim, &event);
}

/* Until `until_ns` all do what they do now. */
static void pass(struct sim *sim, int64_t until_ns)
{
    for (; sim->now_ns < until_ns; sim->now_ns++)
        for (int i = 0; i < THREADS; i++)
            sim->truth[i][sim->now_ns] = (uint8_t)sim->doing[i];
}

static void take(struct sim *sim, int thread)
{
    if (sim->source == CONDS) {
        send(sim, thread, GT_EVENT_COND_SIGNAL, GIL + GIL_DISTANCE);
    } else {
        if (sim->doing[thread] != WAITING)
            send(sim, thread, GT_EVENT_TAKE_ENTER, 0);
        send(sim, thread, GT_EVENT_TAKE_RETURN, 0);
    }
    sim->doing[thread] = HOLDING;
    sim->owner = thread;
}

static void drop(struct sim *sim, int thread)
{
    if (sim->source == CONDS)
        send(sim, thread, GT_EVENT_COND_SIGNAL, GIL);
    else
        send(sim, thread, GT_EVENT_DROP_ENTER, 0);
    sim->doing[thread] = FREE;
    sim->owner = -1;
}

static void ask(struct sim *sim, int thread)
{
    if (sim->source == CONDS)
        send(sim, thread, GT_EVENT_COND_WAIT, GIL);
    else if (sim->doing[thread] != WAITING)
        send(sim, thread, GT_EVENT_TAKE_ENTER, 0);
    sim->doing[thread] = WAITING;
}

static void act(struct sim *sim, int thread)
{
    if (below(sim, 4) == 0) /* it shows that it lives, whatever it does */
        send(sim, thread, GT_EVENT_OTHER, 0);
    else if (sim->doing[thread] == HOLDING)
        drop(sim, thread);
    else if (sim->doing[thread] == FREE && below(sim, 3) == 0)
        ; /* it has no use for the GIL */
    else if (sim->owner < 0)
        take(sim, thread);
    else
        ask(sim, thread);
}

static void step(struct sim *sim)
{
    int thread = below(sim, sim->alive);

    pass(sim, sim->now_ns + 1 + below(sim, 1 << below(sim, 7)));
    if (below(sim, 3) == 0)
        sim->cpu[thread] = below(sim, CPUS);
    if (sim->alive < THREADS && below(sim, 20) == 0) {
        sim->doing[sim->alive] = FREE;
        send(sim, sim->alive++, GT_EVENT_FORK, 0);
    } else {
        act(sim, thread);
    }
}

static void lose_or_not(struct sim *sim)
{
    int cpus = sim->loss == LOSS_OF_CPUS ? CPUS : 1;
    int one = below(sim, 4) == 0 ? ALL_CPUS : below(sim, cpus);

    if (sim->loss == LOSS_NONE || below(sim, 25))
        return;
    for (int i = 0; i < cpus; i++)
        if (one == ALL_CPUS || one == i)
            sim->losing_since_ns[i] = sim->losing_since_ns[i] >= 0 ? -1 : sim->seen_ns[i];
}

static void run(struct sim *sim)
{
    sim->now_ns = 1;
    sim->owner = -1;
    sim->alive = 1;
    sim->doing[0] = FREE;
    for (int i = 0; i < CPUS; i++)
        sim->losing_since_ns[i] = -1;
    send(sim, 0, GT_EVENT_FORK, 0);
    for (int i = 0; i < 2; i++) { /* the structure shows, as in an interpreter that begins */
        pass(sim, sim->now_ns + 3);
        take(sim, 0);
        pass(sim, sim->now_ns + 3);
        drop(sim, 0);
    }
    while (sim->now_ns < LENGTH) {
        lose_or_not(sim);
        step(sim);
    }
    for (int i = 0; i < CPUS; i++) { /* all that was lost is told */
        sim->losing_since_ns[i] = -1;
        sim->cpu[0] = i;
        send(sim, 0, GT_EVENT_OTHER, 0);
    }
    pass(sim, sim->now_ns + 10);
    send(sim, 0, GT_EVENT_OTHER, 0);
}

enum { UNKNOWN = 100 };

static void mark(uint8_t *states, const struct gt_chunks *spans, uint32_t thread, uint8_t state)
{
    for (size_t i = 0; i < spans->count; i++) {
        const struct gt_span *span = gt_span_at(spans, i);

        for (int64_t t = span->start_ns; span->thread == thread && t < span->end_ns; t++)
            states[t] = state;
    }
}

/* What the model says of a thread at each ns. */
static void tell(const struct gt_timeline *timeline, const struct gt_gil *gil, uint32_t thread,
                 uint8_t states[LENGTH + 200])
{
    const struct gt_chunks *lost = gt_lost_of(timeline, gil->process);
    const struct gt_thread *of = gt_thread_at(timeline, thread);

    memset(states, ABSENT, LENGTH + 200);
    for (int64_t t = of->start_ns; t < of->end_ns; t++)
        states[t] = FREE;
    mark(states, &gil->unknowns, thread, UNKNOWN);
    mark(states, &gil->holds, thread, HOLDING);
    mark(states, &gil->waits, thread, WAITING);
    for (size_t i = 0; i < lost->count; i++) {
        const struct gt_lost_range *range = gt_chunks_at(lost, i);

        for (int64_t t = range->start_ns; t < range->end_ns; t++)
            states[t] = UNKNOWN;
    }
}

static void check_thread(const struct sim *sim, uint64_t seed, const struct gt_gil *gil,
                         const struct gt_gil_thread *member, int64_t known_ns[HOLDING + 1])
{
    static uint8_t said[LENGTH + 200];
    const struct gt_thread *thread = gt_thread_at(sim->timeline, member->thread);
    int64_t unknown_ns = 0;

    tell(sim->timeline, gil, member->thread, said);
    for (int64_t t = thread->start_ns; t < thread->end_ns; t++) {
        uint8_t truth = sim->truth[thread->tid - PID][t];

        unknown_ns += said[t] == UNKNOWN;
        known_ns[said[t] == UNKNOWN ? ABSENT : said[t]]++;
        if (said[t] != UNKNOWN && said[t] != truth)
            fail_msg("GT_SEED=%" PRIu64 ": thread %d at %" PRId64 ": said %u, truth %u", seed,
                     thread->tid, t, said[t], truth);
    }
    if (unknown_ns != member->unknown_ns)
        fail_msg("GT_SEED=%" PRIu64 ": thread %d: %" PRId64 " ns are unknown, not %" PRId64,
                 seed, thread->tid, unknown_ns, member->unknown_ns);
}

/* gt_gil.unsure_ns, the slow way. */
static int64_t unsure_ns(const struct gt_timeline *timeline, const struct gt_gil *gil)
{
    static uint8_t said[LENGTH + 200], any[LENGTH + 200];
    int64_t sum_ns = 0;

    memset(any, 0, sizeof(any));
    for (uint32_t i = 0; i < gil->members.count; i++) {
        uint32_t thread = gt_gil_thread_at(gil, i)->thread;

        tell(timeline, gil, thread, said);
        for (int64_t t = gil->start_ns; t < gil->end_ns; t++)
            if (said[t] == WAITING || (said[t] == UNKNOWN && !any[t]))
                any[t] = said[t];
    }
    for (int64_t t = gil->start_ns; t < gil->end_ns; t++)
        sum_ns += any[t] == UNKNOWN &&
                  gt_lost_within(gt_lost_of(timeline, gil->process), t, t + 1) == 0;
    return sum_ns;
}

static void simulate(uint64_t seed, enum source source, enum loss loss,
                     int64_t known_ns[HOLDING + 1])
{
    struct sim *sim = calloc(1, sizeof(*sim));

    assert_non_null(sim);
    sim->random = seed * 0x9e3779b97f4a7c15u + 1;
    sim->source = source;
    sim->loss = loss;
    sim->timeline = gt_timeline_new(false, NULL);
    assert_non_null(sim->timeline);
    run(sim);
    assert_int_equal(gt_timeline_finish(sim->timeline, NULL), 0);
    assert_int_equal(sim->timeline->quality.accounting_errors, 0);
    for (uint32_t i = 0; i < sim->timeline->gils.count; i++) {
        const struct gt_gil *gil = gt_gil_at(sim->timeline, i);

        for (uint32_t m = 0; m < gil->members.count; m++)
            check_thread(sim, seed, gil, gt_gil_thread_at(gil, m), known_ns);
        assert_int_equal(gil->unsure_ns, unsure_ns(sim->timeline, gil));
    }
    gt_timeline_free(sim->timeline);
    free(sim);
}

static void simulate_many(enum source source, enum loss loss)
{
    const char *only = getenv("GT_SEED");
    int64_t known_ns[HOLDING + 1] = {0};

    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        if (!only || strtoull(only, NULL, 10) == seed)
            simulate(seed, source, loss, known_ns);
    /* Not all may be called unknown, nor may nothing have been lost. */
    if (!only && loss != LOSS_NONE)
        for (int i = ABSENT; i <= HOLDING; i++)
            assert_true(known_ns[i] > SEEDS * 100);
}

static void nothing_lost_of_conds(void **state)
{
    (void)state;
    simulate_many(CONDS, LOSS_NONE);
}

static void conds_lost_by_cpus(void **state)
{
    (void)state;
    simulate_many(CONDS, LOSS_OF_CPUS);
}

static void conds_lost_of_a_process(void **state)
{
    (void)state;
    simulate_many(CONDS, LOSS_OF_PROCESS);
}

static void nothing_lost_of_functions(void **state)
{
    (void)state;
    simulate_many(FUNCTIONS, LOSS_NONE);
}

static void functions_lost_by_cpus(void **state)
{
    (void)state;
    simulate_many(FUNCTIONS, LOSS_OF_CPUS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_lost_of_conds),   cmocka_unit_test(conds_lost_by_cpus),
        cmocka_unit_test(conds_lost_of_a_process), cmocka_unit_test(nothing_lost_of_functions),
        cmocka_unit_test(functions_lost_by_cpus),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
