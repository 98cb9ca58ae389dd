/* SPDX-License-Identifier: MIT */
#include "whatif/workload.h"

void gt_workload_init(struct gt_workload *workload)
{
    *workload = (struct gt_workload){0};
    gt_chunks_init(&workload->threads, sizeof(struct gt_workload_thread));
    gt_chunks_init(&workload->gils, sizeof(struct gt_workload_gil));
    gt_chunks_init(&workload->events, sizeof(uint32_t));
    gt_chunks_init(&workload->queues, sizeof(struct gt_workload_queue));
}

void gt_workload_release(struct gt_workload *workload)
{
    for (uint32_t i = 0; i < workload->threads.count; i++)
        gt_chunks_release(&gt_workload_thread_at(workload, i)->steps);
    for (uint32_t i = 0; i < workload->queues.count; i++)
        gt_chunks_release(
            &((struct gt_workload_queue *)gt_chunks_at(&workload->queues, i))->jobs);
    gt_chunks_release(&workload->threads);
    gt_chunks_release(&workload->gils);
    gt_chunks_release(&workload->events);
    gt_chunks_release(&workload->queues);
}

uint32_t gt_workload_add_thread(struct gt_workload *workload, bool counts)
{
    struct gt_workload_thread *thread = gt_chunks_push(&workload->threads);

    if (!thread)
        return GT_WORKLOAD_NONE;
    *thread = (struct gt_workload_thread){.works_for = GT_WORKLOAD_NONE,
                                          .newest_job = GT_WORKLOAD_NONE,
                                          .after_jobs = SIZE_MAX,
                                          .goes_on_until = GT_WORKLOAD_NONE,
                                          .counts = counts};
    gt_chunks_init(&thread->steps, sizeof(struct gt_step));
    return (uint32_t)workload->threads.count - 1;
}

uint32_t gt_workload_add_gil(struct gt_workload *workload, int64_t interval_ns,
                             int64_t handover_ns)
{
    struct gt_workload_gil *gil = gt_chunks_push(&workload->gils);

    if (!gil)
        return GT_WORKLOAD_NONE;
    *gil = (struct gt_workload_gil){interval_ns, handover_ns};
    return (uint32_t)workload->gils.count - 1;
}

uint32_t gt_workload_add_event(struct gt_workload *workload, uint32_t signals)
{
    uint32_t *event = gt_chunks_push(&workload->events);

    if (!event)
        return GT_WORKLOAD_NONE;
    *event = signals;
    return (uint32_t)workload->events.count - 1;
}

uint32_t gt_workload_add_queue(struct gt_workload *workload, uint32_t items)
{
    struct gt_workload_queue *queue = gt_chunks_push(&workload->queues);

    if (!queue)
        return GT_WORKLOAD_NONE;
    *queue = (struct gt_workload_queue){.items = items};
    gt_chunks_init(&queue->jobs, sizeof(struct gt_workload_job));
    return (uint32_t)workload->queues.count - 1;
}

static struct gt_workload_job *newest_job(const struct gt_workload *workload,
                                          const struct gt_workload_thread *thread)
{
    const struct gt_workload_queue *queue;

    if (thread->newest_job == GT_WORKLOAD_NONE)
        return NULL;
    queue = gt_chunks_at(&workload->queues, thread->works_for);
    return gt_chunks_at(&queue->jobs, thread->newest_job);
}

int gt_workload_add_step(struct gt_workload *workload, uint32_t index, struct gt_step step)
{
    struct gt_workload_thread *thread = gt_workload_thread_at(workload, index);
    struct gt_step *added = gt_chunks_push(&thread->steps);
    struct gt_workload_job *job = newest_job(workload, thread);

    if (!added)
        return -1;
    *added = step;
    if (job)
        job->count++;
    else if (thread->works_for == GT_WORKLOAD_NONE)
        thread->own++;
    return 0;
}

int gt_workload_add_job(struct gt_workload *workload, uint32_t queue_index, uint32_t rank,
                        uint32_t index)
{
    struct gt_workload_thread *thread = gt_workload_thread_at(workload, index);
    struct gt_workload_queue *queue = gt_chunks_at(&workload->queues, queue_index);
    struct gt_workload_job *job = newest_job(workload, thread);

    if (job)
        job->last = false;
    while (queue->jobs.count <= rank) {
        job = gt_chunks_push(&queue->jobs);
        if (!job)
            return -1;
        *job = (struct gt_workload_job){.thread = GT_WORKLOAD_NONE};
    }
    thread->works_for = queue_index;
    thread->newest_job = rank;
    job = gt_chunks_at(&queue->jobs, rank);
    *job =
        (struct gt_workload_job){.thread = index, .last = true, .first = thread->steps.count};
    return 0;
}

void gt_workload_end_jobs(struct gt_workload *workload, uint32_t index)
{
    struct gt_workload_thread *thread = gt_workload_thread_at(workload, index);
    struct gt_workload_job *job = newest_job(workload, thread);

    if (!job)
        return;
    job->last = false;
    thread->newest_job = GT_WORKLOAD_NONE;
    thread->after_jobs = thread->steps.count;
}
