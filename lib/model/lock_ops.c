/* SPDX-License-Identifier: MIT */
/* What threads do with locks, as it is recorded: who waits for which, and who gives it. */
#include "base/nstime.h"
#include "model/builder.h"

#include <string.h>

void gt_locks_init(struct gt_timeline *timeline)
{
    struct gt_builder *builder = gt_builder_of(timeline);

    gt_chunks_init(&timeline->locks, sizeof(struct gt_lock));
    gt_chunks_init(&timeline->lock_waits, sizeof(int64_t));
    gt_chunks_init(&timeline->lock_spins, sizeof(struct gt_lock_spins));
    gt_chunks_init(&builder->lock_ops, sizeof(struct gt_lock_op));
    gt_chunks_init(&builder->lock_waiting, sizeof(struct gt_lock_waiting));
    gt_hashmap_init(&builder->parked_of);
}

/* NULL: no memory. */
static struct gt_lock_waiting *waiting_of(struct gt_builder *builder, uint32_t thread)
{
    while (builder->lock_waiting.count <= thread) {
        struct gt_lock_waiting *waiting = gt_chunks_push(&builder->lock_waiting);

        if (!waiting)
            return NULL;
        *waiting = (struct gt_lock_waiting){0};
    }
    return gt_chunks_at(&builder->lock_waiting, thread);
}

static int add_op(struct gt_timeline *timeline, enum gt_lock_op_kind kind, uint32_t thread,
                  int64_t time_ns, const struct gt_lock_waiting *of)
{
    struct gt_lock_op *op = gt_chunks_push(&gt_builder_of(timeline)->lock_ops);

    if (!op)
        return -1;
    *op = (struct gt_lock_op){.time_ns = time_ns,
                              .since_ns = of->since_ns,
                              .lock = of->lock,
                              .thread = thread,
                              .waiter = GT_NO_INDEX,
                              .type = of->type,
                              .kind = (uint16_t)kind,
                              .wait_for = (uint16_t)of->wait_for};
    return 0;
}

/* Addresses have less than 48 bits, and processes less than 2^16 indices. */
static uint64_t parked_key(const struct gt_timeline *timeline, uint32_t thread,
                           uint64_t semaphore)
{
    return (uint64_t)gt_thread_at(timeline, thread)->process << 48 ^ semaphore;
}

/* The thread of this tid had it as another one began to wait. */
static int note_owner(struct gt_timeline *timeline, uint32_t waiter, int32_t tid,
                      int64_t time_ns, const struct gt_lock_waiting *waiting)
{
    uint32_t owner = gt_hashmap_get(&gt_builder_of(timeline)->thread_of, (uint32_t)tid);
    struct gt_lock_op *op;

    if (owner == GT_HASHMAP_NONE ||
        gt_thread_at(timeline, owner)->process != gt_thread_at(timeline, waiter)->process)
        return 0;
    if (add_op(timeline, GT_LOCK_OP_OWNED, owner, time_ns, waiting))
        return -1;
    op = gt_chunks_last(&gt_builder_of(timeline)->lock_ops);
    op->waiter = waiter;
    return 0;
}

static int begin_wait(struct gt_timeline *timeline, uint32_t thread,
                      const struct gt_event *event, uint64_t *lock)
{
    struct gt_builder *builder = gt_builder_of(timeline);
    struct gt_lock_waiting *waiting = waiting_of(builder, thread);
    bool parks = event->sync.left == GT_WAIT_FOR_MUTEX ||
                 event->sync.left == GT_WAIT_FOR_EVENT ||
                 event->sync.left == GT_WAIT_FOR_ATTACH;

    if (!waiting)
        return -1;
    *waiting = (struct gt_lock_waiting){
        .since_ns = event->time_ns,
        .semaphore = event->sync.object,
        .lock = parks ? event->sync.lock : event->sync.object,
        .wait_for = event->sync.left <= GT_WAIT_FOR_NATIVE ? (enum gt_wait_for)event->sync.left
                                                           : GT_WAIT_FOR_SEMAPHORE,
        .unseen = !parks && event->sync.since_ns == GT_NOT_SEEN,
        .type = GT_NO_INDEX,
        .losses = timeline->losses.count,
    };
    if (event->sync.type && waiting->wait_for == GT_WAIT_FOR_MUTEX) {
        waiting->type =
            gt_intern_add(&timeline->names, event->sync.type, strlen(event->sync.type));
        if (waiting->type == UINT32_MAX)
            return -1;
    }
    *lock = waiting->lock;
    if (parks && gt_hashmap_put(&builder->parked_of,
                                parked_key(timeline, thread, event->sync.object), thread))
        return -1;
    if ((waiting->wait_for == GT_WAIT_FOR_MUTEX || waiting->unseen) &&
        add_op(timeline, GT_LOCK_OP_PARKS, thread, event->time_ns, waiting))
        return -1;
    return event->sync.joined_tid > 0
               ? note_owner(timeline, thread, event->sync.joined_tid, event->time_ns, waiting)
               : 0;
}

/* The wait of the thread that this event ends; without one it is known from the event alone. */
static int end_wait(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event,
                    bool taken, uint64_t *lock)
{
    struct gt_lock_waiting *waiting = waiting_of(gt_builder_of(timeline), thread);
    bool returned = event->kind == GT_EVENT_SEM_RETURN;
    struct gt_lock_waiting ended;

    if (!waiting)
        return -1;
    ended = *waiting;
    waiting->since_ns = 0;
    if (returned && timeline->losses.count != ended.losses)
        return 0; /* it may be the end of another wait */
    if (!ended.since_ns || (!returned && (ended.semaphore != event->sync.object ||
                                          ended.since_ns != event->sync.since_ns))) {
        if (returned || !event->sync.since_ns)
            return 0;
        ended = (struct gt_lock_waiting){.since_ns = event->sync.since_ns,
                                         .semaphore = event->sync.object,
                                         .lock = event->sync.object,
                                         .type = GT_NO_INDEX};
    }
    /* What it parked for, or a mutex of C's, is no semaphore: it is told of here alone. */
    *lock = ended.wait_for == GT_WAIT_FOR_NATIVE ? 0 : ended.lock;
    return add_op(timeline, taken ? GT_LOCK_OP_TAKEN : GT_LOCK_OP_GAVE_UP, thread,
                  event->time_ns, &ended);
}

static int post(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event,
                uint64_t *lock)
{
    struct gt_builder *builder = gt_builder_of(timeline);
    struct gt_lock_waiting given = {.since_ns = event->sync.since_ns,
                                    .semaphore = event->sync.object,
                                    .lock = event->sync.object,
                                    .type = GT_NO_INDEX};
    uint32_t parked =
        gt_hashmap_get(&builder->parked_of, parked_key(timeline, thread, event->sync.object));

    if (event->sync.lock) {
        given.lock = event->sync.lock;
        given.wait_for = GT_WAIT_FOR_MUTEX;
    }
    if (parked != GT_HASHMAP_NONE) {
        const struct gt_lock_waiting *waiting = waiting_of(builder, parked);

        if (waiting && waiting->since_ns && waiting->semaphore == event->sync.object) {
            given.lock = waiting->lock;
            given.wait_for = waiting->wait_for;
        } else {
            parked = GT_HASHMAP_NONE;
        }
    }
    *lock = given.lock;
    if (add_op(timeline, GT_LOCK_OP_POST, thread, event->time_ns, &given))
        return -1;
    if (parked != GT_HASHMAP_NONE)
        ((struct gt_lock_op *)gt_chunks_last(&builder->lock_ops))->waiter = parked;
    return 0;
}

int gt_lock_feed(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event,
                 uint64_t *lock)
{
    const struct gt_lock_waiting renewed = {.lock = event->sync.object, .type = GT_NO_INDEX};

    *lock = 0;
    switch (event->kind) {
    case GT_EVENT_SEM_WAITS:
        return begin_wait(timeline, thread, event, lock);
    case GT_EVENT_SEM_TAKEN:
    case GT_EVENT_SEM_GAVE_UP:
        return end_wait(timeline, thread, event, event->kind == GT_EVENT_SEM_TAKEN, lock);
    case GT_EVENT_SEM_RETURN:
        return end_wait(timeline, thread, event, event->result == 0, lock);
    case GT_EVENT_SEM_POST:
        return post(timeline, thread, event, lock);
    default:
        return add_op(timeline, GT_LOCK_OP_RENEWED, thread, event->time_ns, &renewed);
    }
}

int gt_lock_sleeps(struct gt_timeline *timeline, uint32_t thread, int64_t time_ns)
{
    const struct gt_chunks *all = &gt_builder_of(timeline)->lock_waiting;
    const struct gt_lock_waiting *waiting =
        thread < all->count ? gt_chunks_at(all, thread) : NULL;

    if (!waiting || !waiting->since_ns || !waiting->unseen ||
        waiting->losses != timeline->losses.count)
        return 0;
    return add_op(timeline, GT_LOCK_OP_PARKS, thread, time_ns, waiting);
}

int gt_lock_spun(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event)
{
    int64_t start_ns = gt_thread_at(timeline, thread)->start_ns, most_ns;
    struct gt_lock_spins *spins;

    while (timeline->lock_spins.count <= thread) {
        spins = gt_chunks_push(&timeline->lock_spins);
        if (!spins)
            return -1;
        *spins = (struct gt_lock_spins){0};
    }
    spins = gt_chunks_at(&timeline->lock_spins, thread);
    spins->yields += event->spun.yields;
    spins->own_posts += event->spun.own_posts;
    /* What came since the last time that it was told cannot have taken longer than that is ago:
     * of few calls, a timed one may have lost its CPU and stand for others that did not. */
    most_ns = event->time_ns - (spins->until_ns > start_ns ? spins->until_ns : start_ns);
    if (most_ns > 0)
        spins->ns = gt_add_ns(spins->ns, event->spun.ns < most_ns ? event->spun.ns : most_ns);
    spins->until_ns = event->time_ns;
    return 0;
}

/* Then it may have ended. */
static bool was_lost_since(const struct gt_timeline *timeline, uint32_t thread,
                           int64_t since_ns)
{
    const struct gt_chunks *lost =
        gt_lost_of(timeline, gt_thread_at(timeline, thread)->process);

    return gt_lost_after(lost, since_ns) < lost->count;
}

int gt_lock_ops_end(struct gt_timeline *timeline)
{
    const struct gt_chunks *all = &gt_builder_of(timeline)->lock_waiting;

    for (uint32_t i = 0; i < all->count; i++) {
        const struct gt_lock_waiting *waiting = gt_chunks_at(all, i);

        if (waiting->since_ns && !was_lost_since(timeline, i, waiting->since_ns) &&
            add_op(timeline, GT_LOCK_OP_OPEN, i, gt_thread_at(timeline, i)->end_ns, waiting))
            return -1;
    }
    return 0;
}
