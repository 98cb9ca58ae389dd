/* SPDX-License-Identifier: MIT */
#include "analysis/flame.h"

#include "analysis/active.h"
#include "base/nstime.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A frame's name must not break the format: ';' separates frames, a newline stacks. */
static uint32_t add_name(struct gt_flame *flame, const char *text, size_t length,
                         const char *suffix)
{
    struct gt_buf clean;
    uint32_t id = UINT32_MAX;

    gt_buf_init(&clean);
    if (gt_buf_add_visible(&clean, length ? text : "[unknown]", length ? length : 9) == 0 &&
        gt_buf_adds(&clean, suffix) == 0) {
        for (size_t i = 0; i < clean.length; i++)
            if (clean.data[i] == ';')
                clean.data[i] = ':';
        id = gt_intern_add(&flame->names, clean.data, clean.length);
    }
    gt_buf_release(&clean);
    return id;
}

/* The child of `parent` that `key` tells from others; it is made where it is new. GT_NO_INDEX:
 * no memory. */
static uint32_t child_by(struct gt_flame *flame, uint64_t key, uint32_t parent, uint32_t name)
{
    uint32_t index = gt_hashmap_get(&flame->child_of, key);
    struct gt_flame_node *node;

    if (name == UINT32_MAX)
        return GT_NO_INDEX;
    if (index != GT_HASHMAP_NONE)
        return index;
    index = (uint32_t)flame->nodes.count;
    node = gt_chunks_push(&flame->nodes);
    if (!node || gt_hashmap_put(&flame->child_of, key, index))
        return GT_NO_INDEX;
    *node = (struct gt_flame_node){
        .name = name,
        .parent = parent,
        .first_child = GT_NO_INDEX,
        .next_sibling = gt_flame_at(flame, parent)->first_child,
        .depth = gt_flame_at(flame, parent)->depth + 1,
        .thread = gt_flame_at(flame, parent)->thread,
    };
    gt_flame_at(flame, parent)->first_child = index;
    if (node->depth > flame->max_depth)
        flame->max_depth = node->depth;
    return index;
}

static uint32_t child(struct gt_flame *flame, uint32_t parent, uint32_t name)
{
    return child_by(flame, (uint64_t)parent << 32 | name, parent, name);
}

/* The child of the root that is this thread's alone: no node is a parent of that index. */
static uint32_t child_of_thread(struct gt_flame *flame, uint32_t thread, uint32_t name)
{
    uint32_t index = child_by(flame, (uint64_t)GT_NO_INDEX << 32 | thread, 0, name);

    if (index != GT_NO_INDEX)
        gt_flame_at(flame, index)->thread = thread;
    return index;
}

/* "symbol", "symbol_[k]" of the kernel, "[python3.11]" of a stripped file, or
 * "python3.11+0x1c40" where the function's place in it is known. */
static uint32_t frame_name(struct gt_flame *flame, const struct gt_stacks *stacks,
                           uint32_t frame)
{
    const char *symbol = gt_stacks_symbol(stacks, frame);
    const char *dso = gt_stacks_dso(stacks, frame);
    const char *slash = strrchr(dso, '/');
    char text[256];

    if (strncmp(dso, "[kernel", 7) == 0)
        return add_name(flame, symbol, strlen(symbol), "_[k]");
    if (strcmp(symbol, "[unknown]") != 0 && symbol[0] && symbol[0] != '+')
        return add_name(flame, symbol, strlen(symbol), "");
    if (!dso[0] || dso[0] == '[')
        return add_name(flame, "[unknown]", 9, "");
    if (symbol[0] == '+') {
        snprintf(text, sizeof(text), "%s%s", slash ? slash + 1 : dso, symbol);
        return add_name(flame, text, strlen(text), "");
    }
    snprintf(text, sizeof(text), "[%s]", slash ? slash + 1 : dso);
    return add_name(flame, text, strlen(text), "");
}

static uint32_t head_of(struct gt_flame *flame, const struct gt_timeline *timeline,
                        uint32_t thread_index, unsigned flags)
{
    const struct gt_thread *thread = gt_thread_at(timeline, thread_index);
    uint32_t process = gt_process_at(timeline, thread->process)->name;
    uint32_t name = add_name(flame, gt_intern_text(&timeline->names, process),
                             gt_intern_length(&timeline->names, process), "");
    uint32_t at = flags & GT_FLAME_APART ? child_of_thread(flame, thread_index, name)
                                         : child(flame, 0, name);
    char label[64];
    size_t length;

    if (!(flags & GT_FLAME_BY_THREAD) || at == GT_NO_INDEX)
        return at;
    length = gt_timeline_thread_label(timeline, thread_index, label, sizeof(label));
    return child(flame, at, add_name(flame, label, length, ""));
}

/* Adds the functions below the node `at`; returns the innermost one's node. */
static uint32_t add_functions(struct gt_flame *flame, const struct gt_timeline *timeline,
                              const struct gt_active *active, uint32_t at)
{
    for (size_t i = 0; i < active->open.count && i < GT_FLAME_PYTHON_MAX; i++) {
        const struct gt_function_info *called =
            gt_chunks_at(&timeline->functions, gt_active_span(active, i)->function);

        if (at == GT_NO_INDEX)
            break;
        at = child(flame, at,
                   add_name(flame, gt_intern_text(&timeline->names, called->name),
                            gt_intern_length(&timeline->names, called->name), ""));
    }
    return at;
}

/* Add `ns` in a stack of `stacks`, below the node `head`. Which node counts them; GT_NO_INDEX:
 * no memory. */
static uint32_t add_stack(struct gt_flame *flame, const struct gt_timeline *timeline,
                          uint32_t head, const struct gt_stacks *stacks, uint32_t stack,
                          int64_t ns, const struct gt_active *active, unsigned flags)
{
    uint32_t count, at = head;
    const uint32_t *frames = gt_stacks_frames(stacks, stack, &count);
    bool merge = active->open.count > 0;
    uint32_t place = gt_active_place(stacks, frames, count);

    flame->spans++;
    flame->spans_unstacked += stack == 0;
    for (uint32_t left = count; at != GT_NO_INDEX; left--) {
        if (merge && left == place)
            at = add_functions(flame, timeline, active, at);
        if (left == 0 || at == GT_NO_INDEX)
            break;
        if (!merge || flags & GT_FLAME_KEEP_INTERPRETER ||
            !gt_active_is_interpreter(stacks, frames[left - 1]))
            at = child(flame, at, frame_name(flame, stacks, frames[left - 1]));
    }
    if (at != GT_NO_INDEX)
        gt_flame_at(flame, at)->self_ns = gt_add_ns(gt_flame_at(flame, at)->self_ns, ns);
    return at;
}

static int add_thread(struct gt_flame *flame, const struct gt_timeline *timeline,
                      uint32_t thread, enum gt_sched_state state, unsigned flags)
{
    const struct gt_sched *sched = gt_sched_at(timeline, thread);
    struct gt_active active;
    uint32_t head;
    int rc = 0;

    if (sched->state_count[state] == 0)
        return 0;
    head = head_of(flame, timeline, thread, flags);
    if (head == GT_NO_INDEX)
        return -1;
    gt_active_init(&active, timeline, thread);
    for (size_t i = 0; i < sched->spans.count && rc == 0; i++) {
        const struct gt_state_span *span = gt_chunks_at(&sched->spans, i);

        if (span->state != state)
            continue;
        rc = gt_active_advance(&active, span->start_ns);
        if (rc == 0 && add_stack(flame, timeline, head, &timeline->stacks, span->stack,
                                 span->end_ns - span->start_ns, &active, flags) == GT_NO_INDEX)
            rc = -1;
    }
    gt_active_release(&active);
    return rc;
}

/* A sample of a native stack, or an event. */
struct sample {
    int64_t time_ns, weight;
    uint32_t thread, stack;
};

/* Where samples come from, and the stacks that they name. */
struct samples {
    const struct gt_chunks *list;
    const struct gt_stacks *stacks;
    bool events; /* of struct gt_counter_sample, not gt_native_sample */
};

static struct sample sample_at(const struct samples *samples, size_t index)
{
    const struct gt_native_sample *sample = gt_chunks_at(samples->list, index);
    const struct gt_counter_sample *event = gt_chunks_at(samples->list, index);

    if (!samples->events)
        return (struct sample){sample->time_ns, sample->weight_ns, sample->thread,
                               sample->stack};
    return (struct sample){event->time_ns,
                           event->period < INT64_MAX ? (int64_t)event->period : INT64_MAX,
                           event->thread, event->stack};
}

static bool has_gil(const struct gt_timeline *timeline, const struct sample *sample)
{
    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        const struct gt_chunks *holds = &gt_gil_at(timeline, i)->holds;
        size_t at =
            gt_chunks_first_after(holds, 0, offsetof(struct gt_span, end_ns), sample->time_ns);
        const struct gt_span *hold = at < holds->count ? gt_span_at(holds, at) : NULL;

        if (hold && hold->thread == sample->thread && hold->start_ns <= sample->time_ns)
            return true;
    }
    return false;
}

static bool is_left_out(const struct gt_timeline *timeline, const struct sample *sample,
                        unsigned flags)
{
    if (!(flags & (GT_FLAME_WITH_GIL | GT_FLAME_WITHOUT_GIL)))
        return false;
    return has_gil(timeline, sample) == ((flags & GT_FLAME_WITHOUT_GIL) != 0);
}

static int add_sample(struct gt_flame *flame, const struct gt_timeline *timeline,
                      const struct gt_stacks *stacks, const struct sample *sample,
                      uint32_t head, struct gt_active *active, unsigned flags)
{
    uint32_t *node = gt_chunks_push(&flame->sampled);

    if (!node || head == GT_NO_INDEX || gt_active_advance(active, sample->time_ns))
        return -1;
    *node =
        add_stack(flame, timeline, head, stacks, sample->stack, sample->weight, active, flags);
    return *node == GT_NO_INDEX ? -1 : 0;
}

/* Samples come in the order of time, those of all threads together. */
static int add_samples(struct gt_flame *flame, const struct gt_timeline *timeline,
                       const struct samples *samples, unsigned flags)
{
    size_t threads = timeline->threads.count;
    struct gt_active *actives = calloc(threads + 1, sizeof(*actives));
    uint32_t *heads = calloc(threads + 1, sizeof(*heads)); /* 0, the root: not made yet */
    int rc = actives && heads ? 0 : -1;

    for (size_t i = 0; rc == 0 && i < threads; i++)
        gt_active_init(&actives[i], timeline, (uint32_t)i);
    for (size_t i = 0; rc == 0 && i < samples->list->count; i++) {
        const struct sample sample = sample_at(samples, i);
        uint32_t thread = sample.thread;

        if (is_left_out(timeline, &sample, flags))
            continue;
        if (!heads[thread])
            heads[thread] = head_of(flame, timeline, thread, flags);
        rc = add_sample(flame, timeline, samples->stacks, &sample, heads[thread],
                        &actives[thread], flags);
    }
    for (size_t i = 0; actives && i < threads; i++)
        gt_active_release(&actives[i]);
    free(actives);
    free(heads);
    return rc;
}

static int add_all(struct gt_flame *flame, const struct gt_timeline *timeline,
                   enum gt_sched_state state, unsigned flags)
{
    const struct samples samples = {&timeline->native, &timeline->native_stacks, false};
    int rc = 0;

    if (state == GT_SCHED_RUNNING && timeline->saw_native)
        return add_samples(flame, timeline, &samples, flags);
    for (uint32_t i = 0; rc == 0 && i < timeline->scheds.count; i++)
        rc = add_thread(flame, timeline, i, state, flags);
    return rc;
}

/* Children come after their parents, so totals sum up from the end. */
static void sum_up(struct gt_flame *flame)
{
    for (size_t i = flame->nodes.count; i-- > 0;) {
        struct gt_flame_node *node = gt_flame_at(flame, (uint32_t)i);

        struct gt_flame_node *parent = i > 0 ? gt_flame_at(flame, node->parent) : NULL;

        node->total_ns = gt_add_ns(node->total_ns, node->self_ns);
        if (parent)
            parent->total_ns = gt_add_ns(parent->total_ns, node->total_ns);
    }
}

static int init_empty(struct gt_flame *flame)
{
    struct gt_flame_node *root;

    memset(flame, 0, sizeof(*flame));
    gt_chunks_init(&flame->nodes, sizeof(struct gt_flame_node));
    gt_chunks_init(&flame->sampled, sizeof(uint32_t));
    gt_intern_init(&flame->names);
    gt_hashmap_init(&flame->child_of);
    root = gt_chunks_push(&flame->nodes);
    if (!root)
        return -1;
    *root = (struct gt_flame_node){
        .first_child = GT_NO_INDEX, .next_sibling = GT_NO_INDEX, .thread = GT_NO_INDEX};
    root->name = gt_intern_add(&flame->names, "all", 3);
    return root->name == UINT32_MAX ? -1 : 0;
}

/* All was added, or `failed`. */
static int complete(struct gt_flame *flame, int failed, struct gt_error *err)
{
    if (failed) {
        gt_flame_release(flame);
        return gt_error_memory(err);
    }
    sum_up(flame);
    return 0;
}

int gt_flame_init(struct gt_flame *flame, const struct gt_timeline *timeline,
                  enum gt_sched_state state, unsigned flags, struct gt_error *err)
{
    return complete(flame, init_empty(flame) || add_all(flame, timeline, state, flags), err);
}

int gt_flame_init_counter(struct gt_flame *flame, const struct gt_timeline *timeline,
                          uint32_t counter, unsigned flags, struct gt_error *err)
{
    const struct gt_counter *events = gt_chunks_at(&timeline->counters, counter);
    const struct samples samples = {&events->samples, &timeline->event_stacks, true};
    int failed = init_empty(flame);

    flame->counts = true;
    return complete(flame, failed || add_samples(flame, timeline, &samples, flags), err);
}

void gt_flame_release(struct gt_flame *flame)
{
    gt_chunks_release(&flame->nodes);
    gt_chunks_release(&flame->sampled);
    gt_intern_release(&flame->names);
    gt_hashmap_release(&flame->child_of);
}
