/* SPDX-License-Identifier: MIT */
#include "tracejson/internal.h"

#include "base/nstime.h"
#include "event/event.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Where report/chrome.c puts what does not nest with calls (lib/report/SCHEMA.md). */
enum { TRACK_STATES = 1 << 29, TRACK_GILS = 1 << 30 };

struct times {
    int64_t start_ns, end_ns;
};

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

/* Of a span, from µs since time zero; false: they make no sense. */
static bool times_of(const struct gt_tracejson *reader, const json_t *event,
                     struct times *times)
{
    double start_us = json_number_value(json_object_get(event, "ts"));
    double length_us = json_number_value(json_object_get(event, "dur"));

    if (!(start_us >= 0) || !(length_us >= 0) ||
        !(start_us + length_us < (double)GT_TIME_MOST_NS / 1000))
        return false;
    times->start_ns = reader->zero_ns + llround(start_us * 1000);
    times->end_ns = reader->zero_ns + llround((start_us + length_us) * 1000);
    return true;
}

/* --- holds, waits and what is not known of a GIL --- */

static int take_gil_span(struct gt_tracejson *reader, const json_t *event, const char *name,
                         const struct times *times)
{
    int64_t number = gt_tracejson_number(event, "tid") - TRACK_GILS;
    bool holds = strcmp(name, "GIL hold") == 0, waits = strcmp(name, "GIL wait") == 0;
    const struct gt_tracejson_track *track;
    struct gt_span *last, *span;
    struct gt_chunks *list;
    struct gt_gil *gil;

    if (number < 0 || (uint64_t)number >= reader->tracks.count) {
        reader->nonsense++;
        return 0;
    }
    track = gt_chunks_at(&reader->tracks, (size_t)number);
    gil = gt_chunks_at(&reader->timeline->gils, track->gil);
    list = holds ? &gil->holds : waits ? &gil->waits : &gil->unknowns;
    last = gt_chunks_last(list);
    if (last && (holds ? times->start_ns < last->end_ns : times->end_ns < last->end_ns)) {
        reader->nonsense++;
        return 0;
    }
    span = gt_chunks_push(list);
    if (!span)
        return -1;
    *span = (struct gt_span){times->start_ns, times->end_ns, track->thread, 0};
    return 0;
}

/* --- states --- */

/* The list of a thread, in lists by thread that may be shorter. NULL: no memory. */
static void *of_thread(struct gt_chunks *lists, uint32_t thread, const void *none)
{
    while (lists->count <= thread) {
        void *pushed = gt_chunks_push(lists);

        if (!pushed)
            return NULL;
        memcpy(pushed, none, lists->element_size);
    }
    return gt_chunks_at(lists, thread);
}

static int take_state(struct gt_tracejson *reader, const json_t *event, const char *name,
                      const struct times *times)
{
    int64_t thread = gt_tracejson_number(event, "tid") - TRACK_STATES;
    const json_t *cpu = json_object_get(json_object_get(event, "args"), "cpu");
    enum gt_sched_state state = gt_sched_state_of(name);
    struct gt_sched none = {0}, *sched;
    struct gt_state_span *last, *span;

    if (thread < 0 || (uint64_t)thread >= reader->timeline->threads.count ||
        state == GT_SCHED_STATES) {
        reader->nonsense++;
        return 0;
    }
    gt_chunks_init(&none.spans, sizeof(*span));
    sched = of_thread(&reader->timeline->scheds, (uint32_t)thread, &none);
    last = sched ? gt_chunks_last(&sched->spans) : NULL;
    if (last && times->start_ns < last->end_ns) {
        reader->nonsense++;
        return 0;
    }
    span = sched ? gt_chunks_push(&sched->spans) : NULL;
    if (!span)
        return -1;
    *span = (struct gt_state_span){
        .start_ns = times->start_ns,
        .end_ns = times->end_ns,
        .cpu = json_is_integer(cpu) && json_integer_value(cpu) < UINT16_MAX
                   ? (uint16_t)json_integer_value(cpu)
                   : UINT16_MAX,
        .state = (uint8_t)state,
    };
    sched->state_ns[state] += times->end_ns - times->start_ns;
    sched->state_count[state]++;
    return 0;
}

/* --- calls --- */

static uint32_t flags_of(const char *kind)
{
    if (strcmp(kind, "gc") == 0)
        return GT_FUNCTION_C | GT_FUNCTION_GC;
    return strcmp(kind, "c") == 0 ? GT_FUNCTION_C : 0;
}

/* "path.py:12", of functions of C their module. */
static uint32_t split_place(const char *place, uint32_t flags, size_t *length)
{
    const char *colon = flags & GT_FUNCTION_C ? NULL : strrchr(place, ':');
    char *end;
    unsigned long line = colon ? strtoul(colon + 1, &end, 10) : 0;

    *length = strlen(place);
    if (!colon || !colon[1] || *end || line > UINT32_MAX)
        return 0;
    *length = (size_t)(colon - place);
    return (uint32_t)line;
}

/* GT_NO_INDEX: no memory. */
static uint32_t function_of(struct gt_tracejson *reader, const json_t *event, const char *name)
{
    struct gt_timeline *timeline = reader->timeline;
    const char *place = text_of(json_object_get(event, "args"), "file");
    uint32_t flags = flags_of(text_of(event, "cat"));
    size_t length;
    uint32_t line = split_place(place, flags, &length);
    uint32_t key[] = {gt_intern_add(&timeline->names, name, strlen(name)),
                      gt_intern_add(&timeline->names, place, length), line, flags};
    uint32_t id = key[0] == UINT32_MAX || key[1] == UINT32_MAX
                      ? UINT32_MAX
                      : gt_intern_add(&reader->function_keys, (const char *)key, sizeof(key));
    struct gt_function_info *info;

    if (id == UINT32_MAX)
        return GT_NO_INDEX;
    if (--id < timeline->functions.count) /* 0 is the empty string's */
        return id;
    info = gt_chunks_push(&timeline->functions);
    if (!info)
        return GT_NO_INDEX;
    *info =
        (struct gt_function_info){.name = key[0], .file = key[1], .line = line, .flags = flags};
    return id;
}

/* A tid may have been given to several threads, one after the other. */
static uint32_t thread_at(const struct gt_tracejson *reader, const json_t *event,
                          const struct times *times)
{
    int64_t pid = gt_tracejson_number(event, "pid"), tid = gt_tracejson_number(event, "tid");
    uint32_t index = gt_hashmap_get(&reader->thread_of, (uint64_t)tid), found = GT_NO_INDEX;

    for (; index != GT_HASHMAP_NONE; index = reader->next_of[index]) {
        const struct gt_thread *thread = gt_thread_at(reader->timeline, index);

        if (gt_process_at(reader->timeline, thread->process)->pid == pid &&
            (found == GT_NO_INDEX || thread->start_ns <= times->start_ns))
            found = index;
    }
    return found;
}

/* How many of its calls go on at that time. Those that ended are forgotten. */
static size_t depth_at(struct gt_chunks *open, int64_t time_ns, int64_t end_ns)
{
    while (open->count) {
        int64_t last_ns = *(int64_t *)gt_chunks_last(open);

        if (last_ns > time_ns || (last_ns == time_ns && end_ns == time_ns))
            break;
        gt_chunks_truncate(open, open->count - 1);
    }
    return open->count;
}

static int take_call(struct gt_tracejson *reader, const json_t *event, const char *name,
                     const struct times *times)
{
    uint32_t thread = thread_at(reader, event, times);
    struct gt_call_span *last, *span;
    struct gt_calls none, *calls;
    uint32_t function;
    int64_t *end_ns;
    size_t depth;

    if (thread == GT_NO_INDEX) {
        reader->nonsense++;
        return 0;
    }
    gt_chunks_init(&none.spans, sizeof(*span));
    gt_chunks_init(&none.lowest, sizeof(uint32_t));
    function = function_of(reader, event, name);
    calls = of_thread(&reader->timeline->calls, thread, &none);
    if (function == GT_NO_INDEX || !calls)
        return -1;
    last = gt_chunks_last(&calls->spans);
    if (last && times->start_ns < last->start_ns) {
        reader->nonsense++;
        return 0;
    }
    depth = depth_at(&reader->open[thread], times->start_ns, times->end_ns);
    span = gt_chunks_push(&calls->spans);
    end_ns = gt_chunks_push(&reader->open[thread]);
    if (!span || !end_ns)
        return -1;
    *end_ns = times->end_ns;
    *span = (struct gt_call_span){.start_ns = times->start_ns,
                                  .end_ns = times->end_ns,
                                  .function = function,
                                  .depth = depth < UINT16_MAX ? (uint16_t)depth : UINT16_MAX};
    ((struct gt_function_info *)gt_chunks_at(&reader->timeline->functions, function))->calls++;
    return 0;
}

/* --- all of them --- */

static int take_name(struct gt_tracejson *reader, const json_t *event)
{
    const char *name = text_of(json_object_get(event, "args"), "name");
    uint32_t index =
        gt_hashmap_get(&reader->process_of, (uint64_t)gt_tracejson_number(event, "pid"));
    struct gt_process *process;

    if (index == GT_HASHMAP_NONE || strcmp(text_of(event, "name"), "process_name") != 0)
        return 0;
    process = gt_chunks_at(&reader->timeline->processes, index);
    process->name = gt_intern_add(&reader->timeline->names, name, strlen(name));
    return process->name == UINT32_MAX ? -1 : 0;
}

int gt_tracejson_take_event(struct gt_tracejson *reader, const json_t *event)
{
    const char *kind = text_of(event, "ph"), *category = text_of(event, "cat");
    const char *name = text_of(event, "name");
    struct times times;

    if (strcmp(kind, "M") == 0)
        return take_name(reader, event);
    if (strcmp(kind, "X") != 0)
        return 0;
    if (!times_of(reader, event, &times)) {
        reader->nonsense++;
        return 0;
    }
    if (strcmp(category, "gil") == 0 || strcmp(name, "GIL unknown") == 0)
        return take_gil_span(reader, event, name, &times);
    if (strcmp(category, "sched") == 0)
        return take_state(reader, event, name, &times);
    if (strcmp(category, "python") == 0 || strcmp(category, "c") == 0 ||
        strcmp(category, "gc") == 0)
        return take_call(reader, event, name, &times);
    return 0;
}

/* Processes with holes: what was lost of all, and of them. */
static int list_lost(struct gt_timeline *timeline, const struct gt_hole *hole)
{
    struct gt_process *process = gt_chunks_at(&timeline->processes, hole->process);
    struct gt_lost_range *range;
    struct gt_chunks *list;

    if (!process->lost_list) {
        list = gt_chunks_push(&timeline->lost_of);
        if (!list)
            return -1;
        gt_chunks_init(list, sizeof(*range));
        process->lost_list = (uint32_t)timeline->lost_of.count;
        for (size_t i = 0; i < timeline->lost.count; i++) {
            range = gt_chunks_push(list);
            if (!range)
                return -1;
            *range = *(const struct gt_lost_range *)gt_chunks_at(&timeline->lost, i);
        }
    }
    range = gt_chunks_push(gt_chunks_at(&timeline->lost_of, process->lost_list - 1));
    if (!range)
        return -1;
    *range = (struct gt_lost_range){hole->start_ns, hole->end_ns, hole->events};
    return 0;
}

int gt_tracejson_finish(struct gt_tracejson *reader)
{
    struct gt_timeline *timeline = reader->timeline;

    for (size_t i = 0; i < timeline->holes.count; i++)
        if (gt_hole_at(&timeline->holes, i)->gil &&
            list_lost(timeline, gt_hole_at(&timeline->holes, i)))
            return -1;
    for (size_t i = 0; i < timeline->lost_of.count; i++)
        if (gt_lost_merge(gt_chunks_at(&timeline->lost_of, i)))
            return -1;
    for (uint32_t i = 0; i < timeline->processes.count; i++) {
        struct gt_process *process = gt_chunks_at(&timeline->processes, i);

        if (process->end_ns < process->start_ns)
            process->start_ns = process->end_ns = timeline->start_ns;
    }
    return 0;
}
