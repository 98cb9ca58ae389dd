/* SPDX-License-Identifier: MIT */
/*
 * For tests of decisions: a finished timeline, written down as the data that it is, and rows of
 * blockers. What feeding events makes of them is tested elsewhere.
 */
#ifndef GT_TESTS_MADE_H
#define GT_TESTS_MADE_H

#include "analysis/blockers.h"
#include "analysis/contention.h"
#include "base/nstime.h"
#include "model/timeline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define MS ((int64_t)GT_NS_PER_MS)

static inline void *made_push(struct gt_chunks *list)
{
    void *element = gt_chunks_push(list);

    assert_non_null(element);
    return element;
}

/* Empty but for one process with one thread. */
static inline void made_init(struct gt_timeline *t)
{
    *t = (struct gt_timeline){.recorded_until_ns = -1, .stopped_ns = -1};
    gt_chunks_init(&t->processes, sizeof(struct gt_process));
    gt_chunks_init(&t->threads, sizeof(struct gt_thread));
    gt_chunks_init(&t->gils, sizeof(struct gt_gil));
    gt_chunks_init(&t->lost, sizeof(struct gt_lost_range));
    gt_chunks_init(&t->lost_of, sizeof(struct gt_chunks));
    gt_chunks_init(&t->holes, sizeof(struct gt_hole));
    gt_chunks_init(&t->unseen, sizeof(struct gt_unseen));
    gt_chunks_init(&t->scheds, sizeof(struct gt_sched));
    gt_chunks_init(&t->functions, sizeof(struct gt_function_info));
    *(struct gt_process *)made_push(&t->processes) =
        (struct gt_process){.pid = 10, .thread_count = 1, .end_ns = 1000 * MS};
    *(struct gt_thread *)made_push(&t->threads) =
        (struct gt_thread){.tid = 10, .end_ns = 1000 * MS};
}

/* A GIL, a thread's part in it, to be changed. */
static inline struct gt_gil *made_gil_at(const struct gt_timeline *t, uint32_t index)
{
    return gt_chunks_at(&t->gils, index);
}

static inline struct gt_gil_thread *made_member_at(const struct gt_gil *gil, uint32_t index)
{
    return gt_chunks_at(&gil->members, index);
}

static inline void made_release(struct gt_timeline *t)
{
    for (uint32_t i = 0; i < t->gils.count; i++) {
        struct gt_gil *gil = made_gil_at(t, i);

        gt_chunks_release(&gil->members);
        gt_chunks_release(&gil->holds);
        gt_chunks_release(&gil->waits);
        gt_chunks_release(&gil->intervals.list);
    }
    gt_chunks_release(&t->processes);
    gt_chunks_release(&t->threads);
    gt_chunks_release(&t->gils);
    gt_chunks_release(&t->lost);
    gt_chunks_release(&t->holes);
    gt_chunks_release(&t->unseen);
    gt_chunks_release(&t->scheds);
    gt_chunks_release(&t->functions);
}

/* A GIL of the process that lives from 0 to `life_ns`. */
static inline struct gt_gil *made_gil(struct gt_timeline *t, int64_t life_ns)
{
    struct gt_gil *gil = made_push(&t->gils);

    *gil = (struct gt_gil){.end_ns = life_ns};
    gt_chunks_init(&gil->members, sizeof(struct gt_gil_thread));
    gt_chunks_init(&gil->holds, sizeof(struct gt_span));
    gt_chunks_init(&gil->waits, sizeof(struct gt_span));
    gt_chunks_init(&gil->intervals.list, sizeof(struct gt_interval));
    return gil;
}

static inline struct gt_gil_thread *made_member(struct gt_gil *gil, int64_t wait_ns,
                                                int64_t hold_ns)
{
    struct gt_gil_thread *member = made_push(&gil->members);

    *member = (struct gt_gil_thread){.waits = wait_ns > 0,
                                     .holds = hold_ns > 0,
                                     .wait_ns = wait_ns,
                                     .hold_ns = hold_ns,
                                     .longest_wait_ns = wait_ns,
                                     .longest_hold_ns = hold_ns,
                                     .lifetime_ns = gil->end_ns};
    return member;
}

static inline void made_interval(struct gt_gil *gil, int64_t interval_ns)
{
    *(struct gt_interval *)made_push(&gil->intervals.list) =
        (struct gt_interval){.interval_ns = interval_ns};
}

static inline void made_blockers(struct gt_blockers *blockers)
{
    *blockers = (struct gt_blockers){.interval_ns = 5 * MS};
    gt_chunks_init(&blockers->rows, sizeof(struct gt_blocker));
    gt_chunks_init(&blockers->gaps, sizeof(struct gt_gaps));
}

static inline void made_blockers_release(struct gt_blockers *blockers)
{
    gt_chunks_release(&blockers->rows);
    gt_chunks_release(&blockers->gaps);
}

/* Waited for `waiting_ns`; nothing else is known of it. */
static inline struct gt_blocker *made_row(struct gt_blockers *blockers, enum gt_doing_kind kind,
                                          int64_t waiting_ns)
{
    struct gt_blocker *row = made_push(&blockers->rows);

    *row = (struct gt_blocker){
        .doing = {kind, GT_NO_INDEX, GT_NO_INDEX, GT_NO_INDEX},
        .interval_ns = blockers->interval_ns,
        .waiting_ns = waiting_ns,
        .after.known = true,
    };
    return row;
}

/* It worked on for `ns` after it was asked once. 100 ms are enough to say that it keeps the
 * GIL. */
static inline void made_kept(struct gt_blocker *row, int64_t ns)
{
    row->requested = row->kept = 1;
    row->longest_work_ns = row->longest_held_ns = row->longest_kept_ns = ns;
    row->after = (struct gt_after){.total_ns = ns, .run_ns = ns, .known = true};
}

static inline void made_blame(struct gt_contention *contention, uint32_t waiter,
                              uint32_t holder, int64_t ns)
{
    *(struct gt_blame *)made_push(&contention->blames) = (struct gt_blame){waiter, holder, ns};
}

#endif
