/* SPDX-License-Identifier: MIT */
#include "whatif/build_steps.h"

#include "base/nstime.h"

/* --- steps --- */

int gt_build_step_now(struct gt_step_builder *builder, struct gt_thread_cursor *cursor,
                      struct gt_step step)
{
    return gt_workload_add_step(builder->workload, cursor->index, step);
}

int gt_build_pending(struct gt_step_builder *builder, struct gt_thread_cursor *cursor)
{
    struct gt_step hold = {.kind = GT_STEP_RUN, .what = cursor->gil, .ns = cursor->hold_ns};
    struct gt_step free = {
        .kind = GT_STEP_RUN, .what = GT_WORKLOAD_NONE, .ns = cursor->free_ns};
    uint32_t gil = cursor->gil;

    cursor->gil = GT_WORKLOAD_NONE;
    cursor->hold_ns = cursor->free_ns = 0;
    if (gil == GT_WORKLOAD_NONE)
        return 0;
    if (gt_build_step_now(builder, cursor, hold))
        return -1;
    return gt_build_step_now(builder, cursor, free);
}

int gt_build_step(struct gt_step_builder *builder, struct gt_thread_cursor *cursor,
                  struct gt_step step)
{
    int64_t grain_ns = builder->grain_ns;
    bool plain = step.kind == GT_STEP_RUN && !step.flags && !step.tag && step.ns < grain_ns;

    if (plain && step.what != GT_WORKLOAD_NONE &&
        (cursor->gil == GT_WORKLOAD_NONE || cursor->gil == step.what)) {
        cursor->gil = step.what;
        cursor->hold_ns += step.ns;
        return 0;
    }
    if (plain && step.what == GT_WORKLOAD_NONE && cursor->gil != GT_WORKLOAD_NONE) {
        cursor->free_ns += step.ns;
        if (cursor->hold_ns + cursor->free_ns < grain_ns)
            return 0;
        return gt_build_pending(builder, cursor);
    }
    if (gt_build_pending(builder, cursor))
        return -1;
    return gt_build_step_now(builder, cursor, step);
}

static int add_run(struct gt_step_builder *builder, struct gt_thread_cursor *cursor,
                   struct gt_step step, const struct gt_cpu_share *share, int64_t from_ns,
                   int64_t until_ns)
{
    int64_t sleep_ns = share->sleep_ns;

    /* Threads were ready although the recorded ones did not use all CPUs: other programs had
     * the rest. Such time keeps its length. */
    if (share->ready_ns && !gt_cpu_load_is_full(&builder->cpu_load, from_ns, until_ns))
        sleep_ns += share->ready_ns;
    step.ns = share->run_ns;
    if (gt_build_step(builder, cursor, step))
        return -1;
    step.kind = GT_STEP_SLEEP;
    step.ns = sleep_ns;
    return sleep_ns > 0 ? gt_build_step(builder, cursor, step) : 0;
}

/* --- without a GIL --- */

static int add_free_part(struct gt_step_builder *builder, struct gt_thread_cursor *cursor,
                         int64_t from_ns, int64_t until_ns)
{
    struct gt_step step = {.kind = GT_STEP_RUN, .what = GT_WORKLOAD_NONE};
    struct gt_cpu_share share;
    uint32_t ended = GT_NO_INDEX, event;

    if (until_ns - from_ns < GT_CPU_SHORT_NS) {
        step.ns = until_ns - from_ns;
        return gt_build_step(builder, cursor, step);
    }
    gt_cpu_between(&cursor->cpu, from_ns, until_ns, &share);
    if (!share.known && cursor->ending && until_ns - from_ns < GT_EXIT_NS)
        share.run_ns = until_ns - from_ns;
    else if (!share.known)
        share.sleep_ns = until_ns - from_ns;
    if (share.sleep_ns > GT_CPU_SHORT_NS)
        ended = gt_exits_find(&builder->exits, builder->timeline, cursor->thread, from_ns,
                              until_ns, cursor->cpu.readings != NULL);
    if (ended == GT_NO_INDEX) {
        if (!share.known && !cursor->ending)
            builder->unknown_ns = gt_add_ns(builder->unknown_ns, until_ns - from_ns);
        return add_run(builder, cursor, step, &share, from_ns, until_ns);
    }
    event = gt_deps_end_of(&builder->deps, ended);
    step.ns = share.run_ns;
    if (event == GT_WORKLOAD_NONE || gt_build_step(builder, cursor, step))
        return -1;
    return gt_build_step(builder, cursor,
                         (struct gt_step){.kind = GT_STEP_AWAIT, .what = event});
}

/* --- with one --- */

static int add_hold_run(struct gt_step_builder *builder, struct gt_thread_cursor *cursor,
                        int64_t from_ns, int64_t until_ns, struct gt_step step)
{
    struct gt_cpu_share share;

    if (until_ns - from_ns >= GT_CPU_SHORT_NS) {
        gt_cpu_between(&cursor->cpu, from_ns, until_ns, &share);
        if (share.known)
            return add_run(builder, cursor, step, &share, from_ns, until_ns);
    }
    step.ns = until_ns - from_ns;
    return step.ns > 0 ? gt_build_step(builder, cursor, step) : 0;
}

static int add_hold_part(struct gt_step_builder *builder, struct gt_thread_cursor *cursor,
                         uint32_t gil, int64_t from_ns, int64_t until_ns)
{
    const struct gt_nonyielding *nonyielding = &builder->nonyielding;
    struct gt_step plain = {.kind = GT_STEP_RUN, .what = gil};

    while (from_ns < until_ns) {
        const struct gt_nonyielding_span *span = &nonyielding->list[cursor->nonyielding];
        struct gt_step step = plain;
        int64_t stop_ns = until_ns;

        if (cursor->nonyielding < nonyielding->first[cursor->thread + 1]) {
            if (span->end_ns <= from_ns) {
                cursor->nonyielding++;
                continue;
            }
            if (span->start_ns > from_ns) {
                stop_ns = span->start_ns < until_ns ? span->start_ns : until_ns;
            } else {
                stop_ns = span->end_ns < until_ns ? span->end_ns : until_ns;
                step.tag = span->tag;
                step.flags = GT_STEP_KEEPS;
            }
        }
        if (add_hold_run(builder, cursor, from_ns, stop_ns, step))
            return -1;
        from_ns = stop_ns;
    }
    return 0;
}

/* --- and what is between --- */

static int build_dependency(struct gt_step_builder *builder, struct gt_thread_cursor *cursor,
                            const struct gt_dep *dep)
{
    struct gt_workload *workload = builder->workload;
    struct gt_step step = {.kind = (uint8_t)dep->kind,
                           .flags = (uint8_t)dep->flags,
                           .what = dep->what,
                           .ns = dep->limit_ns};

    if (dep->kind == GT_DEP_NOTHING)
        return 0;
    if (dep->kind == GT_DEP_JOB || dep->kind == GT_DEP_JOBS_END) {
        if (gt_build_pending(builder, cursor))
            return -1;
        if (dep->kind == GT_DEP_JOB)
            return gt_workload_add_job(workload, dep->what, dep->rank, cursor->index);
        gt_workload_end_jobs(workload, cursor->index);
        return 0;
    }
    if (gt_build_step(builder, cursor, step))
        return -1;
    cursor->after_dep = gt_workload_thread_at(workload, cursor->index)->steps.count;
    return 0;
}

int gt_build_until(struct gt_step_builder *builder, struct gt_thread_cursor *cursor,
                   enum gt_doing_of_gil doing, uint32_t gil, int64_t until_ns)
{
    const struct gt_deps *deps = &builder->deps;

    for (;;) {
        bool bound = cursor->dep < deps->first[cursor->thread + 1] &&
                     deps->sorted[cursor->dep].at_ns < until_ns;
        const struct gt_dep *dep = &deps->sorted[cursor->dep];
        int64_t stop_ns = bound ? dep->at_ns : until_ns;

        if (stop_ns > cursor->now_ns) {
            if ((doing == GT_WITHOUT_GIL &&
                 add_free_part(builder, cursor, cursor->now_ns, stop_ns)) ||
                (doing == GT_WITH_GIL &&
                 add_hold_part(builder, cursor, gil, cursor->now_ns, stop_ns)))
                return -1;
            cursor->now_ns = stop_ns;
        }
        if (!bound)
            return 0;
        if (build_dependency(builder, cursor, dep))
            return -1;
        if (dep->until_ns > cursor->now_ns)
            cursor->now_ns = dep->until_ns;
        cursor->dep++;
    }
}
