#include "analysis/replay.h"

void gt_replay_init(struct gt_replay *replay)
{
    *replay = (struct gt_replay){0};
    gt_chunks_init(&replay->threads, sizeof(struct gt_replay_thread));
    gt_chunks_init(&replay->gils, sizeof(struct gt_replay_gil));
    gt_chunks_init(&replay->events, sizeof(uint32_t));
    gt_chunks_init(&replay->queues, sizeof(struct gt_replay_queue));
}

void gt_replay_release(struct gt_replay *replay)
{
    for (uint32_t i = 0; i < replay->threads.count; i++)
        gt_chunks_release(&gt_replay_thread_at(replay, i)->steps);
    for (uint32_t i = 0; i < replay->queues.count; i++)
        gt_chunks_release(&((struct gt_replay_queue *)gt_chunks_at(&replay->queues, i))->jobs);
    gt_chunks_release(&replay->threads);
    gt_chunks_release(&replay->gils);
    gt_chunks_release(&replay->events);
    gt_chunks_release(&replay->queues);
}

uint32_t gt_replay_add_thread(struct gt_replay *replay, bool counts)
{
    struct gt_replay_thread *thread = gt_chunks_push(&replay->threads);

    if (!thread)
        return GT_REPLAY_NONE;
    *thread = (struct gt_replay_thread){.works_for = GT_REPLAY_NONE,
                                        .newest_job = GT_REPLAY_NONE,
                                        .after_jobs = SIZE_MAX,
                                        .goes_on_until = GT_REPLAY_NONE,
                                        .counts = counts};
    gt_chunks_init(&thread->steps, sizeof(struct gt_replay_step));
    return (uint32_t)replay->threads.count - 1;
}

uint32_t gt_replay_add_gil(struct gt_replay *replay, int64_t interval_ns, int64_t handover_ns)
{
    struct gt_replay_gil *gil = gt_chunks_push(&replay->gils);

    if (!gil)
        return GT_REPLAY_NONE;
    *gil = (struct gt_replay_gil){interval_ns, handover_ns};
    return (uint32_t)replay->gils.count - 1;
}

uint32_t gt_replay_add_event(struct gt_replay *replay, uint32_t signals)
{
    uint32_t *event = gt_chunks_push(&replay->events);

    if (!event)
        return GT_REPLAY_NONE;
    *event = signals;
    return (uint32_t)replay->events.count - 1;
}

uint32_t gt_replay_add_queue(struct gt_replay *replay, uint32_t items)
{
    struct gt_replay_queue *queue = gt_chunks_push(&replay->queues);

    if (!queue)
        return GT_REPLAY_NONE;
    *queue = (struct gt_replay_queue){.items = items};
    gt_chunks_init(&queue->jobs, sizeof(struct gt_replay_job));
    return (uint32_t)replay->queues.count - 1;
}

static struct gt_replay_job *newest_job(const struct gt_replay *replay,
                                        const struct gt_replay_thread *thread)
{
    const struct gt_replay_queue *queue;

    if (thread->newest_job == GT_REPLAY_NONE)
        return NULL;
    queue = gt_chunks_at(&replay->queues, thread->works_for);
    return gt_chunks_at(&queue->jobs, thread->newest_job);
}

int gt_replay_add_step(struct gt_replay *replay, uint32_t index, struct gt_replay_step step)
{
    struct gt_replay_thread *thread = gt_replay_thread_at(replay, index);
    struct gt_replay_step *added = gt_chunks_push(&thread->steps);
    struct gt_replay_job *job = newest_job(replay, thread);

    if (!added)
        return -1;
    *added = step;
    if (job)
        job->count++;
    else if (thread->works_for == GT_REPLAY_NONE)
        thread->own++;
    return 0;
}

int gt_replay_add_job(struct gt_replay *replay, uint32_t queue_index, uint32_t rank,
                      uint32_t index)
{
    struct gt_replay_thread *thread = gt_replay_thread_at(replay, index);
    struct gt_replay_queue *queue = gt_chunks_at(&replay->queues, queue_index);
    struct gt_replay_job *job = newest_job(replay, thread);

    if (job)
        job->last = false;
    while (queue->jobs.count <= rank) {
        job = gt_chunks_push(&queue->jobs);
        if (!job)
            return -1;
        *job = (struct gt_replay_job){.thread = GT_REPLAY_NONE};
    }
    thread->works_for = queue_index;
    thread->newest_job = rank;
    job = gt_chunks_at(&queue->jobs, rank);
    *job = (struct gt_replay_job){.thread = index, .last = true, .first = thread->steps.count};
    return 0;
}

void gt_replay_end_jobs(struct gt_replay *replay, uint32_t index)
{
    struct gt_replay_thread *thread = gt_replay_thread_at(replay, index);
    struct gt_replay_job *job = newest_job(replay, thread);

    if (!job)
        return;
    job->last = false;
    thread->newest_job = GT_REPLAY_NONE;
    thread->after_jobs = thread->steps.count;
}
