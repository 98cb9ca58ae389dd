/* SPDX-License-Identifier: MIT */
#include "analysis/stop_causes.h"

#include "analysis/attribution.h"
#include "base/nstime.h"

#include <stdlib.h>

enum {
    ROWS_MAX = 200,    /* further causes count to the last one */
    MATTER_PERCENT = 1 /* of the threads' lives */
};

static bool is_same(const struct gt_stop_row *row, const struct gt_doing *doing,
                    uint32_t thread)
{
    if (row->by.doing.kind != doing->kind)
        return false;
    return doing->kind == GT_DOING_UNKNOWN ? row->by.thread == thread
                                           : row->by.doing.function == doing->function &&
                                                 row->by.doing.caller == doing->caller;
}

static struct gt_stop_row *row_of(struct gt_stops_found *found, const struct gt_doing *doing,
                                  uint32_t thread)
{
    struct gt_stop_row *row;

    for (size_t i = 0; i < found->rows.count; i++)
        if (is_same(gt_stop_row_at(found, i), doing, thread) || i + 1 == ROWS_MAX)
            return gt_stop_row_at(found, i);
    row = gt_chunks_push(&found->rows);
    if (row)
        *row = (struct gt_stop_row){.by = {.doing = *doing, .thread = thread}};
    return row;
}

static int64_t lost_in(const struct gt_timeline *timeline, const struct gt_world_stop *stop)
{
    int64_t lost_ns = 0;

    for (uint32_t i = 0; i < stop->count; i++) {
        const struct gt_span *span = gt_span_at(&timeline->stopped, stop->first + i);

        lost_ns = gt_add_ns(lost_ns, span->end_ns - span->start_ns);
    }
    return lost_ns;
}

static int add_stop(struct gt_stops_found *found, const struct gt_timeline *timeline,
                    const struct gt_world_stop *stop, struct gt_attribution *attribution)
{
    int64_t length_ns = stop->end_ns - stop->start_ns, until_ns;
    const struct gt_doing *doing = gt_attribution_at(attribution, stop->start_ns, &until_ns);
    struct gt_stop_row *row = doing ? row_of(found, doing, stop->thread) : NULL;

    if (!row)
        return -1;
    row->count++;
    row->total_ns = gt_add_ns(row->total_ns, length_ns);
    row->until_ns = gt_add_ns(row->until_ns, stop->all_ns - stop->start_ns);
    row->lost_ns = gt_add_ns(row->lost_ns, lost_in(timeline, stop));
    if (length_ns > row->longest_ns)
        row->longest_ns = length_ns;
    found->total_ns = gt_add_ns(found->total_ns, length_ns);
    return 0;
}

/* The stops of one thread are in the order of time, and there are few that ask. */
static int add_all_of(struct gt_stops_found *found, const struct gt_timeline *timeline,
                      size_t first, bool *done)
{
    uint32_t thread = gt_stop_at(timeline, first)->thread;
    struct gt_attribution attribution;
    int rc = 0;

    gt_attribution_init(&attribution, timeline, thread);
    for (size_t i = first; rc == 0 && i < timeline->stops.count; i++)
        if (gt_stop_at(timeline, i)->thread == thread)
            rc = add_stop(found, timeline, gt_stop_at(timeline, i), &attribution);
    gt_attribution_release(&attribution);
    done[thread] = true;
    return rc;
}

static int by_lost(const void *left, const void *right)
{
    const struct gt_stop_row *a = left, *b = right;

    return a->lost_ns == b->lost_ns ? 0 : a->lost_ns > b->lost_ns ? -1 : 1;
}

/* Of all threads of the processes in which there were stops. */
static void sum_lives(struct gt_stops_found *found, const struct gt_timeline *timeline,
                      bool *stopped)
{
    for (size_t i = 0; i < found->count; i++)
        stopped[gt_thread_at(timeline, gt_stop_at(timeline, i)->thread)->process] = true;
    for (uint32_t i = 0; i < timeline->threads.count; i++) {
        const struct gt_thread *thread = gt_thread_at(timeline, i);

        if (!stopped[thread->process])
            continue;
        found->lives_ns = gt_add_ns(found->lives_ns, thread->end_ns - thread->start_ns);
        found->lost_ns = gt_add_ns(found->lost_ns, gt_stopped_of(timeline, i));
    }
    found->matter =
        found->lost_ns > 0 && gt_percent(found->lost_ns, found->lives_ns) >= MATTER_PERCENT;
}

int gt_stops_find(struct gt_stops_found *found, const struct gt_timeline *timeline)
{
    bool *done = calloc(timeline->threads.count + timeline->processes.count + 1, sizeof(*done));
    int rc = done ? 0 : -1;

    *found = (struct gt_stops_found){.count = timeline->stops.count};
    gt_chunks_init(&found->rows, sizeof(struct gt_stop_row));
    for (size_t i = 0; rc == 0 && i < found->count; i++)
        if (!done[gt_stop_at(timeline, i)->thread])
            rc = add_all_of(found, timeline, i, done);
    if (rc == 0)
        rc = gt_chunks_sort(&found->rows, by_lost);
    if (rc == 0)
        sum_lives(found, timeline, done + timeline->threads.count);
    free(done);
    return rc;
}

void gt_stops_found_release(struct gt_stops_found *found)
{
    gt_chunks_release(&found->rows);
}
