/* SPDX-License-Identifier: MIT */
/*
 * A recording that begins while its processes run already. What happened before is not of the
 * recording: only which processes and threads there are by then, and which calls are open in
 * them. Such a thread is known from its first event on. One that waits for a GIL calls its
 * timed wait again when the switch interval is over; so one that makes no event for as long as
 * that does not wait, and its life is known from there on. One that releases a GIL of which no
 * event came before has held it since the recording began.
 */
#include "model/builder.h"

void gt_earlier_init(struct gt_timeline *timeline)
{
    gt_chunks_init(&gt_builder_of(timeline)->earlier, sizeof(struct gt_earlier));
    gt_hashmap_init(&gt_builder_of(timeline)->earlier_of);
    gt_builder_of(timeline)->until_ns = INT64_MAX;
}

void gt_earlier_release(struct gt_timeline *timeline)
{
    struct gt_chunks *all = &gt_builder_of(timeline)->earlier;

    for (size_t i = 0; i < all->count; i++)
        gt_calls_state_release(&((struct gt_earlier *)gt_chunks_at(all, i))->calls);
    gt_chunks_release(all);
    gt_hashmap_release(&gt_builder_of(timeline)->earlier_of);
}

void gt_timeline_set_range(struct gt_timeline *timeline, int64_t since_ns, int64_t until_ns,
                           int64_t interval_ns)
{
    struct gt_builder *builder = gt_builder_of(timeline);

    timeline->is_part = since_ns > 0 || until_ns > 0;
    if (until_ns > 0)
        builder->until_ns = until_ns;
    if (since_ns <= 0)
        return;
    builder->since_ns = since_ns;
    builder->interval_ns = interval_ns;
    timeline->start_ns = timeline->end_ns = since_ns;
}

struct gt_earlier *gt_earlier_of(const struct gt_timeline *timeline, int32_t tid)
{
    uint32_t index = gt_hashmap_get(&gt_builder_of(timeline)->earlier_of, (uint32_t)tid);

    return index == GT_HASHMAP_NONE ? NULL
                                    : gt_chunks_at(&gt_builder_of(timeline)->earlier, index);
}

void gt_earlier_forget_calls(struct gt_earlier *earlier)
{
    gt_calls_state_release(&earlier->calls);
    gt_calls_state_init(&earlier->calls);
}

struct gt_earlier *gt_earlier_add(struct gt_timeline *timeline, uint32_t process_index,
                                  int32_t tid)
{
    struct gt_builder *builder = gt_builder_of(timeline);
    struct gt_process *process = gt_process_mutable(timeline, process_index);
    struct gt_earlier *earlier = gt_earlier_of(timeline, tid);

    if (!earlier) {
        earlier = gt_chunks_push(&builder->earlier);
        if (!earlier || gt_hashmap_put(&builder->earlier_of, (uint32_t)tid,
                                       (uint32_t)builder->earlier.count - 1))
            return NULL;
        *earlier = (struct gt_earlier){.pid = -1};
        gt_calls_state_init(&earlier->calls);
    }
    if (earlier->pid != process->pid || earlier->ended) { /* it is another thread's by now */
        gt_earlier_forget_calls(earlier);
        *earlier = (struct gt_earlier){.pid = process->pid,
                                       .tid = tid,
                                       .number = ++process->thread_count,
                                       .thread = GT_NO_INDEX,
                                       .calls = earlier->calls};
    }
    return earlier;
}

static struct gt_earlier *find_unseen(const struct gt_timeline *timeline, int32_t tid)
{
    struct gt_earlier *earlier = gt_earlier_of(timeline, tid);

    return earlier && !earlier->ended && earlier->thread == GT_NO_INDEX ? earlier : NULL;
}

int gt_earlier_seen(struct gt_timeline *timeline, uint32_t thread)
{
    struct gt_thread *seen = gt_thread_mutable(timeline, thread);
    struct gt_process *process = gt_process_mutable(timeline, seen->process);
    struct gt_earlier *earlier = find_unseen(timeline, seen->tid);

    if (!earlier || earlier->pid != process->pid)
        return 0;
    earlier->thread = thread;
    process->thread_count--; /* it was counted before */
    seen->number = earlier->number;
    if (earlier->comm)
        gt_name_from_comm(timeline, thread, earlier->comm);
    return gt_calls_adopt(timeline, thread, &earlier->calls);
}

int gt_earlier_untraced(struct gt_timeline *timeline, const struct gt_event *event)
{
    const struct gt_chunks *all = &gt_builder_of(timeline)->earlier;

    for (size_t i = 0; i < all->count; i++) {
        struct gt_earlier *earlier = gt_chunks_at(all, i);

        if (earlier->pid == event->pid &&
            gt_calls_feed_earlier(timeline, &earlier->calls, event))
            return -1;
    }
    return 0;
}

void gt_earlier_replaced(struct gt_timeline *timeline, int32_t tid)
{
    struct gt_earlier *earlier = find_unseen(timeline, tid);

    if (earlier)
        earlier->ended = true;
}

bool gt_earlier_is_unseen(const struct gt_timeline *timeline, int32_t tid)
{
    return find_unseen(timeline, tid) != NULL;
}

void gt_earlier_held(struct gt_timeline *timeline, const struct gt_gil_state *state,
                     uint32_t thread)
{
    int64_t since_ns = gt_builder_of(timeline)->since_ns;
    struct gt_thread *holder = gt_thread_mutable(timeline, thread);

    if (since_ns && state->known_since_ns == since_ns && !(holder->flags & GT_THREAD_SAW_START))
        holder->start_ns = since_ns;
}
