/* SPDX-License-Identifier: MIT */
#include "analysis/verdict.h"

#include "analysis/coverage.h"
#include "analysis/gil_times.h"
#include "analysis/judgement.h"
#include "analysis/thread_kinds.h"
#include "base/nstime.h"
#include "model/gil_switch.h"

#include <stdlib.h>
#include <string.h>

enum {
    BOUND_PERCENT = 50,  /* of the time somebody waits: the program is bound by the GIL … */
    PARTLY_PERCENT = 10, /* … or in part */
    WHOLE_PERCENT = 95,  /* of the run: a GIL that lived as long is said to be the run's */
    LOST_PERCENT = 50,   /* of the run: from here on, what was not seen says nothing */
    TOLD_PART = 50,      /* of the waiting, 1/50: a row that keeps the GIL is told of, … */
    REQUEUED_PARTS = 5,  /* … and one that queues again and again, where it waited for 5/50 */
};

/* What the verdict on one GIL is made from. */
struct one {
    const struct gt_timeline *timeline;
    const struct gt_gil *gil;
    const struct gt_contention *contention;
    const struct gt_blockers *blockers;
};

static enum gt_bound level_of(double percent)
{
    if (percent >= BOUND_PERCENT)
        return GT_BOUND_FULLY;
    return percent >= PARTLY_PERCENT ? GT_BOUND_PARTLY : GT_BOUND_NOT;
}

static enum gt_bound bound_of(const struct gt_gil *gil, int64_t contended_ns)
{
    double of_known = gt_percent(contended_ns, gt_gil_known_ns(gil));
    /* If all who may have waited did. */
    double at_most = gt_percent(contended_ns + gil->unsure_ns, gt_gil_known_ns(gil));

    /* Even if nobody waited in what was lost. */
    if (gt_percent(contended_ns, gt_gil_life_ns(gil)) >= BOUND_PERCENT)
        return GT_BOUND_FULLY;
    if (gt_gil_is_mostly_unknown(gil))
        return GT_BOUND_LOST;
    if (of_known >= BOUND_PERCENT)
        return GT_BOUND_FULLY;
    if (gt_gil_lacks_returns(gil))
        return GT_BOUND_NO_RETURNS;
    return level_of(at_most) == level_of(of_known) ? level_of(of_known) : GT_BOUND_UNSURE;
}

/* A process may live, or execute another program, in mid-run. */
static enum gt_shares_of shares_of(const struct gt_gil *gil, const struct gt_recorded *recorded,
                                   int64_t wall_ns)
{
    if (gil->unknown_ns)
        return GT_SHARES_OF_KNOWN;
    if (recorded->cut)
        return GT_SHARES_OF_READ;
    if (gt_percent(gt_gil_life_ns(gil), wall_ns) < WHOLE_PERCENT)
        return GT_SHARES_OF_PROGRAM;
    return recorded->timeline->is_part ? GT_SHARES_OF_PART : GT_SHARES_OF_RUN;
}

static enum gt_interval_effect interval_effect(const struct gt_gil *gil)
{
    int64_t interval_ns = gt_interval_last(&gil->intervals);

    if (interval_ns > GT_SWITCH_INTERVAL_NS)
        return GT_INTERVAL_LONGER;
    if (interval_ns == GT_SWITCH_INTERVAL_NS && gil->intervals.list.count <= 1)
        return GT_INTERVAL_USUAL;
    return GT_INTERVAL_ANOTHER;
}

/* Who waited for whom for longest. The first blame of a waiter is its largest of a thread. */
static struct gt_blame largest_pair(const struct one *one)
{
    struct gt_blame pair = {0};

    for (uint32_t i = 0; i < one->gil->members.count; i++) {
        size_t count, first = gt_contention_of(one->contention, i, &count);
        const struct gt_blame *blame = count ? gt_blame_at(one->contention, first) : NULL;

        if (blame && blame->holder < one->gil->members.count && blame->ns > pair.ns)
            pair = *blame;
    }
    return pair;
}

/* Of many threads of one kind none may stand out, though all of them together do. Those without
 * a name are of no kind. `sums_ns` by member. 0 or -1. */
static int find_kind(const struct one *one, const int64_t *sums_ns, struct gt_verdict *verdict)
{
    struct gt_thread_kinds kinds;
    int64_t least_ns = gt_times_ns(verdict->holder_ns, GT_KIND_GROUP);
    int rc = gt_thread_kinds_init(&kinds, one->timeline, one->gil, NULL);

    for (uint32_t k = 0; rc == 0 && k < kinds.count; k++) {
        const struct gt_thread_kind *kind = &kinds.list[k];
        int64_t sum_ns = 0;

        for (uint32_t i = 0; i < kind->count; i++)
            sum_ns = gt_add_ns(sum_ns, sums_ns[kinds.members[kind->first + i]]);
        if (kind->count < GT_KIND_GROUP || sum_ns <= least_ns ||
            strcmp(gt_thread_kind_name(&kinds, k), "thread *") == 0)
            continue;
        least_ns = verdict->holder_ns = sum_ns;
        verdict->holder = kinds.members[kind->first];
        verdict->holders = kind->count;
    }
    gt_thread_kinds_release(&kinds);
    return rc;
}

/* Whom all together waited for longest. 0 or -1. */
static int find_holder(const struct one *one, struct gt_verdict *verdict)
{
    const struct gt_chunks *blames = &one->contention->blames;
    size_t members = one->gil->members.count;
    int64_t *sums = calloc(members + 1, sizeof(*sums));
    bool all_known = true;
    int rc = 0;

    if (!sums)
        return -1;
    verdict->holders = 1;
    for (size_t i = 0; i < blames->count; i++) {
        const struct gt_blame *blame = gt_blame_at(one->contention, i);

        all_known = all_known && blame->holder != GT_OTHERS;
        if (blame->holder >= members) /* nobody, or many */
            continue;
        sums[blame->holder] = gt_add_ns(sums[blame->holder], blame->ns);
        if (sums[blame->holder] > verdict->holder_ns) {
            verdict->holder_ns = sums[blame->holder];
            verdict->holder = blame->holder;
        }
    }
    if (all_known)
        rc = find_kind(one, sums, verdict);
    free(sums);
    return rc;
}

static bool is_told(const struct gt_blocker *row, int64_t wait_ns)
{
    int64_t least_ns = wait_ns / TOLD_PART;

    if (gt_blocker_keeps(row) && row->waiting_ns > least_ns)
        return true;
    return gt_blocker_is_requeuer(row) &&
           row->retake_wait_ns > gt_times_ns(least_ns, REQUEUED_PARTS);
}

static void choose_rows(const struct one *one, struct gt_verdict *verdict)
{
    const struct gt_chunks *rows = &one->blockers->rows;

    for (uint32_t i = 0; i < rows->count && verdict->row_count < GT_VERDICT_ROWS; i++)
        if (is_told(gt_blocker_at(one->blockers, i), verdict->wait_ns))
            verdict->rows[verdict->row_count++] = i;
    if (rows->count && gt_blocker_at(one->blockers, 0)->doing.kind != GT_DOING_UNKNOWN)
        verdict->top_row = 0;
}

static int judge(const struct one *one, struct gt_verdict *verdict,
                 const struct gt_recorded *recorded, int64_t wall_ns)
{
    verdict->contended_ns = one->blockers->utilization.total.contended_ns;
    verdict->lives_ns = gt_gil_thread_lives_ns(one->gil);
    verdict->bound = bound_of(one->gil, verdict->contended_ns);
    verdict->of = shares_of(one->gil, recorded, wall_ns);
    verdict->interval = interval_effect(one->gil);
    verdict->holder = verdict->top_row = GT_NO_INDEX;
    verdict->hardly_waited = gt_gil_hardly_waited(one->gil);
    if (verdict->hardly_waited)
        return 0;
    choose_rows(one, verdict);
    if (gt_gil_is_mostly_unknown(one->gil))
        return 0;
    verdict->pair = largest_pair(one);
    return find_holder(one, verdict);
}

static int by_waiting(const void *left, const void *right)
{
    const struct gt_verdict *a = left, *b = right;

    if (a->wait_ns != b->wait_ns)
        return a->wait_ns > b->wait_ns ? -1 : 1;
    return a->gil < b->gil ? -1 : 1;
}

static enum gt_no_waits judge_no_waits(const struct gt_verdicts *verdicts,
                                       const struct gt_recorded *recorded)
{
    const struct gt_timeline *timeline = recorded->timeline;
    int64_t unknown_ns = verdicts->unknown_ns;
    uint64_t takes;

    if (unknown_ns && gt_percent(unknown_ns, verdicts->life_ns) >= LOST_PERCENT)
        return GT_NO_WAITS_LOST;
    if (gt_returns_missing(timeline, &takes))
        return GT_NO_WAITS_NO_RETURNS;
    if (recorded->cut || !gt_is_whole(timeline))
        return unknown_ns ? GT_NO_WAITS_PARTLY : GT_NO_WAITS_NOT_WHOLE;
    if (timeline->unseen.count)
        return GT_NO_WAITS_UNSEEN;
    return timeline->is_part ? GT_NO_WAITS_IN_PART : GT_NO_WAITS_AT_ALL;
}

int gt_verdicts_init(struct gt_verdicts *verdicts, const struct gt_recorded *recorded,
                     const struct gt_contention *contentions,
                     const struct gt_blockers *blockers, int64_t wall_ns, struct gt_error *err)
{
    const struct gt_timeline *timeline = recorded->timeline;
    size_t gils = timeline->gils.count;

    *verdicts = (struct gt_verdicts){.list = calloc(gils + 1, sizeof(*verdicts->list))};
    if (!verdicts->list)
        return gt_error_memory(err);
    for (uint32_t i = 0; i < gils; i++) {
        struct one one = {timeline, gt_gil_at(timeline, i), &contentions[i], &blockers[i]};
        struct gt_verdict *verdict = &verdicts->list[verdicts->count];

        verdicts->life_ns = gt_add_ns(verdicts->life_ns, gt_gil_life_ns(one.gil));
        verdicts->unknown_ns =
            gt_add_ns(verdicts->unknown_ns, one.gil->unknown_ns + one.gil->unsure_ns);
        *verdict = (struct gt_verdict){.gil = i, .wait_ns = gt_gil_wait_ns(one.gil)};
        if (verdict->wait_ns <= 0 || gt_gil_is_momentary(timeline, one.gil))
            continue;
        if (judge(&one, verdict, recorded, wall_ns))
            return gt_error_memory(err);
        verdicts->count++;
    }
    qsort(verdicts->list, verdicts->count, sizeof(*verdicts->list), by_waiting);
    verdicts->no_waits = judge_no_waits(verdicts, recorded);
    return 0;
}

void gt_verdicts_release(struct gt_verdicts *verdicts)
{
    free(verdicts->list);
}
