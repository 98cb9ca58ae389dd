/* SPDX-License-Identifier: MIT */
#include "whatif/dependencies.h"

#include "whatif/dep_clocks.h"
#include "whatif/dep_io.h"
#include "whatif/dep_jobs.h"
#include "whatif/dep_lives.h"
#include "whatif/dep_locks.h"
#include "whatif/dep_queues.h"
#include "whatif/dep_wakes.h"
#include "whatif/sync_events.h"

#include <stdlib.h>
#include <string.h>

static int compare_dependencies(const void *a, const void *b)
{
    const struct gt_dep *left = a, *right = b;

    if (left->thread != right->thread)
        return left->thread < right->thread ? -1 : 1;
    if (left->at_ns != right->at_ns)
        return left->at_ns < right->at_ns ? -1 : 1;
    return left->order < right->order ? -1 : 1;
}

static int sort(struct gt_deps *deps)
{
    size_t count = deps->added.count, threads = deps->timeline->threads.count;

    deps->sorted = calloc(count + 1, sizeof(*deps->sorted));
    deps->first = calloc(threads + 2, sizeof(*deps->first));
    if (!deps->sorted || !deps->first)
        return -1;
    for (size_t i = 0; i < count; i++) {
        deps->sorted[i] = *(const struct gt_dep *)gt_chunks_at(&deps->added, i);
        deps->first[deps->sorted[i].thread + 1]++;
    }
    for (size_t i = 0; i < threads; i++)
        deps->first[i + 1] += deps->first[i];
    qsort(deps->sorted, count, sizeof(*deps->sorted), compare_dependencies);
    return 0;
}

/* Semaphores that are waited for inside a queue, a counting one, a barrier or a join. Sync
 * operations of one thread come in the order of their ends: go back from the end. */
static int find_nested(const struct gt_deps *deps, bool *nested)
{
    size_t threads = deps->timeline->threads.count;
    int64_t *covered_ns = calloc(threads + 1, sizeof(*covered_ns));
    bool with_queues = gt_deps_queues_are_whole(deps->timeline);
    bool with_permits = gt_deps_permits_are_whole(deps->timeline);

    if (!covered_ns)
        return -1;
    for (size_t i = 0; i < threads; i++)
        covered_ns[i] = INT64_MAX;
    for (size_t i = deps->timeline->sync_ops.count; i-- > 0;) {
        const struct gt_sync_op *op = gt_deps_sync_op(deps, i);

        if (op->kind == GT_SYNC_SEM_TAKEN || op->kind == GT_SYNC_SEM_GAVE_UP)
            nested[i] = op->since_ns >= covered_ns[op->thread];
        else if (op->since_ns && ((op->kind == GT_SYNC_QUEUE_GET && with_queues) ||
                                  (op->kind == GT_SYNC_QUEUE_PUT && op->left && with_queues) ||
                                  (op->kind == GT_SYNC_PERMIT_TAKEN && with_permits) ||
                                  op->kind == GT_SYNC_BARRIER || op->kind == GT_SYNC_JOIN))
            covered_ns[op->thread] = op->since_ns;
    }
    free(covered_ns);
    return 0;
}

/* Jobs and clocks look at what the others have added. */
static int add_all(struct gt_deps *deps, const bool *nested)
{
    static int (*const adders[])(struct gt_deps *) = {
        gt_deps_add_queues,  gt_deps_add_barriers, gt_deps_add_io,    gt_deps_add_events,
        gt_deps_add_permits, gt_deps_add_joins,    gt_deps_add_wakes, gt_deps_add_ends,
        gt_deps_add_jobs,    gt_deps_add_clocks,
    };

    if (gt_deps_add_births(deps) || gt_deps_add_semaphores(deps, nested))
        return -1;
    for (size_t i = 0; i < sizeof(adders) / sizeof(adders[0]); i++)
        if (adders[i](deps))
            return -1;
    return 0;
}

int gt_deps_init(struct gt_deps *deps, const struct gt_timeline *timeline,
                 struct gt_workload *workload, const uint32_t *replayed)
{
    size_t threads = timeline->threads.count;
    bool *nested = calloc(timeline->sync_ops.count + 1, sizeof(*nested));
    int rc = -1;

    *deps = (struct gt_deps){.timeline = timeline,
                             .workload = workload,
                             .replayed = replayed,
                             .start_of = malloc((threads + 1) * sizeof(uint32_t)),
                             .end_of = malloc((threads + 1) * sizeof(uint32_t)),
                             .killed = malloc((threads + 1) * sizeof(uint32_t)),
                             .selects_ns = calloc(threads + 1, sizeof(int64_t))};
    gt_chunks_init(&deps->added, sizeof(struct gt_dep));
    if (nested && deps->start_of && deps->end_of && deps->killed && deps->selects_ns) {
        memset(deps->start_of, 0xff, (threads + 1) * sizeof(uint32_t));
        memset(deps->end_of, 0xff, (threads + 1) * sizeof(uint32_t));
        memset(deps->killed, 0xff, (threads + 1) * sizeof(uint32_t));
        rc = find_nested(deps, nested);
        if (rc == 0)
            rc = add_all(deps, nested);
        if (rc == 0)
            rc = sort(deps);
    }
    free(nested);
    return rc;
}

void gt_deps_release(struct gt_deps *deps)
{
    gt_chunks_release(&deps->added);
    free(deps->sorted);
    free(deps->first);
    free(deps->start_of);
    free(deps->end_of);
    free(deps->killed);
    free(deps->selects_ns);
}
