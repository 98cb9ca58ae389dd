/* SPDX-License-Identifier: MIT */
#include "model/append.h"

#include "model/append_parts.h"
#include "model/builder.h"

#include <stdlib.h>
#include <string.h>

void gt_appended_init(struct gt_appended *appended)
{
    gt_hashmap_init(&appended->pids);
    gt_intern_init(&appended->functions);
    appended->next_pid = GT_FIRST_MADE_PID;
}

void gt_appended_release(struct gt_appended *appended)
{
    gt_hashmap_release(&appended->pids);
    gt_intern_release(&appended->functions);
}

/* --- names and functions --- */

static int move_names(struct gt_move *move)
{
    const struct gt_intern *names = &move->from->names;
    size_t count = gt_intern_count(names);

    move->names = calloc(count + 1, sizeof(*move->names));
    for (uint32_t i = 0; move->names && i < count; i++) {
        move->names[i] = gt_intern_add(&move->to->names, gt_intern_text(names, i),
                                       gt_intern_length(names, i));
        if (move->names[i] == UINT32_MAX)
            return -1;
    }
    return move->names ? 0 : -1;
}

/* The same function of several recordings is one: the index is that of what tells it apart. */
static int move_function(struct gt_move *move, struct gt_appended *appended, uint32_t index)
{
    struct gt_function_info info =
        *(struct gt_function_info *)gt_chunks_at(&move->from->functions, index);
    uint32_t key[] = {gt_move_name(move, info.name), gt_move_name(move, info.file), info.line,
                      info.flags};
    uint32_t id = gt_intern_add(&appended->functions, (const char *)key, sizeof(key));
    struct gt_function_info *old;

    if (id == UINT32_MAX)
        return -1;
    id--; /* 0 is the empty string's */
    move->functions[index] = id;
    if (id < move->to->functions.count) {
        old = gt_chunks_at(&move->to->functions, id);
        old->calls += info.calls;
        old->untraced_calls += info.untraced_calls;
        return 0;
    }
    info.name = key[0];
    info.file = key[1];
    return gt_move_push(&move->to->functions, &info) ? 0 : -1;
}

static int move_functions(struct gt_move *move, struct gt_appended *appended)
{
    size_t count = move->from->functions.count;

    move->functions = calloc(count + 1, sizeof(*move->functions));
    for (uint32_t i = 0; move->functions && i < count; i++)
        if (move_function(move, appended, i))
            return -1;
    return move->functions ? 0 : -1;
}

/* --- processes and threads --- */

/* What was lost of all processes of a recording is nothing to those of the others. */
static int move_lost(struct gt_move *move)
{
    struct gt_timeline *to = move->to, *from = move->from;
    struct gt_chunks list;

    for (size_t i = 0; i < from->lost.count; i++)
        gt_move_range(move, gt_chunks_at(&from->lost, i));
    for (size_t i = 0; i < from->lost_of.count; i++) {
        struct gt_chunks *of = gt_chunks_at(&from->lost_of, i);

        for (size_t j = 0; j < of->count; j++)
            gt_move_range(move, gt_chunks_at(of, j));
    }
    move->lost_lists = (uint32_t)to->lost_of.count;
    if (gt_move_all(&to->lost_of, &from->lost_of))
        return -1;
    move->lost_of_all = (uint32_t)to->lost_of.count;
    gt_chunks_init(&list, sizeof(struct gt_lost_range));
    if (!gt_move_push(&to->lost_of, &list))
        return -1;
    for (size_t i = 0; i < from->lost.count; i++)
        if (!gt_move_push(gt_chunks_last(&to->lost_of), gt_chunks_at(&from->lost, i)))
            return -1;
    return gt_move_all(&to->lost, &from->lost);
}

/* In the outputs, one number is one process. */
static void give_pid(struct gt_appended *appended, struct gt_process *process)
{
    if (gt_hashmap_get(&appended->pids, (uint32_t)process->pid) != GT_HASHMAP_NONE)
        process->pid = appended->next_pid++;
}

static int move_process(struct gt_move *move, struct gt_appended *appended, uint32_t index)
{
    struct gt_process process = *gt_process_at(move->from, index);

    process.recording = (uint32_t)move->to->recordings.count - 1;
    process.parent = gt_move_index(process.parent, move->processes);
    process.main_thread = gt_move_index(process.main_thread, move->threads);
    process.name = gt_move_name_in(move, process.name);
    process.command = gt_move_name(move, process.command);
    process.role = gt_move_name(move, process.role);
    process.lost_list =
        (process.lost_list ? move->lost_lists + process.lost_list - 1 : move->lost_of_all) + 1;
    process.start_ns = gt_move_ns(move, process.start_ns);
    process.end_ns = gt_move_ns(move, process.end_ns);
    if (process.name == UINT32_MAX)
        return -1;
    give_pid(appended, &process);
    return gt_move_push(&move->to->processes, &process) ? 0 : -1;
}

/* A number that was used twice within the recording stays the same for both. */
static int move_processes(struct gt_move *move, struct gt_appended *appended)
{
    for (uint32_t i = 0; i < move->from->processes.count; i++)
        if (move_process(move, appended, i))
            return -1;
    for (uint32_t i = 0; i < move->from->processes.count; i++)
        if (gt_hashmap_put(&appended->pids,
                           (uint32_t)gt_process_at(move->to, move->processes + i)->pid, 1))
            return -1;
    return 0;
}

static int move_threads(struct gt_move *move)
{
    for (uint32_t i = 0; i < move->from->threads.count; i++) {
        struct gt_thread thread = *gt_thread_at(move->from, i);

        thread.process = gt_move_index(thread.process, move->processes);
        thread.creator = gt_move_index(thread.creator, move->threads);
        thread.comm = gt_move_name(move, thread.comm);
        thread.python_name = gt_move_name(move, thread.python_name);
        thread.start_ns = gt_move_ns(move, thread.start_ns);
        thread.end_ns = gt_move_ns(move, thread.end_ns);
        if (!gt_move_push(&move->to->threads, &thread))
            return -1;
    }
    return 0;
}

/* --- GILs --- */

/* Two of one process are of one program where these numbers are equal. */
static uint32_t images_of(const struct gt_timeline *timeline)
{
    uint32_t most = 0;

    for (uint32_t i = 0; i < timeline->gils.count; i++)
        if (gt_gil_at(timeline, i)->image >= most)
            most = gt_gil_at(timeline, i)->image + 1;
    return most;
}

static int move_gils(struct gt_move *move)
{
    move->images = images_of(move->to);
    for (uint32_t i = 0; i < move->from->gils.count; i++)
        if (gt_move_gil(move, gt_chunks_at(&move->from->gils, i)))
            return -1;
    return gt_move_all(&move->to->gils, &move->from->gils);
}

/* --- all of it --- */

static void add_quality(struct gt_quality *to, const struct gt_quality *from)
{
    uint64_t *sums = (uint64_t *)to;
    const uint64_t *added = (const uint64_t *)from;

    _Static_assert(sizeof(*to) % sizeof(*sums) == 0, "all of its members are counts");
    for (size_t i = 0; i < sizeof(*to) / sizeof(*sums); i++)
        sums[i] += added[i];
}

static void add_facts(struct gt_move *move)
{
    struct gt_timeline *to = move->to;
    const struct gt_timeline *from = move->from;
    int64_t start_ns = from->start_ns >= 0 ? gt_move_ns(move, from->start_ns) : -1;

    if (start_ns >= 0 && (to->start_ns < 0 || start_ns < to->start_ns))
        to->start_ns = start_ns;
    if (from->end_ns >= 0 && gt_move_ns(move, from->end_ns) > to->end_ns)
        to->end_ns = gt_move_ns(move, from->end_ns);
    if (from->stopped_ns >= 0 && to->stopped_ns < 0) {
        to->stopped_ns = gt_move_ns(move, from->stopped_ns);
        to->stopped_gil = from->stopped_gil;
    }
    if (from->cpu_count > to->cpu_count)
        to->cpu_count = from->cpu_count;
    to->saw_sched |= from->saw_sched;
    to->saw_switch_records |= from->saw_switch_records;
    to->saw_reasons |= from->saw_reasons;
    to->probed_locks |= from->probed_locks;
    to->saw_stacks |= from->saw_stacks;
    to->saw_futex |= from->saw_futex;
    to->saw_native |= from->saw_native;
    to->native_unplaced += from->native_unplaced;
    to->left_out.events += from->left_out.events;
    to->left_out.gils += from->left_out.gils;
    to->left_out.counts += from->left_out.counts;
    to->left_out.locks += from->left_out.locks;
    to->left_out.lost_ranges += from->left_out.lost_ranges;
    add_quality(&to->quality, &from->quality);
}

static int add_recording(struct gt_move *move, const char *name, const char *host)
{
    struct gt_recording recording = {
        .name = gt_intern_add(&move->to->names, name, strlen(name)),
        .host = host ? gt_intern_add(&move->to->names, host, strlen(host)) : 0,
        .first_process = (uint32_t)move->to->processes.count,
        .process_count = (uint32_t)move->from->processes.count,
        .no_gil = move->from->no_gil,
    };

    if (recording.name == UINT32_MAX || recording.host == UINT32_MAX)
        return -1;
    move->called = name;
    return gt_move_push(&move->to->recordings, &recording) ? 0 : -1;
}

int gt_timeline_append(struct gt_timeline *to, struct gt_timeline *from,
                       struct gt_appended *appended, const struct gt_clock_map *map,
                       const char *name, const char *host, struct gt_error *err)
{
    struct gt_move move = {
        .to = to,
        .from = from,
        .map = map,
        .processes = (uint32_t)to->processes.count,
        .threads = (uint32_t)to->threads.count,
        .gils = (uint32_t)to->gils.count,
    };
    int rc = add_recording(&move, name, host) || move_names(&move) ||
             move_functions(&move, appended) || move_lost(&move) ||
             move_processes(&move, appended) || move_threads(&move) || move_gils(&move) ||
             gt_move_parts(&move);

    if (!rc)
        add_facts(&move);
    free(move.names);
    free(move.functions);
    return rc ? gt_error_memory(err) : 0;
}
