/* SPDX-License-Identifier: MIT */
#include "tracejson/internal.h"

#include "base/buf.h"
#include "base/nstime.h"

#include <stdlib.h>
#include <string.h>

/* A time of the file, which counts from time zero. */
static int64_t time_of(struct gt_tracejson *reader, const json_t *object, const char *key)
{
    int64_t since_ns = gt_tracejson_number(object, key);

    if (since_ns > -GT_TIME_MOST_NS && since_ns < GT_TIME_MOST_NS)
        return reader->zero_ns + since_ns;
    reader->nonsense++;
    return reader->zero_ns;
}

/* A count, or a length of time. */
static int64_t count_of(struct gt_tracejson *reader, const json_t *object, const char *key)
{
    int64_t count = gt_tracejson_number(object, key);

    if (count >= 0 && count < GT_TIME_MOST_NS)
        return count;
    reader->nonsense++;
    return 0;
}

/* Of a process or thread. */
static int32_t id_of(struct gt_tracejson *reader, const json_t *object, const char *key)
{
    int64_t id = count_of(reader, object, key);

    reader->nonsense += id > INT32_MAX;
    return id > INT32_MAX ? 0 : (int32_t)id;
}

static uint32_t intern(struct gt_tracejson *reader, const json_t *text)
{
    return json_is_string(text)
               ? gt_intern_add(&reader->timeline->names, json_string_value(text),
                               json_string_length(text))
               : 0;
}

static struct gt_process *process_at(const struct gt_tracejson *reader, uint32_t index)
{
    return gt_chunks_at(&reader->timeline->processes, index);
}

/* The process of that pid, made when new. GT_NO_INDEX: no memory. */
static uint32_t process_of(struct gt_tracejson *reader, int32_t pid)
{
    uint32_t index = gt_hashmap_get(&reader->process_of, (uint32_t)pid);
    struct gt_process *process;

    if (index != GT_HASHMAP_NONE)
        return index;
    index = (uint32_t)reader->timeline->processes.count;
    process = gt_chunks_push(&reader->timeline->processes);
    if (!process || gt_hashmap_put(&reader->process_of, (uint32_t)pid, index))
        return GT_NO_INDEX;
    *process = (struct gt_process){.pid = pid,
                                   .own_pid = pid,
                                   .parent = GT_NO_INDEX,
                                   .main_thread = GT_NO_INDEX,
                                   .start_ns = INT64_MAX,
                                   .end_ns = -1};
    return index;
}

/* "main" and "thread 3" are no names, but what nameless threads are called. */
static bool is_name(const char *label)
{
    return strcmp(label, "main") != 0 &&
           (strncmp(label, "thread ", 7) != 0 || label[7 + strspn(label + 7, "0123456789")]);
}

static int take_thread(struct gt_tracejson *reader, const json_t *row)
{
    struct gt_timeline *timeline = reader->timeline;
    uint32_t index = (uint32_t)timeline->threads.count;
    uint32_t process = process_of(reader, id_of(reader, row, "pid"));
    const char *label = json_string_value(json_object_get(row, "label"));
    struct gt_thread *thread =
        process == GT_NO_INDEX ? NULL : gt_chunks_push(&timeline->threads);
    struct gt_process *of;

    if (!thread)
        return -1;
    of = process_at(reader, process);
    *thread = (struct gt_thread){
        .tid = id_of(reader, row, "tid"),
        .process = process,
        .python_name =
            label && is_name(label) ? intern(reader, json_object_get(row, "label")) : 0,
        .number = ++of->thread_count,
        .start_ns = time_of(reader, row, "start_ns"),
        .end_ns = time_of(reader, row, "end_ns"),
        .creator = GT_NO_INDEX,
    };
    if (json_is_true(json_object_get(row, "main"))) {
        thread->flags |= GT_THREAD_MAIN;
        of->main_thread = index;
    }
    thread->flags |= json_is_true(json_object_get(row, "saw_start")) ? GT_THREAD_SAW_START : 0;
    thread->flags |= json_is_true(json_object_get(row, "saw_exit")) ? GT_THREAD_SAW_EXIT : 0;
    reader->nonsense += thread->end_ns < thread->start_ns || thread->start_ns < 0 ||
                        thread->end_ns > GT_TIME_MOST_NS;
    of->start_ns = thread->start_ns < of->start_ns ? thread->start_ns : of->start_ns;
    of->end_ns = thread->end_ns > of->end_ns ? thread->end_ns : of->end_ns;
    return thread->python_name == UINT32_MAX ? -1 : 0;
}

static int index_threads(struct gt_tracejson *reader)
{
    size_t count = reader->timeline->threads.count;

    reader->next_of = calloc(count + 1, sizeof(*reader->next_of));
    reader->open = calloc(count + 1, sizeof(*reader->open));
    if (!reader->next_of || !reader->open)
        return -1;
    for (uint32_t i = (uint32_t)count; i-- > 0;) {
        uint32_t tid = (uint32_t)gt_thread_at(reader->timeline, i)->tid;

        gt_chunks_init(&reader->open[i], sizeof(int64_t));
        reader->next_of[i] = gt_hashmap_get(&reader->thread_of, tid);
        if (gt_hashmap_put(&reader->thread_of, tid, i))
            return -1;
    }
    return 0;
}

static int take_member(struct gt_tracejson *reader, struct gt_gil *gil, const json_t *row)
{
    int64_t thread = count_of(reader, row, "thread");
    struct gt_tracejson_track *track;
    struct gt_gil_thread *member;

    if (thread < 0 || (uint64_t)thread >= reader->timeline->threads.count ||
        gt_hashmap_get(&gil->member_of, (uint64_t)thread) != GT_HASHMAP_NONE) {
        reader->nonsense++;
        return 0;
    }
    track = gt_chunks_push(&reader->tracks);
    member = gt_chunks_push(&gil->members);
    if (!track || !member ||
        gt_hashmap_put(&gil->member_of, (uint64_t)thread, (uint32_t)gil->members.count - 1))
        return -1;
    *track = (struct gt_tracejson_track){(uint32_t)reader->timeline->gils.count - 1,
                                         (uint32_t)thread};
    *member = (struct gt_gil_thread){
        .thread = (uint32_t)thread,
        .waits = (uint32_t)count_of(reader, row, "waits"),
        .holds = (uint64_t)count_of(reader, row, "holds"),
        .hold_ns = count_of(reader, row, "hold_ns"),
        .wait_ns = count_of(reader, row, "wait_ns"),
        .unknown_ns = count_of(reader, row, "unknown_ns"),
        .lifetime_ns = count_of(reader, row, "lifetime_ns"),
        .longest_wait_ns = count_of(reader, row, "longest_wait_ns"),
        .longest_hold_ns = count_of(reader, row, "longest_hold_ns"),
    };
    return 0;
}

static enum gt_gil_origin origin_of(const json_t *row)
{
    const char *source = json_string_value(json_object_get(row, "source"));

    if (source && strcmp(source, "futex") == 0)
        return GT_GIL_FROM_FUTEX;
    return source && strcmp(source, "functions") == 0 ? GT_GIL_FROM_FUNCTIONS
                                                      : GT_GIL_FROM_COND;
}

/* Arguments end with NUL. 0: none are known; UINT32_MAX: no memory. */
static uint32_t take_command(struct gt_tracejson *reader, const json_t *words)
{
    struct gt_buf text;
    const json_t *word;
    uint32_t id = 0;

    gt_buf_init(&text);
    for (size_t i = 0; id == 0 && (word = json_array_get(words, i)); i++)
        if (json_is_string(word) &&
            gt_buf_add(&text, json_string_value(word), json_string_length(word) + 1))
            id = UINT32_MAX;
    if (id == 0 && text.length)
        id = gt_intern_add(&reader->timeline->names, text.data, text.length);
    gt_buf_release(&text);
    return id;
}

static void name_process(const struct gt_tracejson *reader, const struct gt_gil *gil,
                         const json_t *row)
{
    struct gt_process *process = process_at(reader, gil->process);
    const json_t *parent = json_object_get(row, "parent_pid");

    process->name = gil->name;
    process->command = gil->command;
    process->role = gil->role;
    process->start_ns = gil->start_ns < process->start_ns ? gil->start_ns : process->start_ns;
    process->end_ns = gil->end_ns > process->end_ns ? gil->end_ns : process->end_ns;
    if (json_is_integer(parent)) {
        uint32_t index =
            gt_hashmap_get(&reader->process_of, (uint32_t)json_integer_value(parent));

        process->parent = index == GT_HASHMAP_NONE ? GT_NO_INDEX : index;
    }
}

static void init_gil(struct gt_gil *gil)
{
    *gil = (struct gt_gil){0};
    gt_chunks_init(&gil->holds, sizeof(struct gt_span));
    gt_chunks_init(&gil->waits, sizeof(struct gt_span));
    gt_chunks_init(&gil->unknowns, sizeof(struct gt_span));
    gt_chunks_init(&gil->members, sizeof(struct gt_gil_thread));
    gt_chunks_init(&gil->asks, sizeof(struct gt_ask));
    gt_chunks_init(&gil->intervals.list, sizeof(struct gt_interval));
    gt_hashmap_init(&gil->member_of);
}

static int take_gil(struct gt_tracejson *reader, const json_t *row)
{
    struct gt_timeline *timeline = reader->timeline;
    const char *address = json_string_value(json_object_get(row, "address"));
    uint32_t process = process_of(reader, id_of(reader, row, "pid"));
    struct gt_gil *gil = process == GT_NO_INDEX ? NULL : gt_chunks_push(&timeline->gils);
    const json_t *members = json_object_get(row, "threads"), *member;

    if (!gil)
        return -1;
    init_gil(gil);
    gil->process = process;
    gil->name = intern(reader, json_object_get(row, "process"));
    gil->command = take_command(reader, json_object_get(row, "command"));
    gil->role = intern(reader, json_object_get(row, "role"));
    gil->number = (uint32_t)count_of(reader, row, "number");
    gil->image = (uint32_t)timeline->gils.count - 1;
    gil->start_ns = time_of(reader, row, "start_ns");
    gil->end_ns = time_of(reader, row, "end_ns");
    gil->unknown_ns = count_of(reader, row, "unknown_ns");
    gil->unsure_ns = count_of(reader, row, "unsure_ns");
    gil->handovers = (uint64_t)count_of(reader, row, "handovers");
    gil->defects.overlaps = (uint64_t)count_of(reader, row, "violations");
    gil->address = address ? strtoull(address, NULL, 16) : 0;
    gil->source = origin_of(row);
    reader->nonsense +=
        gil->end_ns < gil->start_ns || gil->start_ns < 0 || gil->end_ns > GT_TIME_MOST_NS;
    if (gil->name == UINT32_MAX || gil->command == UINT32_MAX || gil->role == UINT32_MAX)
        return -1;
    name_process(reader, gil, row);
    for (size_t i = 0; (member = json_array_get(members, i)); i++)
        if (take_member(reader, gil, member))
            return -1;
    return 0;
}

static int take_intervals(struct gt_tracejson *reader, const json_t *load)
{
    const json_t *row, *item;

    for (size_t i = 0; (row = json_array_get(load, i)) && i < reader->timeline->gils.count;
         i++) {
        struct gt_gil *gil = gt_chunks_at(&reader->timeline->gils, i);
        const json_t *list = json_object_get(row, "switch_intervals");
        const char *source = json_string_value(json_object_get(row, "switch_interval_source"));

        if (source && strcmp(source, "deadlines") == 0)
            gil->intervals.source = GT_INTERVAL_FROM_DEADLINES;
        else if (source && strcmp(source, "gaps") == 0)
            gil->intervals.source = GT_INTERVAL_FROM_GAPS;
        for (size_t j = 0; (item = json_array_get(list, j)); j++) {
            struct gt_interval *interval = gt_chunks_push(&gil->intervals.list);

            if (!interval)
                return -1;
            *interval = (struct gt_interval){time_of(reader, item, "start_ns"),
                                             count_of(reader, item, "interval_ns")};
        }
    }
    return 0;
}

/* A hole may be of its calls alone. */
static bool lacks_gil(const struct gt_timeline *timeline, uint32_t process)
{
    for (uint32_t i = 0; i < timeline->gils.count; i++)
        if (gt_gil_at(timeline, i)->process == process && gt_gil_at(timeline, i)->unknown_ns)
            return true;
    return false;
}

/* What was lost of all processes, or of one: then it is a hole. */
static int take_lost(struct gt_tracejson *reader, const json_t *row)
{
    struct gt_timeline *timeline = reader->timeline;
    const json_t *pid = json_object_get(row, "pid");
    struct gt_lost_range range = {time_of(reader, row, "start_ns"),
                                  time_of(reader, row, "end_ns"),
                                  (uint64_t)count_of(reader, row, "events")};
    struct gt_lost_range *lost;
    struct gt_hole *hole;
    uint32_t process;

    reader->nonsense += range.end_ns < range.start_ns || range.start_ns < 0;
    if (!json_is_integer(pid)) {
        lost = gt_chunks_push(&timeline->lost);
        if (lost)
            *lost = range;
        return lost ? 0 : -1;
    }
    process = process_of(reader, id_of(reader, row, "pid"));
    hole = process == GT_NO_INDEX ? NULL : gt_chunks_push(&timeline->holes);
    if (!hole)
        return -1;
    *hole = (struct gt_hole){.start_ns = range.start_ns,
                             .end_ns = range.end_ns,
                             .events = range.events,
                             .process = process,
                             .why = intern(reader, json_object_get(row, "why")),
                             .gil = lacks_gil(timeline, process)};
    return hole->why == UINT32_MAX ? -1 : 0;
}

static void take_quality(struct gt_tracejson *reader, const json_t *value)
{
    reader->timeline->quality = (struct gt_quality){
        .events = (uint64_t)count_of(reader, value, "events"),
        .gil_events = (uint64_t)count_of(reader, value, "gil_events"),
        .lost_events = (uint64_t)count_of(reader, value, "lost_events"),
        .lost_ns = count_of(reader, value, "lost_ns"),
        .unordered = (uint64_t)count_of(reader, value, "unordered"),
        .duplicates = (uint64_t)count_of(reader, value, "duplicates"),
        .passed_signals = (uint64_t)count_of(reader, value, "passed_signals"),
        .takes_without_return = (uint64_t)count_of(reader, value, "takes_without_return"),
        .returns_missing = (uint64_t)count_of(reader, value, "returns_missing"),
        .unmatched_releases = (uint64_t)count_of(reader, value, "unmatched_releases"),
        .unmatched_takes = (uint64_t)count_of(reader, value, "unmatched_takes"),
        .dropped_gils = (uint64_t)count_of(reader, value, "dropped_gils"),
        .overlaps = (uint64_t)count_of(reader, value, "overlaps"),
        .accounting_errors = (uint64_t)count_of(reader, value, "accounting_errors"),
        .unparsed_lines = (uint64_t)count_of(reader, value, "unparsed_lines"),
        .lines = (uint64_t)count_of(reader, value, "lines"),
    };
}

static int take_list(struct gt_tracejson *reader, const json_t *list,
                     int (*take)(struct gt_tracejson *reader, const json_t *row))
{
    const json_t *row;

    for (size_t i = 0; (row = json_array_get(list, i)); i++)
        if (take(reader, row))
            return -1;
    return 0;
}

int gt_tracejson_take_summary(struct gt_tracejson *reader, const json_t *summary)
{
    struct gt_timeline *timeline = reader->timeline;
    const json_t *run = json_object_get(summary, "run");
    const json_t *sched = json_object_get(summary, "sched");

    reader->zero_ns = count_of(reader, run, "start_ns");
    if (reader->zero_ns < 0 || reader->zero_ns > GT_TIME_MOST_NS) {
        reader->zero_ns = 0;
        reader->nonsense++;
    }
    timeline->start_ns = reader->zero_ns;
    timeline->end_ns = time_of(reader, run, "wall_ns");
    timeline->no_gil = json_is_false(json_object_get(run, "gil_enabled"));
    timeline->saw_sched = json_is_object(sched);
    timeline->saw_reasons = json_is_true(json_object_get(sched, "reasons"));
    take_quality(reader, json_object_get(summary, "quality"));
    return take_list(reader, json_object_get(summary, "threads"), take_thread) ||
                   index_threads(reader) ||
                   take_list(reader, json_object_get(summary, "gils"), take_gil) ||
                   take_intervals(reader, json_object_get(summary, "load")) ||
                   take_list(reader, json_object_get(summary, "lost"), take_lost)
               ? -1
               : 0;
}
