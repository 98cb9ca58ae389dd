/* SPDX-License-Identifier: MIT */
/* Stretches of holds. */
#include "analysis/blockers_walk.h"
#include "base/nstime.h"

static int64_t greater(int64_t one, int64_t other)
{
    return one > other ? one : other;
}

static int finish(struct gt_blockers_walk *walk, const struct gt_stretch *stretch,
                  const struct gt_gc_runs *gc, int64_t end_ns)
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
    if (walk->asked_is_recorded && walk->asked_ns >= end_ns)
        return 0;
    return gt_request_judge(walk, stretch, gc, end_ns);
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
    struct gt_after *after = &walk->after;

    *after = (struct gt_after){0}; /* as it stays where nobody asks */
    if (finish(walk, run, &no_runs, time_ns))
        return -1;
    if (!after->known)
        after->run_ns = after->total_ns; /* rather the collector's than the operation's */
    add_runs(&walk->gc.now, time_ns - run->start_ns, after);
    return 0;
}

static int end_operation(struct gt_blockers_walk *walk, const struct gt_stretch *stretch,
                         int64_t time_ns)
{
    struct gt_gc_within *gc = &walk->gc;
    int rc = finish(walk, stretch, &gc->before, time_ns);

    if (gc->before.ns)
        gc->before = no_runs;
    return rc;
}

/* --- all of them --- */

int gt_stretch_change(struct gt_blockers_walk *walk, uint32_t row, const struct gt_doing *doing,
                      int64_t time_ns)
{
    struct gt_stretch *stretch = &walk->stretch;
    struct gt_gc_within *gc = &walk->gc;
    bool collects = doing->kind == GT_DOING_GC;

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
    gt_stretch_set(walk, row, doing, time_ns);
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
