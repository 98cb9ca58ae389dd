/* SPDX-License-Identifier: MIT */
#include "analysis/asked.h"

#include "base/nstime.h"

#include <stddef.h>

enum {
    SLACK_NS = 100000, /* a snapshot is taken this long before the ask that it belongs to */
    UNCOVERED_NS = 30000000, /* the agent's snapshots of a long hold are 20 ms apart */
    LATE_NS = 10000000, /* a waiter may have no CPU for so long before nobody asks any more */
};

void gt_asked_init(struct gt_asked *asked, const struct gt_timeline *timeline,
                   const struct gt_gil *gil)
{
    *asked = (struct gt_asked){timeline, gil, 0};
}

bool gt_asked_is_recorded(const struct gt_asked *asked)
{
    return asked->gil->source != GT_GIL_FROM_FUNCTIONS || asked->gil->asks.count > 0 ||
           asked->gil->intervals.source == GT_INTERVAL_FROM_DEADLINES;
}

static const struct gt_ask *ask_at(const struct gt_asked *asked, size_t index)
{
    return gt_chunks_at(&asked->gil->asks, index);
}

int64_t gt_asked_first_ns(struct gt_asked *asked, const struct gt_span *hold)
{
    const struct gt_gil *gil = asked->gil;

    for (; asked->next < gil->asks.count; asked->next++) {
        const struct gt_ask *ask = ask_at(asked, asked->next);

        if (ask->time_ns >= hold->end_ns)
            break;
        if (ask->time_ns >= hold->start_ns && gt_gil_is_request(gil, ask))
            return ask->time_ns;
    }
    return INT64_MAX;
}

/* How long in [from, until) no waiter asked although its time was up: none could. */
static int64_t stalled_ns(const struct gt_asked *asked, int64_t from_ns, int64_t until_ns)
{
    int64_t interval_ns = gt_interval_at(&asked->gil->intervals, from_ns);
    int64_t late_ns = interval_ns > LATE_NS ? interval_ns : LATE_NS;
    int64_t before_ns = from_ns, sum_ns = 0;
    size_t at =
        gt_chunks_first_after(&asked->gil->asks, 0, offsetof(struct gt_ask, time_ns), from_ns);

    for (bool more = true; more; at++) {
        int64_t now_ns = until_ns;

        more = at < asked->gil->asks.count && ask_at(asked, at)->time_ns < until_ns;
        if (more)
            now_ns = ask_at(asked, at)->time_ns;
        if (now_ns - before_ns > interval_ns + late_ns)
            sum_ns += now_ns - before_ns - interval_ns;
        before_ns = now_ns;
    }
    return sum_ns;
}

/* --- by the scheduler's events --- */

static bool by_states(const struct gt_sched *sched, int64_t from_ns, int64_t until_ns,
                      struct gt_after *after)
{
    int64_t ns[GT_SCHED_STATES] = {0}, known_ns = 0, total_ns = until_ns - from_ns;

    gt_sched_within(sched, from_ns, until_ns, ns);
    for (int i = 0; i < GT_SCHED_STATES; i++)
        known_ns += ns[i];
    after->run_ns = ns[GT_SCHED_RUNNING];
    after->ready_ns = ns[GT_SCHED_PREEMPTED] + ns[GT_SCHED_WOKEN];
    after->paging_ns = ns[GT_SCHED_UNINTERRUPTIBLE];
    after->stopped_ns = ns[GT_SCHED_STOPPED];
    after->sleep_ns =
        known_ns - after->run_ns - after->ready_ns - after->paging_ns - after->stopped_ns;
    return total_ns - known_ns <= total_ns / 10;
}

/* --- by snapshots --- */

struct books {
    const struct gt_chunks *list;
    size_t first, end; /* those of the hold */
};

static const struct gt_snapshot *snapshot_at(const struct books *books, size_t index)
{
    return gt_chunks_at(books->list, index);
}

/* What was read at `time_ns`, or would have been between two readings. */
static struct gt_snapshot read_at(const struct books *books, int64_t time_ns)
{
    size_t next = gt_chunks_first_after(books->list, books->first,
                                        offsetof(struct gt_snapshot, time_ns), time_ns);
    struct gt_snapshot left, right;
    double share;

    if (next >= books->end)
        return *snapshot_at(books, books->end - 1);
    if (next == books->first)
        return *snapshot_at(books, next);
    left = *snapshot_at(books, next - 1);
    right = *snapshot_at(books, next);
    share = (double)(time_ns - left.time_ns) / (double)(right.time_ns - left.time_ns);
    left.time_ns = time_ns;
    left.cpu_ns += (int64_t)((double)(right.cpu_ns - left.cpu_ns) * share);
    left.ready_ns =
        left.ready_ns < 0 || right.ready_ns < 0
            ? -1
            : left.ready_ns + (int64_t)((double)(right.ready_ns - left.ready_ns) * share);
    return left;
}

static int64_t within(int64_t ns, int64_t most_ns)
{
    return ns < 0 ? 0 : ns < most_ns ? ns : most_ns;
}

/* The system call that it was seen in last. */
static uint32_t call_within(const struct books *books, int64_t from_ns, int64_t until_ns)
{
    size_t at = gt_chunks_first_from(books->list, books->first,
                                     offsetof(struct gt_snapshot, time_ns), from_ns - SLACK_NS);
    uint32_t call = 0;

    for (; at < books->end && snapshot_at(books, at)->time_ns < until_ns; at++)
        if (snapshot_at(books, at)->call)
            call = snapshot_at(books, at)->call;
    return call;
}

static bool by_snapshots(const struct books *books, int64_t from_ns, int64_t until_ns,
                         struct gt_after *after)
{
    struct gt_snapshot before = read_at(books, from_ns), last = read_at(books, until_ns);
    int64_t covered_ns = last.time_ns - before.time_ns, off_ns;
    int64_t uncovered_ns = until_ns - from_ns - covered_ns;

    if (covered_ns <= 0 || (uncovered_ns > UNCOVERED_NS && uncovered_ns > covered_ns / 10))
        return false;
    after->run_ns = within(last.cpu_ns - before.cpu_ns, covered_ns);
    off_ns = covered_ns - after->run_ns;
    if (before.ready_ns < 0 || last.ready_ns < 0)
        return off_ns <= covered_ns / 10;
    after->ready_ns = within(last.ready_ns - before.ready_ns, off_ns);
    off_ns -= after->ready_ns;
    if (last.faults != before.faults)
        after->paging_ns = off_ns;
    else
        after->sleep_ns = off_ns;
    after->call = call_within(books, from_ns, until_ns);
    return true;
}

static bool find_books(const struct gt_timeline *timeline, const struct gt_span *hold,
                       struct books *books)
{
    static const size_t offset = offsetof(struct gt_snapshot, time_ns);

    books->list = gt_snapshots_of(timeline, hold->thread);
    if (!books->list)
        return false;
    books->first = gt_chunks_first_from(books->list, 0, offset, hold->start_ns);
    books->end = gt_chunks_first_after(books->list, books->first, offset,
                                       gt_add_ns(hold->end_ns, SLACK_NS));
    return books->first < books->end;
}

/* While a hypervisor has the CPU, the scheduler's events still say that the thread is on it.
 * The kernel's accounts of the thread do not count that time, where they know of it. */
static void take_less(struct gt_after *after, int64_t run_ns)
{
    if (run_ns >= after->run_ns)
        return;
    after->ready_ns += after->run_ns - run_ns;
    after->run_ns = run_ns;
}

void gt_asked_after(const struct gt_asked *asked, const struct gt_span *hold, int64_t from_ns,
                    int64_t until_ns, struct gt_after *after)
{
    const struct gt_timeline *timeline = asked->timeline;
    const struct gt_sched *sched =
        timeline->saw_sched ? gt_sched_of(timeline, hold->thread) : NULL;
    struct gt_after found = {0};
    struct books books;
    int64_t total_ns = until_ns - from_ns;

    if (sched && sched->spans.count)
        found.known = by_states(sched, from_ns, until_ns, &found);
    if (find_books(timeline, hold, &books)) {
        struct gt_after read = {0};

        read.known = by_snapshots(&books, from_ns, until_ns, &read);
        if (!found.known)
            found = read;
        else if (read.known)
            take_less(&found, read.run_ns);
        found.call = read.call;
    }
    if (!found.known)
        found = (struct gt_after){0};
    else if (found.sleep_ns && gt_asked_is_recorded(asked))
        found.sleep_ns =
            within(found.sleep_ns - stalled_ns(asked, from_ns, until_ns), total_ns);
    found.total_ns = total_ns;
    *after = found;
}
