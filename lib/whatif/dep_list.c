/* SPDX-License-Identifier: MIT */
#include "whatif/dep_list.h"

#include "base/order.h"

#include <stdlib.h>
#include <string.h>

int gt_deps_add(struct gt_deps *deps, uint32_t kind, uint32_t thread, int64_t at_ns,
                int64_t until_ns, uint32_t what)
{
    struct gt_dep *dep;

    if (deps->replayed[thread] == GT_WORKLOAD_NONE)
        return 0;
    dep = gt_chunks_push(&deps->added);
    if (!dep)
        return -1;
    *dep = (struct gt_dep){.at_ns = at_ns,
                           .until_ns = until_ns > at_ns ? until_ns : at_ns,
                           .thread = thread,
                           .what = what,
                           .order = (uint32_t)deps->added.count,
                           .kind = kind};
    return 0;
}

int gt_deps_add_until(struct gt_deps *deps, uint32_t thread, int64_t at_ns, int64_t until_ns,
                      uint32_t clock, int64_t after_ns, bool perhaps)
{
    struct gt_dep *dep;

    if (deps->replayed[thread] == GT_WORKLOAD_NONE)
        return 0;
    if (gt_deps_add(deps, GT_STEP_UNTIL, thread, at_ns, until_ns, clock))
        return -1;
    dep = gt_chunks_last(&deps->added);
    dep->limit_ns = after_ns;
    dep->flags = perhaps ? GT_STEP_PERHAPS : 0;
    deps->guesses_clocks = deps->guesses_clocks || perhaps;
    return 0;
}

void gt_deps_loosen(struct gt_deps *deps)
{
    struct gt_dep *dep = gt_chunks_last(&deps->added);

    if (!dep || dep->kind != GT_STEP_AWAIT)
        return;
    dep->flags |= GT_STEP_LOOSE;
    deps->guesses_order = true;
}

uint32_t gt_deps_end_of(struct gt_deps *deps, uint32_t thread)
{
    if (deps->end_of[thread] == GT_WORKLOAD_NONE && deps->replayed[thread] != GT_WORKLOAD_NONE)
        deps->end_of[thread] = gt_workload_add_event(deps->workload, 1);
    return deps->end_of[thread];
}

static int compare_sync_ops(const void *a, const void *b, void *context)
{
    const struct gt_deps *deps = context;
    const struct gt_sync_op *left = gt_deps_sync_op(deps, *(const uint32_t *)a);
    const struct gt_sync_op *right = gt_deps_sync_op(deps, *(const uint32_t *)b);
    uint32_t left_process = gt_thread_at(deps->timeline, left->thread)->process;
    uint32_t right_process = gt_thread_at(deps->timeline, right->thread)->process;

    if (left_process != right_process)
        return gt_order(left_process, right_process);
    if (left->subject != right->subject)
        return gt_order(left->subject, right->subject);
    if (left->time_ns != right->time_ns)
        return gt_order(left->time_ns, right->time_ns);
    return *(const uint32_t *)a < *(const uint32_t *)b ? -1 : 1;
}

uint32_t *gt_deps_sort(const struct gt_deps *deps, bool (*wanted)(const struct gt_sync_op *),
                       size_t *count)
{
    size_t all = deps->timeline->sync_ops.count;
    uint32_t *indices = calloc(all + 1, sizeof(*indices));

    *count = 0;
    for (uint32_t i = 0; indices && i < all; i++)
        if (wanted(gt_deps_sync_op(deps, i)))
            indices[(*count)++] = i;
    if (indices)
        qsort_r(indices, *count, sizeof(*indices), compare_sync_ops, (void *)deps);
    return indices;
}

static bool is_same_subject(const struct gt_deps *deps, const struct gt_sync_op *one,
                            const struct gt_sync_op *two)
{
    return one->subject == two->subject &&
           gt_thread_at(deps->timeline, one->thread)->process ==
               gt_thread_at(deps->timeline, two->thread)->process;
}

bool gt_deps_next_group(const struct gt_deps *deps, const uint32_t *indices, size_t count,
                        size_t *at, struct gt_dep_group *group)
{
    *group = (struct gt_dep_group){.indices = indices + *at};
    while (*at < count && is_same_subject(deps, gt_deps_of_group(deps, group, 0),
                                          gt_deps_sync_op(deps, indices[*at]))) {
        (*at)++;
        group->count++;
    }
    return group->count > 0;
}

static int compare_beginnings(const void *a, const void *b, void *context)
{
    int64_t left = gt_sync_op_began_ns(gt_deps_sync_op(context, *(const uint32_t *)a));
    int64_t right = gt_sync_op_began_ns(gt_deps_sync_op(context, *(const uint32_t *)b));

    return gt_order(left, right);
}

void gt_deps_sort_by_beginning(const struct gt_deps *deps, struct gt_dep_group *group)
{
    qsort_r((void *)group->indices, group->count, sizeof(*group->indices), compare_beginnings,
            (void *)deps);
}

bool gt_deps_is_one_of(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

bool gt_deps_are_whole(const struct gt_timeline *timeline, const char *const *names,
                       size_t count)
{
    for (size_t i = 0; i < timeline->functions.count; i++) {
        const struct gt_function_info *called = gt_chunks_at(&timeline->functions, i);

        for (size_t n = 0; called->untraced_calls && n < count; n++)
            if (strcmp(gt_intern_text(&timeline->names, called->name), names[n]) == 0)
                return false;
    }
    return true;
}
