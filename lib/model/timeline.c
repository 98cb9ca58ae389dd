#include "event/pyruntime.h"
#include "model/builder.h"

#include <bsd/stdlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CPU_MAX = 65536, /* a cpu number beyond this is not one */
};

struct gt_timeline *gt_timeline_new(bool single_gil, struct gt_error *err)
{
    struct gt_timeline *timeline = calloc(1, sizeof(*timeline));
    struct gt_builder *builder = calloc(1, sizeof(*builder));

    if (!timeline || !builder) {
        free(timeline);
        free(builder);
        gt_error_memory(err);
        return NULL;
    }
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
    timeline->recorded_until_ns = -1;
    timeline->stopped_ns = -1;
    gt_chunks_init(&timeline->counters, sizeof(struct gt_counter));
    gt_sync_init(timeline);
    gt_stacks_init(&timeline->stacks);
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
    builder->single_gil = single_gil;
    timeline->builder = builder;
    gt_futex_init(timeline);
    return timeline;
}

void gt_timeline_set_runtime(struct gt_timeline *timeline, const struct gt_runtime *runtime)
{
    timeline->builder->runtime = runtime;
}

void gt_timeline_set_realtime(struct gt_timeline *timeline, int64_t offset_ns)
{
    timeline->builder->realtime_ns = offset_ns;
}

void gt_timeline_set_probed(struct gt_timeline *timeline, const struct gt_probed *probed)
{
    timeline->builder->probed = probed;
}

static void free_builder(struct gt_timeline *timeline)
{
    struct gt_builder *builder = timeline->builder;

    for (uint32_t i = 0; i < builder->process_states.count; i++) {
        gt_hashmap_release(&gt_process_state_at(timeline, i)->cond_of);
        gt_hashmap_release(&gt_process_state_at(timeline, i)->candidate_of);
        free(gt_process_state_at(timeline, i)->pending);
    }
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
    gt_chunks_release(&builder->conds);
    gt_chunks_release(&builder->mapped);
    gt_chunks_release(&builder->suspects);
    gt_futex_release(timeline);
    gt_hashmap_release(&builder->function_of);
    gt_hashmap_release(&builder->thread_of);
    gt_hashmap_release(&builder->process_of);
    gt_hashmap_release(&builder->guess_of);
    free(builder->cpu_last_ns);
    free(builder);
    timeline->builder = NULL;
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
    if (timeline->builder)
        free_builder(timeline);
    gt_chunks_release(&timeline->processes);
    gt_chunks_release(&timeline->threads);
    gt_chunks_release(&timeline->gils);
    gt_chunks_release(&timeline->lost);
    gt_holes_release(timeline);
    gt_chunks_release(&timeline->unseen);
    gt_sched_release(timeline);
    gt_calls_release(timeline);
    gt_chunks_release(&timeline->marks);
    gt_counters_release(timeline);
    gt_sync_release(timeline);
    gt_stacks_release(&timeline->stacks);
    gt_intern_release(&timeline->names);
    free(timeline);
}

static uint32_t add_process(struct gt_timeline *timeline, int32_t pid, uint32_t parent,
                            int64_t time_ns)
{
    uint32_t index = (uint32_t)timeline->processes.count;
    struct gt_process *process = gt_chunks_push(&timeline->processes);
    struct gt_process_state *state =
        process ? gt_chunks_push(&timeline->builder->process_states) : NULL;

    if (!state)
        return GT_NO_INDEX;
    *process = (struct gt_process){
        .pid = pid,
        .parent = parent,
        .name = parent == GT_NO_INDEX ? 0 : gt_process_at(timeline, parent)->name,
        .main_thread = GT_NO_INDEX,
        .start_ns = time_ns,
        .end_ns = -1,
    };
    *state = (struct gt_process_state){
        .recent = {GT_NO_INDEX, GT_NO_INDEX},
        .first_gil = GT_NO_INDEX,
        .last_gil = GT_NO_INDEX,
        .function_gil = GT_NO_INDEX,
        .hole = GT_NO_INDEX,
        .mapped = GT_NO_INDEX,
        .image_start_ns = time_ns,
        .image = timeline->builder->images++,
    };
    if (parent != GT_NO_INDEX) { /* a fork keeps its mappings */
        state->runtime_start = gt_process_state_at(timeline, parent)->runtime_start;
        state->runtime_end = gt_process_state_at(timeline, parent)->runtime_end;
    }
    gt_hashmap_init(&state->cond_of);
    if (gt_hashmap_put(&timeline->builder->process_of, (uint32_t)pid, index))
        return GT_NO_INDEX;
    return index;
}

static uint32_t add_thread(struct gt_timeline *timeline, uint32_t process_index, int32_t tid,
                           int64_t time_ns)
{
    struct gt_process *process = gt_process_mutable(timeline, process_index);
    uint32_t index = (uint32_t)timeline->threads.count;
    struct gt_thread *thread = gt_chunks_push(&timeline->threads);
    struct gt_thread_state *state =
        thread ? gt_chunks_push(&timeline->builder->thread_states) : NULL;

    if (!state || gt_hashmap_put(&timeline->builder->thread_of, (uint32_t)tid, index))
        return GT_NO_INDEX;
    *thread = (struct gt_thread){
        .tid = tid,
        .process = process_index,
        .comm =
            gt_process_state_at(timeline, process_index)->name_is_threads ? 0 : process->name,
        .number = ++process->thread_count,
        .flags = tid == process->pid ? GT_THREAD_MAIN : 0,
        .start_ns = time_ns,
        .end_ns = -1,
        .creator = GT_NO_INDEX,
    };
    memset(state, 0, sizeof(*state));
    if (tid == process->pid)
        process->main_thread = index;
    timeline->builder->recent_tid = -1;
    return index;
}

static uint32_t process_of_pid(struct gt_timeline *timeline, int32_t pid, int64_t time_ns)
{
    uint32_t index = gt_hashmap_get(&timeline->builder->process_of, (uint32_t)pid);

    return index != GT_HASHMAP_NONE ? index : add_process(timeline, pid, GT_NO_INDEX, time_ns);
}

/*
 * Text without process ids and without task records names threads only. Threads that signal
 * the same address are taken for one process then (addresses are random per process), and so
 * are all that call the probed functions.
 */
static uint32_t guess_process(struct gt_timeline *timeline, const struct gt_event *event)
{
    struct gt_hashmap *guess_of = &timeline->builder->guess_of;
    uint64_t key = event->kind == GT_EVENT_COND_SIGNAL || event->kind == GT_EVENT_COND_WAIT
                       ? event->cond.address
                       : 0;
    /* A thread may be seen waiting before the GIL's other condition variable ever was. */
    static const uint64_t near[] = {0, GT_DISTANCE_X86_64, 0 - (uint64_t)GT_DISTANCE_X86_64,
                                    GT_DISTANCE_AARCH64, 0 - (uint64_t)GT_DISTANCE_AARCH64};
    uint32_t index;

    for (size_t i = 0; i < (key ? sizeof(near) / sizeof(near[0]) : 1); i++) {
        index = gt_hashmap_get(guess_of, key + near[i]);
        if (index != GT_HASHMAP_NONE)
            return index;
    }
    index = process_of_pid(timeline, event->tid, event->time_ns);
    if (index == GT_NO_INDEX)
        return GT_NO_INDEX;
    gt_process_state_at(timeline, index)->guessed = true; /* registers its addresses */
    return key || gt_hashmap_put(guess_of, key, index) == 0 ? index : GT_NO_INDEX;
}

static uint32_t new_thread_of_event(struct gt_timeline *timeline, const struct gt_event *event)
{
    uint32_t process = event->pid > 0 ? process_of_pid(timeline, event->pid, event->time_ns)
                                      : guess_process(timeline, event);

    return process == GT_NO_INDEX ? GT_NO_INDEX
                                  : add_thread(timeline, process, event->tid, event->time_ns);
}

static int end_thread(struct gt_timeline *timeline, uint32_t index, int64_t time_ns)
{
    struct gt_thread *thread = gt_thread_mutable(timeline, index);
    struct gt_process *process = gt_process_mutable(timeline, thread->process);

    if (thread->flags & GT_THREAD_SAW_EXIT)
        return 0;
    thread->flags |= GT_THREAD_SAW_EXIT;
    thread->end_ns = time_ns;
    if (process->end_ns < time_ns)
        process->end_ns = time_ns;
    gt_calls_ended(timeline, index, time_ns);
    if (gt_sched_ended(timeline, index, time_ns))
        return -1;
    return gt_gil_thread_exit(timeline, index, time_ns);
}

/* Without task records only its process tells that a tid is another thread's now. */
static bool belongs_to(const struct gt_timeline *timeline, uint32_t thread, int32_t pid)
{
    uint32_t process = gt_thread_at(timeline, thread)->process;

    return gt_process_at(timeline, process)->pid == pid ||
           gt_process_state_at(timeline, process)->guessed;
}

/* GT_NO_INDEX when memory is exhausted. */
static uint32_t thread_of_event(struct gt_timeline *timeline, const struct gt_event *event)
{
    struct gt_builder *builder = timeline->builder;
    uint32_t index;

    if (event->tid == builder->recent_tid) {
        index = builder->recent_thread;
    } else {
        index = gt_hashmap_get(&builder->thread_of, (uint32_t)event->tid);
        if (index == GT_HASHMAP_NONE)
            index = new_thread_of_event(timeline, event);
        if (index == GT_NO_INDEX)
            return GT_NO_INDEX;
        builder->recent_tid = event->tid;
        builder->recent_thread = index;
    }
    if (event->pid > 0 && !belongs_to(timeline, index, event->pid)) {
        if (end_thread(timeline, index, event->time_ns))
            return GT_NO_INDEX;
        index = new_thread_of_event(timeline, event);
        if (index == GT_NO_INDEX)
            return GT_NO_INDEX;
    }
    if (event->kind != GT_EVENT_COMM && event->kind != GT_EVENT_EXEC &&
        gt_name_from_line(timeline, index, event))
        return GT_NO_INDEX;
    return index;
}

/* Whoever forks lives, and waits for nothing: the first that is told of a thread may be this.
 */
static int note_forker(struct gt_timeline *timeline, const struct gt_event *event)
{
    uint32_t process, index;

    if (event->creator.pid <= 0 || event->creator.tid <= 0)
        return 0;
    index = gt_hashmap_get(&timeline->builder->thread_of, (uint32_t)event->creator.tid);
    if (index != GT_HASHMAP_NONE)
        return gt_futex_left(timeline, index, event->time_ns);
    process = process_of_pid(timeline, event->creator.pid, event->time_ns);
    if (process == GT_NO_INDEX)
        return -1;
    return add_thread(timeline, process, event->creator.tid, event->time_ns) == GT_NO_INDEX ? -1
                                                                                            : 0;
}

static int feed_fork(struct gt_timeline *timeline, const struct gt_event *event)
{
    struct gt_builder *builder = timeline->builder;
    uint32_t parent, process, index, creator;

    if (note_forker(timeline, event))
        return -1;
    creator = gt_hashmap_get(&builder->thread_of, (uint32_t)event->creator.tid);
    index = gt_hashmap_get(&builder->thread_of, (uint32_t)event->tid);
    if (index != GT_HASHMAP_NONE) {
        if (gt_thread_at(timeline, index)->start_ns == event->time_ns)
            return 0;                                    /* the record came twice */
        if (end_thread(timeline, index, event->time_ns)) /* its exit was lost */
            return -1;
    }
    parent = event->creator.pid > 0
                 ? gt_hashmap_get(&builder->process_of, (uint32_t)event->creator.pid)
                 : GT_NO_INDEX;
    if (event->pid == event->tid)
        process = add_process(timeline, event->pid, parent, event->time_ns);
    else
        process = process_of_pid(timeline, event->pid, event->time_ns);
    if (process == GT_NO_INDEX)
        return -1;
    index = add_thread(timeline, process, event->tid, event->time_ns);
    if (index == GT_NO_INDEX)
        return -1;
    gt_thread_mutable(timeline, index)->flags |= GT_THREAD_SAW_START;
    gt_name_from_creator(timeline, index, event->creator.tid);
    gt_thread_mutable(timeline, index)->creator = creator;
    return gt_sched_started(timeline, index, event->time_ns);
}

static int feed_exit(struct gt_timeline *timeline, const struct gt_event *event)
{
    uint32_t index = gt_hashmap_get(&timeline->builder->thread_of, (uint32_t)event->tid);

    return index == GT_HASHMAP_NONE ? 0 : end_thread(timeline, index, event->time_ns);
}

/* The process runs another program now: its GILs are gone, and so are its other threads. */
static int feed_exec(struct gt_timeline *timeline, uint32_t index, const struct gt_event *event)
{
    struct gt_thread *thread = gt_thread_mutable(timeline, index);
    uint32_t process_index = thread->process;
    struct gt_process *process = gt_process_mutable(timeline, process_index);
    struct gt_process_state *state = gt_process_state_at(timeline, process_index);
    bool had_gil = state->first_gil != GT_NO_INDEX;

    for (uint32_t at = state->first_gil; at != GT_NO_INDEX;
         at = gt_gil_state_at(timeline, at)->next)
        if (gt_gil_close(timeline, gt_gil_state_at(timeline, at), event->time_ns))
            return -1;
    gt_calls_ended(timeline, index, event->time_ns); /* exec does not return */
    state->first_gil = state->last_gil = GT_NO_INDEX;
    gt_hashmap_release(&state->cond_of);
    gt_hashmap_release(&state->candidate_of);
    state->runtime_start = state->runtime_end = 0;
    gt_thread_state_at(timeline, index)->last_signal = 0;
    state->recent[0] = state->recent[1] = GT_NO_INDEX;
    state->function_gil = state->mapped = GT_NO_INDEX;
    state->pending_count = 0;
    state->gil_count = 0;
    state->image = timeline->builder->images++;
    state->image_start_ns = event->time_ns;
    if (!state->executed && !had_gil && !(thread->flags & GT_THREAD_SAW_START)) {
        /* The process waited at the gate: the program's life begins here. */
        thread->start_ns = process->start_ns = event->time_ns;
        gt_sched_restart(timeline, index);
    }
    state->executed = true;
    gt_holes_resume(timeline, process_index, event->time_ns);
    return gt_name_from_exec(timeline, index, event);
}

static int64_t *cpu_slot(struct gt_builder *builder, int32_t cpu)
{
    if (cpu < 0 || cpu >= CPU_MAX)
        return NULL;
    if ((size_t)cpu >= builder->cpu_count) {
        size_t count = (size_t)cpu + 16;
        int64_t *slots = reallocarray(builder->cpu_last_ns, count, sizeof(*slots));

        if (!slots)
            return NULL;
        for (size_t i = builder->cpu_count; i < count; i++)
            slots[i] = -1;
        builder->cpu_last_ns = slots;
        builder->cpu_count = count;
    }
    return &builder->cpu_last_ns[cpu];
}

/* perf writes the record when there is room again: what is missing lies between the last event
 * of that CPU and the record. */
static int feed_lost(struct gt_timeline *timeline, const struct gt_event *event)
{
    int64_t *last = cpu_slot(timeline->builder, event->cpu);
    int64_t from_ns = last && *last >= 0 ? *last : timeline->start_ns;
    struct gt_lost_range *range = gt_chunks_push(&timeline->lost);

    if (!range)
        return -1;
    if (event->lost.since_ns)
        from_ns = event->lost.since_ns;
    if (from_ns < 0 || from_ns > event->time_ns)
        from_ns = event->time_ns;
    *range = (struct gt_lost_range){from_ns, event->time_ns, event->lost.events};
    if (timeline->builder->lost_until_ns < event->time_ns)
        timeline->builder->lost_until_ns = event->time_ns;
    timeline->quality.lost_events += event->lost.events;
    return 0; /* GILs and threads catch up when they are seen again */
}

/* Of no thread, and of all, or of a process. */
static int feed_stopped(struct gt_timeline *timeline, const struct gt_event *event)
{
    uint32_t process;

    if (event->pid > 0) {
        process = process_of_pid(timeline, event->pid, event->time_ns);
        return process == GT_NO_INDEX ? -1 : gt_holes_stopped(timeline, process, event);
    }
    if (timeline->stopped_ns < 0)
        timeline->stopped_ns = event->time_ns;
    timeline->stopped_gil |= event->stopped.gil;
    return 0;
}

static int feed_lost_of(struct gt_timeline *timeline, const struct gt_event *event)
{
    uint32_t process = process_of_pid(timeline, event->pid, event->time_ns);

    return process == GT_NO_INDEX ? -1 : gt_holes_lost(timeline, process, event);
}

/* Mappings tell where the interpreter's _PyRuntime is, and which files are used, in a process
 * that lives. */
static int feed_mmap(struct gt_timeline *timeline, const struct gt_event *event)
{
    const struct gt_runtime *runtime = timeline->builder->runtime;
    uint32_t process = gt_hashmap_get(&timeline->builder->process_of, (uint32_t)event->pid);
    uint64_t start, end;

    if (process == GT_HASHMAP_NONE)
        return 0;
    if (runtime && event->mapping.path_length == strlen(runtime->path) &&
        memcmp(event->mapping.path, runtime->path, event->mapping.path_length) == 0 &&
        gt_runtime_locate(runtime, event->mapping.address, event->mapping.offset, &start, &end))
        gt_futex_runtime(timeline, process, start, end);
    return gt_mapped_feed(timeline, process, event);
}

/* Does the event show that its thread was on a CPU? Scheduling events say so themselves, and
 * what only the agent or VizTracer sees is not asked. */
static bool shows_running(const struct gt_event *event)
{
    switch (gt_event_group(event->kind)) {
    case GT_EVENTS_SCHED:
    case GT_EVENTS_FUNCTION:
    case GT_EVENTS_MARK:
    case GT_EVENTS_SYNC:
        return false;
    default:
        return true;
    }
}

static int feed_thread_event(struct gt_timeline *timeline, const struct gt_event *event)
{
    uint32_t index = thread_of_event(timeline, event);

    if (index == GT_NO_INDEX)
        return -1;
    if (timeline->holes.count &&
        gt_holes_hide(timeline, gt_thread_at(timeline, index)->process, event))
        return 0;
    if (timeline->saw_sched && shows_running(event) && gt_sched_seen(timeline, index, event))
        return -1;
    switch (event->kind) {
    case GT_EVENT_COND_WAIT:
        if (gt_gil_function_wait(timeline, index, event) ||
            gt_futex_deadline(timeline, index, event))
            return -1;
        return gt_recognise(timeline, index, event);
    case GT_EVENT_COND_SIGNAL:
        return gt_recognise(timeline, index, event);
    case GT_EVENT_TAKE_ENTER:
    case GT_EVENT_TAKE_RETURN:
    case GT_EVENT_DROP_ENTER:
    case GT_EVENT_DROP_RETURN:
        return gt_gil_function(timeline, index, event);
    case GT_EVENT_FUTEX_ENTER:
    case GT_EVENT_FUTEX_EXIT:
    case GT_EVENT_BLOCK_ENTER:
    case GT_EVENT_BLOCK_EXIT:
        return gt_futex_feed(timeline, index, event);
    case GT_EVENT_CALL:
    case GT_EVENT_RETURN:
    case GT_EVENT_UNTRACED:
        return gt_calls_feed(timeline, index, event);
    case GT_EVENT_INSTANT:
    case GT_EVENT_SERIES:
        return gt_marks_feed(timeline, index, event);
    case GT_EVENT_COUNTER:
        return gt_counters_feed(timeline, index, event);
    case GT_EVENT_EXEC:
        return feed_exec(timeline, index, event);
    case GT_EVENT_COMM:
        return gt_name_from_event(timeline, index, event);
    case GT_EVENT_SCHED_SWITCH:
    case GT_EVENT_SWITCH_IN:
    case GT_EVENT_SWITCH_OUT:
        return gt_sched_feed(timeline, index, event);
    case GT_EVENT_USAGE:
        return gt_usage_feed(timeline, index, event);
    case GT_EVENT_SNAPSHOT:
        return gt_snapshot_feed(timeline, event);
    default:
        return gt_event_group(event->kind) == GT_EVENTS_SYNC
                   ? gt_sync_feed(timeline, index, event)
                   : 0;
    }
}

/* Times that go back, beyond what merging per-CPU buffers explains, are counted. */
static void note_time(struct gt_timeline *timeline, const struct gt_event *event)
{
    int64_t *last = cpu_slot(timeline->builder, event->cpu);

    if (timeline->start_ns < 0 || event->time_ns < timeline->start_ns)
        timeline->start_ns = event->time_ns;
    if (event->time_ns < timeline->end_ns)
        timeline->quality.unordered++;
    else
        timeline->end_ns = event->time_ns;
    if (last)
        *last = event->time_ns;
}

int gt_timeline_feed(struct gt_timeline *timeline, const struct gt_event *event)
{
    struct gt_builder *builder = timeline->builder;
    int rc = 0;

    timeline->quality.events++;
    if (event->time_ns <= 0) {
        /* Records that perf makes up for what ran before it began: names only. */
        if (event->kind != GT_EVENT_COMM || event->tid <= 0 ||
            gt_hashmap_get(&builder->thread_of, (uint32_t)event->tid) == GT_HASHMAP_NONE)
            return 0;
    }
    if (event->kind == GT_EVENT_LOST)
        rc =
            event->lost.of_process ? feed_lost_of(timeline, event) : feed_lost(timeline, event);
    else if (event->kind == GT_EVENT_FORK)
        rc = event->tid > 0 ? feed_fork(timeline, event) : 0;
    else if (event->kind == GT_EVENT_EXIT)
        rc = event->tid > 0 ? feed_exit(timeline, event) : 0;
    else if (event->kind == GT_EVENT_MMAP)
        rc = feed_mmap(timeline, event);
    else if (event->kind == GT_EVENT_STOPPED)
        rc = feed_stopped(timeline, event);
    else
        rc = event->tid > 0 ? feed_thread_event(timeline, event) : 0;
    if (rc == 0 &&
        (event->kind == GT_EVENT_SCHED_SWITCH || event->kind == GT_EVENT_SCHED_WAKEUP))
        rc = gt_sched_other(timeline, event);
    if (event->time_ns > 0)
        note_time(timeline, event);
    return rc;
}

int gt_timeline_finish(struct gt_timeline *timeline, struct gt_error *err)
{
    int rc = gt_finish_gils(timeline);

    free_builder(timeline);
    return rc ? gt_error_memory(err) : 0;
}
