/* SPDX-License-Identifier: MIT */
#include "analysis/lock_waits.h"

#include "analysis/contention.h"
#include "analysis/gil_times.h"
#include "analysis/sweep.h"
#include "base/nstime.h"
#include "base/order.h"
#include "model/gil_switch.h"

#include <stdlib.h>
#include <string.h>

enum {
    ASKED_WAITS = 256,    /* of a lock: in which functions are these? */
    FEWEST = 8,           /* locks are examined, and no more than … */
    MOST = 256,           /* … these, … */
    CALLS_MAX = 50000000, /* … nor so many that more calls are looked at */
};

static bool same_doing(const struct gt_blocker *one, const struct gt_blocker *other)
{
    return one->doing.kind == other->doing.kind && one->thread == other->thread &&
           one->doing.function == other->doing.function &&
           one->doing.caller == other->doing.caller;
}

static int add_holder(struct gt_lock_row *row, const struct gt_blocker *blocker)
{
    struct gt_lock_holder *holder = NULL;

    for (size_t i = 0; i < row->holders.count && !holder; i++) {
        struct gt_lock_holder *known = gt_chunks_at(&row->holders, i);

        if (same_doing(&known->blocker, blocker))
            holder = known;
    }
    if (!holder) {
        holder = gt_chunks_push(&row->holders);
        if (!holder)
            return -1;
        holder->blocker =
            (struct gt_blocker){.doing = blocker->doing, .thread = blocker->thread};
    }
    holder->blocker.waiting_ns = gt_add_ns(holder->blocker.waiting_ns, blocker->waiting_ns);
    holder->blocker.count += blocker->count;
    if (blocker->longest_hold_ns > holder->blocker.longest_hold_ns)
        holder->blocker.longest_hold_ns = blocker->longest_hold_ns;
    return 0;
}

static int add_pair(struct gt_chunks *pairs, uint32_t waiter, uint32_t holder, int64_t ns)
{
    struct gt_lock_pair *pair;

    for (size_t i = 0; i < pairs->count; i++) {
        pair = gt_chunks_at(pairs, i);
        if (pair->waiter == waiter && pair->holder == holder) {
            pair->ns = gt_add_ns(pair->ns, ns);
            return 0;
        }
    }
    pair = gt_chunks_push(pairs);
    if (!pair)
        return -1;
    *pair = (struct gt_lock_pair){waiter, holder, ns};
    return 0;
}

/* --- which row a lock belongs to --- */

/* Is it the import system itself that waits there, for a module that another thread imports? */
static bool is_importing(const struct gt_timeline *timeline, const struct gt_span *wait)
{
    uint32_t called = gt_calls_python_at(timeline, wait->thread, wait->start_ns, false);

    return called != GT_NO_INDEX &&
           gt_is_import_system(timeline, gt_chunks_at(&timeline->functions, called));
}

/* The function in which most of its waits were, and whether most were for an import. */
static uint32_t function_of(const struct gt_timeline *timeline, const struct gt_lock *lock,
                            bool *of_imports)
{
    int64_t imports_ns = 0, all_ns = 0;
    uint32_t functions[8], best = GT_NO_INDEX;
    int64_t sums_ns[8], best_ns = 0;
    size_t count = 0, step = lock->as.waits.count / ASKED_WAITS + 1;

    for (size_t i = 0; i < lock->as.waits.count; i += step) {
        const struct gt_span *wait = gt_span_at(&lock->as.waits, i);
        uint32_t function = gt_calls_python_at(timeline, wait->thread, wait->start_ns, true);
        int64_t wait_ns = wait->end_ns - wait->start_ns;
        size_t at = 0;

        all_ns = gt_add_ns(all_ns, wait_ns);
        if (is_importing(timeline, wait))
            imports_ns = gt_add_ns(imports_ns, wait_ns);
        while (at < count && functions[at] != function)
            at++;
        if (at == count && count == sizeof(functions) / sizeof(functions[0]))
            continue;
        if (at == count) {
            functions[count] = function;
            sums_ns[count++] = 0;
        }
        sums_ns[at] = gt_add_ns(sums_ns[at], wait_ns);
    }
    *of_imports = imports_ns > all_ns / 2;
    for (size_t i = 0; i < count; i++)
        if (sums_ns[i] > best_ns) {
            best_ns = sums_ns[i];
            best = functions[i];
        }
    return best;
}

/* The row of such a lock, made when new; where its function is not known, a lock has its own.
 */
static struct gt_lock_row *row_of(struct gt_locks_found *found,
                                  const struct gt_timeline *timeline,
                                  const struct gt_lock *lock)
{
    bool of_imports;
    uint32_t function = function_of(timeline, lock, &of_imports);
    struct gt_lock_row *row;

    for (size_t i = 0; i < found->rows.count && function != GT_NO_INDEX; i++) {
        row = gt_chunks_at(&found->rows, i);
        if (row->function == function && row->process == lock->as.process &&
            row->of_imports == of_imports &&
            (of_imports || (row->kind == lock->kind && row->type == lock->type)))
            return row;
    }
    row = gt_chunks_push(&found->rows);
    if (!row)
        return NULL;
    *row = (struct gt_lock_row){.process = lock->as.process,
                                .kind = lock->kind,
                                .type = of_imports ? GT_NO_INDEX : lock->type,
                                .of_imports = of_imports,
                                .function = function,
                                .longest_thread = GT_NO_INDEX,
                                .deadlock = {GT_NO_INDEX, GT_NO_INDEX}};
    gt_chunks_init(&row->holders, sizeof(struct gt_lock_holder));
    gt_chunks_init(&row->pairs, sizeof(struct gt_lock_pair));
    gt_chunks_init(&row->waiters, sizeof(struct gt_lock_pair));
    return row;
}

/* --- what its waiting was for --- */

static int charge_threads(struct gt_lock_row *row, const struct gt_gil *lock)
{
    struct gt_contention contention;
    int rc = gt_contention_init(&contention, lock, NULL);

    for (size_t i = 0; rc == 0 && i < contention.blames.count; i++) {
        const struct gt_blame *blame = gt_blame_at(&contention, i);

        if (blame->holder != GT_NO_INDEX && blame->holder != GT_OTHERS)
            rc = add_pair(&row->pairs, gt_gil_thread_at(lock, blame->waiter)->thread,
                          gt_gil_thread_at(lock, blame->holder)->thread, blame->ns);
    }
    gt_contention_release(&contention);
    return rc;
}

static int charge_waits(struct gt_lock_row *row, const struct gt_timeline *timeline,
                        const struct gt_gil *lock)
{
    struct gt_blockers blockers;
    int rc = gt_blockers_of(&blockers, timeline, lock, NULL);

    if (rc < 0)
        return -1;
    for (size_t i = 0; rc == 0 && i < blockers.rows.count; i++) {
        const struct gt_blocker *blocker = gt_blocker_at(&blockers, i);

        row->charged_ns = gt_add_ns(row->charged_ns, blocker->waiting_ns);
        if (blocker->waiting_ns > 0)
            rc = add_holder(row, blocker);
    }
    for (int gap = 0; gap < GT_GAPS; gap++) {
        int64_t *sum_ns = gap == GT_GAP_UNKNOWN ? &row->unknown_ns : &row->handover_ns;

        *sum_ns = gt_add_ns(*sum_ns, gt_gap_ns(&blockers, (enum gt_gap)gap));
    }
    gt_blockers_release(&blockers);
    return rc < 0 ? rc : charge_threads(row, lock);
}

struct contended {
    const struct gt_sweep *sweep;
    int64_t ns;
};

static int add_contended(void *context, int64_t from_ns, int64_t until_ns)
{
    struct contended *contended = context;

    if (contended->sweep->active_count)
        contended->ns = gt_add_ns(contended->ns, until_ns - from_ns);
    return 0;
}

static int note_contended(struct gt_lock_row *row, const struct gt_gil *lock)
{
    struct gt_sweep sweep;
    struct contended contended = {&sweep, 0};
    int rc = gt_sweep_init(&sweep, lock, NULL, NULL);

    if (rc)
        return -1;
    rc = gt_sweep_advance(&sweep, gt_sweep_first_ns(&sweep), gt_sweep_last_ns(&sweep),
                          add_contended, &contended);
    gt_sweep_release(&sweep);
    if (contended.ns > row->contended_ns)
        row->contended_ns = contended.ns;
    return rc;
}

/* Who was let go on waited for nobody any more, whoever has the lock by then. */
static int charge(struct gt_lock_row *row, const struct gt_timeline *timeline,
                  const struct gt_lock *lock)
{
    struct gt_gil until_let_go = lock->as;
    int rc = note_contended(row, &lock->as);

    gt_chunks_init(&until_let_go.waits, sizeof(struct gt_span));
    for (size_t i = 0; rc == 0 && i < lock->as.waits.count; i++) {
        const struct gt_span *wait = gt_span_at(&lock->as.waits, i);
        int64_t let_go_ns = *(const int64_t *)gt_chunks_at(&lock->let_go, i);
        struct gt_span *until = gt_chunks_push(&until_let_go.waits);

        if (until)
            *until = (struct gt_span){wait->start_ns, let_go_ns, wait->thread, wait->flags};
        row->handover_ns = gt_add_ns(row->handover_ns, wait->end_ns - let_go_ns);
        rc = until ? 0 : -1;
    }
    if (rc == 0)
        rc = charge_waits(row, timeline, &until_let_go);
    gt_chunks_release(&until_let_go.waits);
    return rc;
}

static bool waits_for_gil_at_end(const struct gt_timeline *timeline, uint32_t thread,
                                 int64_t end_ns)
{
    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        const struct gt_chunks *waits = &gt_gil_at(timeline, i)->waits;

        for (size_t w = waits->count; w-- > 0;) {
            const struct gt_span *wait = gt_span_at(waits, w);

            if (wait->end_ns < end_ns)
                break;
            if (wait->thread == thread && wait->flags & GT_SPAN_CUT_END)
                return true;
        }
    }
    return false;
}

/* Who has the GIL waits for a mutex of C's whose owner waits for the GIL, to the end. */
static void find_deadlock(struct gt_lock_row *row, const struct gt_timeline *timeline,
                          const struct gt_lock *lock)
{
    const struct gt_span *wait = gt_chunks_last(&lock->as.waits);
    const struct gt_span *hold = gt_chunks_last(&lock->as.holds);

    if (lock->kind != GT_LOCK_NATIVE || !lock->with_gil || !wait || !hold ||
        !(wait->flags & GT_SPAN_CUT_END) || !(hold->flags & GT_SPAN_CUT_END) ||
        wait->thread == hold->thread ||
        !waits_for_gil_at_end(timeline, hold->thread, wait->end_ns))
        return;
    row->deadlock[0] = wait->thread;
    row->deadlock[1] = hold->thread;
}

static int add_lock(struct gt_lock_row *row, const struct gt_timeline *timeline,
                    const struct gt_lock *lock, bool examine)
{
    row->locks++;
    row->waits += lock->waits;
    row->gave_up += lock->gave_up;
    row->wait_ns = gt_add_ns(row->wait_ns, lock->wait_ns);
    row->with_gil += lock->with_gil;
    row->with_gil_ns = gt_add_ns(row->with_gil_ns, lock->with_gil_ns);
    for (uint32_t m = 0; m < lock->as.members.count; m++) {
        const struct gt_gil_thread *member = gt_gil_thread_at(&lock->as, m);

        if (member->longest_wait_ns > row->longest_ns) {
            row->longest_ns = member->longest_wait_ns;
            row->longest_thread = member->thread;
        }
        if (member->wait_ns &&
            add_pair(&row->waiters, member->thread, GT_NO_INDEX, member->wait_ns))
            return -1;
    }
    if (!examine) {
        row->unknown_ns = gt_add_ns(row->unknown_ns, lock->wait_ns);
        return 0;
    }
    find_deadlock(row, timeline, lock);
    return charge(row, timeline, lock);
}

/* --- in order --- */

static int compare_locks(const void *a, const void *b)
{
    const struct gt_lock *left = *(const struct gt_lock *const *)a;
    const struct gt_lock *right = *(const struct gt_lock *const *)b;

    if (left->wait_ns != right->wait_ns)
        return gt_order(right->wait_ns, left->wait_ns);
    return gt_order(left->as.number, right->as.number);
}

static int compare_rows(const void *a, const void *b)
{
    const struct gt_lock_row *left = a, *right = b;

    if (left->wait_ns != right->wait_ns)
        return gt_order(right->wait_ns, left->wait_ns);
    return gt_order(left->function, right->function);
}

static int compare_holders(const void *a, const void *b)
{
    const struct gt_blocker *left = &((const struct gt_lock_holder *)a)->blocker;
    const struct gt_blocker *right = &((const struct gt_lock_holder *)b)->blocker;

    if (left->waiting_ns != right->waiting_ns)
        return gt_order(right->waiting_ns, left->waiting_ns);
    return gt_order(left->doing.function, right->doing.function);
}

static int compare_pairs(const void *a, const void *b)
{
    const struct gt_lock_pair *left = a, *right = b;

    if (left->ns != right->ns)
        return gt_order(right->ns, left->ns);
    return left->waiter != right->waiter ? gt_order(left->waiter, right->waiter)
                                         : gt_order(left->holder, right->holder);
}

static size_t how_many(const struct gt_timeline *timeline)
{
    size_t calls = 1, count;

    for (uint32_t i = 0; i < timeline->calls.count; i++)
        calls += gt_calls_of(timeline, i)->spans.count;
    count = CALLS_MAX / calls;
    return count < FEWEST ? FEWEST : count > MOST ? MOST : count;
}

static int find_rows(struct gt_locks_found *found, const struct gt_timeline *timeline)
{
    size_t count = timeline->locks.count, examined = how_many(timeline);
    const struct gt_lock **locks = calloc(count + 1, sizeof(*locks));
    int rc = locks ? 0 : -1;

    for (size_t i = 0; rc == 0 && i < count; i++)
        locks[i] = gt_lock_at(timeline, i);
    if (rc == 0)
        qsort(locks, count, sizeof(*locks), compare_locks);
    for (size_t i = 0; rc == 0 && i < count && locks[i]->wait_ns > 0; i++) {
        struct gt_lock_row *row = row_of(found, timeline, locks[i]);

        rc = row ? add_lock(row, timeline, locks[i], i < examined) : -1;
    }
    free(locks);
    for (size_t i = 0; rc == 0 && i < found->rows.count; i++) {
        struct gt_lock_row *row = gt_chunks_at(&found->rows, i);

        rc = gt_chunks_sort(&row->holders, compare_holders) |
             gt_chunks_sort(&row->pairs, compare_pairs) |
             gt_chunks_sort(&row->waiters, compare_pairs);
    }
    return rc == 0 ? gt_chunks_sort(&found->rows, compare_rows) : -1;
}

int gt_locks_find(struct gt_locks_found *found, const struct gt_timeline *timeline,
                  int64_t wall_ns, struct gt_error *err)
{
    enum { MATTERS_PART = 100 };

    *found = (struct gt_locks_found){.wait_ns = gt_lock_wait_ns(timeline)};
    gt_chunks_init(&found->rows, sizeof(struct gt_lock_row));
    for (uint32_t i = 0; i < timeline->gils.count; i++)
        if (!gt_gil_is_momentary(timeline, gt_gil_at(timeline, i)))
            found->gil_wait_ns =
                gt_add_ns(found->gil_wait_ns, gt_gil_wait_ns(gt_gil_at(timeline, i)));
    found->matter =
        found->wait_ns > found->gil_wait_ns && found->wait_ns > wall_ns / MATTERS_PART;
    return find_rows(found, timeline) ? gt_error_memory(err) : 0;
}

void gt_locks_found_release(struct gt_locks_found *found)
{
    for (size_t i = 0; i < found->rows.count; i++) {
        struct gt_lock_row *row = gt_chunks_at(&found->rows, i);

        gt_chunks_release(&row->holders);
        gt_chunks_release(&row->pairs);
        gt_chunks_release(&row->waiters);
    }
    gt_chunks_release(&found->rows);
}
