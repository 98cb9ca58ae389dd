#include "analysis/story.h"

#include "analysis/telling.h"
#include "base/nstime.h"

#include <stdlib.h>
#include <string.h>

enum {
    HOLDS_MAX = 16384,            /* beyond, short ones are put together */
    SWITCH_NS = 1000000,          /* from the next owner's taking until who gave way is awake */
    LEAST_REPEATED_NS = 10000000, /* of computing, to be taken for what goes on for ever */
    LEAST_REPEATED_PART = 32,     /* … and of the run: one in so many */
    GOES_ON_TIMES = 8,            /* the length of the run, at most */
    WAKE_NS = 50000, /* from a signal until a thread runs; as hand-overs, if measured */
};

/* --- a hold, and what was before it --- */

static bool has_bond(const struct gt_telling *telling, const struct gt_teller *teller,
                     int64_t until_ns)
{
    return teller->bond < telling->bonds.first[teller->thread + 1] &&
           telling->bonds.sorted[teller->bond].at_ns < until_ns;
}

/* Was the hold ended by the request of who had the GIL next? Then since when that one had it,
 * else 0. */
static int64_t taken_over_ns(const struct gt_span *hold, const struct gt_span *next,
                             int64_t next_waits_since_ns, int64_t interval_ns)
{
    int64_t asked_ns = interval_ns - interval_ns / 5;

    if (!next || next->thread == hold->thread || hold->end_ns - hold->start_ns < asked_ns ||
        hold->end_ns - next_waits_since_ns < asked_ns)
        return 0;
    return next->start_ns;
}

/* Did it call a C function that has not returned by then? The last one that it called, that is:
 * one that called Python in turn is not found. */
static bool is_in_c(const struct gt_timeline *timeline, uint32_t thread, int64_t time_ns)
{
    const struct gt_calls *calls = gt_calls_of(timeline, thread);
    size_t next = calls
                      ? gt_chunks_first_after(&calls->spans, 0,
                                              offsetof(struct gt_call_span, start_ns), time_ns)
                      : 0;
    const struct gt_call_span *span;
    const struct gt_called *called;

    if (next == 0)
        return false;
    span = gt_chunks_at(&calls->spans, next - 1);
    called = gt_chunks_at(&timeline->functions, span->function);
    return span->end_ns > time_ns && called->flags & GT_FUNCTION_C;
}

/*
 * Was it made to give the GIL up, and waited but for the other one to take it, and for a CPU?
 * Where calls are not recorded, what it did in a short time is taken for that.
 */
static bool was_interrupted(const struct gt_telling *telling, const struct gt_teller *teller,
                            int64_t until_ns)
{
    const struct gt_timeline *timeline = telling->timeline;
    const struct gt_calls *calls = gt_calls_of(timeline, teller->thread);

    if (!teller->taken_over_ns || has_bond(telling, teller, until_ns))
        return false;
    if (!calls || !calls->spans.count)
        return until_ns < teller->taken_over_ns + SWITCH_NS;
    return !is_in_c(timeline, teller->thread, teller->now_ns);
}

static int tell_hold(struct gt_telling *telling, uint32_t gil, const struct gt_span *hold,
                     int64_t waits_since_ns)
{
    struct gt_teller *teller = &telling->tellers[hold->thread];

    if (was_interrupted(telling, teller, waits_since_ns)) {
        teller->now_ns = waits_since_ns > teller->now_ns ? waits_since_ns : teller->now_ns;
    } else {
        int64_t before_ns = teller->now_ns;

        if (gt_tell_until(telling, teller, GT_WITHOUT_GIL, 0, waits_since_ns))
            return -1;
        /* However short it was without the GIL, others might have got it. */
        if (teller->now_ns == before_ns &&
            gt_tell(telling, teller,
                    (struct gt_replay_step){.kind = GT_REPLAY_RUN, .what = GT_REPLAY_NONE}))
            return -1;
    }
    if (gt_tell_until(telling, teller, GT_WAITING_FOR_GIL, gil, hold->start_ns))
        return -1;
    if (teller->now_ns < hold->start_ns)
        teller->now_ns = hold->start_ns;
    return gt_tell_until(telling, teller, GT_WITH_GIL, gil, hold->end_ns);
}

/* --- all holds, in the order of time --- */

/* Goes through one GIL's holds, and knows since when each was waited for. */
struct gil_cursor {
    const struct gt_gil *gil;
    uint32_t index;
    size_t hold, wait;
    int64_t since_ns; /* of the hold at hand */
};

/* Waits come in the order of their ends. */
static int64_t waited_since(struct gil_cursor *cursor)
{
    const struct gt_span *hold;

    if (cursor->hold >= cursor->gil->holds.count)
        return 0;
    hold = gt_span_at(&cursor->gil->holds, cursor->hold);
    for (; cursor->wait < cursor->gil->waits.count; cursor->wait++) {
        const struct gt_span *wait = gt_span_at(&cursor->gil->waits, cursor->wait);

        if (wait->end_ns > hold->start_ns)
            break;
        if (wait->end_ns == hold->start_ns && wait->thread == hold->thread)
            return wait->start_ns;
    }
    return hold->start_ns;
}

static int tell_next_hold(struct gt_telling *telling, struct gil_cursor *cursor)
{
    const struct gt_chunks *holds = &cursor->gil->holds;
    const struct gt_span *hold = gt_span_at(holds, cursor->hold), *next = NULL;
    int64_t since_ns = cursor->since_ns;

    if (tell_hold(telling, cursor->index, hold, since_ns))
        return -1;
    cursor->hold++;
    cursor->since_ns = waited_since(cursor);
    if (cursor->hold < holds->count)
        next = gt_span_at(holds, cursor->hold);
    telling->tellers[hold->thread].taken_over_ns = taken_over_ns(
        hold, next, cursor->since_ns, telling->blockers[cursor->index].interval_ns);
    return 0;
}

static int64_t hold_start_ns(const struct gil_cursor *cursor)
{
    return cursor->hold < cursor->gil->holds.count
               ? gt_span_at(&cursor->gil->holds, cursor->hold)->start_ns
               : INT64_MAX;
}

/* The GILs of one process, which are few, together: its threads may use more than one. */
static int tell_process(struct gt_telling *telling, uint32_t first_gil, size_t count)
{
    struct gil_cursor *cursors = calloc(count + 1, sizeof(*cursors));
    int rc = cursors ? 0 : -1;

    for (size_t i = 0; rc == 0 && i < count; i++) {
        cursors[i] =
            (struct gil_cursor){.gil = gt_gil_at(telling->timeline, first_gil + (uint32_t)i),
                                .index = first_gil + (uint32_t)i};
        cursors[i].since_ns = waited_since(&cursors[i]);
    }
    while (rc == 0) {
        struct gil_cursor *first = &cursors[0];

        for (size_t i = 1; i < count; i++)
            if (hold_start_ns(&cursors[i]) < hold_start_ns(first))
                first = &cursors[i];
        if (hold_start_ns(first) == INT64_MAX)
            break;
        rc = tell_next_hold(telling, first);
    }
    free(cursors);
    return rc;
}

static int tell_holds(struct gt_telling *telling)
{
    const struct gt_chunks *gils = &telling->timeline->gils;

    for (uint32_t i = 0, next; i < gils->count; i = next) {
        uint32_t process = gt_gil_at(telling->timeline, i)->process;

        for (next = i + 1;
             next < gils->count && gt_gil_at(telling->timeline, next)->process == process;
             next++)
            ;
        if (tell_process(telling, i, next - i))
            return -1;
    }
    return 0;
}

/* --- beginnings and ends --- */

static int tell_start(struct gt_telling *telling, struct gt_teller *teller)
{
    const struct gt_thread *thread = gt_thread_at(telling->timeline, teller->thread);
    uint32_t event = telling->bonds.start_of[teller->thread];

    teller->now_ns = thread->start_ns;
    teller->bond = telling->bonds.first[teller->thread];
    teller->piece = telling->pieces.first[teller->thread];
    teller->gil = GT_REPLAY_NONE;
    gt_cpu_init(&teller->cpu, telling->timeline, teller->thread);
    if (event != GT_REPLAY_NONE)
        return gt_tell_now(telling, teller,
                           (struct gt_replay_step){.kind = GT_REPLAY_AWAIT, .what = event});
    return gt_tell_now(
        telling, teller,
        (struct gt_replay_step){.kind = GT_REPLAY_SLEEP,
                                .what = GT_REPLAY_NONE,
                                .ns = thread->start_ns - telling->timeline->start_ns});
}

static int tell_end(struct gt_telling *telling, struct gt_teller *teller)
{
    int64_t end_ns = gt_thread_at(telling->timeline, teller->thread)->end_ns;

    bool counts = gt_replay_thread_at(&telling->story->replay, teller->index)->counts;

    teller->ending = true;
    /* Who joins it did not wait for that. */
    if (!counts && (end_ns - teller->now_ns < GT_EXIT_NS ||
                    gt_bonds_died_waiting(telling->timeline, teller->thread)))
        teller->now_ns = end_ns;
    /* Bonds at the very end are the end's. */
    return gt_tell_until(telling, teller, GT_WITHOUT_GIL, 0, end_ns) ||
                   gt_tell_until(telling, teller, GT_WAITING_FOR_GIL, 0, INT64_MAX) ||
                   gt_tell_rest(telling, teller)
               ? -1
               : 0;
}

/*
 * Who works to the very end, and nobody waits for (a daemon thread that computes), did as much
 * as the run was long: in a longer one it does more. Not who sleeps most of that time: he waits
 * for what never came.
 */
static void tell_whether_it_goes_on(struct gt_telling *telling, const struct gt_teller *teller)
{
    const struct gt_timeline *timeline = telling->timeline;
    struct gt_replay_thread *thread =
        gt_replay_thread_at(&telling->story->replay, teller->index);
    int64_t run_ns = 0, sleep_ns = 0;
    bool began = false;

    if (thread->counts || thread->works_for != GT_REPLAY_NONE ||
        telling->bonds.end_of[teller->thread] != GT_REPLAY_NONE ||
        telling->bonds.killed[teller->thread] == GT_REPLAY_NONE)
        return;
    for (size_t i = teller->unbound; i < thread->steps.count; i++) {
        const struct gt_replay_step *step = gt_chunks_at(&thread->steps, i);

        if (!began) { /* with its first hold: what was before is how it got there */
            thread->repeats = i;
            run_ns = sleep_ns = 0;
        }
        began = began || (step->kind == GT_REPLAY_RUN && step->what != GT_REPLAY_NONE);
        if (step->kind == GT_REPLAY_RUN)
            run_ns = gt_add_ns(run_ns, step->ns);
        else if (step->kind == GT_REPLAY_SLEEP)
            sleep_ns = gt_add_ns(sleep_ns, step->ns);
    }
    if (run_ns > LEAST_REPEATED_NS && run_ns > sleep_ns &&
        run_ns > (timeline->end_ns - timeline->start_ns) / LEAST_REPEATED_PART)
        thread->goes_on_until = telling->bonds.killed[teller->thread];
}

static int tell_ends(struct gt_telling *telling)
{
    const struct gt_timeline *timeline = telling->timeline;
    int64_t last_ns = timeline->start_ns;

    for (uint32_t i = 0; i < timeline->threads.count; i++) {
        const struct gt_thread *thread = gt_thread_at(timeline, i);

        if (telling->replayed[i] == GT_REPLAY_NONE)
            continue;
        if (tell_end(telling, &telling->tellers[i]))
            return -1;
        tell_whether_it_goes_on(telling, &telling->tellers[i]);
        if (gt_replay_thread_at(&telling->story->replay, telling->replayed[i])->counts &&
            thread->end_ns > last_ns)
            last_ns = thread->end_ns;
    }
    for (uint32_t i = 0; i < timeline->threads.count; i++)
        if (telling->bonds.end_of[i] != GT_REPLAY_NONE &&
            gt_tell_now(telling, &telling->tellers[i],
                        (struct gt_replay_step){.kind = GT_REPLAY_SIGNAL,
                                                .what = telling->bonds.end_of[i]}))
            return -1;
    telling->story->after_ns = timeline->end_ns - last_ns;
    telling->story->replay.goes_on_ns =
        gt_times_ns(timeline->end_ns - timeline->start_ns, GOES_ON_TIMES);
    return 0;
}

/* --- all of it --- */

/* Threads that ever had a GIL are replayed. The run lasts as long as the processes' first
 * threads; where one is not known, as long as any. */
static int add_threads(struct gt_telling *telling)
{
    const struct gt_timeline *timeline = telling->timeline;

    memset(telling->replayed, 0xff, (timeline->threads.count + 1) * sizeof(uint32_t));
    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        const struct gt_gil *gil = gt_gil_at(timeline, i);
        uint32_t main = gt_process_at(timeline, gil->process)->main_thread;

        for (uint32_t m = 0; m < gil->members.count; m++) {
            uint32_t thread = gt_member_at(gil, m)->thread;

            if (telling->replayed[thread] != GT_REPLAY_NONE)
                continue;
            telling->replayed[thread] = gt_replay_add_thread(
                &telling->story->replay, main == GT_NO_INDEX || main == thread);
            if (telling->replayed[thread] == GT_REPLAY_NONE)
                return -1;
            telling->tellers[thread].thread = thread;
            telling->tellers[thread].index = telling->replayed[thread];
        }
    }
    return 0;
}

/* How long nobody has the GIL before a waiter gets it, on average: until he is awake, and has a
 * CPU. */
static int64_t handover_of(const struct gt_gil *gil, const struct gt_blockers *blockers)
{
    int64_t waits = (int64_t)gil->waits.count;

    return waits ? blockers->load.total.idle_ns / waits : WAKE_NS;
}

static int add_gils(struct gt_telling *telling)
{
    struct gt_replay *replay = &telling->story->replay;

    replay->wake_ns = WAKE_NS;
    for (uint32_t i = 0; i < telling->timeline->gils.count; i++) {
        const struct gt_blockers *blockers = &telling->blockers[i];
        const struct gt_gil *gil = gt_gil_at(telling->timeline, i);

        if (gt_replay_add_gil(replay, blockers->interval_ns, handover_of(gil, blockers)) ==
            GT_REPLAY_NONE)
            return -1;
    }
    return 0;
}

/* How much of holding is put together so that there are not more steps than can be replayed
 * again and again. */
static int64_t grain_of(const struct gt_timeline *timeline)
{
    uint64_t holds = 0;
    int64_t sum_ns = 0;

    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        const struct gt_gil *gil = gt_gil_at(timeline, i);

        holds += gil->holds.count;
        for (uint32_t m = 0; m < gil->members.count; m++)
            sum_ns = gt_add_ns(sum_ns, gt_member_at(gil, m)->hold_ns);
    }
    return holds > HOLDS_MAX ? sum_ns / (HOLDS_MAX / 2) : 0;
}

static int tell_all(struct gt_telling *telling)
{
    const struct gt_timeline *timeline = telling->timeline;

    for (uint32_t i = 0; i < timeline->threads.count; i++)
        if (telling->replayed[i] != GT_REPLAY_NONE && tell_start(telling, &telling->tellers[i]))
            return -1;
    return tell_holds(telling) || tell_ends(telling) ? -1 : 0;
}

int gt_story_init(struct gt_story *story, const struct gt_timeline *timeline,
                  const struct gt_blockers *blockers, const struct gt_tag *tags, double cores,
                  struct gt_error *err)
{
    size_t threads = timeline->threads.count;
    struct gt_telling telling = {.story = story,
                                 .timeline = timeline,
                                 .blockers = blockers,
                                 .tellers = calloc(threads + 1, sizeof(*telling.tellers)),
                                 .replayed = calloc(threads + 1, sizeof(uint32_t))};
    int rc = -1;

    *story = (struct gt_story){.grain_ns = grain_of(timeline)};
    gt_replay_init(&story->replay);
    if (telling.tellers && telling.replayed)
        rc = add_threads(&telling) || add_gils(&telling) ||
                     gt_pieces_init(&telling.pieces, timeline, blockers, tags) ||
                     gt_cpu_load_init(&telling.load, timeline, cores) ||
                     gt_ends_init(&telling.ends, timeline, telling.replayed) ||
                     gt_bonds_init(&telling.bonds, timeline, &story->replay, telling.replayed)
                 ? -1
                 : 0;
    if (rc == 0)
        rc = tell_all(&telling);
    story->guesses_order = telling.bonds.guesses_order;
    story->guesses_jobs = telling.bonds.guesses_jobs;
    story->guesses_clocks = telling.bonds.guesses_clocks;
    story->misses_clocks = telling.bonds.misses_clocks;
    gt_bonds_release(&telling.bonds);
    gt_pieces_release(&telling.pieces);
    gt_cpu_load_release(&telling.load);
    free(telling.tellers);
    free(telling.replayed);
    gt_ends_release(&telling.ends);
    if (rc == 0)
        return 0;
    gt_story_release(story);
    return gt_error_memory(err);
}

void gt_story_release(struct gt_story *story)
{
    gt_replay_release(&story->replay);
}
