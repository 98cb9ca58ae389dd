/* SPDX-License-Identifier: MIT */
#include "model/builder.h"

#include <stdlib.h>

struct gt_timeline *gt_timeline_new(bool single_gil, struct gt_error *err)
{
    struct gt_builder *builder = calloc(1, sizeof(*builder));
    struct gt_timeline *timeline;

    if (!builder) {
        gt_error_memory(err);
        return NULL;
    }
    timeline = &builder->timeline;
    gt_chunks_init(&timeline->recordings, sizeof(struct gt_recording));
    gt_chunks_init(&timeline->processes, sizeof(struct gt_process));
    gt_chunks_init(&timeline->threads, sizeof(struct gt_thread));
    gt_chunks_init(&timeline->gils, sizeof(struct gt_gil));
    gt_chunks_init(&timeline->lost, sizeof(struct gt_lost_range));
    gt_holes_init(timeline);
    gt_chunks_init(&timeline->unseen, sizeof(struct gt_unseen));
    gt_chunks_init(&timeline->scheds, sizeof(struct gt_sched));
    gt_chunks_init(&timeline->functions, sizeof(struct gt_function_info));
    gt_chunks_init(&timeline->calls, sizeof(struct gt_calls));
    gt_chunks_init(&timeline->marks, sizeof(struct gt_mark));
    gt_chunks_init(&timeline->gil_switches, sizeof(struct gt_gil_switch));
    gt_chunks_init(&timeline->stops, sizeof(struct gt_world_stop));
    gt_chunks_init(&timeline->stopped, sizeof(struct gt_span));
    gt_chunks_init(&timeline->stopped_sums, sizeof(int64_t));
    timeline->recorded_until_ns = -1;
    timeline->states_until_ns = INT64_MAX;
    timeline->stopped_ns = -1;
    gt_chunks_init(&timeline->counters, sizeof(struct gt_counter));
    gt_sync_init(timeline);
    gt_locks_init(timeline);
    gt_stacks_init(&timeline->stacks);
    gt_stacks_init(&timeline->native_stacks);
    gt_stacks_init(&timeline->event_stacks);
    gt_chunks_init(&timeline->native, sizeof(struct gt_native_sample));
    gt_chunks_init(&timeline->native_sleeps, sizeof(struct gt_native_sleep));
    gt_intern_init(&timeline->names);
    timeline->start_ns = -1;
    timeline->end_ns = -1;
    gt_chunks_init(&builder->process_states, sizeof(struct gt_process_state));
    gt_chunks_init(&builder->thread_states, sizeof(struct gt_thread_state));
    gt_chunks_init(&builder->gils, sizeof(struct gt_gil_state));
    gt_chunks_init(&builder->calls, sizeof(struct gt_calls_state));
    gt_chunks_init(&builder->scheds, sizeof(struct gt_scheduling));
    gt_chunks_init(&builder->conds, sizeof(struct gt_cond));
    gt_chunks_init(&builder->mapped, sizeof(struct gt_image));
    gt_chunks_init(&builder->suspects, sizeof(struct gt_suspect));
    gt_hashmap_init(&builder->function_of);
    gt_hashmap_init(&builder->thread_of);
    gt_hashmap_init(&builder->process_of);
    gt_hashmap_init(&builder->guess_of);
    builder->recent_tid = -1;
    builder->left_out_ns = -1;
    builder->single_gil = single_gil;
    gt_futex_init(timeline);
    gt_earlier_init(timeline);
    return timeline;
}

void gt_timeline_set_runtime(struct gt_timeline *timeline, const struct gt_runtime *runtime)
{
    gt_builder_of(timeline)->runtime = runtime;
}

void gt_timeline_set_realtime(struct gt_timeline *timeline, int64_t offset_ns)
{
    gt_builder_of(timeline)->realtime_ns = offset_ns;
}

void gt_timeline_set_probed(struct gt_timeline *timeline, const struct gt_probed *probed)
{
    gt_builder_of(timeline)->probed = probed;
}

/* All but the timeline; it may have been released already. */
static void release_builder(struct gt_timeline *timeline)
{
    struct gt_builder *builder = gt_builder_of(timeline);

    gt_gil_detect_end(timeline);
    for (uint32_t i = 0; i < builder->gils.count; i++)
        gt_gil_state_release(gt_gil_state_at(timeline, i));
    for (size_t i = 0; i < builder->calls.count; i++)
        gt_calls_state_release(gt_chunks_at(&builder->calls, i));
    for (size_t i = 0; i < builder->scheds.count; i++)
        gt_chunks_release(
            &((struct gt_scheduling *)gt_chunks_at(&builder->scheds, i))->sched.spans);
    gt_chunks_release(&builder->gils);
    gt_chunks_release(&builder->calls);
    gt_chunks_release(&builder->scheds);
    gt_chunks_release(&builder->process_states);
    gt_chunks_release(&builder->thread_states);
    gt_chunks_release(&builder->mapped);
    gt_chunks_release(&builder->suspects);
    gt_chunks_release(&builder->lock_ops);
    gt_chunks_release(&builder->lock_waiting);
    gt_hashmap_release(&builder->parked_of);
    gt_futex_release(timeline);
    gt_earlier_release(timeline);
    gt_hashmap_release(&builder->function_of);
    gt_hashmap_release(&builder->thread_of);
    gt_hashmap_release(&builder->process_of);
    gt_hashmap_release(&builder->guess_of);
    free(builder->cpu_last_ns);
    builder->cpu_last_ns = NULL;
}

void gt_timeline_drop_gils(struct gt_timeline *timeline)
{
    for (uint32_t i = 0; i < timeline->gils.count; i++)
        gt_gil_release(gt_chunks_at(&timeline->gils, i));
    gt_chunks_truncate(&timeline->gils, 0);
}

void gt_timeline_free(struct gt_timeline *timeline)
{
    if (!timeline)
        return;
    gt_timeline_drop_gils(timeline);
    release_builder(timeline);
    gt_chunks_release(&timeline->recordings);
    gt_chunks_release(&timeline->processes);
    gt_chunks_release(&timeline->threads);
    gt_chunks_release(&timeline->gils);
    gt_chunks_release(&timeline->lost);
    gt_holes_release(timeline);
    gt_chunks_release(&timeline->unseen);
    gt_sched_release(timeline);
    gt_calls_release(timeline);
    gt_chunks_release(&timeline->marks);
    gt_chunks_release(&timeline->gil_switches);
    gt_chunks_release(&timeline->stops);
    gt_chunks_release(&timeline->stopped);
    gt_chunks_release(&timeline->stopped_sums);
    gt_counters_release(timeline);
    gt_sync_release(timeline);
    gt_locks_release(timeline);
    gt_stacks_release(&timeline->stacks);
    gt_stacks_release(&timeline->native_stacks);
    gt_stacks_release(&timeline->event_stacks);
    gt_chunks_release(&timeline->native);
    gt_chunks_release(&timeline->native_sleeps);
    gt_intern_release(&timeline->names);
    free(gt_builder_of(timeline));
}

void gt_timeline_ended_early(struct gt_timeline *timeline, int64_t from_ns, int64_t end_ns)
{
    if (from_ns < 0 || end_ns <= from_ns)
        return;
    timeline->recorded_until_ns = from_ns;
    if (timeline->end_ns < end_ns)
        timeline->end_ns = end_ns;
}

void gt_timeline_states_ended(struct gt_timeline *timeline, int64_t from_ns)
{
    timeline->states_until_ns = from_ns;
}

int gt_timeline_finish(struct gt_timeline *timeline, struct gt_error *err)
{
    int rc = gt_finalize(timeline);

    release_builder(timeline);
    return rc ? gt_error_memory(err) : 0;
}

bool gt_gil_is_request(const struct gt_gil *gil, const struct gt_ask *ask)
{
    int64_t interval_ns;

    if (ask->deadline_ns)
        return ask->time_ns >= ask->deadline_ns;
    interval_ns = gt_interval_at(&gil->intervals, ask->time_ns);
    return ask->time_ns - ask->since_ns >= interval_ns - interval_ns / 10;
}
