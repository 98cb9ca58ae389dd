/* SPDX-License-Identifier: MIT */
#include "whatif/dep_queues.h"

#include <stdlib.h>

/* Queues whose items several threads take, and barriers. */

/* What is known of one thread while its queues are looked at. */
struct worker {
    size_t items;    /* most that it took out of one queue that it shares */
    size_t taken;    /* of the queue at hand */
    size_t put;      /* likewise */
    uint32_t queue;  /* the one that it works for; GT_WORKLOAD_NONE */
    int64_t last_ns; /* of the last item that it took out of it */
};

struct queues {
    struct gt_deps *deps;
    struct worker *workers;   /* by thread */
    struct gt_chunks touched; /* of uint32_t: threads with figures of the queue at hand */
};

static bool is_queue(const struct gt_sync_op *op)
{
    return op->kind == GT_SYNC_QUEUE_GET || op->kind == GT_SYNC_QUEUE_PUT;
}

static bool is_barrier(const struct gt_sync_op *op)
{
    return op->kind == GT_SYNC_BARRIER;
}

/* Items that nobody was seen to put in: it had them before the recording began. */
static uint32_t items_before(const struct gt_deps *deps, const struct gt_dep_group *group)
{
    int64_t items = 0, least = 0;

    for (size_t i = 0; i < group->count; i++) {
        items += gt_deps_of_group(deps, group, i)->kind == GT_SYNC_QUEUE_PUT ? 1 : -1;
        if (items < least)
            least = items;
    }
    return (uint32_t)-least;
}

static int count_workers(struct queues *queues, const struct gt_dep_group *group)
{
    gt_chunks_truncate(&queues->touched, 0);
    for (size_t i = 0; i < group->count; i++) {
        const struct gt_sync_op *op = gt_deps_of_group(queues->deps, group, i);
        struct worker *worker = &queues->workers[op->thread];

        if (worker->taken + worker->put == 0) {
            uint32_t *touched = gt_chunks_push(&queues->touched);

            if (!touched)
                return -1;
            *touched = op->thread;
        }
        if (op->kind == GT_SYNC_QUEUE_GET)
            worker->taken++;
        else
            worker->put++;
    }
    return 0;
}

/* Several threads work for a queue when they take its items in turn and others put them in:
 * then it is chance which thread takes which. A queue into which they put items themselves,
 * beyond passing on a last one or two, is something else: a store of tools, say. */
static bool has_workers(const struct queues *queues)
{
    size_t takers = 0, put_by_takers = 0, put_by_others = 0;

    for (size_t i = 0; i < queues->touched.count; i++) {
        const struct worker *worker =
            &queues->workers[*(const uint32_t *)gt_chunks_at(&queues->touched, i)];

        takers += worker->taken > 0;
        if (worker->taken)
            put_by_takers += worker->put;
        else
            put_by_others += worker->put;
    }
    return takers > 1 && put_by_others > put_by_takers;
}

/* Before any item is given away: each thread works for the queue that it takes most from. */
static int choose(struct queues *queues, const struct gt_dep_group *group, uint32_t queue)
{
    bool shared;

    if (count_workers(queues, group))
        return -1;
    shared = has_workers(queues);
    for (size_t i = 0; i < queues->touched.count; i++) {
        struct worker *worker =
            &queues->workers[*(const uint32_t *)gt_chunks_at(&queues->touched, i)];

        if (shared && worker->taken > worker->items) {
            worker->items = worker->taken;
            worker->queue = queue;
        }
        worker->taken = worker->put = 0;
    }
    return 0;
}

static int add_job(struct gt_deps *deps, const struct gt_sync_op *get, uint32_t queue,
                   uint32_t rank)
{
    struct gt_dep *dep;

    if (gt_deps_add(deps, GT_DEP_JOB, get->thread, gt_sync_op_began_ns(get), 0, queue))
        return -1;
    dep = gt_chunks_last(&deps->added);
    dep->rank = rank;
    return 0;
}

/* By sync operation, of what is put in: when that thread waited last, for a full queue say.
 * NULL: no memory. */
static int64_t *find_waits(const struct gt_deps *deps)
{
    size_t threads = deps->timeline->threads.count, count = deps->timeline->sync_ops.count;
    int64_t *waited_ns = calloc(count + 1, sizeof(*waited_ns));
    int64_t *last_ns = calloc(threads + 1, sizeof(*last_ns));

    for (size_t i = 0; waited_ns && last_ns && i < count; i++) {
        const struct gt_sync_op *op = gt_deps_sync_op(deps, i);

        if (op->kind == GT_SYNC_SEM_TAKEN)
            last_ns[op->thread] = op->time_ns;
        else if (op->kind == GT_SYNC_QUEUE_PUT)
            waited_ns[i] = last_ns[op->thread];
    }
    if (!last_ns) {
        free(waited_ns);
        waited_ns = NULL;
    }
    free(last_ns);
    return waited_ns;
}

static int add_queue(struct queues *queues, const struct gt_dep_group *group, uint32_t queue,
                     const int64_t *waited_ns)
{
    struct gt_deps *deps = queues->deps;
    uint32_t rank = 0;

    for (size_t i = 0; i < group->count; i++) {
        const struct gt_sync_op *op = gt_deps_of_group(deps, group, i);
        int64_t at_ns = gt_sync_op_began_ns(op);
        int rc;

        if (deps->replayed[op->thread] == GT_WORKLOAD_NONE)
            continue;
        if (op->kind == GT_SYNC_QUEUE_PUT) {
            if (!op->left && waited_ns[group->indices[i]] > at_ns)
                at_ns = waited_ns[group->indices[i]];
            rc = gt_deps_add(deps, GT_STEP_PUT, op->thread, at_ns, at_ns, queue);
        } else if (queues->workers[op->thread].queue == queue) {
            queues->workers[op->thread].last_ns = op->time_ns;
            rc = add_job(deps, op, queue, rank++);
        } else {
            rc = gt_deps_add(deps, GT_STEP_TAKE, op->thread, at_ns, at_ns, queue);
        }
        if (rc)
            return -1;
    }
    return 0;
}

/* How many items it holds, says its owner; 0: any number, or it is not known. An object of the
 * same address later may be another queue: the greatest is believed. */
static uint32_t capacity_of(const struct gt_deps *deps, const struct gt_dep_group *group)
{
    uint32_t most = 0;

    for (size_t i = 0; i < group->count; i++) {
        const struct gt_sync_op *op = gt_deps_of_group(deps, group, i);

        if (op->kind != GT_SYNC_QUEUE_PUT)
            continue;
        if (!op->left)
            return 0;
        if (op->left > most)
            most = op->left;
    }
    return most ? most - 1U : 0;
}

static int begin_queue(struct queues *queues, const struct gt_dep_group *group)
{
    struct gt_workload *workload = queues->deps->workload;
    uint32_t index = gt_workload_add_queue(workload, items_before(queues->deps, group));

    if (index == GT_WORKLOAD_NONE)
        return -1;
    ((struct gt_workload_queue *)gt_chunks_at(&workload->queues, index))->capacity =
        capacity_of(queues->deps, group);
    return choose(queues, group, index);
}

/* A thread that found the queue empty has ended its work, but nothing told it to: another
 * thread might have done its last job. */
static int add_endings(struct queues *queues)
{
    static const char *const names[] = {"Queue.get", "Queue.get_nowait",
                                        "SimpleQueue.get_nowait", "SimpleQueue.get"};
    const struct gt_timeline *timeline = queues->deps->timeline;

    for (uint32_t thread = 0; thread < timeline->calls.count; thread++) {
        const struct worker *worker = &queues->workers[thread];
        const struct gt_chunks *spans = &gt_calls_of(timeline, thread)->spans;
        size_t at;

        if (worker->queue == GT_WORKLOAD_NONE)
            continue;
        at = gt_chunks_first_after(spans, 0, offsetof(struct gt_call_span, start_ns),
                                   worker->last_ns);
        for (; at < spans->count; at++) {
            const struct gt_call_span *span = gt_chunks_at(spans, at);
            const struct gt_function_info *called =
                gt_chunks_at(&timeline->functions, span->function);

            if (span->flags & GT_CALL_SPAN_UNWOUND &&
                gt_deps_is_one_of(gt_intern_text(&timeline->names, called->name), names,
                                  sizeof(names) / sizeof(names[0])))
                break;
        }
        if (at < spans->count &&
            gt_deps_add(queues->deps, GT_DEP_JOBS_END, thread,
                        ((const struct gt_call_span *)gt_chunks_at(spans, at))->start_ns, 0,
                        worker->queue))
            return -1;
    }
    return 0;
}

static int add_all(struct queues *queues, const uint32_t *indices, size_t count,
                   const int64_t *waited_ns)
{
    struct gt_workload *workload = queues->deps->workload;
    struct gt_dep_group group;
    uint32_t queue = 0;

    for (size_t at = 0; gt_deps_next_group(queues->deps, indices, count, &at, &group);)
        if (begin_queue(queues, &group))
            return -1;
    if (workload->queues.count == 0)
        return 0;
    for (size_t at = 0; gt_deps_next_group(queues->deps, indices, count, &at, &group);)
        if (queue == workload->queues.count || add_queue(queues, &group, queue++, waited_ns))
            return -1;
    return add_endings(queues);
}

bool gt_deps_queues_are_whole(const struct gt_timeline *timeline)
{
    static const char *const names[] = {"Queue.get", "Queue.put", "SimpleQueue.get",
                                        "SimpleQueue.get_nowait", "SimpleQueue.put"};

    return gt_deps_are_whole(timeline, names, sizeof(names) / sizeof(names[0]));
}

int gt_deps_add_queues(struct gt_deps *deps)
{
    size_t count, threads = deps->timeline->threads.count;
    uint32_t *indices = gt_deps_sort(deps, is_queue, &count);
    struct queues queues = {.deps = deps,
                            .workers = calloc(threads + 1, sizeof(*queues.workers))};
    int64_t *waited_ns = find_waits(deps);
    int rc = -1;

    gt_chunks_init(&queues.touched, sizeof(uint32_t));
    for (size_t i = 0; queues.workers && i < threads; i++)
        queues.workers[i].queue = GT_WORKLOAD_NONE;
    if (!gt_deps_queues_are_whole(deps->timeline))
        rc = 0;
    else if (indices && queues.workers && waited_ns)
        rc = add_all(&queues, indices, count, waited_ns);
    gt_chunks_release(&queues.touched);
    free(queues.workers);
    free(waited_ns);
    free(indices);
    return rc;
}

/* --- barriers --- */

/* Those that went through together: all of them had come before any of them went on. */
static size_t count_together(const struct gt_deps *deps, const struct gt_dep_group *group,
                             size_t first)
{
    int64_t open_ns = gt_deps_of_group(deps, group, first)->time_ns;
    size_t at = first + 1;

    while (at < group->count &&
           gt_sync_op_began_ns(gt_deps_of_group(deps, group, at)) < open_ns) {
        if (gt_deps_of_group(deps, group, at)->time_ns < open_ns)
            open_ns = gt_deps_of_group(deps, group, at)->time_ns;
        at++;
    }
    return at - first;
}

static uint32_t count_replayed(const struct gt_deps *deps, const struct gt_dep_group *group,
                               size_t first, size_t together)
{
    uint32_t count = 0;

    for (size_t i = first; i < first + together; i++)
        count += deps->replayed[gt_deps_of_group(deps, group, i)->thread] != GT_WORKLOAD_NONE;
    return count;
}

static int add_barrier(struct gt_deps *deps, const struct gt_dep_group *group)
{
    size_t together;

    for (size_t first = 0; first < group->count; first += together) {
        uint32_t event;

        together = count_together(deps, group, first);
        event =
            gt_workload_add_event(deps->workload, count_replayed(deps, group, first, together));
        if (event == GT_WORKLOAD_NONE)
            return -1;
        for (size_t i = first; i < first + together; i++) {
            const struct gt_sync_op *arrival = gt_deps_of_group(deps, group, i);
            int64_t at_ns = gt_sync_op_began_ns(arrival);

            if (gt_deps_add(deps, GT_STEP_SIGNAL, arrival->thread, at_ns, at_ns, event) ||
                gt_deps_add(deps, GT_STEP_AWAIT, arrival->thread, at_ns, at_ns, event))
                return -1;
        }
    }
    return 0;
}

int gt_deps_add_barriers(struct gt_deps *deps)
{
    size_t count;
    uint32_t *indices = gt_deps_sort(deps, is_barrier, &count);
    struct gt_dep_group group;
    int rc = indices ? 0 : -1;

    for (size_t at = 0; rc == 0 && gt_deps_next_group(deps, indices, count, &at, &group);) {
        gt_deps_sort_by_beginning(deps, &group);
        rc = add_barrier(deps, &group);
    }
    free(indices);
    return rc;
}
