/* SPDX-License-Identifier: MIT */
#include "analysis/profile.h"

#include "analysis/native_frames.h"
#include "base/nstime.h"

#include <stdlib.h>
#include <string.h>

/* Goes forward through the calls of one thread. */
struct cursor {
    const struct gt_calls *calls;
    size_t next;
    struct gt_chunks stack; /* of struct level */
    uint32_t root;
};

struct level {
    int64_t end_ns;
    uint32_t node;
};

static uint32_t new_node(struct gt_profile *profile, uint32_t parent, uint32_t function,
                         uint32_t thread)
{
    uint32_t index = (uint32_t)profile->nodes.count;
    struct gt_profile_node *node = gt_chunks_push(&profile->nodes);

    if (!node)
        return GT_NO_INDEX;
    *node = (struct gt_profile_node){
        .parent = parent, .function = function, .native = GT_NO_INDEX, .thread = thread};
    return index;
}

/* It is made where it is new. GT_NO_INDEX: no memory. */
static uint32_t root_of(struct gt_profile *profile, uint32_t thread)
{
    uint32_t index = gt_hashmap_get(&profile->root_of, thread);

    if (index != GT_HASHMAP_NONE)
        return index;
    index = new_node(profile, GT_NO_INDEX, GT_NO_INDEX, thread);
    return index == GT_NO_INDEX || gt_hashmap_put(&profile->root_of, thread, index)
               ? GT_NO_INDEX
               : index;
}

/* The node that `parent` has for `number` in `children`, which is made where there is none. */
static uint32_t child_in(struct gt_profile *profile, struct gt_hashmap *children,
                         uint32_t parent, uint32_t number, uint32_t function)
{
    uint64_t key = (uint64_t)parent << 32 | number;
    uint32_t index = gt_hashmap_get(children, key);

    if (index != GT_HASHMAP_NONE)
        return index;
    index = new_node(profile, parent, function, gt_profile_at(profile, parent)->thread);
    return index == GT_NO_INDEX || gt_hashmap_put(children, key, index) ? GT_NO_INDEX : index;
}

static uint32_t child_of(struct gt_profile *profile, uint32_t parent, uint32_t function)
{
    return child_in(profile, &profile->child_of, parent, function, function);
}

static uint32_t native_child_of(struct gt_profile *profile, uint32_t parent, uint32_t frame)
{
    uint32_t index = child_in(profile, &profile->native_child_of, parent, frame, GT_NO_INDEX);

    if (index != GT_NO_INDEX)
        gt_profile_at(profile, index)->native = frame;
    return index;
}

static uint32_t innermost(const struct cursor *cursor)
{
    const struct level *level = gt_chunks_last(&cursor->stack);

    return level ? level->node : cursor->root;
}

/* The node that a call begins below. Calls that would be too deep stand side by side. */
static uint32_t parent_of_call(const struct cursor *cursor)
{
    const struct level *level;

    if (cursor->stack.count < GT_PROFILE_DEPTH_MAX)
        return innermost(cursor);
    level = gt_chunks_at(&cursor->stack, GT_PROFILE_DEPTH_MAX - 2);
    return level->node;
}

static void leave_until(struct cursor *cursor, int64_t time_ns)
{
    const struct level *level;

    while ((level = gt_chunks_last(&cursor->stack)) && level->end_ns <= time_ns)
        gt_chunks_truncate(&cursor->stack, cursor->stack.count - 1);
}

/* The node at `time_ns`, and until when the thread stays in it. GT_NO_INDEX: no memory. */
static uint32_t move_to(struct gt_profile *profile, struct cursor *cursor, int64_t time_ns,
                        int64_t *until_ns)
{
    const struct level *top;

    *until_ns = INT64_MAX;
    for (; cursor->calls && cursor->next < cursor->calls->spans.count; cursor->next++) {
        const struct gt_call_span *span = gt_chunks_at(&cursor->calls->spans, cursor->next);
        struct level *level;
        uint32_t node;

        if (span->start_ns > time_ns) {
            *until_ns = span->start_ns;
            break;
        }
        leave_until(cursor, span->start_ns);
        if (span->end_ns <= time_ns)
            continue; /* and so did all that it called */
        node = child_of(profile, parent_of_call(cursor), span->function);
        level = gt_chunks_push(&cursor->stack);
        if (!level || node == GT_NO_INDEX)
            return GT_NO_INDEX;
        *level = (struct level){span->end_ns, node};
    }
    leave_until(cursor, time_ns);
    top = gt_chunks_last(&cursor->stack);
    if (top && top->end_ns < *until_ns)
        *until_ns = top->end_ns;
    return innermost(cursor);
}

enum what { HOLD, WAIT, LOCK };

static void add_time(struct gt_profile_node *node, enum what what, int64_t ns)
{
    *(what == HOLD ? &node->hold_ns : what == WAIT ? &node->wait_ns : &node->lock_ns) += ns;
}

static int add_span(struct gt_profile *profile, struct cursor *cursor, enum what what,
                    int64_t start_ns, int64_t end_ns)
{
    int64_t now_ns = start_ns;

    while (now_ns < end_ns) {
        int64_t until_ns;
        uint32_t index = move_to(profile, cursor, now_ns, &until_ns);
        struct gt_profile_node *node;

        if (index == GT_NO_INDEX)
            return -1;
        node = gt_profile_at(profile, index);
        if (until_ns > end_ns)
            until_ns = end_ns;
        add_time(node, what, until_ns - now_ns);
        node->holds += what == HOLD && now_ns == start_ns;
        now_ns = until_ns;
    }
    return 0;
}

static int cursor_init(struct cursor *cursor, struct gt_profile *profile,
                       const struct gt_timeline *timeline, uint32_t thread)
{
    *cursor = (struct cursor){.calls = gt_calls_of(timeline, thread),
                              .root = root_of(profile, thread)};
    gt_chunks_init(&cursor->stack, sizeof(struct level));
    return cursor->root == GT_NO_INDEX ? -1 : 0;
}

/* Holds, or waits: those of a thread come in the order of time. */
static int add_spans(struct gt_profile *profile, const struct gt_timeline *timeline,
                     const struct gt_gil *gil, enum what what)
{
    const struct gt_chunks *spans = what == WAIT ? &gil->waits : &gil->holds;
    size_t count = gil->members.count;
    struct cursor *cursors = calloc(count + 1, sizeof(*cursors));
    int rc = cursors ? 0 : -1;

    for (uint32_t i = 0; rc == 0 && i < count; i++)
        rc = cursor_init(&cursors[i], profile, timeline, gt_gil_thread_at(gil, i)->thread);
    for (size_t i = 0; rc == 0 && i < spans->count; i++) {
        const struct gt_span *span = gt_span_at(spans, i);

        rc = add_span(profile, &cursors[gt_hashmap_get(&gil->member_of, span->thread)], what,
                      span->start_ns, span->end_ns);
    }
    for (uint32_t i = 0; cursors && i < count; i++)
        gt_chunks_release(&cursors[i].stack);
    free(cursors);
    return rc;
}

/* --- native functions --- */

/* Of Python code, what the interpreter itself does for it says nothing. */
static bool says_something(const struct gt_timeline *timeline, const struct gt_profile_node *at,
                           const uint32_t *path, uint32_t length)
{
    const struct gt_function_info *called =
        at->function == GT_NO_INDEX ? NULL : gt_chunks_at(&timeline->functions, at->function);

    if (called && called->flags & GT_FUNCTION_C)
        return length > 0;
    for (uint32_t i = 0; i < length; i++) {
        const char *dso = gt_stacks_dso(&timeline->native_stacks, path[i]);

        if (dso[0] && !gt_stacks_is_python(dso, strlen(dso)))
            return true;
    }
    return false;
}

/* Move what the sample stands for from the function to the native ones below it. */
static int add_sample(struct gt_profile *profile, const struct gt_timeline *timeline,
                      struct cursor *cursor, const struct gt_native_sample *sample)
{
    uint32_t path[GT_NATIVE_DEPTH_MAX];
    uint32_t length = gt_native_path(&timeline->native_stacks, sample->stack, path);
    int64_t until_ns, ns = sample->weight_ns;
    uint32_t from = move_to(profile, cursor, sample->time_ns, &until_ns), at = from;

    if (from == GT_NO_INDEX)
        return -1;
    if (!says_something(timeline, gt_profile_at(profile, from), path, length))
        return 0;
    for (uint32_t i = 0; i < length; i++) {
        at = native_child_of(profile, at, path[i]);
        if (at == GT_NO_INDEX)
            return -1;
    }
    if (ns > gt_profile_at(profile, from)->hold_ns)
        ns = gt_profile_at(profile, from)->hold_ns;
    gt_profile_at(profile, from)->hold_ns -= ns;
    gt_profile_at(profile, at)->hold_ns = gt_add_ns(gt_profile_at(profile, at)->hold_ns, ns);
    return 0;
}

/* Samples and holds come in the order of time. */
static int add_samples(struct gt_profile *profile, const struct gt_timeline *timeline,
                       const struct gt_gil *gil)
{
    size_t count = gil->members.count, hold = 0;
    struct cursor *cursors = calloc(count + 1, sizeof(*cursors));
    int rc = cursors ? 0 : -1;

    for (uint32_t i = 0; rc == 0 && i < count; i++)
        rc = cursor_init(&cursors[i], profile, timeline, gt_gil_thread_at(gil, i)->thread);
    for (size_t i = 0; rc == 0 && i < timeline->native.count; i++) {
        const struct gt_native_sample *sample = gt_chunks_at(&timeline->native, i);

        while (hold < gil->holds.count &&
               gt_span_at(&gil->holds, hold)->end_ns <= sample->time_ns)
            hold++;
        if (hold < gil->holds.count &&
            gt_span_at(&gil->holds, hold)->start_ns <= sample->time_ns &&
            gt_span_at(&gil->holds, hold)->thread == sample->thread)
            rc = add_sample(profile, timeline,
                            &cursors[gt_hashmap_get(&gil->member_of, sample->thread)], sample);
    }
    for (uint32_t i = 0; cursors && i < count; i++)
        gt_chunks_release(&cursors[i].stack);
    free(cursors);
    return rc;
}

static int add_locks(struct gt_profile *profile, const struct gt_timeline *timeline,
                     const struct gt_chunks *spans, uint32_t thread)
{
    struct cursor cursor;
    int rc = cursor_init(&cursor, profile, timeline, thread);

    for (size_t i = 0; rc == 0 && i < spans->count; i++) {
        const struct gt_blocked_span *span = gt_blocked_at(spans, i);

        if (span->kind == GT_BLOCKED_LOCK)
            rc = add_span(profile, &cursor, LOCK, span->start_ns, span->end_ns);
    }
    gt_chunks_release(&cursor.stack);
    return rc;
}

static int add_all(struct gt_profile *profile, const struct gt_timeline *timeline,
                   const struct gt_blocked *blocked)
{
    for (uint32_t i = 0; i < timeline->gils.count; i++)
        if (add_spans(profile, timeline, gt_gil_at(timeline, i), HOLD) ||
            add_spans(profile, timeline, gt_gil_at(timeline, i), WAIT) ||
            (timeline->native.count && add_samples(profile, timeline, gt_gil_at(timeline, i))))
            return -1;
    for (uint32_t i = 0; i < blocked->threads.count; i++)
        if (add_locks(profile, timeline, gt_blocked_of(blocked, i), i))
            return -1;
    return 0;
}

int gt_profile_init(struct gt_profile *profile, const struct gt_timeline *timeline,
                    const struct gt_blocked *blocked, struct gt_error *err)
{
    gt_chunks_init(&profile->nodes, sizeof(struct gt_profile_node));
    gt_hashmap_init(&profile->child_of);
    gt_hashmap_init(&profile->native_child_of);
    gt_hashmap_init(&profile->root_of);
    if (add_all(profile, timeline, blocked) == 0)
        return 0;
    gt_profile_release(profile);
    return gt_error_memory(err);
}

void gt_profile_release(struct gt_profile *profile)
{
    gt_chunks_release(&profile->nodes);
    gt_hashmap_release(&profile->child_of);
    gt_hashmap_release(&profile->native_child_of);
    gt_hashmap_release(&profile->root_of);
}
