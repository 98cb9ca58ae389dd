/* SPDX-License-Identifier: MIT */
/* Who has a lock of one byte. */
#include "model/lock_making.h"

/*
 * Who finds such a lock taken adds itself to the lock's queue and parks; both are one step to
 * whoever gives it, who takes the first out of the queue, and posts its semaphore
 * (_PyParkingLot_Park and _PyParkingLot_Unpark of Python/parking_lot.c, 3.13 to 3.15). So:
 *
 * - From when a thread parks until the next post, while any thread parks, one thread has the
 *   lock: the one that posts.
 * - From one post to the next, while any thread parks, nobody but the next poster has it. It is
 *   free before, as far as known: until the poster has come back from a wait of its own, has
 *   called the function of C in which it posts, or another one has parked.
 * - While no thread parks, the lock may change hands unseen.
 */

static struct gt_parking *parking_of(struct gt_making *making, uint32_t thread)
{
    uint32_t member = gt_making_member(making, thread);

    while (member != GT_NO_INDEX && making->parkings.count <= member) {
        struct gt_parking *parking = gt_chunks_push(&making->parkings);

        if (!parking)
            return NULL;
        *parking = (struct gt_parking){false, 0, 0};
    }
    return member == GT_NO_INDEX ? NULL : gt_chunks_at(&making->parkings, member);
}

static int park(struct gt_making *making, const struct gt_lock_op *op)
{
    struct gt_parking *parking = parking_of(making, op->thread);

    if (!parking)
        return -1;
    making->parked += !parking->parks;
    parking->parks = true;
    if (op->time_ns < making->locked_ns)
        making->locked_ns = op->time_ns;
    return 0;
}

/* Who has it is not known from now on. */
static void lose_track(struct gt_making *making, int64_t now_ns)
{
    making->locked_ns = INT64_MAX;
    making->given_ns = now_ns;
    making->unclear = true;
}

/* It does not park any more, though nobody was seen to let it go on. */
static void leave(struct gt_making *making, struct gt_parking *parking, int64_t now_ns,
                  bool given)
{
    if (!parking->parks)
        return;
    parking->parks = false;
    making->parked--;
    if (given || making->parked == 0)
        lose_track(making, now_ns);
}

static int end_parking(struct gt_making *making, const struct gt_lock_op *op)
{
    struct gt_parking *parking = parking_of(making, op->thread);
    bool taken = op->kind == GT_LOCK_OP_TAKEN;

    if (!parking)
        return -1;
    leave(making, parking, op->time_ns, taken);
    if (taken)
        parking->woken_ns = op->time_ns;
    return 0;
}

/* From when the poster is known to have had it, and whether that is when it got it. */
static int64_t had_since(const struct gt_making *making, const struct gt_parking *poster,
                         const struct gt_lock_op *post, bool *began)
{
    int64_t since_ns = post->time_ns, called_ns;

    *began = poster->woken_ns > making->given_ns || !making->unclear;
    if (poster->woken_ns > making->given_ns)
        return poster->woken_ns;
    if (making->locked_ns < since_ns)
        since_ns = making->locked_ns;
    called_ns = gt_calls_in_c_since(making->timeline, post->thread, post->time_ns);
    return called_ns > making->given_ns && called_ns < since_ns ? called_ns : since_ns;
}

static int unpark(struct gt_making *making, const struct gt_lock_op *op)
{
    bool began, parks = op->waiter != GT_NO_INDEX;
    struct gt_parking *poster, *waiter;
    int64_t since_ns;

    if ((parks && !parking_of(making, op->waiter)) || !parking_of(making, op->thread))
        return -1;
    poster = parking_of(making, op->thread); /* both are there now, and do not move */
    waiter = parks ? parking_of(making, op->waiter) : NULL;
    since_ns = had_since(making, poster, op, &began);
    if (gt_making_hold(making, op->thread, since_ns, op->time_ns,
                       began ? 0 : GT_SPAN_CUT_START))
        return -1;
    if (waiter && waiter->parks) {
        waiter->parks = false;
        waiter->let_go_ns = op->time_ns;
        making->parked--;
    }
    making->locked_ns = INT64_MAX;
    making->given_ns = op->time_ns;
    making->unclear = making->lossy || making->parked > 0;
    return 0;
}

void gt_parked_init(struct gt_making *making)
{
    making->locked_ns = INT64_MAX;
    making->unclear = true;
    gt_chunks_init(&making->parkings, sizeof(struct gt_parking));
}

void gt_parked_release(struct gt_making *making)
{
    gt_chunks_release(&making->parkings);
}

int gt_parked_follow(struct gt_making *making, const struct gt_lock_op *op)
{
    switch ((enum gt_lock_op_kind)op->kind) {
    case GT_LOCK_OP_PARKS:
        return park(making, op);
    case GT_LOCK_OP_TAKEN:
    case GT_LOCK_OP_GAVE_UP:
    case GT_LOCK_OP_OPEN:
        return end_parking(making, op);
    case GT_LOCK_OP_POST:
        return unpark(making, op);
    case GT_LOCK_OP_OWNED:
    case GT_LOCK_OP_RENEWED:
        break;
    }
    return 0;
}

void gt_parked_lose(struct gt_making *making, const struct gt_lost_range *range)
{
    for (size_t i = 0; i < making->parkings.count; i++)
        ((struct gt_parking *)gt_chunks_at(&making->parkings, i))->parks = false;
    making->parked = 0;
    making->lossy = true;
    lose_track(making, range->end_ns);
}

/* Who was waited for since the last hold is not known. */
void gt_parked_finish(struct gt_making *making)
{
    struct gt_span *last = gt_chunks_last(&making->lock->as.holds);

    if (last && (making->unclear || making->parked))
        last->flags |= GT_SPAN_CUT_END;
}

int64_t gt_parked_let_go(const struct gt_making *making, uint32_t thread, int64_t start_ns,
                         int64_t end_ns)
{
    uint32_t member = gt_hashmap_get(&making->lock->as.member_of, thread);
    const struct gt_parking *parking =
        member < making->parkings.count ? gt_chunks_at(&making->parkings, member) : NULL;

    return parking && parking->let_go_ns > start_ns && parking->let_go_ns < end_ns
               ? parking->let_go_ns
               : end_ns;
}
