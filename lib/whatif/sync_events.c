/* SPDX-License-Identifier: MIT */
#include "whatif/sync_events.h"

#include "base/order.h"

#include <stdlib.h>
#include <string.h>

/* Events and futures, which stay set, and semaphores of threading's, which count. A thread that
 * finds an event set, or a permit in a semaphore, owes it to the thread that gave it, even
 * where that was long before in the recording: perhaps only because the GIL was kept. */

static bool is_event(const struct gt_sync_op *op)
{
    return op->kind == GT_SYNC_EVENT_SET || op->kind == GT_SYNC_EVENT_SEEN;
}

static bool is_permit(const struct gt_sync_op *op)
{
    return op->kind == GT_SYNC_PERMIT_TAKEN || op->kind == GT_SYNC_PERMIT_GIVEN;
}

/* --- events and futures --- */

/* When it took effect. A waiter may go on before the thread that sets the event has woken all
 * the waiters. */
static int64_t effect_ns(const struct gt_sync_op *op)
{
    return op->kind == GT_SYNC_EVENT_SET ? gt_sync_op_began_ns(op) : op->time_ns;
}

static int compare_effects(const void *a, const void *b, void *context)
{
    int64_t left = effect_ns(gt_deps_sync_op(context, *(const uint32_t *)a));
    int64_t right = effect_ns(gt_deps_sync_op(context, *(const uint32_t *)b));

    return gt_order(left, right);
}

/* asyncio's loop looks at a future when it was told that it is done. A loop that has timers,
 * too, or waits for the world outside, would not wait for that one, but do something else. By
 * thread: does it run such a loop? NULL: no memory. */
static bool *find_loops(const struct gt_timeline *timeline)
{
    bool *is_loop = calloc(timeline->threads.count + 1, sizeof(*is_loop));
    uint32_t turn = 0;

    while (
        turn < timeline->functions.count &&
        strcmp(gt_intern_text(&timeline->names, ((const struct gt_function_info *)gt_chunks_at(
                                                     &timeline->functions, turn))
                                                    ->name),
               "BaseEventLoop._run_once") != 0)
        turn++;
    if (!is_loop || turn == timeline->functions.count)
        return is_loop;
    for (uint32_t i = 0; i < timeline->calls.count; i++) {
        const struct gt_calls *calls = gt_calls_of(timeline, i);

        for (size_t at = 0; !is_loop[i] && at < calls->spans.count; at++)
            is_loop[i] =
                ((const struct gt_call_span *)gt_chunks_at(&calls->spans, at))->function ==
                turn;
    }
    return is_loop;
}

/* Each thread that finds it set waits for the last setting before. Where it really waited, it
 * waits for the post that woke it, too, which amounts to the same. */
static int add_event(struct gt_deps *deps, const struct gt_dep_group *group,
                     const bool *is_loop)
{
    const struct gt_sync_op *set = NULL;
    uint32_t event = GT_WORKLOAD_NONE;

    for (size_t i = 0; i < group->count; i++) {
        const struct gt_sync_op *op = gt_deps_of_group(deps, group, i);

        if (op->kind == GT_SYNC_EVENT_SET) {
            set = op;
            event = GT_WORKLOAD_NONE;
            continue;
        }
        if (!set || set->thread == op->thread ||
            (is_loop[op->thread] && deps->selects_ns[op->thread]) ||
            deps->replayed[set->thread] == GT_WORKLOAD_NONE)
            continue;
        if (event == GT_WORKLOAD_NONE) {
            event = gt_workload_add_event(deps->workload, 1);
            if (event == GT_WORKLOAD_NONE ||
                gt_deps_add(deps, GT_STEP_SIGNAL, set->thread, gt_sync_op_began_ns(set),
                            gt_sync_op_began_ns(set), event))
                return -1;
        }
        if (gt_deps_add(deps, GT_STEP_AWAIT, op->thread, gt_sync_op_began_ns(op),
                        gt_sync_op_began_ns(op), event))
            return -1;
        if (is_loop[op->thread])
            gt_deps_loosen(deps);
    }
    return 0;
}

int gt_deps_add_events(struct gt_deps *deps)
{
    size_t count;
    uint32_t *indices = gt_deps_sort(deps, is_event, &count);
    bool *is_loop = find_loops(deps->timeline);
    struct gt_dep_group group;
    int rc = indices && is_loop ? 0 : -1;

    for (size_t at = 0; rc == 0 && gt_deps_next_group(deps, indices, count, &at, &group);) {
        qsort_r((void *)group.indices, group.count, sizeof(*group.indices), compare_effects,
                deps);
        rc = add_event(deps, &group, is_loop);
    }
    free(is_loop);
    free(indices);
    return rc;
}

/* --- semaphores --- */

/* Permits at the beginning, from those that are left at the end. */
static uint32_t permits_before(const struct gt_deps *deps, const struct gt_dep_group *group)
{
    int64_t taken = 0, least = 0;

    for (size_t i = 0; i < group->count; i++) {
        const struct gt_sync_op *op = gt_deps_of_group(deps, group, i);

        taken += op->kind == GT_SYNC_PERMIT_TAKEN ? 1 : -1;
        if (op->left > 0 && taken + op->left - 1 >= 0)
            return (uint32_t)(taken + op->left - 1);
        least = taken > least ? taken : least;
    }
    return (uint32_t)least;
}

static int add_semaphore(struct gt_deps *deps, const struct gt_dep_group *group)
{
    uint32_t queue = gt_workload_add_queue(deps->workload, permits_before(deps, group));

    if (queue == GT_WORKLOAD_NONE)
        return -1;
    for (size_t i = 0; i < group->count; i++) {
        const struct gt_sync_op *op = gt_deps_of_group(deps, group, i);
        bool taken = op->kind == GT_SYNC_PERMIT_TAKEN;

        if (gt_deps_add(deps, taken ? GT_STEP_TAKE : GT_STEP_PUT, op->thread,
                        gt_sync_op_began_ns(op), gt_sync_op_began_ns(op), queue))
            return -1;
    }
    return 0;
}

bool gt_deps_permits_are_whole(const struct gt_timeline *timeline)
{
    static const char *const names[] = {"Semaphore.acquire", "Semaphore.release",
                                        "BoundedSemaphore.release"};

    return gt_deps_are_whole(timeline, names, sizeof(names) / sizeof(names[0]));
}

int gt_deps_add_permits(struct gt_deps *deps)
{
    size_t count;
    uint32_t *indices = gt_deps_sort(deps, is_permit, &count);
    struct gt_dep_group group;
    int rc = indices ? 0 : -1;

    if (!gt_deps_permits_are_whole(deps->timeline))
        count = 0;
    for (size_t at = 0; rc == 0 && gt_deps_next_group(deps, indices, count, &at, &group);)
        rc = add_semaphore(deps, &group);
    free(indices);
    return rc;
}
