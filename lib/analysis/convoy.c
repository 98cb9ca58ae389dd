/* SPDX-License-Identifier: MIT */
#include "analysis/convoy.h"

#include "analysis/gil_times.h"
#include "analysis/judgement.h"
#include "base/nstime.h"

/* Whom the member waited for longest, and how long. GT_NO_INDEX: nobody. */
static uint32_t top_of(const struct gt_contention *contention, uint32_t waiter, int64_t *ns)
{
    size_t count, first = gt_contention_of(contention, waiter, &count);
    const struct gt_blame *blame = count ? gt_blame_at(contention, first) : NULL;

    *ns = blame ? blame->ns : 0;
    return blame ? blame->holder : GT_NO_INDEX;
}

static bool is_in_convoy(const struct gt_gil *gil, uint32_t index, int64_t interval_ns,
                         uint32_t holder, int64_t blamed_ns)
{
    enum { WAITS = 20 };
    const struct gt_gil_thread *member = gt_gil_thread_at(gil, index);

    if (member->waits < WAITS || holder == GT_NO_INDEX || holder == GT_OTHERS ||
        member->holds == 0 || gt_gil_lacks_returns(gil))
        return false;
    return member->wait_ns / member->waits >= interval_ns / 2 && /* most waits are whole */
           member->hold_ns / (int64_t)member->holds < interval_ns / 5 &&
           member->wait_ns > gt_times_ns(member->hold_ns, 2) &&
           gt_times_ns(blamed_ns, 2) > member->wait_ns;
}

/* Is most waiting for what does not give the GIL up when asked? */
static bool is_kept(const struct gt_gil *gil, const struct gt_blockers *blockers)
{
    int64_t kept_ns = 0;

    for (size_t i = 0; i < blockers->rows.count; i++)
        if (gt_blocker_keeps(gt_blocker_at(blockers, i)))
            kept_ns = gt_add_ns(kept_ns, gt_blocker_at(blockers, i)->waiting_ns);
    return gt_times_ns(kept_ns, 2) > gt_gil_wait_ns(gil);
}

struct gt_convoy gt_convoy_find(const struct gt_gil *gil,
                                const struct gt_contention *contention,
                                const struct gt_blockers *blockers)
{
    struct gt_convoy convoy = {0};

    for (uint32_t i = 0; i < gil->members.count; i++) {
        const struct gt_gil_thread *member = gt_gil_thread_at(gil, i);
        int64_t blamed_ns;
        uint32_t holder = top_of(contention, i, &blamed_ns);

        if (!is_in_convoy(gil, i, blockers->interval_ns, holder, blamed_ns))
            continue;
        if ((convoy.count && holder != convoy.holder) || convoy.count++)
            continue;
        convoy.waiter = i;
        convoy.holder = holder;
        convoy.wait_ns = member->wait_ns / member->waits;
        convoy.hold_ns = member->hold_ns / (int64_t)member->holds;
        convoy.waits = member->waits;
    }
    convoy.interval_helps = convoy.count && !is_kept(gil, blockers);
    return convoy;
}
