/* SPDX-License-Identifier: MIT */
#include "model/locks.h"

#include "base/nstime.h"
#include "base/order.h"
#include "model/lock_making.h"

#include <stdlib.h>
#include <string.h>

/* It was not seen to give it: it did so later, while nobody waited. */
static int forget_having(struct gt_making *making)
{
    const struct gt_having had = making->having;
    uint32_t flags = had.began ? 0 : GT_SPAN_CUT_START;

    making->having.thread = GT_NO_INDEX;
    if (had.thread != GT_NO_INDEX && had.still_ns > had.since_ns)
        return gt_making_hold(making, had.thread, had.since_ns, had.still_ns,
                              flags | GT_SPAN_CUT_END);
    return had.thread != GT_NO_INDEX && had.began
               ? gt_making_hold(making, had.thread, had.since_ns, had.since_ns, flags)
               : 0;
}

/*
 * Where it is not recorded who takes a semaphore without waiting, who gives it had it all the
 * time from when a thread began to wait for it, or went to sleep again: it was not free then,
 * and what gives it while one waits is recorded (lock_parked.c, of locks of one byte, rests on
 * the same). A thread that got it after waiting has had it since then if others waited all the
 * time.
 */
static int give_unseen(struct gt_making *making, const struct gt_lock_op *op)
{
    const struct gt_having had = making->having;
    bool began = had.thread == op->thread && had.began && !making->unwatched;
    int64_t start_ns = began                             ? had.since_ns
                       : making->locked_ns < op->time_ns ? making->locked_ns
                                                         : op->time_ns;

    making->locked_ns = INT64_MAX;
    if (!began && forget_having(making))
        return -1;
    making->having.thread = GT_NO_INDEX;
    return gt_making_hold(making, op->thread, start_ns, op->time_ns,
                          began ? 0 : GT_SPAN_CUT_START);
}

static int give(struct gt_making *making, const struct gt_lock_op *op)
{
    const struct gt_having had = making->having;
    bool is_owner = had.thread == op->thread;
    int64_t start_ns = op->since_ns > 0 ? op->since_ns : is_owner ? had.since_ns : op->time_ns;
    bool began = op->since_ns > 0 || (is_owner && had.began);

    if ((!is_owner || op->since_ns > had.since_ns) && forget_having(making))
        return -1;
    making->having.thread = GT_NO_INDEX;
    if (op->since_ns == 0 && op->wait_for == GT_WAIT_FOR_SEMAPHORE && !is_owner)
        return 0; /* another thread had it, who is not known */
    return gt_making_hold(making, op->thread, start_ns, op->time_ns,
                          began ? 0 : GT_SPAN_CUT_START);
}

/* Of a mutex of C's it is not recorded when it is given: who had it had it until then. */
static int take(struct gt_making *making, const struct gt_lock_op *op)
{
    const struct gt_having had = making->having;
    bool native = op->wait_for == GT_WAIT_FOR_NATIVE;

    if (native && had.thread != GT_NO_INDEX && had.thread != op->thread) {
        if (gt_making_hold(making, had.thread, had.since_ns, op->time_ns,
                           had.began ? 0 : GT_SPAN_CUT_START))
            return -1;
    } else if (forget_having(making)) {
        return -1;
    }
    making->having = (struct gt_having){op->thread, op->time_ns, 0, true};
    making->locked_ns = INT64_MAX;
    making->unwatched = false;
    return 0;
}

/* Who had it may give it, and another one take it, while nobody waits. */
static void stop_waiting(struct gt_making *making)
{
    if (making->waiting > 0)
        making->waiting--;
    if (making->waiting > 0)
        return;
    making->unwatched = true;
    making->locked_ns = INT64_MAX;
}

static void begin_waiting(struct gt_making *making, const struct gt_lock_op *op)
{
    making->waiting += op->since_ns == op->time_ns;
    if (op->time_ns < making->locked_ns)
        making->locked_ns = op->time_ns;
}

static int see_owner(struct gt_making *making, const struct gt_lock_op *op)
{
    if (making->having.thread == op->thread)
        return 0;
    if (forget_having(making))
        return -1;
    making->having = (struct gt_having){op->thread, op->time_ns, 0, false};
    return 0;
}

/* --- waits --- */

static bool has_gil(const struct gt_timeline *timeline, uint32_t thread, int64_t time_ns)
{
    uint32_t process = gt_thread_at(timeline, thread)->process;

    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        const struct gt_gil *gil = gt_gil_at(timeline, i);
        size_t after;

        if (gil->process != process)
            continue;
        after =
            gt_chunks_first_after(&gil->holds, 0, offsetof(struct gt_span, start_ns), time_ns);
        if (after > 0 && gt_span_at(&gil->holds, after - 1)->end_ns > time_ns &&
            gt_span_at(&gil->holds, after - 1)->thread == thread)
            return true;
    }
    return false;
}

static int64_t *sum_of(struct gt_timeline *timeline, uint32_t thread)
{
    while (timeline->lock_waits.count <= thread) {
        int64_t *sum = gt_chunks_push(&timeline->lock_waits);

        if (!sum)
            return NULL;
        *sum = 0;
    }
    return gt_chunks_at(&timeline->lock_waits, thread);
}

static int add_wait(struct gt_making *making, const struct gt_lock_op *op)
{
    const struct gt_thread *thread = gt_thread_at(making->timeline, op->thread);
    struct gt_gil *gil = &making->lock->as;
    int64_t start_ns = op->since_ns > thread->start_ns ? op->since_ns : thread->start_ns;
    int64_t end_ns = op->time_ns < thread->end_ns ? op->time_ns : thread->end_ns;
    uint32_t index = gt_making_member(making, op->thread);
    int64_t *sum = sum_of(making->timeline, op->thread), *let_go_ns;
    struct gt_gil_thread *member;

    if (index == GT_NO_INDEX || !sum)
        return -1;
    if (end_ns <= start_ns)
        return 0;
    member = gt_chunks_at(&gil->members, index);
    member->waits++;
    member->wait_ns = gt_add_ns(member->wait_ns, end_ns - start_ns);
    if (end_ns - start_ns > member->longest_wait_ns)
        member->longest_wait_ns = end_ns - start_ns;
    *sum = gt_add_ns(*sum, end_ns - start_ns);
    making->lock->waits++;
    making->lock->wait_ns = gt_add_ns(making->lock->wait_ns, end_ns - start_ns);
    making->lock->gave_up += op->kind == GT_LOCK_OP_GAVE_UP;
    if (making->lock->kind == GT_LOCK_NATIVE &&
        has_gil(making->timeline, op->thread, start_ns)) {
        making->lock->with_gil++;
        making->lock->with_gil_ns = gt_add_ns(making->lock->with_gil_ns, end_ns - start_ns);
    }
    let_go_ns = gt_chunks_push(&making->lock->let_go);
    if (!let_go_ns)
        return -1;
    *let_go_ns = gt_parked_let_go(making, op->thread, start_ns, end_ns);
    return gt_gil_push(&gil->waits, op->thread, start_ns, end_ns,
                       op->kind == GT_LOCK_OP_GAVE_UP ? GT_SPAN_GAVE_UP
                       : op->kind == GT_LOCK_OP_OPEN  ? GT_SPAN_CUT_END
                                                      : 0);
}

/* Since the last op: who has it after a loss is not known. */
static void lose(struct gt_making *making, int64_t until_ns)
{
    const struct gt_chunks *lost = making->lost;

    for (; making->lost_at < lost->count; making->lost_at++) {
        const struct gt_lost_range *range = gt_chunks_at(lost, making->lost_at);

        if (range->start_ns >= until_ns)
            return;
        gt_parked_lose(making, range);
        making->waiting = 0;
        making->unwatched = true;
        if (making->having.thread != GT_NO_INDEX && range->end_ns > making->having.since_ns)
            making->having.thread = GT_NO_INDEX;
        if (range->end_ns >= until_ns)
            return;
    }
}

static int follow(struct gt_making *making, const struct gt_lock_op *op)
{
    if (making->lock->kind == GT_LOCK_MUTEX)
        return (gt_lock_ends_wait(op) && add_wait(making, op)) || gt_parked_follow(making, op)
                   ? -1
                   : 0;
    switch ((enum gt_lock_op_kind)op->kind) {
    case GT_LOCK_OP_OWNED:
        return see_owner(making, op);
    case GT_LOCK_OP_TAKEN:
        if (add_wait(making, op) || take(making, op))
            return -1;
        stop_waiting(making);
        return 0;
    case GT_LOCK_OP_GAVE_UP:
    case GT_LOCK_OP_OPEN:
        if (!making->unseen || !making->unwatched)
            making->having.still_ns = op->time_ns;
        stop_waiting(making);
        return add_wait(making, op);
    case GT_LOCK_OP_POST:
        return op->since_ns == GT_NOT_SEEN ? give_unseen(making, op) : give(making, op);
    case GT_LOCK_OP_PARKS:
        begin_waiting(making, op);
        break;
    case GT_LOCK_OP_RENEWED:
        break;
    }
    return 0;
}

static bool any_wait(const struct gt_lock_op *const *ops, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (gt_lock_ends_wait(ops[i]))
            return true;
    return false;
}

static struct gt_lock *new_lock(struct gt_timeline *timeline, const struct gt_lock_op *op)
{
    struct gt_lock *lock = gt_chunks_push(&timeline->locks);
    uint32_t process = gt_thread_at(timeline, op->thread)->process;

    if (!lock)
        return NULL;
    *lock = (struct gt_lock){
        .as = {.process = process,
               .name = gt_process_at(timeline, process)->name,
               .number = (uint32_t)timeline->locks.count - 1,
               .start_ns = gt_process_at(timeline, process)->start_ns,
               .end_ns = gt_process_at(timeline, process)->end_ns,
               .address = op->lock,
               .source = GT_GIL_IS_LOCK},
        .kind = op->wait_for == GT_WAIT_FOR_NATIVE  ? GT_LOCK_NATIVE
                : op->wait_for == GT_WAIT_FOR_MUTEX ? GT_LOCK_MUTEX
                                                    : GT_LOCK_SEMAPHORE,
        .type = GT_NO_INDEX,
    };
    gt_chunks_init(&lock->let_go, sizeof(int64_t));
    gt_chunks_init(&lock->as.holds, sizeof(struct gt_span));
    gt_chunks_init(&lock->as.waits, sizeof(struct gt_span));
    gt_chunks_init(&lock->as.unknowns, sizeof(struct gt_span));
    gt_chunks_init(&lock->as.members, sizeof(struct gt_gil_thread));
    gt_chunks_init(&lock->as.asks, sizeof(struct gt_ask));
    gt_chunks_init(&lock->as.intervals.list, sizeof(struct gt_interval));
    gt_hashmap_init(&lock->as.member_of);
    return lock;
}

/* That a semaphore is another one from now on may not have been recorded: then its posts say
 * nothing of what it was for before. */
static bool is_for_news(const struct gt_timeline *timeline, const struct gt_lock_op *op)
{
    bool waits = op->wait_for == GT_WAIT_FOR_MUTEX
                     ? op->kind != GT_LOCK_OP_POST
                     : op->wait_for == GT_WAIT_FOR_SEMAPHORE && gt_lock_ends_wait(op);

    return waits && gt_lock_is_for_news(timeline, op);
}

/* Leave out waits for news, and what ended them. How many are left. */
static size_t without_news(const struct gt_timeline *timeline, const struct gt_lock_op **ops,
                           size_t count)
{
    enum { LOOKED_AT = 1 << 10 };
    size_t left = 0;

    for (size_t i = 0; i < count; i++) {
        const struct gt_lock_op *wait = ops[i];

        ops[left++] = wait;
        if (!is_for_news(timeline, wait))
            continue;
        left--;
        if (wait->kind == GT_LOCK_OP_PARKS)
            continue;
        for (size_t k = left, n = 0; k-- > 0 && n < LOOKED_AT; n++)
            if (ops[k]->kind == GT_LOCK_OP_POST && ops[k]->waiter == wait->thread &&
                ops[k]->time_ns >= wait->since_ns) {
                memmove(&ops[k], &ops[k + 1], (--left - k) * sizeof(*ops));
                break;
            }
    }
    return left;
}

/* The ops of one lock, in the order of time. */
static int make(struct gt_timeline *timeline, const struct gt_lock_op **ops, size_t count)
{
    struct gt_making making = {.timeline = timeline, .having = {.thread = GT_NO_INDEX}};
    int rc = 0;

    count = without_news(timeline, ops, count);
    if (!any_wait(ops, count) || !gt_lock_is_lock(timeline, ops, count))
        return 0;
    if (timeline->locks.count >= GT_LOCKS_MAX) {
        timeline->left_out.locks++;
        return 0;
    }
    making.held_until_ns = INT64_MIN;
    gt_parked_init(&making);
    making.lost = gt_lost_of(timeline, gt_thread_at(timeline, ops[0]->thread)->process);
    making.unseen = gt_lock_is_unseen(ops, count);
    making.lock = new_lock(timeline, ops[0]);
    if (!making.lock)
        return -1;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (making.lock->type == GT_NO_INDEX)
            making.lock->type = ops[i]->type;
        lose(&making, ops[i]->time_ns);
        rc = follow(&making, ops[i]);
    }
    if (making.lock->kind == GT_LOCK_MUTEX)
        gt_parked_finish(&making);
    gt_parked_release(&making);
    return rc ? -1 : forget_having(&making);
}

struct sorted {
    uint64_t key; /* process and address */
    int64_t time_ns;
    size_t index;
    const struct gt_lock_op *op;
};

static int compare(const void *a, const void *b)
{
    const struct sorted *left = a, *right = b;

    if (left->key != right->key)
        return gt_order_u64(left->key, right->key);
    if (left->time_ns != right->time_ns)
        return gt_order(left->time_ns, right->time_ns);
    return gt_order_u64(left->index, right->index);
}

/* Addresses have less than 48 bits, and processes less than 2^16 indices. */
static struct sorted *sort(const struct gt_timeline *timeline, const struct gt_chunks *ops)
{
    struct sorted *list = calloc(ops->count + 1, sizeof(*list));

    for (size_t i = 0; list && i < ops->count; i++) {
        const struct gt_lock_op *op = gt_chunks_at(ops, i);
        uint64_t process = gt_thread_at(timeline, op->thread)->process;

        list[i] = (struct sorted){process << 48 ^ op->lock, op->time_ns, i, op};
    }
    if (list)
        qsort(list, ops->count, sizeof(*list), compare);
    return list;
}

/* Is it of another lock than those before, which were of an object of this type? */
static bool begins_another(const struct gt_lock_op *op, uint32_t type)
{
    return op->kind == GT_LOCK_OP_RENEWED ||
           (op->kind == GT_LOCK_OP_PARKS && op->type != GT_NO_INDEX && type != GT_NO_INDEX &&
            op->type != type);
}

/* One address after the other, and there one lock after the other. */
static int make_all(struct gt_timeline *timeline, const struct sorted *list, size_t count,
                    const struct gt_lock_op **ops)
{
    for (size_t at = 0; at < count;) {
        uint64_t key = list[at].key;
        uint32_t type = GT_NO_INDEX;
        size_t length = 0;

        for (; at < count && list[at].key == key; at++) {
            if (length > 0 && begins_another(list[at].op, type))
                break;
            if (list[at].op->type != GT_NO_INDEX)
                type = list[at].op->type;
            if (list[at].op->kind != GT_LOCK_OP_RENEWED)
                ops[length++] = list[at].op;
        }
        if (length > 0 && make(timeline, ops, length))
            return -1;
    }
    return 0;
}

int gt_locks_finish(struct gt_timeline *timeline)
{
    const struct gt_chunks *all = &gt_builder_of(timeline)->lock_ops;
    struct sorted *list;
    const struct gt_lock_op **ops;
    int rc = gt_lock_ops_end(timeline);

    if (rc < 0 || all->count == 0)
        return rc;
    if (gt_calls_index(timeline))
        return -1;
    list = sort(timeline, all);
    ops = calloc(all->count, sizeof(*ops));
    rc = list && ops ? make_all(timeline, list, all->count, ops) : -1;
    free(list);
    free(ops);
    return rc;
}

void gt_locks_release(struct gt_timeline *timeline)
{
    for (size_t i = 0; i < timeline->locks.count; i++) {
        struct gt_lock *lock = gt_chunks_at(&timeline->locks, i);

        gt_gil_release(&lock->as);
        gt_chunks_release(&lock->let_go);
    }
    gt_chunks_release(&timeline->locks);
    gt_chunks_release(&timeline->lock_waits);
    gt_chunks_release(&timeline->lock_spins);
}

int64_t gt_lock_wait_of(const struct gt_timeline *timeline, uint32_t thread)
{
    return thread < timeline->lock_waits.count
               ? *(const int64_t *)gt_chunks_at(&timeline->lock_waits, thread)
               : 0;
}

struct gt_lock_spins gt_lock_spins_of(const struct gt_timeline *timeline)
{
    struct gt_lock_spins sum = {0};

    for (size_t i = 0; i < timeline->lock_spins.count; i++) {
        const struct gt_lock_spins *of = gt_chunks_at(&timeline->lock_spins, i);

        sum.yields += of->yields;
        sum.own_posts += of->own_posts;
        sum.ns = gt_add_ns(sum.ns, of->ns);
    }
    return sum;
}

int64_t gt_lock_wait_ns(const struct gt_timeline *timeline)
{
    int64_t sum_ns = 0;

    for (uint32_t i = 0; i < timeline->lock_waits.count; i++)
        sum_ns = gt_add_ns(sum_ns, gt_lock_wait_of(timeline, i));
    return sum_ns;
}
