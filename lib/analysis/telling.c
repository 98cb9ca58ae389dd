#include "analysis/telling.h"

#include "base/nstime.h"

/* --- steps --- */

int gt_tell_now(struct gt_telling *telling, struct gt_teller *teller,
                struct gt_replay_step step)
{
    telling->story->steps++;
    return gt_replay_add_step(&telling->story->replay, teller->index, step);
}

int gt_tell_rest(struct gt_telling *telling, struct gt_teller *teller)
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
    return gt_tell_now(telling, teller, hold) || gt_tell_now(telling, teller, free) ? -1 : 0;
}

int gt_tell(struct gt_telling *telling, struct gt_teller *teller, struct gt_replay_step step)
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
        return teller->hold_ns + teller->free_ns < grain_ns ? 0 : gt_tell_rest(telling, teller);
    }
    return gt_tell_rest(telling, teller) || gt_tell_now(telling, teller, step) ? -1 : 0;
}

static int tell_run(struct gt_telling *telling, struct gt_teller *teller,
                    struct gt_replay_step step, const struct gt_cpu_share *share,
                    int64_t from_ns, int64_t until_ns)
{
    int64_t sleep_ns = share->sleep_ns;

    /* CPUs that others had are as good as none. */
    if (share->ready_ns && !gt_cpu_load_is_full(&telling->load, from_ns, until_ns))
        sleep_ns += share->ready_ns;
    step.ns = share->run_ns;
    if (gt_tell(telling, teller, step))
        return -1;
    step.kind = GT_REPLAY_SLEEP;
    step.ns = sleep_ns;
    return sleep_ns > 0 ? gt_tell(telling, teller, step) : 0;
}

/* --- without a GIL --- */

static int tell_free_part(struct gt_telling *telling, struct gt_teller *teller, int64_t from_ns,
                          int64_t until_ns)
{
    struct gt_replay_step step = {.kind = GT_REPLAY_RUN, .what = GT_REPLAY_NONE};
    struct gt_cpu_share share;
    uint32_t ended = GT_NO_INDEX, event;

    if (until_ns - from_ns < GT_CPU_SHORT_NS) {
        step.ns = until_ns - from_ns;
        return gt_tell(telling, teller, step);
    }
    gt_cpu_between(&teller->cpu, from_ns, until_ns, &share);
    if (!share.known && teller->ending && until_ns - from_ns < GT_EXIT_NS)
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
    return event == GT_REPLAY_NONE || gt_tell(telling, teller, step) ||
                   gt_tell(telling, teller,
                           (struct gt_replay_step){.kind = GT_REPLAY_AWAIT, .what = event})
               ? -1
               : 0;
}

/* --- with one --- */

static int tell_hold_piece(struct gt_telling *telling, struct gt_teller *teller,
                           int64_t from_ns, int64_t until_ns, struct gt_replay_step step)
{
    struct gt_cpu_share share;

    if (until_ns - from_ns >= GT_CPU_SHORT_NS) {
        gt_cpu_between(&teller->cpu, from_ns, until_ns, &share);
        if (share.known)
            return tell_run(telling, teller, step, &share, from_ns, until_ns);
    }
    step.ns = until_ns - from_ns;
    return step.ns > 0 ? gt_tell(telling, teller, step) : 0;
}

static int tell_hold_part(struct gt_telling *telling, struct gt_teller *teller, uint32_t gil,
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

static int tell_bond(struct gt_telling *telling, struct gt_teller *teller,
                     const struct gt_bond *bond)
{
    struct gt_replay *replay = &telling->story->replay;
    struct gt_replay_step step = {.kind = (uint8_t)bond->kind,
                                  .flags = (uint8_t)bond->flags,
                                  .what = bond->what,
                                  .ns = bond->limit_ns};

    if (bond->kind == GT_BOND_NOTHING)
        return 0;
    if (bond->kind == GT_BOND_JOB)
        return gt_tell_rest(telling, teller) ||
                       gt_replay_add_job(replay, bond->what, bond->rank, teller->index)
                   ? -1
                   : 0;
    if (bond->kind == GT_BOND_JOBS_END) {
        if (gt_tell_rest(telling, teller))
            return -1;
        gt_replay_end_jobs(replay, teller->index);
        return 0;
    }
    if (gt_tell(telling, teller, step))
        return -1;
    teller->unbound = gt_replay_thread_at(replay, teller->index)->steps.count;
    return 0;
}

int gt_tell_until(struct gt_telling *telling, struct gt_teller *teller,
                  enum gt_doing_of_gil doing, uint32_t gil, int64_t until_ns)
{
    const struct gt_bonds *bonds = &telling->bonds;

    for (;;) {
        bool bound = teller->bond < bonds->first[teller->thread + 1] &&
                     bonds->sorted[teller->bond].at_ns < until_ns;
        const struct gt_bond *bond = &bonds->sorted[teller->bond];
        int64_t stop_ns = bound ? bond->at_ns : until_ns;

        if (stop_ns > teller->now_ns) {
            if ((doing == GT_WITHOUT_GIL &&
                 tell_free_part(telling, teller, teller->now_ns, stop_ns)) ||
                (doing == GT_WITH_GIL &&
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
