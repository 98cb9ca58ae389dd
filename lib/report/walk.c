/* SPDX-License-Identifier: MIT */
#include "report/walk.h"

#include "analysis/analysis.h"
#include "report/internal.h"

#include <stddef.h>

struct walk {
    const struct gt_report *report;
    const struct gt_timeline *timeline;
    const struct gt_hooks *hooks;
    void *context;
    struct gt_error *err;
};

/* --- lists --- */

static int walk_summary(const struct walk *walk)
{
    if (!walk->hooks->summary)
        return 0;
    return gt_report_summary_to(walk->report, walk->hooks->summary, walk->context, walk->err);
}

static int walk_list(const struct walk *walk, const struct gt_chunks *list, gt_index_hook *hook)
{
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && hook && i < list->count; i++)
        rc = hook(walk->context, i);
    return rc;
}

/* Those of functions alone are told in words. */
static int walk_holes(const struct walk *walk)
{
    const struct gt_chunks *holes = &walk->timeline->holes;
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && walk->hooks->hole && i < holes->count; i++)
        if (gt_hole_at(holes, i)->gil)
            rc = walk->hooks->hole(walk->context, i);
    return rc;
}

static int walk_stacks(const struct walk *walk)
{
    struct gt_profile profile;
    int rc;

    if (!walk->hooks->stack)
        return 0;
    rc = gt_profile_init(&profile, walk->timeline, &walk->report->analysis->blocked, walk->err);
    if (rc < 0)
        return rc;
    for (uint32_t i = 0; rc == 0 && i < profile.nodes.count; i++)
        rc = walk->hooks->stack(walk->context, &profile, i);
    gt_profile_release(&profile);
    return rc;
}

/* --- tracks --- */

static int walk_track(const struct walk *walk, enum gt_track_kind kind, uint32_t index,
                      const struct gt_chunks *items, gt_item_hook *hook)
{
    const struct gt_hooks *hooks = walk->hooks;
    const struct gt_track track = {kind, index, items->count};
    int rc = hooks->track ? hooks->track(walk->context, &track) : 0;

    for (size_t i = 0; rc == 0 && hook && i < items->count; i++)
        rc = hook(walk->context, gt_chunks_at(items, i));
    return rc == 0 && hooks->track_end ? hooks->track_end(walk->context) : rc;
}

static int walk_spans(const struct walk *walk)
{
    gt_item_hook *hook = walk->hooks->span;
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && i < walk->timeline->gils.count; i++) {
        const struct gt_gil *gil = gt_gil_at(walk->timeline, i);

        rc = walk_track(walk, GT_TRACK_HOLDS, i, &gil->holds, hook);
        if (rc == 0)
            rc = walk_track(walk, GT_TRACK_WAITS, i, &gil->waits, hook);
        if (rc == 0 && gil->unknowns.count)
            rc = walk_track(walk, GT_TRACK_UNKNOWNS, i, &gil->unknowns, hook);
    }
    return rc;
}

/* A track for each thread that has items: `of_threads` has a struct by thread, in which they
 * are a list at `offset`. */
static int walk_threads(const struct walk *walk, enum gt_track_kind kind,
                        const struct gt_chunks *of_threads, size_t offset, gt_item_hook *hook)
{
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && i < of_threads->count; i++) {
        const char *thread = gt_chunks_at(of_threads, i);
        const struct gt_chunks *items = (const void *)(thread + offset);

        if (items->count)
            rc = walk_track(walk, kind, i, items, hook);
    }
    return rc;
}

static int walk_lock_holds(const struct walk *walk)
{
    const struct gt_hooks *hooks = walk->hooks;
    struct gt_track track = {GT_TRACK_LOCK_HOLDS, 0, 0};
    int rc;

    for (size_t i = 0; i < walk->timeline->locks.count; i++)
        track.count += gt_lock_at(walk->timeline, i)->as.holds.count;
    rc = hooks->track ? hooks->track(walk->context, &track) : 0;
    for (size_t i = 0; hooks->span && i < walk->timeline->locks.count; i++) {
        const struct gt_chunks *holds = &gt_lock_at(walk->timeline, i)->as.holds;

        for (size_t k = 0; rc == 0 && k < holds->count; k++)
            rc = hooks->span(walk->context, gt_span_at(holds, k));
    }
    return rc == 0 && hooks->track_end ? hooks->track_end(walk->context) : rc;
}

static int walk_samples(const struct walk *walk)
{
    const struct gt_chunks *counters = &walk->timeline->counters;
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && i < counters->count; i++) {
        const struct gt_counter *counter = gt_chunks_at(counters, i);

        rc = walk_track(walk, GT_TRACK_SAMPLES, i, &counter->samples, walk->hooks->sample);
    }
    return rc;
}

static int walk_part(const struct walk *walk, enum gt_part part)
{
    const struct gt_timeline *timeline = walk->timeline;
    const struct gt_hooks *hooks = walk->hooks;

    switch (part) {
    case GT_PART_SUMMARY:
        return walk_summary(walk);
    case GT_PART_PROCESSES:
        return walk_list(walk, &timeline->processes, hooks->process);
    case GT_PART_THREADS:
        return walk_list(walk, &timeline->threads, hooks->thread);
    case GT_PART_GILS:
        return walk_list(walk, &timeline->gils, hooks->gil);
    case GT_PART_FUNCTIONS:
        return walk_list(walk, &timeline->functions, hooks->function);
    case GT_PART_COUNTERS:
        return walk_list(walk, &timeline->counters, hooks->counter);
    case GT_PART_LOCKS:
        return walk_list(walk, &timeline->locks, hooks->lock);
    case GT_PART_LOST:
        return walk_list(walk, &timeline->lost, hooks->lost);
    case GT_PART_HOLES:
        return walk_holes(walk);
    case GT_PART_STACKS:
        return walk_stacks(walk);
    case GT_PART_SPANS:
        return walk_spans(walk);
    case GT_PART_STATES:
        return gt_report_shows_states(walk->report)
                   ? walk_threads(walk, GT_TRACK_STATES, &timeline->scheds,
                                  offsetof(struct gt_sched, spans), hooks->state)
                   : 0;
    case GT_PART_BLOCKED:
        return walk_threads(walk, GT_TRACK_BLOCKED, &walk->report->analysis->blocked.threads, 0,
                            hooks->blocked);
    case GT_PART_LOCK_HOLDS:
        return timeline->locks.count ? walk_lock_holds(walk) : 0;
    case GT_PART_STOPS:
        return timeline->stops.count
                   ? walk_track(walk, GT_TRACK_STOPS, 0, &timeline->stops, hooks->stop)
                   : 0;
    case GT_PART_CALLS:
        return walk_threads(walk, GT_TRACK_CALLS, &timeline->calls,
                            offsetof(struct gt_calls, spans), hooks->call);
    case GT_PART_SAMPLES:
        return walk_samples(walk);
    case GT_PART_MARKS:
        return walk_track(walk, GT_TRACK_MARKS, 0, &timeline->marks, hooks->mark);
    case GT_PART_END:
    case GT_PARTS:
        break;
    }
    return 0;
}

int gt_walk(const struct gt_report *report, const struct gt_hooks *hooks, void *context,
            struct gt_error *err)
{
    const struct walk walk = {report, report->timeline, hooks, context, err};
    int rc = hooks->begin ? hooks->begin(context) : 0;

    for (int i = 0; rc == 0 && i < GT_PARTS && hooks->order[i] != GT_PART_END; i++) {
        if (hooks->part)
            rc = hooks->part(context, hooks->order[i]);
        if (rc == 0)
            rc = walk_part(&walk, hooks->order[i]);
    }
    return rc == 0 && hooks->end ? hooks->end(context) : rc;
}
