#include "analysis/story.h"

#include "analysis/bonds.h"
#include "analysis/cpu.h"
#include "analysis/ends.h"
#include "base/nstime.h"

#include <stdlib.h>
#include <string.h>

enum {
    HOLDS_MAX = 16384,   /* beyond, short ones are put together */
    SWITCH_NS = 1000000, /* from the next owner's taking until who gave way is awake */
    EXIT_NS = 20000000,  /* that the kernel takes to end a process */
    WAKE_NS = 50000,     /* from a signal until a thread runs; as hand-overs, if measured */
};

/* What is being told of one thread. */
struct teller {
    uint32_t thread, index; /* of the timeline, of the replay */
    int64_t now_ns;         /* told until then */
    size_t bond, piece;     /* the next ones */
    struct gt_cpu cpu;
    bool ending;           /* after its last hold: its end is not measured */
    int64_t taken_over_ns; /* its last hold was broken off by who had the GIL from then on; 0 */
    /* Holds and free times that are being put together. */
    uint32_t gil;
    int64_t hold_ns, free_ns;
};

struct telling {
    struct gt_story *story;
    const struct gt_timeline *timeline;
    const struct gt_blockers *blockers;
    struct gt_bonds bonds;
    struct gt_pieces pieces;
    struct gt_cpu_load load;
    struct teller *tellers; /* by thread of the timeline */
    uint32_t *replayed;
    struct gt_ends ends;
};

/* --- steps --- */

static int put(struct telling *telling, struct teller *teller, struct gt_replay_step step)
{
    telling->story->steps++;
    return gt_replay_add_step(&telling->story->replay, teller->index, step);
}

static int flush(struct telling *telling, struct teller *teller)
{
    struct gt_replay_step hold = {
        .kind = GT_REPLAY_RUN, .what = teller->gil, .ns = teller->hold_ns};
    struct gt_replay_step free = {
        .kind = GT_REPLAY_RUN, .what = GT_REPLAY_NONE, .ns = teller->free_ns};
    uint32_t gil = teller->gil;

    teller->gil = GT_REPLAY_NONE;
    teller->hold_ns = teller->free_ns = 0;
    if (gil == GT_REPLAY_NONE)
        return 0;
    return put(telling, teller, hold) || put(telling, teller, free) ? -1 : 0;
}

/* Short holds, and short times between them, become one of each. */
static int tell(struct telling *telling, struct teller *teller, struct gt_replay_step step)
{
    int64_t grain_ns = telling->story->grain_ns;
    bool plain = step.kind == GT_REPLAY_RUN && !step.flags && !step.tag && step.ns < grain_ns;

    if (plain && step.what != GT_REPLAY_NONE &&
        (teller->gil == GT_REPLAY_NONE || teller->gil == step.what)) {
        teller->gil = step.what;
        teller->hold_ns += step.ns;
        return 0;
    }
    if (plain && step.what == GT_REPLAY_NONE && teller->gil != GT_REPLAY_NONE) {
        teller->free_ns += step.ns;
        return teller->hold_ns + teller->free_ns < grain_ns ? 0 : flush(telling, teller);
    }
    return flush(telling, teller) || put(telling, teller, step) ? -1 : 0;
}

static int tell_run(struct telling *telling, struct teller *teller, struct gt_replay_step step,
                    const struct gt_cpu_share *share, int64_t from_ns, int64_t until_ns)
{
    int64_t sleep_ns = share->sleep_ns;

    /* CPUs that others had are as good as none. */
    if (share->ready_ns && !gt_cpu_load_is_full(&telling->load, from_ns, until_ns))
        sleep_ns += share->ready_ns;
    step.ns = share->run_ns;
    if (tell(telling, teller, step))
        return -1;
    step.kind = GT_REPLAY_SLEEP;
    step.ns = sleep_ns;
    return sleep_ns > 0 ? tell(telling, teller, step) : 0;
}

/* --- without a GIL --- */

static int tell_free_part(struct telling *telling, struct teller *teller, int64_t from_ns,
                          int64_t until_ns)
{
    struct gt_replay_step step = {.kind = GT_REPLAY_RUN, .what = GT_REPLAY_NONE};
    struct gt_cpu_share share;
    uint32_t ended = GT_NO_INDEX, event;

    if (until_ns - from_ns < GT_CPU_SHORT_NS) {
        step.ns = until_ns - from_ns;
        return tell(telling, teller, step);
    }
    gt_cpu_between(&teller->cpu, from_ns, until_ns, &share);
    if (!share.known && teller->ending && until_ns - from_ns < EXIT_NS)
        share.run_ns = until_ns - from_ns;
    else if (!share.known)
        share.sleep_ns = until_ns - from_ns;
    if (share.sleep_ns > GT_CPU_SHORT_NS)
        ended = gt_ends_find(&telling->ends, telling->timeline, teller->thread, from_ns,
                             until_ns, teller->cpu.readings != NULL);
    if (ended == GT_NO_INDEX) {
        if (!share.known && !teller->ending)
            telling->story->unknown_ns =
                gt_add_ns(telling->story->unknown_ns, until_ns - from_ns);
        return tell_run(telling, teller, step, &share, from_ns, until_ns);
    }
    event = gt_bonds_end_of(&telling->bonds, ended);
    step.ns = share.run_ns;
    return event == GT_REPLAY_NONE || tell(telling, teller, step) ||
                   tell(telling, teller,
                        (struct gt_replay_step){.kind = GT_REPLAY_AWAIT, .what = event})
               ? -1
               : 0;
}

/* --- with one --- */

static int tell_hold_piece(struct telling *telling, struct teller *teller, int64_t from_ns,
                           int64_t until_ns, struct gt_replay_step step)
{
    struct gt_cpu_share share;

    if (until_ns - from_ns >= GT_CPU_SHORT_NS) {
        gt_cpu_between(&teller->cpu, from_ns, until_ns, &share);
        if (share.known)
            return tell_run(telling, teller, step, &share, from_ns, until_ns);
    }
    step.ns = until_ns - from_ns;
    return step.ns > 0 ? tell(telling, teller, step) : 0;
}

static int tell_hold_part(struct telling *telling, struct teller *teller, uint32_t gil,
                          int64_t from_ns, int64_t until_ns)
{
    const struct gt_pieces *pieces = &telling->pieces;
    struct gt_replay_step plain = {.kind = GT_REPLAY_RUN, .what = gil};

    while (from_ns < until_ns) {
        const struct gt_piece *piece = &pieces->list[teller->piece];
        struct gt_replay_step step = plain;
        int64_t stop_ns = until_ns;

        if (teller->piece < pieces->first[teller->thread + 1]) {
            if (piece->end_ns <= from_ns) {
                teller->piece++;
                continue;
            }
            if (piece->start_ns > from_ns) {
                stop_ns = piece->start_ns < until_ns ? piece->start_ns : until_ns;
            } else {
                stop_ns = piece->end_ns < until_ns ? piece->end_ns : until_ns;
                step.tag = piece->tag;
                step.flags = GT_REPLAY_KEEPS;
            }
        }
        if (tell_hold_piece(telling, teller, from_ns, stop_ns, step))
            return -1;
        from_ns = stop_ns;
    }
    return 0;
}

/* --- and what is between --- */

static int tell_bond(struct telling *telling, struct teller *teller, const struct gt_bond *bond)
{
    if (bond->kind == GT_BOND_NOTHING)
        return 0;
    if (bond->kind == GT_BOND_JOB)
        return flush(telling, teller) || gt_replay_add_job(&telling->story->replay, bond->what,
                                                           bond->rank, teller->index)
                   ? -1
                   : 0;
    return tell(telling, teller,
                (struct gt_replay_step){.kind = (uint8_t)bond->kind, .what = bond->what});
}

enum doing { FREE, HOLDING, WAITING };

/* All until `until_ns`: what it did, with the bonds in their places. */
static int tell_until(struct telling *telling, struct teller *teller, enum doing doing,
                      uint32_t gil, int64_t until_ns)
{
    const struct gt_bonds *bonds = &telling->bonds;

    for (;;) {
        bool bound = teller->bond < bonds->first[teller->thread + 1] &&
                     bonds->sorted[teller->bond].at_ns < until_ns;
        const struct gt_bond *bond = &bonds->sorted[teller->bond];
        int64_t stop_ns = bound ? bond->at_ns : until_ns;

        if (stop_ns > teller->now_ns) {
            if ((doing == FREE && tell_free_part(telling, teller, teller->now_ns, stop_ns)) ||
                (doing == HOLDING &&
                 tell_hold_part(telling, teller, gil, teller->now_ns, stop_ns)))
                return -1;
            teller->now_ns = stop_ns;
        }
        if (!bound)
            return 0;
        if (tell_bond(telling, teller, bond))
            return -1;
        if (bond->until_ns > teller->now_ns)
            teller->now_ns = bond->until_ns;
        teller->bond++;
    }
}

static bool has_bond(const struct telling *telling, const struct teller *teller,
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
    size_t low = 0, high = calls ? calls->spans.count : 0;
    const struct gt_call_span *span;
    const struct gt_called *called;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        span = gt_chunks_at(&calls->spans, middle);
        if (span->start_ns > time_ns)
            high = middle;
        else
            low = middle + 1;
    }
    if (low == 0)
        return false;
    span = gt_chunks_at(&calls->spans, low - 1);
    called = gt_chunks_at(&timeline->functions, span->function);
    return span->end_ns > time_ns && called->flags & GT_FUNCTION_C;
}

/*
 * Was it made to give the GIL up, and waited but for the other one to take it, and for a CPU?
 * Where calls are not recorded, what it did in a short time is taken for that.
 */
static bool was_interrupted(const struct telling *telling, const struct teller *teller,
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

static int tell_hold(struct telling *telling, uint32_t gil, const struct gt_span *hold,
                     int64_t waits_since_ns)
{
    struct teller *teller = &telling->tellers[hold->thread];

    if (was_interrupted(telling, teller, waits_since_ns)) {
        teller->now_ns = waits_since_ns > teller->now_ns ? waits_since_ns : teller->now_ns;
    } else {
        int64_t before_ns = teller->now_ns;

        if (tell_until(telling, teller, FREE, 0, waits_since_ns))
            return -1;
        /* However short it was without the GIL, others might have got it. */
        if (teller->now_ns == before_ns &&
            tell(telling, teller,
                 (struct gt_replay_step){.kind = GT_REPLAY_RUN, .what = GT_REPLAY_NONE}))
            return -1;
    }
    if (tell_until(telling, teller, WAITING, gil, hold->start_ns))
        return -1;
    if (teller->now_ns < hold->start_ns)
        teller->now_ns = hold->start_ns;
    return tell_until(telling, teller, HOLDING, gil, hold->end_ns);
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

static int tell_next_hold(struct telling *telling, struct gil_cursor *cursor)
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
static int tell_process(struct telling *telling, uint32_t first_gil, size_t count)
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

static int tell_holds(struct telling *telling)
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

static int tell_start(struct telling *telling, struct teller *teller)
{
    const struct gt_thread *thread = gt_thread_at(telling->timeline, teller->thread);
    uint32_t event = telling->bonds.start_of[teller->thread];

    teller->now_ns = thread->start_ns;
    teller->bond = telling->bonds.first[teller->thread];
    teller->piece = telling->pieces.first[teller->thread];
    teller->gil = GT_REPLAY_NONE;
    gt_cpu_init(&teller->cpu, telling->timeline, teller->thread);
    if (event != GT_REPLAY_NONE)
        return put(telling, teller,
                   (struct gt_replay_step){.kind = GT_REPLAY_AWAIT, .what = event});
    return put(telling, teller,
               (struct gt_replay_step){.kind = GT_REPLAY_SLEEP,
                                       .what = GT_REPLAY_NONE,
                                       .ns = thread->start_ns - telling->timeline->start_ns});
}

static int tell_end(struct telling *telling, struct teller *teller)
{
    int64_t end_ns = gt_thread_at(telling->timeline, teller->thread)->end_ns;

    bool counts = gt_replay_thread_at(&telling->story->replay, teller->index)->counts;

    teller->ending = true;
    if (!counts && end_ns - teller->now_ns < EXIT_NS) /* who joins it did not wait for that */
        teller->now_ns = end_ns;
    /* Bonds at the very end are the end's. */
    return tell_until(telling, teller, FREE, 0, end_ns) ||
                   tell_until(telling, teller, WAITING, 0, INT64_MAX) || flush(telling, teller)
               ? -1
               : 0;
}

static int tell_ends(struct telling *telling)
{
    const struct gt_timeline *timeline = telling->timeline;
    int64_t last_ns = timeline->start_ns;

    for (uint32_t i = 0; i < timeline->threads.count; i++) {
        const struct gt_thread *thread = gt_thread_at(timeline, i);

        if (telling->replayed[i] == GT_REPLAY_NONE)
            continue;
        if (tell_end(telling, &telling->tellers[i]))
            return -1;
        if (gt_replay_thread_at(&telling->story->replay, telling->replayed[i])->counts &&
            thread->end_ns > last_ns)
            last_ns = thread->end_ns;
    }
    for (uint32_t i = 0; i < timeline->threads.count; i++)
        if (telling->bonds.end_of[i] != GT_REPLAY_NONE &&
            put(telling, &telling->tellers[i],
                (struct gt_replay_step){.kind = GT_REPLAY_SIGNAL,
                                        .what = telling->bonds.end_of[i]}))
            return -1;
    telling->story->after_ns = timeline->end_ns - last_ns;
    return 0;
}

/* --- all of it --- */

/* Threads that ever had a GIL are replayed. The run lasts as long as the processes' first
 * threads; where one is not known, as long as any. */
static int add_threads(struct telling *telling)
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

    return waits ? blockers->load.idle_ns / waits : WAKE_NS;
}

static int add_gils(struct telling *telling)
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

static int tell_all(struct telling *telling)
{
    const struct gt_timeline *timeline = telling->timeline;

    for (uint32_t i = 0; i < timeline->threads.count; i++)
        if (telling->replayed[i] != GT_REPLAY_NONE && tell_start(telling, &telling->tellers[i]))
            return -1;
    return tell_holds(telling) || tell_ends(telling) ? -1 : 0;
}

int gt_story_init(struct gt_story *story, const struct gt_timeline *timeline,
                  const struct gt_blockers *blockers, const struct gt_tag *tags, uint32_t cores,
                  struct gt_error *err)
{
    size_t threads = timeline->threads.count;
    struct telling telling = {.story = story,
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
