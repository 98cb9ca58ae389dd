/* SPDX-License-Identifier: MIT */
/*
 * A simulator that knows the truth: k threads on g GILs take, wait, hold, release, start and
 * end at random; their events, as probes would see them, go to the model, some of them lost,
 * with noise from other condition variables. What the model says must be the truth.
 *
 * Seeded: GT_SEED=n repeats a failure, which names its seed.
 */
#include "feed.h"

#include "analysis/blockers.h"
#include "analysis/contention.h"
#include "base/buf.h"
#include "base/nstime.h"
#include "script/source.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { THREADS_MAX = 8, GILS_MAX = 3, SPANS_MAX = 4096, LOSSES_MAX = 16, PID = 100 };

#define BUDGET_NS (700 * (int64_t)GT_NS_PER_MS) /* per test */

struct truth {
    int64_t start_ns;
    int64_t end_ns;
    int32_t tid;
    int gil;
    bool wait;
};

enum doing { ABSENT, FREE, WAITING, HOLDING };

struct sim {
    uint64_t random;
    int thread_count;
    int gil_count;
    bool with_loss;
    bool with_noise;
    bool as_text;
    struct {
        enum doing doing;
        int gil;
        int64_t since_ns;
        int32_t tid;
    } threads[THREADS_MAX];
    int owner[GILS_MAX]; /* thread, -1 nobody */
    int32_t next_tid;
    int64_t now_ns;
    struct truth spans[SPANS_MAX];
    size_t span_count;
    bool losing; /* events do not get through now */
    int64_t last_sent_ns;
    struct gt_lost_range losses[LOSSES_MAX];
    size_t loss_count;
    struct gt_timeline *timeline;
    struct gt_buf text;
};

static uint64_t next_random(struct sim *sim)
{
    uint64_t x = sim->random;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return sim->random = x;
}

static int below(struct sim *sim, int limit)
{
    return (int)(next_random(sim) % (unsigned)limit);
}

static uint64_t address_of(int gil)
{
    return 0x7f1200004000 + (uint64_t)gil * 0x10000;
}

static void write_line(struct sim *sim, const struct gt_event *event)
{
    gt_buf_addf(&sim->text, "%16s %5d/%-5d [000] %5" PRId64 ".%09" PRId64 ": ", "x ==> y=1",
                event->pid, event->tid, event->time_ns / GT_NS_PER_S,
                event->time_ns % GT_NS_PER_S);
    switch (event->kind) {
    case GT_EVENT_COND_SIGNAL:
        gt_buf_addf(&sim->text, "   gil:signal: (7f00) cond=0x%" PRIx64 "\n",
                    event->cond.address);
        break;
    case GT_EVENT_COND_WAIT:
        gt_buf_addf(&sim->text, "     gil:wait: (7f00) cond=0x%" PRIx64 "\n",
                    event->cond.address);
        break;
    case GT_EVENT_FORK:
        gt_buf_addf(&sim->text, "PERF_RECORD_FORK(%d:%d):(%d:%d)\n", event->pid, event->tid,
                    event->creator.pid, event->creator.tid);
        break;
    case GT_EVENT_EXIT:
        gt_buf_addf(&sim->text, "PERF_RECORD_EXIT(%d:%d):(%d:%d)\n", event->pid, event->tid,
                    event->pid, event->tid);
        break;
    case GT_EVENT_LOST:
        gt_buf_addf(&sim->text, "PERF_RECORD_LOST lost %" PRIu64 "\n", event->lost.events);
        break;
    default:
        gt_buf_addf(&sim->text, "page-faults: \n");
    }
}

static void send(struct sim *sim, enum gt_event_kind kind, int32_t tid, uint64_t value)
{
    struct gt_event event = {
        .kind = kind, .time_ns = sim->now_ns, .pid = PID, .tid = tid, .comm = ""};

    if (kind == GT_EVENT_FORK)
        event.creator.pid = event.creator.tid = PID;
    else if (kind == GT_EVENT_LOST)
        event.lost.events = value;
    else
        event.cond.address = value;
    if (sim->losing && kind != GT_EVENT_LOST)
        return;
    if (sim->as_text)
        write_line(sim, &event);
    else
        assert_int_equal(gt_timeline_feed(sim->timeline, &event), 0);
    sim->last_sent_ns = sim->now_ns;
}

static void note(struct sim *sim, int thread, bool wait)
{
    sim->spans[sim->span_count++] =
        (struct truth){sim->threads[thread].since_ns, sim->now_ns, sim->threads[thread].tid,
                       sim->threads[thread].gil, wait};
}

static void start_thread(struct sim *sim, int thread)
{
    int32_t tid = sim->next_tid++;

    sim->threads[thread].doing = FREE;
    sim->threads[thread].tid = tid;
    send(sim, GT_EVENT_FORK, tid, 0);
}

static void take(struct sim *sim, int thread, int gil)
{
    if (sim->threads[thread].doing == WAITING)
        note(sim, thread, true);
    sim->threads[thread].doing = HOLDING;
    sim->threads[thread].gil = gil;
    sim->threads[thread].since_ns = sim->now_ns;
    sim->owner[gil] = thread;
    send(sim, GT_EVENT_COND_SIGNAL, sim->threads[thread].tid, address_of(gil) + GIL_DISTANCE);
}

static void drop(struct sim *sim, int thread)
{
    int gil = sim->threads[thread].gil;

    note(sim, thread, false);
    sim->threads[thread].doing = FREE;
    sim->owner[gil] = -1;
    send(sim, GT_EVENT_COND_SIGNAL, sim->threads[thread].tid, address_of(gil));
}

static void ask(struct sim *sim, int thread, int gil)
{
    if (sim->threads[thread].doing != WAITING) {
        sim->threads[thread].doing = WAITING;
        sim->threads[thread].gil = gil;
        sim->threads[thread].since_ns = sim->now_ns;
    }
    send(sim, GT_EVENT_COND_WAIT, sim->threads[thread].tid, address_of(gil));
}

static void end_thread(struct sim *sim, int thread)
{
    if (sim->threads[thread].doing == WAITING)
        note(sim, thread, true);
    sim->threads[thread].doing = ABSENT;
    send(sim, GT_EVENT_EXIT, sim->threads[thread].tid, 0);
}

/* Condition variables of the program's own: far apart, or, while the GIL is held, pairs. */
static void make_noise(struct sim *sim, int thread)
{
    uint64_t address = 0x560000000000 + (uint64_t)below(sim, 40) * 0x4000;
    int32_t tid = sim->threads[thread].tid;

    if (sim->threads[thread].doing == HOLDING && below(sim, 2)) {
        send(sim, GT_EVENT_COND_SIGNAL, tid, address + GIL_DISTANCE);
        sim->now_ns++;
    }
    send(sim, below(sim, 4) ? GT_EVENT_COND_SIGNAL : GT_EVENT_COND_WAIT, tid, address);
}

/* Calls and returns of Python, C and collector functions, nested and torn at random. */
static void call_or_return(struct sim *sim, int thread)
{
    static const char *const files[] = {"a.py", "<frozen importlib._bootstrap>", "builtins",
                                        "gc"};
    static const uint32_t flags[] = {0, 0, GT_FUNCTION_C, GT_FUNCTION_C | GT_FUNCTION_GC};
    uint32_t id = (uint32_t)below(sim, 12);
    struct gt_function function = {.id = id,
                                   .line = id,
                                   .flags = flags[id % 4],
                                   .name_length = 1,
                                   .file_length = (uint32_t)strlen(files[id % 4]),
                                   .name = "f",
                                   .file = files[id % 4]};
    struct gt_event event = {.kind = below(sim, 2) ? GT_EVENT_CALL : GT_EVENT_RETURN,
                             .time_ns = sim->now_ns,
                             .pid = PID,
                             .tid = sim->threads[thread].tid,
                             .cpu = -1,
                             .comm = "",
                             .call.function = &function};

    if (!sim->losing)
        assert_int_equal(gt_timeline_feed(sim->timeline, &event), 0);
}

static void step(struct sim *sim)
{
    int thread = below(sim, sim->thread_count), gil;

    sim->now_ns += 1 + below(sim, 1 << below(sim, 20));
    if (!sim->as_text && sim->threads[thread].doing != ABSENT && below(sim, 3) == 0) {
        call_or_return(sim, thread);
        return;
    }
    if (sim->with_noise && sim->threads[thread].doing != ABSENT && below(sim, 4) == 0) {
        make_noise(sim, thread);
        return;
    }
    switch (sim->threads[thread].doing) {
    case ABSENT:
        start_thread(sim, thread);
        break;
    case FREE:
        gil = below(sim, sim->gil_count);
        if (thread > 0 && below(sim, 30) == 0)
            end_thread(sim, thread);
        else if (sim->owner[gil] < 0)
            take(sim, thread, gil);
        else
            ask(sim, thread, gil);
        break;
    case WAITING:
        gil = sim->threads[thread].gil;
        if (thread > 0 && below(sim, 50) == 0)
            end_thread(sim, thread);
        else if (sim->owner[gil] < 0)
            take(sim, thread, gil);
        else
            ask(sim, thread, gil); /* the switch interval passed */
        break;
    case HOLDING:
        drop(sim, thread);
        break;
    }
}

static void begin_loss(struct sim *sim)
{
    sim->losing = true;
    sim->losses[sim->loss_count++].start_ns = sim->last_sent_ns;
}

static void end_loss(struct sim *sim)
{
    sim->now_ns++;
    sim->losses[sim->loss_count - 1].end_ns = sim->now_ns;
    send(sim, GT_EVENT_LOST, PID, 3);
    sim->losing = false;
}

static void run(struct sim *sim, int steps)
{
    sim->now_ns = 1000;
    sim->next_tid = PID;
    memset(sim->owner, -1, sizeof(sim->owner));
    start_thread(sim, 0);
    for (int gil = 0; gil < sim->gil_count; gil++) {
        /* As an interpreter begins: created, and released before any other thread is. */
        sim->now_ns += 10;
        take(sim, 0, gil);
        sim->now_ns += 10;
        drop(sim, 0);
    }
    for (int i = 0; i < steps; i++) {
        if (sim->with_loss && !sim->losing && sim->loss_count < LOSSES_MAX &&
            below(sim, 60) == 0)
            begin_loss(sim);
        else if (sim->losing && below(sim, 12) == 0)
            end_loss(sim);
        step(sim);
    }
    if (sim->losing)
        end_loss(sim);
    /* The recording ends while some still hold and wait. */
    sim->now_ns += 100;
    send(sim, GT_EVENT_OTHER, PID, 0);
    for (int thread = 0; thread < sim->thread_count; thread++)
        if (sim->threads[thread].doing >= WAITING)
            note(sim, thread, sim->threads[thread].doing == WAITING);
}

static int take_event(void *context, const struct gt_event *event)
{
    return gt_timeline_feed(context, event);
}

static void feed_text(struct sim *sim)
{
    struct gt_source *source = calloc(1, sizeof(*source));

    assert_non_null(source);
    gt_source_init(source, take_event, sim->timeline, below(sim, 2));
    for (size_t at = 0; at < sim->text.length;) {
        size_t piece = 1 + (size_t)below(sim, 1 << below(sim, 14));

        if (piece > sim->text.length - at)
            piece = sim->text.length - at;
        assert_int_equal(gt_source_feed(source, sim->text.data + at, piece), 0);
        at += piece;
    }
    assert_int_equal(gt_source_finish(source), 0);
    assert_int_equal(source->unknown_lines, 0);
    gt_source_release(source);
    free(source);
}

static bool is_lost(const struct sim *sim, const struct truth *span)
{
    for (size_t i = 0; i < sim->loss_count; i++)
        if (span->start_ns <= sim->losses[i].end_ns && span->end_ns >= sim->losses[i].start_ns)
            return true;
    return false;
}

static const struct gt_chunks *spans_of(const struct sim *sim, const struct truth *truth)
{
    for (uint32_t i = 0; i < sim->timeline->gils.count; i++) {
        const struct gt_gil *gil = gt_gil_at(sim->timeline, i);

        if (gil->address == address_of(truth->gil))
            return truth->wait ? &gil->waits : &gil->holds;
    }
    return NULL;
}

/* Every true span that no loss touched is in the model, to the nanosecond. */
static bool is_complete(const struct sim *sim)
{
    for (size_t i = 0; i < sim->span_count; i++) {
        const struct truth *truth = &sim->spans[i];
        const struct gt_chunks *spans = spans_of(sim, truth);
        bool found = is_lost(sim, truth);

        for (size_t at = 0; spans && !found && at < spans->count; at++) {
            const struct gt_span *span = gt_span_at(spans, at);

            found = span->start_ns == truth->start_ns && span->end_ns == truth->end_ns &&
                    gt_thread_at(sim->timeline, span->thread)->tid == truth->tid;
        }
        if (!found)
            return false;
    }
    return true;
}

/* Every span of the model is true, or a part of a true one that a loss cut. */
static bool is_sound(const struct sim *sim, const struct gt_gil *gil, bool wait)
{
    const struct gt_chunks *spans = wait ? &gil->waits : &gil->holds;

    for (size_t at = 0; at < spans->count; at++) {
        const struct gt_span *span = gt_span_at(spans, at);
        bool found = false;

        for (size_t i = 0; !found && i < sim->span_count; i++) {
            const struct truth *truth = &sim->spans[i];
            bool within = truth->start_ns <= span->start_ns && truth->end_ns >= span->end_ns;
            bool same = truth->start_ns == span->start_ns && truth->end_ns == span->end_ns;

            found = truth->wait == wait && address_of(truth->gil) == gil->address &&
                    truth->tid == gt_thread_at(sim->timeline, span->thread)->tid &&
                    (same || (within && is_lost(sim, truth)));
        }
        if (!found)
            return false;
    }
    return true;
}

static int64_t overlap(const struct gt_span *a, const struct gt_span *b)
{
    int64_t from_ns = a->start_ns > b->start_ns ? a->start_ns : b->start_ns;
    int64_t until_ns = a->end_ns < b->end_ns ? a->end_ns : b->end_ns;

    return until_ns > from_ns ? until_ns - from_ns : 0;
}

/* What `waiter` waited while `holder` held, the slow way. */
static int64_t count_blame(const struct gt_gil *gil, uint32_t waiter, uint32_t holder)
{
    int64_t sum_ns = 0;

    for (size_t w = 0; w < gil->waits.count; w++)
        for (size_t h = 0; h < gil->holds.count; h++)
            if (gt_span_at(&gil->waits, w)->thread == gt_gil_thread_at(gil, waiter)->thread &&
                gt_span_at(&gil->holds, h)->thread == gt_gil_thread_at(gil, holder)->thread)
                sum_ns += overlap(gt_span_at(&gil->waits, w), gt_span_at(&gil->holds, h));
    return sum_ns;
}

static const char *check_blame(const struct gt_gil *gil)
{
    struct gt_contention contention;
    const char *wrong = NULL;

    if (gt_contention_init(&contention, gil, NULL))
        return "no memory";
    for (uint32_t waiter = 0; waiter < gil->members.count; waiter++) {
        size_t count, first = gt_contention_of(&contention, waiter, &count);
        int64_t sum_ns = 0;

        for (size_t i = first; i < first + count; i++) {
            const struct gt_blame *blame = gt_blame_at(&contention, i);

            sum_ns += blame->ns;
            if (blame->ns <= 0)
                wrong = "blame for nothing";
            if (blame->holder == waiter)
                wrong = "a thread waits for itself";
            if (blame->holder != GT_NO_INDEX &&
                blame->ns != count_blame(gil, waiter, blame->holder))
                wrong = "blame differs";
        }
        if (sum_ns != gt_gil_thread_at(gil, waiter)->wait_ns)
            wrong = "blame does not add up to the wait";
    }
    gt_contention_release(&contention);
    return wrong;
}

/* Cells and gaps of a waiter are its waits; the rows are the cells; nobody's gaps are the
 * contention's nobody. */
static const char *check_blockers(const struct gt_timeline *timeline, uint32_t index)
{
    const struct gt_gil *gil = gt_gil_at(timeline, index);
    int64_t waited_ns[64] = {0}, cells_ns = 0, rows_ns = 0, held_ns = 0, total_hold_ns = 0;
    struct gt_blockers blockers;
    const char *wrong = NULL;

    if (gt_blockers_init(&blockers, timeline, index, NULL))
        return "no memory";
    for (size_t i = 0; i < blockers.cells.count; i++) {
        const struct gt_blocker_cell *cell = gt_chunks_at(&blockers.cells, i);

        waited_ns[cell->waiter % 64] += cell->ns;
        cells_ns += cell->ns;
        if (cell->ns <= 0 || cell->blocker >= blockers.rows.count)
            wrong = "an empty cell";
    }
    for (size_t i = 0; i < blockers.rows.count; i++) {
        rows_ns += gt_blocker_at(&blockers, i)->waiting_ns;
        total_hold_ns += gt_blocker_at(&blockers, i)->total_hold_ns;
        if (i && gt_blocker_at(&blockers, i)->waiting_ns >
                     gt_blocker_at(&blockers, i - 1)->waiting_ns)
            wrong = "blockers are not ranked";
    }
    for (uint32_t i = 0; i < gil->members.count; i++) {
        const struct gt_gil_thread *member = gt_gil_thread_at(gil, i);

        held_ns += member->hold_ns;
        for (int gap = 0; gap < GT_GAPS; gap++) {
            int64_t ns = gt_gaps_at(&blockers, i)->ns[gap];

            if (ns < 0)
                wrong = "a negative gap";
            if (i < 64)
                waited_ns[i] += ns;
        }
        if (gil->members.count <= 64 && waited_ns[i] != member->wait_ns)
            wrong = "what a thread waited for is not what it waited";
    }
    if (cells_ns != rows_ns)
        wrong = "rows are not the sum of their cells";
    if (held_ns != total_hold_ns || held_ns != blockers.utilization.total.held_ns)
        wrong = "holds do not add up";
    gt_blockers_release(&blockers);
    return wrong;
}

static const char *check(const struct sim *sim)
{
    const struct gt_timeline *timeline = sim->timeline;
    const char *wrong = broken_invariant(timeline);

    if (wrong)
        return wrong;
    if (timeline->quality.accounting_errors || timeline->quality.overlaps)
        return "a violation was counted where there is none";
    if (timeline->gils.count != (size_t)sim->gil_count)
        return "not as many GILs as there are";
    if (!is_complete(sim))
        return "a true span is missing";
    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        const struct gt_gil *gil = gt_gil_at(timeline, i);

        if (!is_sound(sim, gil, false) || !is_sound(sim, gil, true))
            return "a span that is not true";
        wrong = check_blame(gil);
        if (!wrong)
            wrong = check_blockers(timeline, i);
        if (wrong)
            return wrong;
    }
    if (!sim->with_loss &&
        (timeline->quality.unmatched_takes || timeline->quality.unmatched_releases ||
         timeline->quality.duplicates || timeline->quality.lost_ns))
        return "a defect was counted where there is none";
    return NULL;
}

static void simulate(uint64_t seed, bool with_loss, bool with_noise)
{
    struct sim *sim = calloc(1, sizeof(*sim));
    const char *wrong;

    assert_non_null(sim);
    gt_buf_init(&sim->text);
    sim->random = seed * 0x9e3779b97f4a7c15u + 1;
    sim->thread_count = 1 + below(sim, THREADS_MAX);
    sim->gil_count = 1 + below(sim, GILS_MAX);
    sim->with_loss = with_loss;
    sim->with_noise = with_noise;
    sim->as_text = below(sim, 4) == 0;
    sim->timeline = gt_timeline_new(false, NULL);
    assert_non_null(sim->timeline);
    run(sim, 20 + below(sim, 600));
    if (sim->as_text)
        feed_text(sim);
    assert_int_equal(gt_timeline_finish(sim->timeline, NULL), 0);
    wrong = check(sim);
    if (wrong)
        fail_msg("GT_SEED=%" PRIu64 " loss=%d noise=%d: %s", seed, with_loss, with_noise,
                 wrong);
    gt_timeline_free(sim->timeline);
    gt_buf_release(&sim->text);
    free(sim);
}

static void simulate_many(bool with_loss, bool with_noise)
{
    const char *given = getenv("GT_SEED");
    int64_t start_ns = gt_now_ns();

    if (given) {
        simulate(strtoull(given, NULL, 10), with_loss, with_noise);
        return;
    }
    for (uint64_t seed = 1; seed < 3000 && gt_now_ns() - start_ns < BUDGET_NS; seed++)
        simulate(seed, with_loss, with_noise);
}

static void the_model_says_the_truth(void **state)
{
    (void)state;
    simulate_many(false, false);
}

static void the_model_says_the_truth_in_noise(void **state)
{
    (void)state;
    simulate_many(false, true);
}

static void the_model_says_nothing_untrue_when_events_are_lost(void **state)
{
    (void)state;
    simulate_many(true, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_model_says_the_truth),
        cmocka_unit_test(the_model_says_the_truth_in_noise),
        cmocka_unit_test(the_model_says_nothing_untrue_when_events_are_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
