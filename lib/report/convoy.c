#include "report/internal.h"

#include "base/nstime.h"

/*
 * The convoy effect: a thread with little to do between short operations without the GIL
 * queues up behind one that computes, and gets the GIL only when that one must give it up, a
 * switch interval later, every time.
 */

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
        member->holds == 0 || gt_lacks_returns(gil))
        return false;
    return member->wait_ns / member->waits >= interval_ns / 2 && /* most waits are whole */
           member->hold_ns / (int64_t)member->holds < interval_ns / 5 &&
           member->wait_ns > gt_times_ns(member->hold_ns, 2) &&
           gt_times_ns(blamed_ns, 2) > member->wait_ns;
}

/* Is most waiting for what does not give the GIL up when asked? Then it is not the switch
 * interval that matters. */
static bool is_kept(const struct gt_report *report, uint32_t gil)
{
    const struct gt_blockers *blockers = &report->analysis->blockers[gil];
    int64_t kept_ns = 0;

    for (size_t i = 0; i < blockers->rows.count; i++)
        if (gt_blocker_keeps(gt_blocker_at(blockers, i)))
            kept_ns = gt_add_ns(kept_ns, gt_blocker_at(blockers, i)->waiting_ns);
    return gt_times_ns(kept_ns, 2) > gt_gil_wait_ns(gt_gil_at(report->timeline, gil));
}

int gt_convoy_say(const struct gt_report *report, uint32_t gil_index, struct gt_buf *text)
{
    const struct gt_gil *gil = gt_gil_at(report->timeline, gil_index);
    const struct gt_contention *contention = &report->analysis->contentions[gil_index];
    int64_t interval_ns = report->analysis->blockers[gil_index].interval_ns;
    int found = 0;

    for (uint32_t i = 0; i < gil->members.count; i++) {
        const struct gt_gil_thread *member = gt_gil_thread_at(gil, i);
        int64_t blamed_ns;
        uint32_t holder = top_of(contention, i, &blamed_ns);
        char each[32], held[32];

        if (!is_in_convoy(gil, i, interval_ns, holder, blamed_ns) || found++)
            continue;
        if (gt_buf_adds(text, "Convoy: ") || gt_report_label(report, member->thread, text) ||
            gt_buf_addf(
                text, " waits %s on average to hold the GIL for %s, %u times, behind ",
                gt_duration_text(member->wait_ns / member->waits, each, sizeof(each)),
                gt_duration_text(member->hold_ns / (int64_t)member->holds, held, sizeof(held)),
                member->waits) ||
            gt_report_label(report, gt_gil_thread_at(gil, holder)->thread, text))
            return -1;
    }
    if (found > 1 &&
        gt_buf_addf(text, found == 2 ? "; so does %d more thread" : "; so do %d more threads",
                    found - 1))
        return -1;
    if (found &&
        gt_buf_adds(text, is_kept(report, gil_index)
                              ? ". Computing in another process shortens it."
                              : ". A smaller sys.setswitchinterval(), or computing in another "
                                "process, shortens it."))
        return -1;
    return found;
}
