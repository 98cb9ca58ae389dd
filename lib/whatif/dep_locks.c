/* SPDX-License-Identifier: MIT */
#include "whatif/dep_locks.h"

#include <stdlib.h>

static bool is_semaphore(const struct gt_sync_op *op)
{
    return op->kind == GT_SYNC_SEM_TAKEN || op->kind == GT_SYNC_SEM_GAVE_UP ||
           op->kind == GT_SYNC_SEM_POST;
}

/* Is it only ever given by the thread that had it? */
static bool is_lock(const struct gt_deps *deps, const struct gt_dep_group *group)
{
    bool posted = false;

    for (size_t i = 0; i < group->count; i++) {
        const struct gt_sync_op *op = gt_deps_sync_op(deps, group->indices[i]);

        if (op->kind != GT_SYNC_SEM_POST)
            continue;
        if (!op->since_ns)
            return false;
        posted = true;
    }
    return posted;
}

/* What the thread of the i-th sync operation did with it before; NULL: nothing that was
 * recorded. */
static const struct gt_sync_op *last_of_thread(const struct gt_deps *deps,
                                               const struct gt_dep_group *group, size_t at,
                                               uint32_t *index)
{
    uint32_t thread = gt_deps_sync_op(deps, group->indices[at])->thread;

    while (at-- > 0) {
        const struct gt_sync_op *op = gt_deps_sync_op(deps, group->indices[at]);

        *index = group->indices[at];
        if (op->thread == thread)
            return op;
    }
    return NULL;
}

/* Is it recorded that the thread which took it in the i-th sync operation gave it back? It is
 * not where the thread did so soon, and nobody waited. */
static bool is_given(const struct gt_deps *deps, const struct gt_dep_group *group, size_t at)
{
    const struct gt_sync_op *taken = gt_deps_sync_op(deps, group->indices[at]);

    while (++at < group->count) {
        const struct gt_sync_op *op = gt_deps_sync_op(deps, group->indices[at]);

        if (op->thread == taken->thread)
            return op->kind == GT_SYNC_SEM_POST && op->since_ns == taken->time_ns;
    }
    return false;
}

/* Waited for, and taken: the dependency ends the wait. */
static int add_lock_wait(struct gt_deps *deps, const struct gt_dep_group *group, size_t at,
                         uint32_t lock, bool nested)
{
    const struct gt_sync_op *taken = gt_deps_sync_op(deps, group->indices[at]);

    if (nested)
        return gt_deps_add(deps, GT_DEP_NOTHING, taken->thread, taken->since_ns, taken->time_ns,
                           0);
    if (gt_deps_add(deps, GT_STEP_LOCK, taken->thread, taken->since_ns, taken->time_ns, lock))
        return -1;
    return is_given(deps, group, at) ? 0
                                     : gt_deps_add(deps, GT_STEP_UNLOCK, taken->thread,
                                                   taken->time_ns, taken->time_ns, lock);
}

static int add_lock(struct gt_deps *deps, const struct gt_dep_group *group, const bool *nested)
{
    uint32_t lock = deps->workload->lock_count++;

    for (size_t i = 0; i < group->count; i++) {
        uint32_t index = group->indices[i], before_index = 0;
        const struct gt_sync_op *op = gt_deps_sync_op(deps, index), *before;
        bool waited;

        if (op->kind == GT_SYNC_SEM_GAVE_UP)
            continue;
        if (op->kind == GT_SYNC_SEM_TAKEN) {
            if (add_lock_wait(deps, group, i, lock, nested[index]))
                return -1;
            continue;
        }
        before = last_of_thread(deps, group, i, &before_index);
        waited = before && before->kind == GT_SYNC_SEM_TAKEN && before->time_ns == op->since_ns;
        if (waited && nested[before_index])
            continue;
        if ((!waited &&
             gt_deps_add(deps, GT_STEP_LOCK, op->thread, op->since_ns, op->since_ns, lock)) ||
            gt_deps_add(deps, GT_STEP_UNLOCK, op->thread, op->time_ns, op->time_ns, lock))
            return -1;
    }
    return 0;
}

/* Each wait ends by the last post before its end, of another thread. */
static int add_signals(struct gt_deps *deps, const struct gt_dep_group *group,
                       const bool *nested)
{
    const struct gt_sync_op *post = NULL;

    for (size_t i = 0; i < group->count; i++) {
        const struct gt_sync_op *op = gt_deps_sync_op(deps, group->indices[i]);
        uint32_t event;

        if (op->kind == GT_SYNC_SEM_POST)
            post = op;
        if (op->kind != GT_SYNC_SEM_TAKEN)
            continue;
        if (nested[group->indices[i]]) {
            if (gt_deps_add(deps, GT_DEP_NOTHING, op->thread, op->since_ns, op->time_ns, 0))
                return -1;
        } else if (post && post->thread != op->thread && post->time_ns >= op->since_ns &&
                   deps->replayed[post->thread] != GT_WORKLOAD_NONE) {
            event = gt_workload_add_event(deps->workload, 1);
            if (event == GT_WORKLOAD_NONE ||
                gt_deps_add(deps, GT_STEP_SIGNAL, post->thread, post->time_ns, post->time_ns,
                            event) ||
                gt_deps_add(deps, GT_STEP_AWAIT, op->thread, op->since_ns, op->time_ns, event))
                return -1;
        }
        post = NULL; /* it ended one wait */
    }
    return 0;
}

int gt_deps_add_semaphores(struct gt_deps *deps, const bool *nested)
{
    size_t count;
    uint32_t *indices = gt_deps_sort(deps, is_semaphore, &count);
    struct gt_dep_group group;
    int rc = indices ? 0 : -1;

    for (size_t at = 0; rc == 0 && gt_deps_next_group(deps, indices, count, &at, &group);)
        rc = is_lock(deps, &group) ? add_lock(deps, &group, nested)
                                   : add_signals(deps, &group, nested);
    free(indices);
    return rc;
}
