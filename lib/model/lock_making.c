/* SPDX-License-Identifier: MIT */
/* The members and holds of a lock. */
#include "model/lock_making.h"

#include "base/nstime.h"

uint32_t gt_making_member(struct gt_making *making, uint32_t thread)
{
    struct gt_gil *gil = &making->lock->as;
    uint32_t index = gt_hashmap_get(&gil->member_of, thread);
    const struct gt_thread *life = gt_thread_at(making->timeline, thread);
    struct gt_gil_thread *member;

    if (index != GT_HASHMAP_NONE)
        return index;
    index = (uint32_t)gil->members.count;
    member = gt_chunks_push(&gil->members);
    if (!member || gt_hashmap_put(&gil->member_of, thread, index))
        return GT_NO_INDEX;
    *member =
        (struct gt_gil_thread){.thread = thread, .lifetime_ns = life->end_ns - life->start_ns};
    return index;
}

int gt_making_hold(struct gt_making *making, uint32_t thread, int64_t start_ns, int64_t end_ns,
                   uint32_t flags)
{
    struct gt_gil *gil = &making->lock->as;
    uint32_t index = gt_making_member(making, thread);
    struct gt_gil_thread *member;

    if (index == GT_NO_INDEX)
        return -1;
    if (start_ns < making->held_until_ns)
        start_ns = making->held_until_ns;
    if (end_ns < start_ns)
        end_ns = start_ns;
    making->held_until_ns = end_ns;
    member = gt_chunks_at(&gil->members, index);
    member->holds++;
    member->hold_ns = gt_add_ns(member->hold_ns, end_ns - start_ns);
    if (end_ns - start_ns > member->longest_hold_ns)
        member->longest_hold_ns = end_ns - start_ns;
    return gt_gil_push(&gil->holds, thread, start_ns, end_ns, flags);
}
