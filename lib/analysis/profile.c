/* SPDX-License-Identifier: MIT */
#include "analysis/profile.h"

#include <stdlib.h>

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
    *node = (struct gt_profile_node){.parent = parent, .function = function, .thread = thread};
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

static uint32_t child_of(struct gt_profile *profile, uint32_t parent, uint32_t function)
{
    uint64_t key = (uint64_t)parent << 32 | function;
    uint32_t index = gt_hashmap_get(&profile->child_of, key);

    if (index != GT_HASHMAP_NONE)
        return index;
    index = new_node(profile, parent, function, gt_profile_at(profile, parent)->thread);
    return index == GT_NO_INDEX || gt_hashmap_put(&profile->child_of, key, index) ? GT_NO_INDEX
                                                                                  : index;
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

static int add_span(struct gt_profile *profile, struct cursor *cursor,
                    const struct gt_span *span, bool wait)
{
    int64_t now_ns = span->start_ns;

    while (now_ns < span->end_ns) {
        int64_t until_ns;
        uint32_t index = move_to(profile, cursor, now_ns, &until_ns);
        struct gt_profile_node *node;

        if (index == GT_NO_INDEX)
            return -1;
        node = gt_profile_at(profile, index);
        if (until_ns > span->end_ns)
            until_ns = span->end_ns;
        if (wait)
            node->wait_ns += until_ns - now_ns;
        else
            node->hold_ns += until_ns - now_ns;
        node->holds += !wait && now_ns == span->start_ns;
        now_ns = until_ns;
    }
    return 0;
}

/* Holds, or waits: those of a thread come in the order of time. */
static int add_spans(struct gt_profile *profile, const struct gt_timeline *timeline,
                     const struct gt_gil *gil, bool wait)
{
    const struct gt_chunks *spans = wait ? &gil->waits : &gil->holds;
    size_t count = gil->members.count;
    struct cursor *cursors = calloc(count + 1, sizeof(*cursors));
    int rc = cursors ? 0 : -1;

    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        uint32_t thread = gt_gil_thread_at(gil, i)->thread;

        cursors[i].calls = gt_calls_of(timeline, thread);
        cursors[i].root = root_of(profile, thread);
        gt_chunks_init(&cursors[i].stack, sizeof(struct level));
        rc = cursors[i].root == GT_NO_INDEX ? -1 : 0;
    }
    for (size_t i = 0; rc == 0 && i < spans->count; i++) {
        const struct gt_span *span = gt_span_at(spans, i);

        rc = add_span(profile, &cursors[gt_hashmap_get(&gil->member_of, span->thread)], span,
                      wait);
    }
    for (uint32_t i = 0; cursors && i < count; i++)
        gt_chunks_release(&cursors[i].stack);
    free(cursors);
    return rc;
}

int gt_profile_init(struct gt_profile *profile, const struct gt_timeline *timeline,
                    struct gt_error *err)
{
    gt_chunks_init(&profile->nodes, sizeof(struct gt_profile_node));
    gt_hashmap_init(&profile->child_of);
    gt_hashmap_init(&profile->root_of);
    for (uint32_t i = 0; i < timeline->gils.count; i++)
        if (add_spans(profile, timeline, gt_gil_at(timeline, i), false) ||
            add_spans(profile, timeline, gt_gil_at(timeline, i), true)) {
            gt_profile_release(profile);
            return gt_error_memory(err);
        }
    return 0;
}

void gt_profile_release(struct gt_profile *profile)
{
    gt_chunks_release(&profile->nodes);
    gt_hashmap_release(&profile->child_of);
    gt_hashmap_release(&profile->root_of);
}
