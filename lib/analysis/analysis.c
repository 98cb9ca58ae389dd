/* SPDX-License-Identifier: MIT */
#include "analysis/analysis.h"

#include <stdlib.h>

static int estimate_cost(struct gt_analysis *analysis, const struct gt_recorded *recorded,
                         const struct gt_run_info *info, struct gt_error *err)
{
    const struct gt_cost_measured measured = gt_cost_measure(recorded, info, &analysis->crowd);

    analysis->perf_cost = gt_perf_cost_find(recorded, info, measured.running_ns);
    return gt_cost_estimate(recorded->timeline, analysis->blockers, &measured, &analysis->cost,
                            err);
}

/* GILs: of more, what nobody waited for is found anew when it is written. */
enum { KEPT_MAX = 256 };

/* When anybody wanted a GIL, and when most. 0 or -1. */
static int find_times(struct gt_analysis *analysis, const struct gt_timeline *timeline,
                      uint32_t index)
{
    const struct gt_gil *gil = gt_gil_at(timeline, index);
    struct gt_covers covers;
    int rc;

    if (!gil->waits.count)
        return 0;
    gt_covers_init(&covers);
    rc = gt_covers_add_gil(&covers, timeline, gil, false);
    gt_covers_sort(&covers);
    if (rc == 0)
        rc = gt_contended_init(&analysis->contended[index], timeline, gil,
                               &analysis->blockers[index], &covers);
    if (rc == 0)
        rc = gt_worst_find(&analysis->worsts[index], timeline, index, &covers);
    gt_covers_release(&covers);
    return rc;
}

/* What is kept of each GIL. 0 or -1. */
static int make_lists(struct gt_analysis *analysis, size_t count)
{
    analysis->gil_count = count;
    analysis->contentions = calloc(count + 1, sizeof(*analysis->contentions));
    analysis->blockers = calloc(count + 1, sizeof(*analysis->blockers));
    analysis->natives = calloc(count + 1, sizeof(*analysis->natives));
    analysis->sleeps = calloc(count + 1, sizeof(*analysis->sleeps));
    analysis->convoys = calloc(count + 1, sizeof(*analysis->convoys));
    analysis->contended = calloc(count + 1, sizeof(*analysis->contended));
    analysis->worsts = calloc(count + 1, sizeof(*analysis->worsts));
    return analysis->contentions && analysis->blockers && analysis->natives &&
                   analysis->sleeps && analysis->convoys && analysis->contended &&
                   analysis->worsts
               ? 0
               : -1;
}

static int analyse_gils(struct gt_analysis *analysis, const struct gt_recorded *recorded,
                        struct gt_error *err)
{
    const struct gt_timeline *timeline = recorded->timeline;
    size_t count = timeline->gils.count;

    if (make_lists(analysis, count))
        return gt_error_memory(err);
    for (uint32_t i = 0; i < count; i++) {
        const struct gt_gil *gil = gt_gil_at(timeline, i);
        int rc = gt_contention_init(&analysis->contentions[i], gil, err);

        if (rc == 0)
            rc = gt_blockers_init(&analysis->blockers[i], timeline, i, err);
        if (rc == 0)
            rc =
                gt_native_init(&analysis->natives[i], timeline, i, &analysis->blockers[i], err);
        if (rc == 0)
            rc = gt_native_init_sleeps(&analysis->sleeps[i], timeline, &analysis->blockers[i],
                                       err);
        if (rc == 0 && find_times(analysis, timeline, i))
            rc = gt_error_memory(err);
        if (rc < 0)
            return rc;
        analysis->convoys[i] =
            gt_convoy_find(gil, &analysis->contentions[i], &analysis->blockers[i]);
        /* There may be as many as a server had requests. */
        if (count > KEPT_MAX && !gil->waits.count)
            gt_blockers_forget(&analysis->blockers[i]);
    }
    return gt_verdicts_init(&analysis->verdicts, recorded, analysis->contentions,
                            analysis->blockers, analysis->wall_ns, err);
}

static void measure_run(struct gt_analysis *analysis, const struct gt_timeline *timeline)
{
    analysis->start_ns = timeline->start_ns > 0 ? timeline->start_ns : 0;
    if (timeline->end_ns > analysis->start_ns)
        analysis->wall_ns = timeline->end_ns - analysis->start_ns;
}

static int analyse(struct gt_analysis *analysis, const struct gt_recorded *recorded,
                   const struct gt_run_info *info, struct gt_error *err)
{
    const struct gt_timeline *timeline = recorded->timeline;
    int rc;

    measure_run(analysis, timeline);
    rc = analyse_gils(analysis, recorded, err);
    if (rc == 0)
        rc = gt_locks_find(&analysis->locks, timeline, analysis->wall_ns, err);
    if (rc == 0)
        rc = gt_blocked_find(&analysis->blocked, timeline, err);
    if (rc == 0)
        analysis->crowd = gt_crowd_find(timeline, analysis->blockers);
    if (rc == 0 && (gt_parallel_find(&analysis->parallel, timeline, info) ||
                    gt_stops_find(&analysis->stops, timeline)))
        rc = gt_error_memory(err);
    if (rc == 0)
        rc = estimate_cost(analysis, recorded, info, err);
    if (rc < 0)
        return rc;
    analysis->no_gil = gt_no_gil_find(recorded, info);
    analysis->beginning = gt_beginning_find(timeline);
    analysis->states_seen = gt_states_seen(recorded);
    analysis->interference =
        gt_interference_find(timeline, &analysis->crowd, info->surroundings, analysis->wall_ns);
    analysis->loss_remedy = gt_loss_remedy(timeline, info);
    analysis->cost_weight = gt_cost_weigh(&analysis->cost, recorded, analysis->wall_ns);
    return 0;
}

struct gt_analysis *gt_analysis_new(const struct gt_recorded *recorded,
                                    const struct gt_run_info *info, struct gt_error *err)
{
    struct gt_analysis *analysis = calloc(1, sizeof(*analysis));

    if (!analysis) {
        gt_error_memory(err);
        return NULL;
    }
    if (analyse(analysis, recorded, info, err) == 0)
        return analysis;
    gt_analysis_free(analysis);
    return NULL;
}

void gt_analysis_free(struct gt_analysis *analysis)
{
    if (!analysis)
        return;
    for (size_t i = 0; analysis->contentions && i < analysis->gil_count; i++)
        gt_contention_release(&analysis->contentions[i]);
    for (size_t i = 0; analysis->blockers && i < analysis->gil_count; i++)
        gt_blockers_release(&analysis->blockers[i]);
    gt_locks_found_release(&analysis->locks);
    gt_blocked_release(&analysis->blocked);
    for (size_t i = 0; analysis->natives && i < analysis->gil_count; i++)
        gt_native_release(&analysis->natives[i]);
    for (size_t i = 0; analysis->sleeps && i < analysis->gil_count; i++)
        gt_native_release(&analysis->sleeps[i]);
    gt_stops_found_release(&analysis->stops);
    gt_verdicts_release(&analysis->verdicts);
    free(analysis->contentions);
    free(analysis->blockers);
    free(analysis->natives);
    free(analysis->sleeps);
    for (size_t i = 0; analysis->contended && i < analysis->gil_count; i++)
        gt_contended_release(&analysis->contended[i]);
    free(analysis->contended);
    free(analysis->worsts);
    free(analysis->convoys);
    free(analysis);
}
