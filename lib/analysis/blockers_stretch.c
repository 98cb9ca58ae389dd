/* SPDX-License-Identifier: MIT */
/* Stretches of holds, and whether they went on although a waiter had asked for the GIL. */
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

/* What the holder did in it after the first request. False: nobody asked until then. */
static bool after_request(struct gt_blockers_walk *walk, const struct gt_stretch *stretch,
                          int64_t end_ns, int64_t *asked_ns, struct gt_after *after)
{
    *asked_ns =
        greater(walk->asked_is_recorded ? walk->asked_ns : due_ns(walk), stretch->start_ns);
    if (*asked_ns >= end_ns)
        return false;
    gt_asked_after(&walk->asked, walk->hold, *asked_ns, end_ns, after);
    return true;
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

/* Did the stretch go on although a waiter had asked for the GIL? Then it does not give it up.
 * `after`: what it did from then on; left as it is where nobody asked. */
static int judge(struct gt_blockers_walk *walk, const struct gt_stretch *stretch,
                 const struct gt_gc_runs *gc, int64_t end_ns, struct gt_after *after)
{
    enum { LOOP_CALLS = 16 };
    struct gt_blocker *row = gt_chunks_at(&walk->out->rows, stretch->row);
    int64_t length_ns = end_ns - stretch->start_ns - gc->ns, asked_ns;

    if (!after_request(walk, stretch, end_ns, &asked_ns, after))
        return 0;
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

static int finish(struct gt_blockers_walk *walk, const struct gt_stretch *stretch,
                  const struct gt_gc_runs *gc, int64_t end_ns, struct gt_after *after)
{
    int64_t length_ns = end_ns - stretch->start_ns - gc->ns;
    struct gt_blocker *row;

    if (stretch->row == GT_NO_INDEX)
        return 0;
    row = gt_chunks_at(&walk->out->rows, stretch->row);
    row->total_hold_ns = gt_add_ns(row->total_hold_ns, length_ns);
    if (!stretch->waited_for)
        return 0;
    row->count++;
    row->long_count += length_ns >= GT_BLOCKER_LONG_NS;
    row->waited_hold_ns = gt_add_ns(row->waited_hold_ns, length_ns);
    row->longest_hold_ns = greater(row->longest_hold_ns, length_ns);
    return judge(walk, stretch, gc, end_ns, after);
}

/* --- the collector --- */

static const struct gt_gc_runs no_runs;

static void add_runs(struct gt_gc_runs *sum, int64_t ns, const struct gt_after *after)
{
    sum->ns += ns;
    sum->after.total_ns += after->total_ns;
    sum->after.run_ns += after->run_ns;
    sum->after.ready_ns += after->ready_ns;
    sum->after.sleep_ns += after->sleep_ns;
    sum->after.stopped_ns += after->stopped_ns;
    sum->after.paging_ns += after->paging_ns;
}

static int end_gc(struct gt_blockers_walk *walk, int64_t time_ns)
{
    const struct gt_stretch *run = &walk->stretch;
    struct gt_after after = {0};

    if (finish(walk, run, &no_runs, time_ns, &after))
        return -1;
    if (!after.known)
        after.run_ns = after.total_ns; /* rather the collector's than the operation's */
    add_runs(&walk->gc.now, time_ns - run->start_ns, &after);
    return 0;
}

static int end_operation(struct gt_blockers_walk *walk, const struct gt_stretch *stretch,
                         int64_t time_ns)
{
    struct gt_gc_within *gc = &walk->gc;
    struct gt_after after;
    int rc = finish(walk, stretch, &gc->before, time_ns, &after);

    if (gc->before.ns)
        gc->before = no_runs;
    return rc;
}

/* --- all of them --- */

int gt_stretch_begin(struct gt_blockers_walk *walk, uint32_t row, const struct gt_doing *doing,
                     int64_t time_ns)
{
    struct gt_stretch *stretch = &walk->stretch;
    struct gt_gc_within *gc = &walk->gc;
    bool collects = doing->kind == GT_DOING_GC;

    if (stretch->row == row && stretch->call == doing->call)
        return 0;
    if (gc->runs) {
        if (end_gc(walk, time_ns))
            return -1;
        gc->runs = collects;
        if (!collects && gc->of.row == row && gc->of.call == doing->call) {
            add_runs(&gc->before, gc->now.ns, &gc->now.after);
            *stretch = gc->of;
            return 0;
        }
        if (!collects && end_operation(walk, &gc->of, gc->paused_ns))
            return -1;
    } else if (collects) {
        gc->runs = true;
        gc->of = *stretch;
        gc->paused_ns = time_ns;
        gc->now = no_runs;
    } else if (end_operation(walk, stretch, time_ns)) {
        return -1;
    }
    *stretch = (struct gt_stretch){
        .start_ns = time_ns,
        .row = row,
        .call = doing->call,
        .inner_calls = walk->pasts[walk->member].attribution.inner_calls,
    };
    return 0;
}

int gt_stretch_end(struct gt_blockers_walk *walk, int64_t time_ns)
{
    struct gt_gc_within *gc = &walk->gc;

    if (!gc->runs)
        return end_operation(walk, &walk->stretch, time_ns);
    gc->runs = false;
    return end_gc(walk, time_ns) || end_operation(walk, &gc->of, gc->paused_ns) ? -1 : 0;
}
