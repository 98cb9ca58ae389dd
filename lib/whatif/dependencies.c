#include "whatif/dependencies.h"

#include "base/nstime.h"

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

/* --- order --- */

static int compare_sync_ops(const void *a, const void *b, void *context)
{
    const struct gt_deps *deps = context;
    const struct gt_sync_op *left = gt_deps_sync_op(deps, *(const uint32_t *)a);
    const struct gt_sync_op *right = gt_deps_sync_op(deps, *(const uint32_t *)b);
    uint32_t left_process = gt_thread_at(deps->timeline, left->thread)->process;
    uint32_t right_process = gt_thread_at(deps->timeline, right->thread)->process;

    if (left_process != right_process)
        return left_process < right_process ? -1 : 1;
    if (left->subject != right->subject)
        return left->subject < right->subject ? -1 : 1;
    if (left->time_ns != right->time_ns)
        return left->time_ns < right->time_ns ? -1 : 1;
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

    return (left > right) - (left < right);
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

/* --- lives --- */

static int add_births(struct gt_deps *deps)
{
    const struct gt_timeline *timeline = deps->timeline;

    for (uint32_t i = 0; i < timeline->threads.count; i++) {
        const struct gt_thread *thread = gt_thread_at(timeline, i);

        if (deps->replayed[i] == GT_WORKLOAD_NONE || thread->creator == GT_NO_INDEX ||
            thread->creator == i || deps->replayed[thread->creator] == GT_WORKLOAD_NONE)
            continue;
        deps->start_of[i] = gt_workload_add_event(deps->workload, 1);
        if (deps->start_of[i] == GT_WORKLOAD_NONE ||
            gt_deps_add(deps, GT_STEP_SIGNAL, thread->creator, thread->start_ns,
                        thread->start_ns, deps->start_of[i]))
            return -1;
    }
    return 0;
}

bool gt_deps_died_waiting(const struct gt_timeline *timeline, uint32_t thread)
{
    int64_t end_ns = gt_thread_at(timeline, thread)->end_ns;

    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        const struct gt_chunks *waits = &gt_gil_at(timeline, i)->waits;
        size_t at = gt_chunks_first_from(waits, 0, offsetof(struct gt_span, end_ns), end_ns);

        for (; at < waits->count && gt_span_at(waits, at)->end_ns == end_ns; at++)
            if (gt_span_at(waits, at)->thread == thread)
                return true;
    }
    return false;
}

bool gt_deps_died_at_work(const struct gt_timeline *timeline, uint32_t thread)
{
    const struct gt_calls *calls = gt_calls_of(timeline, thread);
    const struct gt_call_span *first =
        calls && calls->spans.count ? gt_chunks_at(&calls->spans, 0) : NULL;

    return (first && first->flags & GT_CALL_SPAN_CUT_END &&
            first->end_ns >= gt_thread_at(timeline, thread)->end_ns) ||
           gt_deps_died_waiting(timeline, thread);
}

/* The interpreter's end, which the main thread works at, ends what still works. */
static int add_killing(struct gt_deps *deps, uint32_t thread, uint32_t main)
{
    int64_t end_ns = gt_thread_at(deps->timeline, thread)->end_ns;

    if (deps->replayed[main] == GT_WORKLOAD_NONE)
        return 0;
    deps->killed[thread] = gt_workload_add_event(deps->workload, 1);
    return deps->killed[thread] == GT_WORKLOAD_NONE ||
                   gt_deps_add(deps, GT_STEP_SIGNAL, main, end_ns, end_ns, deps->killed[thread])
               ? -1
               : 0;
}

/* A process lives as long as its threads, but for those that its end takes along. */
static int add_ends(struct gt_deps *deps)
{
    const struct gt_timeline *timeline = deps->timeline;

    for (uint32_t i = 0; i < timeline->threads.count; i++) {
        const struct gt_thread *thread = gt_thread_at(timeline, i);
        uint32_t main = gt_process_at(timeline, thread->process)->main_thread;
        int64_t end_ns;

        if (main == GT_NO_INDEX || main == i || deps->replayed[i] == GT_WORKLOAD_NONE)
            continue;
        if (gt_deps_died_at_work(timeline, i)) {
            if (add_killing(deps, i, main))
                return -1;
            continue;
        }
        end_ns = gt_thread_at(timeline, main)->end_ns;
        if (!(thread->flags & GT_THREAD_SAW_EXIT) || thread->end_ns > end_ns - GT_NS_PER_MS)
            continue;
        if (gt_deps_end_of(deps, i) == GT_WORKLOAD_NONE ||
            gt_deps_add(deps, GT_STEP_AWAIT, main, end_ns, end_ns, gt_deps_end_of(deps, i)))
            return -1;
    }
    return 0;
}

/* Whoever joins a thread goes on when that gives the GIL up for the last time, somewhat before
 * its end; with a timeout, perhaps long before. */
static int add_joins(struct gt_deps *deps)
{
    enum { LATE_NS = 20000000 };

    for (size_t i = 0; i < deps->timeline->sync_ops.count; i++) {
        const struct gt_sync_op *join = gt_deps_sync_op(deps, i);
        uint32_t joined = (uint32_t)join->subject;

        if (join->kind != GT_SYNC_JOIN || deps->replayed[joined] == GT_WORKLOAD_NONE ||
            joined == join->thread ||
            gt_thread_at(deps->timeline, joined)->end_ns > join->time_ns + LATE_NS)
            continue;
        if (gt_deps_end_of(deps, joined) == GT_WORKLOAD_NONE ||
            gt_deps_add(deps, GT_STEP_AWAIT, join->thread, join->since_ns, join->since_ns,
                        gt_deps_end_of(deps, joined)))
            return -1;
    }
    return 0;
}

/* --- the scheduler's wake-ups --- */

static bool is_asleep(const struct gt_state_span *span)
{
    return span->state == GT_SCHED_SLEEPING || span->state == GT_SCHED_OFF_CPU;
}

/* The sleep that ended by being woken then; NULL: it was none, or it was for the GIL. */
static const struct gt_state_span *sleep_until(const struct gt_sched *sched, int64_t time_ns)
{
    size_t at =
        gt_chunks_first_from(&sched->spans, 0, offsetof(struct gt_state_span, end_ns), time_ns);
    const struct gt_state_span *span =
        at < sched->spans.count ? gt_chunks_at(&sched->spans, at) : NULL;

    return span && span->end_ns == time_ns && is_asleep(span) ? span : NULL;
}

size_t gt_deps_hold_after(const struct gt_chunks *holds, int64_t time_ns)
{
    return gt_chunks_first_after(holds, 0, offsetof(struct gt_span, end_ns), time_ns);
}

/* Who was made to give the GIL up waits until somebody has it, and is woken then. */
static bool is_switch(const struct gt_chunks *holds, size_t at, uint32_t woken, int64_t time_ns)
{
    const struct gt_span *before = at ? gt_span_at(holds, at - 1) : NULL;

    return before && before->thread == woken &&
           before->end_ns - before->start_ns > GT_NS_PER_MS / 2 &&
           time_ns - gt_span_at(holds, at)->start_ns < GT_NS_PER_MS / 2;
}

/* Did the waker have the GIL then, and not only just since the other one gave it up? */
static bool gives_at(const struct gt_timeline *timeline, const struct gt_sync_op *wake)
{
    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        const struct gt_chunks *holds = &gt_gil_at(timeline, i)->holds;
        size_t at = gt_deps_hold_after(holds, wake->time_ns);

        if (at < holds->count && gt_span_at(holds, at)->start_ns <= wake->time_ns &&
            gt_span_at(holds, at)->thread == wake->thread)
            return !is_switch(holds, at, (uint32_t)wake->subject, wake->time_ns);
    }
    return false;
}

/*
 * Where no agent was: CPython gives its locks with the GIL in hand, so a thread that woke
 * another one of its process, and had it, gave it what it slept for. Timers ring in whatever
 * thread is on the CPU then: from the others' wake-ups nothing follows.
 */
static int add_wakes(struct gt_deps *deps)
{
    const struct gt_timeline *timeline = deps->timeline;

    for (size_t i = 0; i < timeline->sync_ops.count; i++) {
        const struct gt_sync_op *wake = gt_deps_sync_op(deps, i);
        uint32_t woken = (uint32_t)wake->subject, event;
        const struct gt_state_span *span;

        if (wake->kind != GT_SYNC_WAKE || deps->replayed[woken] == GT_WORKLOAD_NONE ||
            deps->replayed[wake->thread] == GT_WORKLOAD_NONE || gt_usages_of(timeline, woken) ||
            gt_thread_at(timeline, woken)->process !=
                gt_thread_at(timeline, wake->thread)->process ||
            !gt_sched_of(timeline, woken))
            continue;
        span = sleep_until(gt_sched_of(timeline, woken), wake->time_ns);
        if (!span || !gives_at(timeline, wake))
            continue;
        event = gt_workload_add_event(deps->workload, 1);
        if (event == GT_WORKLOAD_NONE ||
            gt_deps_add(deps, GT_STEP_SIGNAL, wake->thread, wake->time_ns, wake->time_ns,
                        event) ||
            gt_deps_add(deps, GT_STEP_AWAIT, woken, span->start_ns, span->end_ns, event))
            return -1;
    }
    return 0;
}

/* --- all of it --- */

/* Semaphores that are waited for inside a queue, a counting one, a barrier or a join. Sync
 * operations of one thread come in the order of their ends: go back from the end. */
static int find_nested(const struct gt_deps *deps, bool *nested)
{
    size_t threads = deps->timeline->threads.count;
    int64_t *covered_ns = calloc(threads + 1, sizeof(*covered_ns));
    bool with_queues = gt_deps_queues_are_whole(deps->timeline);
    bool with_tokens = gt_deps_permits_are_whole(deps->timeline);

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
                                  (op->kind == GT_SYNC_PERMIT_TAKEN && with_tokens) ||
                                  op->kind == GT_SYNC_BARRIER || op->kind == GT_SYNC_JOIN))
            covered_ns[op->thread] = op->since_ns;
    }
    free(covered_ns);
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
        rc = add_births(deps) || find_nested(deps, nested) ||
                     gt_deps_add_semaphores(deps, nested) || gt_deps_add_queues(deps) ||
                     gt_deps_add_barriers(deps) || gt_deps_add_io(deps) ||
                     gt_deps_add_events(deps) || gt_deps_add_permits(deps) || add_joins(deps) ||
                     add_wakes(deps) || add_ends(deps) || gt_deps_add_jobs(deps) ||
                     gt_deps_add_clocks(deps) || sort(deps)
                 ? -1
                 : 0;
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
