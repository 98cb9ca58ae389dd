/* SPDX-License-Identifier: MIT */
#include "compare/side.h"

#include "base/nstime.h"

#include <string.h>

enum { PART_BYTES_MAX = 64 << 20, SPANS_MAX = 20000000 };

int64_t gt_side_ns(const json_t *object, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(object, key));

    return value > 0 && value <= GT_TIME_MOST_NS ? value : 0;
}

/* --- events --- */

/* From µs. */
static bool time_of(const json_t *value, int64_t *time_ns)
{
    double ns = json_number_value(value) * 1000;

    if (!json_is_number(value) || !(ns >= 0 && ns <= (double)(GT_TIME_MOST_NS / 2)))
        return false;
    *time_ns = (int64_t)(ns + 0.5);
    return true;
}

static bool id_of(const json_t *value, int32_t *id)
{
    json_int_t number = json_integer_value(value);

    if (!json_is_integer(value) || number < 0 || number > INT32_MAX)
        return false;
    *id = (int32_t)number;
    return true;
}

/* NULL: no memory. */
static struct gt_side_thread *thread_of(struct gt_side *side, int32_t pid, int32_t tid)
{
    uint64_t key = gt_side_key(pid, tid);
    uint32_t index = gt_hashmap_get(&side->thread_of, key);
    struct gt_side_thread *thread;

    if (index != GT_HASHMAP_NONE)
        return gt_side_thread_at(side, index);
    index = (uint32_t)side->threads.count;
    thread = gt_chunks_push(&side->threads);
    if (!thread)
        return NULL;
    *thread = (struct gt_side_thread){.pid = pid, .tid = tid};
    gt_chunks_init(&thread->holds, sizeof(struct gt_side_span));
    gt_chunks_init(&thread->waits, sizeof(struct gt_side_span));
    gt_chunks_init(&thread->calls, sizeof(struct gt_side_call));
    return gt_hashmap_put(&side->thread_of, key, index) ? NULL : thread;
}

/* "/x/y.py:12" → "y.py"; what is no path (a module of C) stays. */
static size_t base_of(const char **file, size_t length)
{
    const char *slash = memrchr(*file, '/', length), *colon;

    if (slash) {
        length -= (size_t)(slash + 1 - *file);
        *file = slash + 1;
    }
    colon = memrchr(*file, ':', length);
    if (colon && colon[1] >= '0' && colon[1] <= '9')
        length = (size_t)(colon - *file);
    return length;
}

/* UINT32_MAX: no memory. */
static uint32_t function_of(struct gt_side *side, const json_t *event)
{
    const json_t *name = json_object_get(event, "name");
    const json_t *where = json_object_get(json_object_get(event, "args"), "file");
    const char *file = json_is_string(where) ? json_string_value(where) : "";
    size_t length = base_of(&file, json_string_length(where));
    struct gt_buf text;
    uint32_t id = UINT32_MAX;

    gt_buf_init(&text);
    if (gt_buf_add(&text, json_string_value(name), json_string_length(name)) == 0 &&
        gt_buf_add(&text, "", 1) == 0 && gt_buf_add(&text, file, length) == 0)
        id = gt_intern_add(side->names, text.data, text.length);
    gt_buf_release(&text);
    return id;
}

/* 1: taken, 0: it makes no sense, -1: no memory. */
static int take_call(struct gt_side *side, const json_t *event, struct gt_side_span span)
{
    struct gt_side_thread *thread;
    struct gt_side_call *call;
    uint32_t function;
    int32_t pid, tid;

    if (!id_of(json_object_get(event, "pid"), &pid) ||
        !id_of(json_object_get(event, "tid"), &tid))
        return 0;
    function = function_of(side, event);
    thread = function == UINT32_MAX ? NULL : thread_of(side, pid, tid);
    call = thread ? gt_chunks_push(&thread->calls) : NULL;
    if (!call)
        return -1;
    *call = (struct gt_side_call){span.start_ns, span.end_ns, function};
    return 1;
}

/* Likewise. Its thread is in its arguments: the track is another. */
static int take_span(struct gt_side *side, const json_t *event, struct gt_side_span span,
                     bool hold)
{
    const json_t *args = json_object_get(event, "args");
    struct gt_side_thread *thread;
    struct gt_side_span *kept;
    int32_t pid, tid;

    if (!id_of(json_object_get(event, "pid"), &pid) ||
        !id_of(json_object_get(args, "tid"), &tid))
        return 0;
    thread = thread_of(side, pid, tid);
    kept = thread ? gt_chunks_push(hold ? &thread->holds : &thread->waits) : NULL;
    if (!kept)
        return -1;
    *kept = span;
    return 1;
}

static bool is(const json_t *value, const char *text)
{
    return json_is_string(value) && strcmp(json_string_value(value), text) == 0;
}

/* Likewise; what is of no interest here is taken, too. */
static int take_event(struct gt_side *side, const json_t *event)
{
    static const char *const calls[] = {"python", "c", "gc", "short"};
    const json_t *category = json_object_get(event, "cat"), *name;
    struct gt_side_span span;
    bool gil = is(category, "gil"), call = false;

    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        call = call || is(category, calls[i]);
    if (!is(json_object_get(event, "ph"), "X") || (!gil && !call))
        return 1;
    name = json_object_get(event, "name");
    if (!json_is_string(name) || !time_of(json_object_get(event, "ts"), &span.start_ns) ||
        !time_of(json_object_get(event, "dur"), &span.end_ns) || side->kept >= SPANS_MAX)
        return 0;
    side->kept++;
    span.end_ns += span.start_ns;
    if (call)
        return take_call(side, event, span);
    if (is(name, "GIL hold") || is(name, "GIL wait"))
        return take_span(side, event, span, is(name, "GIL hold"));
    return 1;
}

/* --- the document --- */

static int keep_summary(struct gt_side *side, json_t *value)
{
    json_decref(side->summary);
    side->summary = value;
    return 0;
}

/* gt_split_fn */
static int take_part(void *context, const char *key, bool element, const char *text,
                     size_t length)
{
    struct gt_side *side = context;
    json_t *value = json_loadb(text, length, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    int rc = 0;

    if (!element && strcmp(key, "giltracer") == 0)
        return keep_summary(side, value);
    if (!element) {
        json_object_set(side->own, key, value); /* not where the key is no UTF-8 */
    } else {
        side->has_trace = true;
        rc = json_is_object(value) ? take_event(side, value) : 0;
        side->left_out += rc == 0;
    }
    json_decref(value);
    return rc < 0 ? -1 : 0;
}

void gt_side_init(struct gt_side *side, struct gt_intern *names)
{
    *side = (struct gt_side){.names = names, .own = json_object()};
    gt_chunks_init(&side->threads, sizeof(struct gt_side_thread));
    gt_hashmap_init(&side->thread_of);
    gt_split_init(&side->split, "traceEvents", PART_BYTES_MAX, take_part, side);
}

void gt_side_release(struct gt_side *side)
{
    for (size_t i = 0; i < side->threads.count; i++) {
        struct gt_side_thread *thread = gt_side_thread_at(side, i);

        gt_chunks_release(&thread->holds);
        gt_chunks_release(&thread->waits);
        gt_chunks_release(&thread->calls);
    }
    gt_chunks_release(&side->threads);
    gt_hashmap_release(&side->thread_of);
    gt_split_release(&side->split);
    json_decref(side->own);
    json_decref(side->summary);
}

int gt_side_feed(struct gt_side *side, const char *data, size_t length, struct gt_error *err)
{
    return side->own && gt_split_feed(&side->split, data, length) == 0 ? 0
                                                                       : gt_error_memory(err);
}

/* --- in order --- */

/* Calls begin as spans do; of those that begin together the longer is the outer one. */
static int compare_spans(const void *a, const void *b)
{
    const struct gt_side_span *left = a, *right = b;

    if (left->start_ns != right->start_ns)
        return left->start_ns < right->start_ns ? -1 : 1;
    return left->end_ns != right->end_ns ? (left->end_ns > right->end_ns ? -1 : 1) : 0;
}

/* Of one thread, in order: what two spans share is the first one's. (A thread may want the GILs
 * of several interpreters.) */
static void part(struct gt_chunks *spans)
{
    int64_t end_ns = 0;

    for (size_t i = 0; i < spans->count; i++) {
        struct gt_side_span *span = gt_chunks_at(spans, i);

        if (span->start_ns < end_ns)
            span->start_ns = end_ns;
        if (span->end_ns < span->start_ns)
            span->end_ns = span->start_ns;
        end_ns = span->end_ns;
    }
}

static int put_all_in_order(struct gt_side *side, struct gt_error *err)
{
    for (size_t i = 0; i < side->threads.count; i++) {
        struct gt_side_thread *thread = gt_side_thread_at(side, i);

        if (gt_chunks_sort(&thread->holds, compare_spans) ||
            gt_chunks_sort(&thread->waits, compare_spans) ||
            gt_chunks_sort(&thread->calls, compare_spans))
            return gt_error_memory(err);
        part(&thread->holds);
        part(&thread->waits);
    }
    return 0;
}

static int check(struct gt_side *side, const char *path, struct gt_error *err)
{
    const json_t *schema;

    if (gt_split_status(&side->split) != GT_SPLIT_DONE)
        return gt_error_set(err, GT_ERR_FORMAT,
                            "%s is not JSON, or was cut short: reports that are compared are "
                            "those of -o x.json or --summary x.json",
                            path);
    if (side->split.left_out)
        return gt_error_set(err, GT_ERR_FORMAT, "%s holds too large a summary", path);
    if (!side->summary)
        side->summary = json_incref(side->own);
    schema = json_object_get(side->summary, "schema");
    if (!json_is_integer(schema) || !json_is_array(json_object_get(side->summary, "gils")))
        return gt_error_set(err, GT_ERR_FORMAT,
                            "%s is not a report of giltracer: make it with -o x.json or "
                            "--summary x.json",
                            path);
    if (json_integer_value(schema) != 1)
        return gt_error_set(err, GT_ERR_FORMAT,
                            "%s is a report of schema %lld, this giltracer reads 1: make it "
                            "anew",
                            path, (long long)json_integer_value(schema));
    return 0;
}

int gt_side_finish(struct gt_side *side, const char *path, struct gt_error *err)
{
    int rc = check(side, path, err);

    if (rc < 0)
        return rc;
    side->length_ns = gt_side_ns(json_object_get(side->summary, "run"), "wall_ns");
    return put_all_in_order(side, err);
}
