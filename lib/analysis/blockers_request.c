/* SPDX-License-Identifier: MIT */
/* Whether a stretch of a hold went on although a waiter had asked for the GIL. */
#include "analysis/blockers_walk.h"
#include "base/nstime.h"

enum { LOOKS_NS = 1000000 /* who runs has looked for a request by then */ };

/* Where requests were not recorded: when the first one was due. A waiter asks when an interval
 * has passed in which nobody took the GIL. A thread that waited before the hold began may have
 * begun an interval just before it, and then waits for a second one. */
static int64_t due_ns(struct gt_blockers_walk *walk)
{
    int64_t interval_ns = walk->out->interval_ns, start_ns = walk->hold->start_ns;
    int64_t oldest_ns = gt_sweep_earliest_ns(&walk->sweep, &walk->oldest, INT64_MIN);
    int64_t latest_ns = gt_sweep_earliest_ns(&walk->sweep, &walk->latest, start_ns);
    int64_t second_ns = gt_add_ns(start_ns, gt_times_ns(interval_ns, 2));

    latest_ns = latest_ns < INT64_MAX ? gt_add_ns(latest_ns, interval_ns) : INT64_MAX;
    return oldest_ns <= start_ns && second_ns < latest_ns ? second_ns : latest_ns;
}

/* Did it go on without looking for a request? An interpreter that runs looks within
 * microseconds of CPU time. Where it is not known what the holder did, it may have had no CPU.
 */
static bool went_on(const struct gt_blockers_walk *walk, const struct gt_blocker *row,
                    const struct gt_after *after)
{
    int64_t interval_ns = walk->out->interval_ns;

    if (after->known)
        return after->run_ns + after->sleep_ns >= LOOKS_NS;
    return after->total_ns >=
           (row->doing.kind == GT_DOING_PYTHON ? gt_times_ns(interval_ns, 2) : interval_ns / 5);
}

static void add_after(struct gt_blocker *row, const struct gt_after *after)
{
    struct gt_after *sum = &row->after;

    sum->total_ns = gt_add_ns(sum->total_ns, after->total_ns);
    if (after->known)
        row->known_ns = gt_add_ns(row->known_ns, after->total_ns);
    sum->known = row->known_ns >= sum->total_ns / 2;
    sum->run_ns = gt_add_ns(sum->run_ns, after->run_ns);
    sum->ready_ns = gt_add_ns(sum->ready_ns, after->ready_ns);
    sum->sleep_ns = gt_add_ns(sum->sleep_ns, after->sleep_ns);
    sum->stopped_ns = gt_add_ns(sum->stopped_ns, after->stopped_ns);
    sum->paging_ns = gt_add_ns(sum->paging_ns, after->paging_ns);
    sum->call = after->call && after->sleep_ns ? after->call : sum->call;
}

static int64_t greater(int64_t one, int64_t other)
{
    return one > other ? one : other;
}

/* Did the process end, by a signal as a rule, while its thread slept with the GIL and others
 * waited? A program that ends normally does so while its main thread has the GIL, too, but
 * works. */
static bool ended_in_it(const struct gt_blockers_walk *walk, int64_t end_ns,
                        const struct gt_after *after)
{
    const struct gt_timeline *timeline = walk->timeline;
    const struct gt_thread *thread = gt_thread_at(timeline, walk->hold->thread);

    return walk->hold->flags & GT_SPAN_CUT_END && end_ns == walk->hold->end_ns &&
           end_ns >= thread->end_ns && thread->flags & GT_THREAD_SAW_EXIT &&
           (after->known ? after->sleep_ns > after->total_ns / 2
                         : !(thread->flags & GT_THREAD_MAIN));
}

static void take_less(int64_t *ns, int64_t less_ns)
{
    *ns = greater(*ns - less_ns, 0);
}

/* The collector's part is its own. */
static void take_gc_out(const struct gt_gc_runs *gc, struct gt_after *after)
{
    if (!gc->ns)
        return;
    take_less(&after->total_ns, gc->after.total_ns);
    take_less(&after->run_ns, gc->after.run_ns);
    take_less(&after->ready_ns, gc->after.ready_ns);
    take_less(&after->sleep_ns, gc->after.sleep_ns);
    take_less(&after->stopped_ns, gc->after.stopped_ns);
    take_less(&after->paging_ns, gc->after.paging_ns);
}

/* In the order of their beginnings: the collector's within a stretch were known before it. */
static int keep(struct gt_blockers_walk *walk, const struct gt_kept *kept)
{
    struct gt_chunks *all = &walk->out->kept;
    size_t at = all->count;

    if (!gt_chunks_push(all))
        return -1;
    for (; at && ((struct gt_kept *)gt_chunks_at(all, at - 1))->start_ns > kept->start_ns; at--)
        *(struct gt_kept *)gt_chunks_at(all, at) = *(struct gt_kept *)gt_chunks_at(all, at - 1);
    *(struct gt_kept *)gt_chunks_at(all, at) = *kept;
    return 0;
}

int gt_request_judge(struct gt_blockers_walk *walk, const struct gt_stretch *stretch,
                     const struct gt_gc_runs *gc, int64_t end_ns)
{
    enum { LOOP_CALLS = 16 };
    struct gt_blocker *row = gt_chunks_at(&walk->out->rows, stretch->row);
    int64_t length_ns = end_ns - stretch->start_ns - gc->ns, asked_ns;
    struct gt_after *after = &walk->after;

    asked_ns =
        greater(walk->asked_is_recorded ? walk->asked_ns : due_ns(walk), stretch->start_ns);
    if (asked_ns >= end_ns)
        return 0;
    gt_asked_after(&walk->asked, walk->hold, asked_ns, end_ns, after);
    take_gc_out(gc, after);
    row->requested++;
    row->asked_hold_ns = gt_add_ns(row->asked_hold_ns, length_ns);
    if (!went_on(walk, row, after)) {
        row->unclear += !after->known && after->total_ns >= LOOKS_NS;
        return 0;
    }
    row->kept++;
    add_after(row, after);
    row->deadlock = ended_in_it(walk, end_ns, after);
    row->kept_hold_ns = gt_add_ns(row->kept_hold_ns, length_ns);
    row->longest_kept_ns = greater(row->longest_kept_ns, after->total_ns);
    row->longest_work_ns = greater(row->longest_work_ns, after->run_ns + after->sleep_ns);
    row->longest_held_ns = greater(row->longest_held_ns, length_ns);
    row->kept_in_loops +=
        walk->pasts[walk->member].attribution.inner_calls > stretch->inner_calls + LOOP_CALLS;
    return keep(walk, &(struct gt_kept){.start_ns = stretch->start_ns,
                                        .end_ns = end_ns,
                                        .asked_ns = asked_ns,
                                        .sleep_ns = after->sleep_ns,
                                        .thread = walk->hold->thread,
                                        .row = stretch->row});
}
