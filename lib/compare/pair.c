/* SPDX-License-Identifier: MIT */
#include "compare/pair.h"

#include "base/nstime.h"

struct adding {
    struct gt_pair *pair;
    struct gt_hashmap *children; /* by parent and name */
    unsigned side;
    const struct gt_side_thread *thread;
    size_t next[GT_PAIR_WHATS]; /* of its waits and holds: the first that is not over */
    struct {
        uint32_t node;
        int64_t end_ns;
    } stack[GT_PAIR_DEPTH_MAX + 2];
    unsigned depth; /* what is on top */
};

/* The node below; the parent itself where there is no room. UINT32_MAX: no memory. */
static uint32_t child_of(struct adding *adding, uint32_t parent, uint32_t name)
{
    uint64_t key = (uint64_t)parent << 32 | name;
    uint32_t index = gt_hashmap_get(adding->children, key);
    struct gt_pair_node *node;

    if (index != GT_HASHMAP_NONE)
        return index;
    if (adding->pair->nodes.count >= GT_PAIR_NODES_MAX)
        return parent;
    index = (uint32_t)adding->pair->nodes.count;
    node = gt_chunks_push(&adding->pair->nodes);
    if (!node || gt_hashmap_put(adding->children, key, index))
        return UINT32_MAX;
    *node = (struct gt_pair_node){
        .parent = parent, .name = name, .depth = gt_pair_at(adding->pair, parent)->depth + 1};
    return index;
}

/* How much of [from, to) lies in spans of this kind. Times never go back. */
static int64_t overlap(struct adding *adding, enum gt_pair_what what, int64_t from_ns,
                       int64_t to_ns)
{
    const struct gt_chunks *spans =
        what == GT_PAIR_WAIT ? &adding->thread->waits : &adding->thread->holds;
    int64_t sum_ns = 0;

    for (size_t i = adding->next[what]; i < spans->count; i++) {
        const struct gt_side_span *span = gt_chunks_at(spans, i);
        int64_t start_ns = span->start_ns > from_ns ? span->start_ns : from_ns;
        int64_t end_ns = span->end_ns < to_ns ? span->end_ns : to_ns;

        if (span->start_ns >= to_ns)
            break;
        if (end_ns > start_ns)
            sum_ns = gt_add_ns(sum_ns, end_ns - start_ns);
        if (span->end_ns <= to_ns && i == adding->next[what])
            adding->next[what]++;
    }
    return sum_ns;
}

static void charge(struct adding *adding, int64_t from_ns, int64_t to_ns)
{
    struct gt_pair_node *node = gt_pair_at(adding->pair, adding->stack[adding->depth].node);

    if (to_ns <= from_ns)
        return;
    for (unsigned what = 0; what < GT_PAIR_WHATS; what++) {
        int64_t *self_ns = &node->time[what][adding->side].self_ns;

        *self_ns = gt_add_ns(*self_ns, overlap(adding, what, from_ns, to_ns));
    }
}

/* End the calls that are over by then. What is left of the time so far; `*at_ns` moves on. */
static void end_calls(struct adding *adding, int64_t until_ns, int64_t *at_ns)
{
    while (adding->depth > 0 && adding->stack[adding->depth].end_ns <= until_ns) {
        charge(adding, *at_ns, adding->stack[adding->depth].end_ns);
        if (*at_ns < adding->stack[adding->depth].end_ns)
            *at_ns = adding->stack[adding->depth].end_ns;
        adding->depth--;
    }
    charge(adding, *at_ns, until_ns);
    if (*at_ns < until_ns)
        *at_ns = until_ns;
}

static int begin_call(struct adding *adding, const struct gt_side_call *call)
{
    uint32_t parent = adding->stack[adding->depth].node, node;
    int64_t end_ns = call->end_ns;

    if (adding->depth > GT_PAIR_DEPTH_MAX)
        return 0;
    node = child_of(adding, parent, call->function);
    if (node == UINT32_MAX)
        return -1;
    if (adding->depth > 0 && end_ns > adding->stack[adding->depth].end_ns)
        end_ns = adding->stack[adding->depth].end_ns; /* calls nest */
    adding->depth++;
    adding->stack[adding->depth].node = node;
    adding->stack[adding->depth].end_ns = end_ns;
    return 0;
}

static int add_thread(struct adding *adding, const struct gt_figures *figures)
{
    const struct gt_side_thread *thread = adding->thread;
    uint32_t row = gt_hashmap_get(&figures->thread_row[adding->side],
                                  gt_side_key(thread->pid, thread->tid));
    int64_t at_ns = 0;

    if (row == GT_HASHMAP_NONE)
        return 0;
    adding->depth = 0;
    adding->next[GT_PAIR_WAIT] = adding->next[GT_PAIR_HOLD] = 0;
    adding->stack[0].node = child_of(adding, 0, gt_figure_at(figures, row)->name);
    if (adding->stack[0].node == UINT32_MAX)
        return -1;
    for (size_t i = 0; i < thread->calls.count; i++) {
        const struct gt_side_call *call = gt_chunks_at(&thread->calls, i);

        adding->pair->has_calls[adding->side] = true;
        end_calls(adding, call->start_ns, &at_ns);
        if (begin_call(adding, call))
            return -1;
    }
    end_calls(adding, GT_TIME_MOST_NS, &at_ns);
    return 0;
}

/* Children stand behind their parents. */
static void sum_up(struct gt_pair *pair)
{
    for (size_t i = pair->nodes.count; i-- > 0;) {
        struct gt_pair_node *node = gt_pair_at(pair, i);

        for (unsigned what = 0; what < GT_PAIR_WHATS; what++)
            for (unsigned side = 0; side < GT_SIDES; side++) {
                int64_t total_ns =
                    gt_add_ns(node->time[what][side].total_ns, node->time[what][side].self_ns);
                int64_t *above = &gt_pair_at(pair, node->parent)->time[what][side].total_ns;

                node->time[what][side].total_ns = total_ns;
                if (i > 0)
                    *above = gt_add_ns(*above, total_ns);
            }
    }
}

int gt_pair_init(struct gt_pair *pair, const struct gt_side sides[GT_SIDES],
                 const struct gt_figures *figures, struct gt_error *err)
{
    struct gt_hashmap children;
    struct gt_pair_node *root;
    int rc = 0;

    *pair = (struct gt_pair){0};
    gt_chunks_init(&pair->nodes, sizeof(struct gt_pair_node));
    gt_hashmap_init(&children);
    root = gt_chunks_push(&pair->nodes);
    if (root)
        *root = (struct gt_pair_node){0};
    else
        rc = -1;
    for (unsigned side = 0; rc == 0 && side < GT_SIDES; side++)
        for (size_t i = 0; rc == 0 && i < sides[side].threads.count; i++) {
            struct adding adding = {.pair = pair,
                                    .children = &children,
                                    .side = side,
                                    .thread = gt_side_thread_at(&sides[side], i)};

            rc = add_thread(&adding, figures);
        }
    gt_hashmap_release(&children);
    if (rc)
        return gt_error_memory(err);
    sum_up(pair);
    return 0;
}

void gt_pair_release(struct gt_pair *pair)
{
    gt_chunks_release(&pair->nodes);
}
