/* SPDX-License-Identifier: MIT */
/* Threads and processes: which one an event is of, and how they begin and end. */
#include "model/builder.h"

#include <string.h>

static uint32_t add_process(struct gt_timeline *timeline, int32_t pid, uint32_t parent,
                            int64_t time_ns)
{
    uint32_t index = (uint32_t)timeline->processes.count;
    struct gt_process *process = gt_chunks_push(&timeline->processes);
    struct gt_process_state *state =
        process ? gt_chunks_push(&gt_builder_of(timeline)->process_states) : NULL;

    if (!state)
        return GT_NO_INDEX;
    *process = (struct gt_process){
        .pid = pid,
        .own_pid = pid,
        .parent = parent,
        .name = parent == GT_NO_INDEX ? 0 : gt_process_at(timeline, parent)->name,
        .command = parent == GT_NO_INDEX ? 0 : gt_process_at(timeline, parent)->command,
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
        .image = gt_builder_of(timeline)->images++,
    };
    if (parent != GT_NO_INDEX) { /* a fork keeps its mappings */
        state->runtime_start = gt_process_state_at(timeline, parent)->runtime_start;
        state->runtime_end = gt_process_state_at(timeline, parent)->runtime_end;
    }
    gt_hashmap_init(&state->cond_of);
    if (gt_hashmap_put(&gt_builder_of(timeline)->process_of, (uint32_t)pid, index))
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
        thread ? gt_chunks_push(&gt_builder_of(timeline)->thread_states) : NULL;

    if (!state || gt_hashmap_put(&gt_builder_of(timeline)->thread_of, (uint32_t)tid, index))
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
    gt_builder_of(timeline)->recent_tid = -1;
    return index;
}

uint32_t gt_process_of_pid(struct gt_timeline *timeline, int32_t pid, int64_t time_ns)
{
    uint32_t index = gt_hashmap_get(&gt_builder_of(timeline)->process_of, (uint32_t)pid);

    return index != GT_HASHMAP_NONE ? index : add_process(timeline, pid, GT_NO_INDEX, time_ns);
}

/*
 * Text without pids and without task records tells of threads only. Then threads that use a
 * condition variable at the same address are taken for one process, since addresses are random.
 * All threads that call the probed functions are taken for one process, too.
 */
static uint32_t guess_process(struct gt_timeline *timeline, const struct gt_event *event)
{
    struct gt_hashmap *guess_of = &gt_builder_of(timeline)->guess_of;
    uint64_t key = event->kind == GT_EVENT_COND_SIGNAL || event->kind == GT_EVENT_COND_WAIT
                       ? event->cond.address
                       : 0;
    /* The other condition variable of the same GIL may be the only one that was seen before. */
    static const uint64_t near[] = {0, GT_DISTANCE_X86_64, 0 - (uint64_t)GT_DISTANCE_X86_64,
                                    GT_DISTANCE_AARCH64, 0 - (uint64_t)GT_DISTANCE_AARCH64};
    uint32_t index;

    for (size_t i = 0; i < (key ? sizeof(near) / sizeof(near[0]) : 1); i++) {
        index = gt_hashmap_get(guess_of, key + near[i]);
        if (index != GT_HASHMAP_NONE)
            return index;
    }
    index = gt_process_of_pid(timeline, event->tid, event->time_ns);
    if (index == GT_NO_INDEX)
        return GT_NO_INDEX;
    gt_process_state_at(timeline, index)->guessed = true; /* registers its addresses */
    if (!key && gt_hashmap_put(guess_of, key, index))
        return GT_NO_INDEX;
    return index;
}

static uint32_t new_thread_of_event(struct gt_timeline *timeline, const struct gt_event *event)
{
    uint32_t process = event->pid > 0 ? gt_process_of_pid(timeline, event->pid, event->time_ns)
                                      : guess_process(timeline, event);
    uint32_t index;

    if (process == GT_NO_INDEX)
        return GT_NO_INDEX;
    index = add_thread(timeline, process, event->tid, event->time_ns);
    return index == GT_NO_INDEX || gt_earlier_seen(timeline, index) ? GT_NO_INDEX : index;
}

uint32_t gt_thread_earlier(struct gt_timeline *timeline, int32_t pid, int32_t tid,
                           int64_t known_ns)
{
    uint32_t process = gt_process_of_pid(timeline, pid, known_ns);

    return process == GT_NO_INDEX ? GT_NO_INDEX : add_thread(timeline, process, tid, known_ns);
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

/* Is the thread of this process? If not, its tid was given to another thread since, and there
 * are no task records that tell so. */
static bool belongs_to(const struct gt_timeline *timeline, uint32_t thread, int32_t pid)
{
    uint32_t process = gt_thread_at(timeline, thread)->process;

    return gt_process_at(timeline, process)->pid == pid ||
           gt_process_state_at(timeline, process)->guessed;
}

bool gt_task_is_too_many(const struct gt_timeline *timeline, const struct gt_event *event)
{
    const struct gt_builder *builder = gt_builder_of(timeline);
    uint32_t thread;

    /* A fork makes two: the thread that forks may be new as well. */
    if (timeline->threads.count + 2 <= GT_THREADS_MAX &&
        timeline->processes.count + 2 <= GT_PROCESSES_MAX)
        return false;
    switch (event->kind) {
    case GT_EVENT_FORK:
        return event->tid > 0;
    case GT_EVENT_EXIT:
    case GT_EVENT_MMAP:
        return false;
    case GT_EVENT_LOST:
    case GT_EVENT_STOPPED:
        return event->pid > 0 && (event->kind == GT_EVENT_STOPPED || event->lost.of_process) &&
               gt_hashmap_get(&builder->process_of, (uint32_t)event->pid) == GT_HASHMAP_NONE;
    default:
        break;
    }
    if (event->tid <= 0)
        return false;
    thread = gt_hashmap_get(&builder->thread_of, (uint32_t)event->tid);
    return thread == GT_HASHMAP_NONE ||
           (event->pid > 0 && !belongs_to(timeline, thread, event->pid));
}

/* GT_NO_INDEX when memory is exhausted. */
uint32_t gt_thread_of_event(struct gt_timeline *timeline, const struct gt_event *event)
{
    struct gt_builder *builder = gt_builder_of(timeline);
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

/* A fork also tells of the thread that forks: it lives, and it does not wait. It may be the
 * first event of that thread. */
static int note_forker(struct gt_timeline *timeline, const struct gt_event *event)
{
    uint32_t process, index;

    if (event->creator.pid <= 0 || event->creator.tid <= 0)
        return 0;
    index = gt_hashmap_get(&gt_builder_of(timeline)->thread_of, (uint32_t)event->creator.tid);
    if (index != GT_HASHMAP_NONE)
        return gt_futex_left(timeline, index, event->time_ns);
    process = gt_process_of_pid(timeline, event->creator.pid, event->time_ns);
    if (process == GT_NO_INDEX)
        return -1;
    index = add_thread(timeline, process, event->creator.tid, event->time_ns);
    return index == GT_NO_INDEX ? -1 : gt_earlier_seen(timeline, index);
}

int gt_task_fork(struct gt_timeline *timeline, const struct gt_event *event)
{
    struct gt_builder *builder = gt_builder_of(timeline);
    uint32_t parent, process, index, creator;

    if (note_forker(timeline, event))
        return -1;
    gt_earlier_replaced(timeline, event->tid);
    creator = gt_hashmap_get(&builder->thread_of, (uint32_t)event->creator.tid);
    index = gt_hashmap_get(&builder->thread_of, (uint32_t)event->tid);
    if (index != GT_HASHMAP_NONE) {
        if (gt_thread_at(timeline, index)->start_ns == event->time_ns)
            return 0;                                    /* it was recorded twice */
        if (end_thread(timeline, index, event->time_ns)) /* its exit was lost */
            return -1;
    }
    parent = event->creator.pid > 0
                 ? gt_hashmap_get(&builder->process_of, (uint32_t)event->creator.pid)
                 : GT_NO_INDEX;
    if (event->pid == event->tid)
        process = add_process(timeline, event->pid, parent, event->time_ns);
    else
        process = gt_process_of_pid(timeline, event->pid, event->time_ns);
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

int gt_task_exit(struct gt_timeline *timeline, const struct gt_event *event)
{
    uint32_t index = gt_hashmap_get(&gt_builder_of(timeline)->thread_of, (uint32_t)event->tid);

    if (index == GT_HASHMAP_NONE) {
        if (!gt_earlier_is_unseen(timeline, event->tid))
            return 0;
        index = new_thread_of_event(timeline, event);
        if (index == GT_NO_INDEX)
            return -1;
    }
    return end_thread(timeline, index, event->time_ns);
}

/* The process runs another program now: its GILs are gone, and so are its other threads. */
int gt_task_exec(struct gt_timeline *timeline, uint32_t index, const struct gt_event *event)
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
    state->image = gt_builder_of(timeline)->images++;
    state->image_start_ns = event->time_ns;
    if (!state->executed && !had_gil && !(thread->flags & GT_THREAD_SAW_START)) {
        /* The process waited at the gate: the program's life begins here. */
        thread->start_ns = process->start_ns = event->time_ns;
        gt_sched_restart(timeline, index);
    }
    state->executed = true;
    process->command = process->role = 0;
    gt_holes_resume(timeline, process_index, event->time_ns);
    return gt_name_from_exec(timeline, index, event);
}

bool gt_timeline_is_alive(const struct gt_timeline *timeline, int32_t tid)
{
    uint32_t index = gt_hashmap_get(&gt_builder_of(timeline)->thread_of, (uint32_t)tid);

    return index != GT_HASHMAP_NONE &&
           !(gt_thread_at(timeline, index)->flags & GT_THREAD_SAW_EXIT);
}

static int fork_earlier(struct gt_timeline *timeline, const struct gt_event *event)
{
    struct gt_hashmap *process_of = &gt_builder_of(timeline)->process_of;
    int64_t since_ns = gt_builder_of(timeline)->since_ns;
    uint32_t process = gt_hashmap_get(process_of, (uint32_t)event->pid), parent;
    const struct gt_earlier *creator;
    struct gt_earlier *earlier;

    if (process == GT_HASHMAP_NONE) {
        parent = event->creator.pid > 0
                     ? gt_hashmap_get(process_of, (uint32_t)event->creator.pid)
                     : GT_NO_INDEX;
        process = add_process(timeline, event->pid,
                              event->pid == event->tid ? parent : GT_NO_INDEX, since_ns);
    }
    if (process == GT_NO_INDEX)
        return -1;
    earlier = gt_earlier_add(timeline, process, event->tid);
    creator = event->creator.tid > 0 ? gt_earlier_of(timeline, event->creator.tid) : NULL;
    if (earlier && creator)
        earlier->comm = creator->comm;
    return earlier ? 0 : -1;
}

static void exec_earlier(struct gt_timeline *timeline, uint32_t process)
{
    struct gt_process_state *state = gt_process_state_at(timeline, process);

    state->runtime_start = state->runtime_end = 0;
    state->mapped = GT_NO_INDEX;
    state->image = gt_builder_of(timeline)->images++;
    state->executed = true;
}

static int name_earlier(struct gt_timeline *timeline, const struct gt_event *event)
{
    uint32_t process =
        gt_process_of_pid(timeline, event->pid, gt_builder_of(timeline)->since_ns);
    struct gt_earlier *earlier =
        process == GT_NO_INDEX ? NULL : gt_earlier_add(timeline, process, event->tid);

    if (!earlier)
        return -1;
    if (event->new_name.is_command || event->new_name.is_role)
        return gt_name_of_process(timeline, process, event);
    if (event->kind == GT_EVENT_EXEC) {
        exec_earlier(timeline, process);
        gt_earlier_forget_calls(earlier);
    }
    if (gt_name_intern(timeline, event->new_name.text, event->new_name.length,
                       event->new_name.by_threading ? &earlier->python_name : &earlier->comm))
        return -1;
    if (event->tid == event->pid && !event->new_name.by_threading)
        gt_process_mutable(timeline, process)->name = earlier->comm;
    return 0;
}

static int call_earlier(struct gt_timeline *timeline, const struct gt_event *event)
{
    uint32_t process =
        gt_process_of_pid(timeline, event->pid, gt_builder_of(timeline)->since_ns);
    struct gt_earlier *earlier =
        process == GT_NO_INDEX ? NULL : gt_earlier_add(timeline, process, event->tid);

    return earlier ? gt_calls_feed_earlier(timeline, &earlier->calls, event) : -1;
}

int gt_task_earlier(struct gt_timeline *timeline, const struct gt_event *event)
{
    struct gt_earlier *earlier;

    if (event->pid <= 0 || event->tid <= 0)
        return 0;
    switch (event->kind) {
    case GT_EVENT_FORK:
        return fork_earlier(timeline, event);
    case GT_EVENT_EXIT:
        earlier = gt_earlier_of(timeline, event->tid);
        if (earlier)
            earlier->ended = true;
        return 0;
    case GT_EVENT_COMM:
    case GT_EVENT_EXEC:
        return name_earlier(timeline, event);
    case GT_EVENT_CALL:
    case GT_EVENT_RETURN:
        return call_earlier(timeline, event);
    case GT_EVENT_UNTRACED:
        return gt_earlier_untraced(timeline, event);
    default:
        return 0;
    }
}

bool gt_timeline_saw_exit(const struct gt_timeline *timeline, int32_t pid)
{
    for (uint32_t i = 0; i < timeline->threads.count; i++) {
        const struct gt_thread *thread = gt_thread_at(timeline, i);

        if (thread->tid == pid && thread->flags & GT_THREAD_SAW_EXIT)
            return true;
    }
    return false;
}
