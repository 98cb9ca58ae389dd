/* SPDX-License-Identifier: MIT */
#include "whatif/simulator_state.h"

#include <stdlib.h>

static const struct line empty_line = {GT_WORKLOAD_NONE, GT_WORKLOAD_NONE};

static const struct gt_workload_queue *queue_at(const struct sim *sim, uint32_t index)
{
    return gt_chunks_at(&sim->workload->queues, index);
}

int gt_sim_init(struct sim *sim)
{
    const struct gt_workload *workload = sim->workload;
    size_t threads = workload->threads.count, gils = workload->gils.count;

    sim->thread_count = (uint32_t)threads;
    sim->threads = calloc(threads + 1, sizeof(*sim->threads));
    sim->gils = calloc(gils + 1, sizeof(*sim->gils));
    sim->locks = calloc(workload->lock_count + 1, sizeof(*sim->locks));
    sim->events = calloc(workload->events.count + 1, sizeof(*sim->events));
    sim->queues = calloc(workload->queues.count + 1, sizeof(*sim->queues));
    sim->clocks = calloc(workload->clock_count + 1, sizeof(*sim->clocks));
    if (!sim->threads || !sim->gils || !sim->locks || !sim->events || !sim->queues ||
        !sim->clocks || gt_heap_init(&sim->timers, threads + gils) ||
        gt_heap_init(&sim->cpus, threads))
        return -1;
    for (uint32_t i = 0; i < threads; i++) {
        const struct gt_workload_thread *recorded = gt_workload_thread_at(workload, i);
        uint32_t queue = recorded->works_for;

        if (queue != GT_WORKLOAD_NONE && queue_at(sim, queue)->guessed &&
            !sim->rules->jobs_are_shared)
            queue = GT_WORKLOAD_NONE;
        sim->threads[i] = (struct thread){
            .steps = &recorded->steps,
            .end = queue == GT_WORKLOAD_NONE ? recorded->steps.count : recorded->own,
            .left_ns = -1,
            .works_for = queue,
            .gil = GT_WORKLOAD_NONE,
            .takes = GT_WORKLOAD_NONE};
        sim->counted += recorded->counts;
    }
    for (size_t i = 0; i < gils; i++)
        sim->gils[i] = (struct gil){.owner = GT_WORKLOAD_NONE, .line = empty_line};
    for (size_t i = 0; i < workload->lock_count; i++)
        sim->locks[i] = (struct lock){.line = empty_line};
    for (size_t i = 0; i < workload->events.count; i++)
        sim->events[i] =
            (struct event){.missing = *(const uint32_t *)gt_chunks_at(&workload->events, i),
                           .line = empty_line};
    for (size_t i = 0; i < workload->queues.count; i++) {
        const struct gt_workload_queue *queue = gt_chunks_at(&workload->queues, i);

        sim->queues[i] =
            (struct queue){.items = queue->items, .line = empty_line, .full = empty_line};
    }
    for (size_t i = 0; i < workload->clock_count; i++)
        sim->clocks[i] = -1;
    return 0;
}

void gt_sim_release(struct sim *sim)
{
    free(sim->threads);
    free(sim->gils);
    free(sim->locks);
    free(sim->events);
    free(sim->queues);
    free(sim->clocks);
    gt_heap_release(&sim->timers);
    gt_heap_release(&sim->cpus);
}
