/* SPDX-License-Identifier: MIT */
#include "analysis/blockers_walk.h"

#include "base/nstime.h"

#include <stdlib.h>
#include <string.h>

static uint32_t member_of(const struct gt_blockers_walk *walk, uint32_t thread)
{
    return gt_members_of(&walk->members, thread);
}

static void change_wait(void *context, const struct gt_span *wait, bool begins)
{
    struct gt_blockers_walk *walk = context;
    uint32_t member = member_of(walk, wait->thread);

    walk->pasts[member].wait = begins ? wait : NULL;
    if (begins)
        gt_charges_begin(&walk->charges, member);
    else
        gt_charges_end(&walk->charges, member);
}

/* --- rows and cells --- */

uint64_t gt_blocker_key(const struct gt_doing *doing, uint32_t thread)
{
    switch (doing->kind) {
    case GT_DOING_UNKNOWN:
        return (uint64_t)GT_NO_INDEX << 32 | thread;
    case GT_DOING_IMPORT:
        return (uint64_t)(GT_NO_INDEX - 1) << 32 | doing->function;
    case GT_DOING_PYTHON:
        return (uint64_t)doing->function << 32 | GT_NO_INDEX;
    default:
        return (uint64_t)doing->function << 32 | doing->caller;
    }
}

static uint32_t new_row(struct gt_blockers_walk *walk, const struct gt_doing *doing,
                        uint32_t thread)
{
    uint32_t index = (uint32_t)walk->out->rows.count;
    struct gt_blocker *row = gt_chunks_push(&walk->out->rows);

    if (!row || gt_hashmap_put(&walk->row_of, gt_blocker_key(doing, thread), index))
        return GT_NO_INDEX;
    *row =
        (struct gt_blocker){.doing = *doing,
                            .interval_ns = walk->out->interval_ns,
                            .thread = doing->kind == GT_DOING_UNKNOWN ? thread : GT_NO_INDEX};
    return index;
}

static struct known *known_of(struct gt_blockers_walk *walk, const struct gt_doing *doing,
                              uint32_t thread)
{
    return &walk->known[(doing->function + doing->kind + thread) % GT_RECENT];
}

/* The row of what `thread` does; GT_NO_INDEX: no memory. */
static uint32_t row_of(struct gt_blockers_walk *walk, const struct gt_doing *doing,
                       uint32_t thread)
{
    struct known *known = known_of(walk, doing, thread);

    if (known->row != GT_NO_INDEX && known->doing.kind == doing->kind &&
        known->doing.function == doing->function && known->doing.caller == doing->caller &&
        known->thread == thread)
        return known->row;
    known->row = gt_hashmap_get(&walk->row_of, gt_blocker_key(doing, thread));
    if (known->row == GT_HASHMAP_NONE)
        known->row = new_row(walk, doing, thread);
    known->doing = *doing;
    known->thread = thread;
    known->caller = GT_HASHMAP_NONE;
    return known->row;
}

static struct gt_blocker *row_at(const struct gt_blockers_walk *walk, uint32_t row)
{
    return gt_chunks_at(&walk->out->rows, row);
}

static int add_to_cell(struct gt_blockers_walk *walk, uint32_t waiter, uint32_t row, int64_t ns)
{
    uint64_t key = (uint64_t)waiter << 32 | row;
    size_t place = (waiter * 8 + row) % GT_RECENT;
    bool known = walk->recent[place].key == key;
    uint32_t index = known ? walk->recent[place].cell : gt_hashmap_get(&walk->cell_of, key);
    struct gt_blocker_cell *cell;

    if (index == GT_HASHMAP_NONE && walk->out->cells.count >= GT_CELLS_MAX &&
        waiter != GT_NO_INDEX)
        return add_to_cell(walk, GT_NO_INDEX, row, ns);
    if (index == GT_HASHMAP_NONE) {
        index = (uint32_t)walk->out->cells.count;
        cell = gt_chunks_push(&walk->out->cells);
        if (!cell || gt_hashmap_put(&walk->cell_of, key, index))
            return -1;
        *cell = (struct gt_blocker_cell){waiter, row, 0};
    }
    walk->recent[place].key = key;
    walk->recent[place].cell = index;
    cell = gt_chunks_at(&walk->out->cells, index);
    cell->ns = gt_add_ns(cell->ns, ns);
    return 0;
}

/* What `charges` charges a waiter with. */
static int charge(void *context, uint32_t waiter, uint32_t key, int64_t ns)
{
    struct gt_blockers_walk *walk = context;
    struct gt_gaps *gaps;

    if (key >= GT_GAPS)
        return add_to_cell(walk, waiter, key - GT_GAPS, ns);
    gaps = gt_chunks_at(&walk->out->gaps, waiter);
    gaps->ns[key] = gt_add_ns(gaps->ns[key], ns);
    return 0;
}

static int charge_waiters(struct gt_blockers_walk *walk, uint32_t row, int64_t ns)
{
    size_t waiters = walk->sweep.active_count;
    int64_t sum_ns = gt_times_ns(ns, waiters);

    if (waiters == 0)
        return 0;
    walk->waiting_ns = gt_add_ns(walk->waiting_ns, sum_ns);
    row_at(walk, row)->waiting_ns = gt_add_ns(row_at(walk, row)->waiting_ns, sum_ns);
    return waiters > GT_CELL_WAITERS_MAX ? add_to_cell(walk, GT_NO_INDEX, row, sum_ns)
                                         : gt_charges_add(&walk->charges, GT_GAPS + row, ns);
}

/* --- holds --- */

/* A Python function is one row, whoever called it. 0 or -1. */
static int note_caller(struct gt_blockers_walk *walk, uint32_t row,
                       const struct gt_doing *doing, int64_t ns)
{
    struct known *known = known_of(walk, doing, walk->hold->thread);
    uint64_t key = (uint64_t)row << 32 | doing->caller;
    struct gt_caller_sum *sum;

    if (known->caller == GT_HASHMAP_NONE)
        known->caller = gt_hashmap_get(&walk->caller_of, key);
    if (known->caller == GT_HASHMAP_NONE) {
        known->caller = (uint32_t)walk->callers.count;
        sum = gt_chunks_push(&walk->callers);
        if (!sum || gt_hashmap_put(&walk->caller_of, key, known->caller))
            return -1;
        *sum = (struct gt_caller_sum){.row = row, .caller = doing->caller};
    }
    sum = gt_chunks_at(&walk->callers, known->caller);
    sum->waiting_ns = gt_add_ns(sum->waiting_ns, ns);
    if (sum->waiting_ns > row_at(walk, row)->caller_ns) {
        row_at(walk, row)->caller_ns = sum->waiting_ns;
        row_at(walk, row)->doing.caller = doing->caller;
    }
    return 0;
}

static int charge_hold(void *context, int64_t from_ns, int64_t until_ns)
{
    struct gt_blockers_walk *walk = context;
    size_t waiters = walk->sweep.active_count;

    gt_utilization_add(&walk->out->utilization, from_ns, until_ns, waiters, 1);
    if (waiters) {
        struct gt_gaps *gaps = gt_chunks_at(&walk->out->gaps, walk->member);

        gaps->contended_hold_ns += until_ns - from_ns;
        if (walk->first_wait_ns == INT64_MAX)
            walk->first_wait_ns = from_ns;
    }
    while (from_ns < until_ns) {
        int64_t stop_ns;
        const struct gt_doing *doing =
            gt_attribution_at(&walk->pasts[walk->member].attribution, from_ns, &stop_ns);
        uint32_t row = doing ? row_of(walk, doing, walk->hold->thread) : GT_NO_INDEX;

        if (row == GT_NO_INDEX)
            return -1;
        if (stop_ns > until_ns)
            stop_ns = until_ns;
        if (gt_stretch_begin(walk, row, doing, from_ns))
            return -1;
        walk->stretch.waited_for = walk->stretch.waited_for || waiters > 0;
        if (charge_waiters(walk, row, stop_ns - from_ns))
            return -1;
        if (waiters && doing->kind == GT_DOING_PYTHON &&
            note_caller(walk, row, doing, gt_times_ns(stop_ns - from_ns, waiters)))
            return -1;
        from_ns = stop_ns;
    }
    return 0;
}

/* A lock, or an item of a SimpleQueue: it does nothing meanwhile but wait for another thread,
 * which wants the GIL, too. Fewer of such calls, or another process, are no remedy. */
static bool waits_for_threads(const struct gt_timeline *timeline, uint32_t function)
{
    const struct gt_function_info *called = gt_chunks_at(&timeline->functions, function);
    const char *module = gt_intern_text(&timeline->names, called->file);

    return strcmp(module, "_thread") == 0 || strcmp(module, "_queue") == 0;
}

/* It released the GIL in a C function and got it back within the same call: that call is
 * charged with it. */
static int note_retake(struct gt_blockers_walk *walk, struct gt_past *past)
{
    int64_t start_ns = walk->hold->start_ns, wait_ns = 0, until_ns;
    const struct gt_doing *doing;
    struct gt_blocker *row;

    if (past->row == GT_NO_INDEX || past->call == GT_NO_INDEX)
        return 0;
    row = row_at(walk, past->row);
    if (row->doing.kind != GT_DOING_C)
        return 0;
    doing = gt_attribution_at(&past->attribution, start_ns, &until_ns);
    if (!doing)
        return -1;
    if (doing->call != past->call || waits_for_threads(walk->timeline, row->doing.function))
        return 0;
    if (past->wait_end_ns == start_ns && past->wait_start_ns >= past->released_ns)
        wait_ns = start_ns - past->wait_start_ns;
    row->retakes++;
    row->contended += wait_ns > 0;
    row->retake_wait_ns = gt_add_ns(row->retake_wait_ns, wait_ns);
    row->away_ns = gt_add_ns(row->away_ns, start_ns - past->released_ns - wait_ns);
    return 0;
}

/* What the holder did from the first wait to the hold's end holds for all that waited. */
static void judge_cpu(struct gt_blockers_walk *walk, struct gt_cpu *cpu)
{
    int64_t length_ns = walk->hold->end_ns - walk->first_wait_ns;
    struct gt_blockers *out = walk->out;
    struct gt_cpu_share share;

    if (length_ns <= 0)
        return;
    gt_cpu_between(cpu, walk->first_wait_ns, walk->hold->end_ns, &share);
    /* Readings cannot tell sleep from what else was in the stretch once it slept at all. */
    if (!share.known || (!cpu->sched && share.sleep_ns > length_ns / 10))
        return;
    out->cpu_known_ns = gt_add_ns(out->cpu_known_ns, walk->waiting_ns);
    if (share.ready_ns)
        out->no_cpu_ns =
            gt_add_ns(out->no_cpu_ns, gt_ns_of((double)walk->waiting_ns *
                                               (double)share.ready_ns / (double)length_ns));
}

static int walk_hold(struct gt_blockers_walk *walk)
{
    struct gt_past *past = &walk->pasts[walk->member];
    int64_t start_ns = walk->hold->start_ns, end_ns = walk->hold->end_ns;

    walk->stretch.row = GT_NO_INDEX;
    walk->first_wait_ns = INT64_MAX;
    walk->waiting_ns = 0;
    walk->asked_ns = gt_asked_first_ns(&walk->asked, walk->hold);
    if (note_retake(walk, past) ||
        gt_sweep_advance(&walk->sweep, start_ns, end_ns, charge_hold, walk))
        return -1;
    if (gt_stretch_end(walk, end_ns))
        return -1;
    if (walk->first_wait_ns != INT64_MAX)
        judge_cpu(walk, &past->cpu);
    past->released_ns = end_ns;
    past->row = walk->stretch.row;
    past->call = walk->stretch.call;
    return 0;
}

/* --- gaps --- */

/* The wait that ends with the gap, of the thread that gets the GIL then; NULL: there is none.
 */
static const struct gt_span *wait_for_next(const struct gt_blockers_walk *walk)
{
    const struct gt_span *wait = walk->pasts[member_of(walk, walk->next->thread)].wait;

    return wait && wait->end_ns == walk->next->start_ns ? wait : NULL;
}

/* The wait of the thread that gets the GIL at the end of the gap; NULL: it did not wait. */
static const struct gt_span *winner(const struct gt_blockers_walk *walk)
{
    return walk->next && walk->sweep.next_end_ns <= walk->next->start_ns ? wait_for_next(walk)
                                                                         : NULL;
}

/* How long in [from, until) the thread was ready to run and had no CPU. */
static int64_t ready_within(const struct gt_blockers_walk *walk, uint32_t thread,
                            int64_t from_ns, int64_t until_ns)
{
    const struct gt_sched *sched = gt_sched_of(walk->timeline, thread);
    struct gt_past *past = &walk->pasts[member_of(walk, thread)];
    int64_t sum_ns = 0;

    for (size_t i = past->sched_at; sched && i < sched->spans.count; i++) {
        const struct gt_state_span *span = gt_chunks_at(&sched->spans, i);
        int64_t begin_ns = span->start_ns > from_ns ? span->start_ns : from_ns;
        int64_t end_ns = span->end_ns < until_ns ? span->end_ns : until_ns;

        if (span->end_ns <= from_ns)
            past->sched_at = i + 1;
        if (span->start_ns >= until_ns)
            break;
        if (end_ns > begin_ns &&
            (span->state == GT_SCHED_PREEMPTED || span->state == GT_SCHED_WOKEN))
            sum_ns = gt_add_ns(sum_ns, end_ns - begin_ns);
    }
    return sum_ns;
}

static int charge_gap(void *context, int64_t from_ns, int64_t until_ns)
{
    struct gt_blockers_walk *walk = context;
    const struct gt_span *wait = winner(walk);
    int64_t length_ns = until_ns - from_ns, no_cpu_ns = 0;
    enum gt_gap gap = walk->unknown ? GT_GAP_UNKNOWN : wait ? GT_GAP_HANDOVER : GT_GAP_UNTAKEN;

    gt_utilization_add(&walk->out->utilization, from_ns, until_ns, walk->sweep.active_count, 0);
    if (gap == GT_GAP_HANDOVER && walk->timeline->saw_sched)
        no_cpu_ns = ready_within(walk, wait->thread, from_ns, until_ns);
    if (walk->sweep.active_count == 0)
        return 0;
    if (no_cpu_ns && gt_charges_add(&walk->charges, GT_GAP_NO_CPU, no_cpu_ns))
        return -1;
    return gt_charges_add(&walk->charges, gap, length_ns - no_cpu_ns);
}

static bool was_lost(struct gt_blockers_walk *walk, int64_t from_ns, int64_t until_ns)
{
    const struct gt_lost_range *range = NULL;

    for (; walk->lost_at < walk->lost->count; walk->lost_at++) {
        range = gt_chunks_at(walk->lost, walk->lost_at);
        if (range->end_ns > from_ns)
            return range->start_ns < until_ns;
    }
    return false;
}

/* From the end of `before` (NULL: the beginning) to the start of walk->next (NULL: the end). */
static int walk_gap(struct gt_blockers_walk *walk, const struct gt_span *before,
                    int64_t from_ns, int64_t until_ns)
{
    const struct gt_span *wait;
    struct gt_past *past;

    walk->unknown = walk->gil->source == GT_GIL_FROM_FUTEX || !before ||
                    (walk->gil->source == GT_GIL_IS_LOCK && !walk->next) ||
                    before->flags & GT_SPAN_CUT_END ||
                    (walk->next && walk->next->flags & GT_SPAN_CUT_START) ||
                    was_lost(walk, from_ns, until_ns);
    if (gt_sweep_is_empty(&walk->sweep, until_ns))
        return 0;
    if (gt_sweep_advance(&walk->sweep, from_ns, until_ns, charge_gap, walk))
        return -1;
    wait = winner(walk);
    if (!wait)
        return 0;
    past = &walk->pasts[member_of(walk, wait->thread)];
    past->wait_start_ns = wait->start_ns;
    past->wait_end_ns = wait->end_ns;
    if (walk->unknown || wait->start_ns > from_ns)
        return 0;
    return gt_utilization_handover(&walk->out->utilization, until_ns, until_ns - from_ns);
}

/* --- all of it --- */

static int walk_all(struct gt_blockers_walk *walk)
{
    const struct gt_chunks *holds = &walk->gil->holds;
    const struct gt_span *before = NULL;
    int64_t now_ns = gt_sweep_first_ns(&walk->sweep);

    for (size_t i = 0; i <= holds->count; i++) {
        walk->next = i < holds->count ? gt_span_at(holds, i) : NULL;
        if (walk_gap(walk, before, now_ns,
                     walk->next ? walk->next->start_ns : gt_sweep_last_ns(&walk->sweep)))
            return -1;
        if (!walk->next)
            break;
        walk->hold = walk->next;
        walk->member = member_of(walk, walk->hold->thread);
        if (walk_hold(walk))
            return -1;
        before = walk->hold;
        if (before->end_ns > now_ns)
            now_ns = before->end_ns;
    }
    return 0;
}

static int prepare(struct gt_blockers_walk *walk)
{
    size_t count = walk->gil->members.count;

    walk->pasts = calloc(count + 1, sizeof(*walk->pasts));
    if (!walk->pasts || gt_members_init(&walk->members, walk->gil) ||
        gt_charges_init(&walk->charges, count, charge, walk))
        return -1;
    for (size_t i = 0; i < GT_RECENT; i++) {
        walk->recent[i].key = UINT64_MAX;
        walk->known[i].row = GT_NO_INDEX;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t thread = gt_gil_thread_at(walk->gil, i)->thread;
        struct gt_gaps *gaps = gt_chunks_push(&walk->out->gaps);

        if (!gaps)
            return -1;
        *gaps = (struct gt_gaps){.contended_hold_ns = 0};
        walk->pasts[i].row = GT_NO_INDEX;
        walk->pasts[i].released_ns = walk->pasts[i].wait_end_ns = -1;
        gt_attribution_init(&walk->pasts[i].attribution, walk->timeline, thread);
        gt_cpu_init(&walk->pasts[i].cpu, walk->timeline, thread);
    }
    return gt_sweep_init(&walk->sweep, walk->gil, change_wait, walk);
}

static void cleanup(struct gt_blockers_walk *walk)
{
    for (uint32_t i = 0; walk->pasts && i < walk->gil->members.count; i++)
        gt_attribution_release(&walk->pasts[i].attribution);
    free(walk->pasts);
    gt_members_release(&walk->members);
    gt_charges_release(&walk->charges);
    gt_sweep_release(&walk->sweep);
    gt_hashmap_release(&walk->row_of);
    gt_hashmap_release(&walk->cell_of);
    gt_hashmap_release(&walk->caller_of);
    gt_chunks_release(&walk->callers);
}

int gt_blockers_of(struct gt_blockers *blockers, const struct gt_timeline *timeline,
                   const struct gt_gil *gil, struct gt_error *err)
{
    struct gt_blockers_walk walk = {.out = blockers,
                                    .timeline = timeline,
                                    .gil = gil,
                                    .lost = gt_lost_of(timeline, gil->process)};
    int rc;

    *blockers = (struct gt_blockers){
        .interval_ns = gt_interval_last(&gil->intervals),
    };
    gt_chunks_init(&blockers->rows, sizeof(struct gt_blocker));
    gt_chunks_init(&blockers->cells, sizeof(struct gt_blocker_cell));
    gt_chunks_init(&blockers->gaps, sizeof(struct gt_gaps));
    gt_chunks_init(&blockers->kept, sizeof(struct gt_kept));
    rc = gt_utilization_init(&blockers->utilization, gil->start_ns, gil->end_ns);
    gt_asked_init(&walk.asked, timeline, gil);
    walk.asked_is_recorded = gt_asked_is_recorded(&walk.asked);
    gt_hashmap_init(&walk.row_of);
    gt_hashmap_init(&walk.cell_of);
    gt_hashmap_init(&walk.caller_of);
    gt_chunks_init(&walk.callers, sizeof(struct gt_caller_sum));
    if (rc == 0)
        rc = prepare(&walk);
    if (rc == 0)
        rc = walk_all(&walk);
    if (rc == 0)
        rc = gt_charges_finish(&walk.charges);
    cleanup(&walk);
    if (rc == 0 && gt_blockers_rank(blockers) == 0 &&
        gt_utilization_finish(&blockers->utilization) == 0)
        return 0;
    gt_blockers_release(blockers);
    return gt_error_memory(err);
}
