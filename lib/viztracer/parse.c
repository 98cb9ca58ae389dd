/* SPDX-License-Identifier: MIT */
/* One entry of VizTracer's traceEvents. */
#include "viztracer/internal.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum {
    DETAIL_MAX = 4096,              /* bytes of an instant's or counter's arguments */
    FUNCTION_IDS = INT32_C(1) << 30 /* apart from the agent's, which end at 2^20 */
};

/* µs to ns; false of what no clock says. */
static bool time_of(const json_t *value, int64_t *time_ns)
{
    double us = json_number_value(value);

    if (!json_is_number(value) || !(us >= 0 && us <= 4e15))
        return false;
    *time_ns = (int64_t)(us * 1000 + 0.5);
    return true;
}

static bool id_of(const json_t *value, int32_t *id)
{
    json_int_t number = json_integer_value(value);

    if (!json_is_integer(value) || number <= 0 || number > INT32_MAX)
        return false;
    *id = (int32_t)number;
    return true;
}

static struct gt_viztracer_thread *thread_of(struct gt_viztracer *trace, int32_t pid,
                                             int32_t tid)
{
    uint64_t key = (uint64_t)(uint32_t)pid << 32 | (uint32_t)tid;
    uint32_t index = gt_hashmap_get(&trace->thread_of, key);
    struct gt_viztracer_thread *thread;

    if (index != GT_HASHMAP_NONE)
        return gt_viztracer_thread_at(trace, index);
    index = (uint32_t)trace->threads.count;
    thread = gt_chunks_push(&trace->threads);
    if (!thread)
        return NULL;
    memset(thread, 0, sizeof(*thread));
    if (gt_hashmap_put(&trace->thread_of, key, index))
        return NULL;
    thread->pid = pid;
    thread->tid = tid;
    return thread;
}

/* "name (file:line)" of Python functions, "module.name" of C functions. */
static void split_name(const char *text, size_t length, struct gt_function *function)
{
    const char *end = text + length, *at = end, *open;
    uint32_t line = 0, scale = 1;

    function->name_length = (uint32_t)length;
    function->flags = GT_FUNCTION_C;
    if (length < 5 || *--at != ')')
        return;
    for (; at > text && at[-1] >= '0' && at[-1] <= '9' && scale < 1000000000; at--, scale *= 10)
        line += (uint32_t)(at[-1] - '0') * scale;
    if (scale == 1 || at == text || at[-1] != ':')
        return;
    /* A qualified name holds no space: what follows the first one is the file's. */
    open = memmem(text, (size_t)(at - text), " (", 2);
    if (!open || open + 2 >= at)
        return;
    function->flags = 0;
    function->line = line;
    function->name_length = (uint32_t)(open - text);
    function->file = open + 2;
    function->file_length = (uint32_t)(at - 1 - function->file);
}

/* The function of a name; UINT32_MAX: no memory. */
static uint32_t function_of(struct gt_viztracer *trace, const char *text, size_t length)
{
    uint32_t name = gt_intern_add(&trace->texts, text, length), file;
    uint32_t index = gt_hashmap_get(&trace->function_of, name);
    struct gt_function *function;

    if (name == UINT32_MAX || index != GT_HASHMAP_NONE)
        return name == UINT32_MAX ? UINT32_MAX : index;
    index = (uint32_t)trace->functions.count;
    function = gt_chunks_push(&trace->functions);
    if (!function || gt_hashmap_put(&trace->function_of, name, index))
        return UINT32_MAX;
    memset(function, 0, sizeof(*function));
    function->id = FUNCTION_IDS | index;
    function->file = "";
    split_name(gt_intern_text(&trace->texts, name), length, function);
    name = gt_intern_add(&trace->texts, text, function->name_length);
    file = gt_intern_add(&trace->texts, function->file, function->file_length);
    function->name = gt_intern_text(&trace->texts, name == UINT32_MAX ? 0 : name);
    function->file = gt_intern_text(&trace->texts, file == UINT32_MAX ? 0 : file);
    return name == UINT32_MAX || file == UINT32_MAX ? UINT32_MAX : index;
}

static int push_item(struct gt_viztracer_thread *thread, struct gt_viztracer_item item)
{
    if (thread->count == thread->capacity) {
        size_t room = thread->capacity ? thread->capacity + thread->capacity / 2 : 2;
        void *grown = reallocarray(thread->items, room, sizeof(*thread->items));

        if (!grown)
            return -1;
        thread->items = grown;
        thread->capacity = room;
    }
    item.order = thread->count & ((UINT32_C(1) << 30) - 1);
    thread->items[thread->count++] = item;
    return 0;
}

/* The arguments as JSON; of a counter only its numbers. 0 (the empty string): none. */
static uint32_t detail_of(struct gt_viztracer *trace, const json_t *args, bool counter)
{
    json_t *kept = json_object();
    const char *key;
    json_t *value;
    char *text;
    uint32_t id = 0;

    json_object_foreach((json_t *)args, key, value) if (!counter || json_is_number(value))
        json_object_set(kept, key, value);
    text = json_object_size(kept) ? json_dumps(kept, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
    if (text && strlen(text) <= DETAIL_MAX)
        id = gt_intern_add(&trace->texts, text, strlen(text));
    free(text);
    json_decref(kept);
    return id;
}

static void note_event(struct gt_viztracer *trace, int64_t start_ns, int64_t end_ns)
{
    if (trace->quality.start_ns < 0 || start_ns < trace->quality.start_ns)
        trace->quality.start_ns = start_ns;
    if (end_ns > trace->quality.end_ns)
        trace->quality.end_ns = end_ns;
    trace->quality.events++;
}

/* 1: taken, 0: it makes no sense, -1: no memory. */
static int take_call(struct gt_viztracer *trace, struct gt_viztracer_thread *thread,
                     const json_t *event, struct gt_viztracer_item item)
{
    const json_t *name = json_object_get(event, "name");
    int64_t length_ns;

    if (!time_of(json_object_get(event, "dur"), &length_ns))
        return 0;
    item.kind = GT_VIZTRACER_CALL;
    item.end_ns = item.start_ns + length_ns;
    item.what = function_of(trace, json_string_value(name), json_string_length(name));
    if (item.what == UINT32_MAX || push_item(thread, item))
        return -1;
    note_event(trace, item.start_ns, item.end_ns);
    return 1;
}

static int take_mark(struct gt_viztracer *trace, struct gt_viztracer_thread *thread,
                     const json_t *event, struct gt_viztracer_item item, bool counter)
{
    const json_t *name = json_object_get(event, "name");

    item.kind = counter ? GT_VIZTRACER_COUNTER : GT_VIZTRACER_INSTANT;
    item.end_ns = 0;
    item.detail = detail_of(trace, json_object_get(event, "args"), counter);
    item.what = gt_intern_add(&trace->texts, json_string_value(name), json_string_length(name));
    if (counter && item.detail == 0)
        return 0;
    if (item.detail == UINT32_MAX || item.what == UINT32_MAX || push_item(thread, item))
        return -1;
    note_event(trace, item.start_ns, item.start_ns);
    return 1;
}

static int take_metadata(struct gt_viztracer *trace, const json_t *event, int32_t pid,
                         int32_t tid)
{
    const json_t *name = json_object_get(json_object_get(event, "args"), "name");
    struct gt_viztracer_thread *thread;

    if (strcmp(json_string_value(json_object_get(event, "name")), "thread_name") != 0 ||
        !json_is_string(name))
        return 1;
    /* The main thread is shown as such without being told. */
    if (pid == tid && strcmp(json_string_value(name), "MainThread") == 0)
        return 1;
    thread = thread_of(trace, pid, tid);
    if (!thread)
        return -1;
    thread->name =
        gt_intern_add(&trace->texts, json_string_value(name), json_string_length(name));
    return thread->name == UINT32_MAX ? -1 : 1;
}

static int take_event(struct gt_viztracer *trace, const json_t *event)
{
    const char *phase = json_string_value(json_object_get(event, "ph"));
    const char *category = json_string_value(json_object_get(event, "cat"));
    struct gt_viztracer_item item = {0};
    struct gt_viztracer_thread *thread;
    int32_t pid, tid;

    if (category && strcmp(category, "FEE") == 0)
        trace->recognised = true;
    if (!phase || !json_is_string(json_object_get(event, "name")) ||
        !id_of(json_object_get(event, "pid"), &pid) ||
        !id_of(json_object_get(event, "tid"), &tid))
        return 0;
    if (strcmp(phase, "M") == 0)
        return take_metadata(trace, event, pid, tid);
    if (!time_of(json_object_get(event, "ts"), &item.start_ns))
        return 0;
    if (strcmp(phase, "X") != 0 && strcmp(phase, "i") != 0 && strcmp(phase, "C") != 0) {
        trace->quality.skipped++;
        return 1;
    }
    thread = thread_of(trace, pid, tid);
    if (!thread)
        return -1;
    if (*phase == 'X')
        return take_call(trace, thread, event, item);
    return take_mark(trace, thread, event, item, *phase == 'C');
}

int gt_viztracer_take(void *context, const char *key, bool element, const char *text,
                      size_t length)
{
    struct gt_viztracer *trace = context;
    json_t *event;
    int rc;

    if (!element) {
        if (strcmp(key, "viztracer_metadata") == 0)
            trace->recognised = true;
        return 0;
    }
    event = json_loadb(text, length, JSON_ALLOW_NUL, NULL);
    rc = json_is_object(event) ? take_event(trace, event) : 0;
    json_decref(event);
    if (rc == 0)
        trace->quality.damaged++;
    return rc < 0 ? -1 : 0;
}
