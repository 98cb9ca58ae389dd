/* SPDX-License-Identifier: MIT */
#include "analysis/flame.h"

#include "base/nstime.h"

#include <stdio.h>
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

/* The child of `parent` that has this name; it is made where it is new. GT_NO_INDEX: no memory.
 */
static uint32_t child(struct gt_flame *flame, uint32_t parent, uint32_t name)
{
    uint64_t key = (uint64_t)parent << 32 | name;
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
    };
    gt_flame_at(flame, parent)->first_child = index;
    if (node->depth > flame->max_depth)
        flame->max_depth = node->depth;
    return index;
}

/* "symbol", "symbol_[k]" of the kernel, "[python3.11]" of a stripped file. */
static uint32_t frame_name(struct gt_flame *flame, const struct gt_stacks *stacks,
                           uint32_t frame)
{
    const char *symbol = gt_stacks_symbol(stacks, frame);
    const char *dso = gt_stacks_dso(stacks, frame);
    const char *slash = strrchr(dso, '/');
    char text[256];

    if (strncmp(dso, "[kernel", 7) == 0)
        return add_name(flame, symbol, strlen(symbol), "_[k]");
    if (strcmp(symbol, "[unknown]") != 0 && symbol[0])
        return add_name(flame, symbol, strlen(symbol), "");
    if (!dso[0] || dso[0] == '[')
        return add_name(flame, "[unknown]", 9, "");
    snprintf(text, sizeof(text), "[%s]", slash ? slash + 1 : dso);
    return add_name(flame, text, strlen(text), "");
}

static uint32_t head_of(struct gt_flame *flame, const struct gt_timeline *timeline,
                        uint32_t thread_index, unsigned flags)
{
    const struct gt_thread *thread = gt_thread_at(timeline, thread_index);
    uint32_t name = gt_process_at(timeline, thread->process)->name;
    uint32_t at = child(flame, 0,
                        add_name(flame, gt_intern_text(&timeline->names, name),
                                 gt_intern_length(&timeline->names, name), ""));
    char label[64];
    size_t length;

    if (!(flags & GT_FLAME_BY_THREAD) || at == GT_NO_INDEX)
        return at;
    length = gt_timeline_thread_label(timeline, thread_index, label, sizeof(label));
    return child(flame, at, add_name(flame, label, length, ""));
}

/* Goes forward through the life of a thread, and knows which functions it is in. */
struct active {
    const struct gt_calls *calls; /* NULL: none were traced */
    size_t next;                  /* the first span that was not looked at */
    struct gt_chunks open;        /* of uint32_t: indices of the spans around now */
};

static const struct gt_call_span *open_span(const struct active *active, size_t index)
{
    return gt_chunks_at(&active->calls->spans,
                        *(const uint32_t *)gt_chunks_at(&active->open, index));
}

static void close_until(struct active *active, int64_t time_ns)
{
    while (active->open.count && open_span(active, active->open.count - 1)->end_ns <= time_ns)
        gt_chunks_truncate(&active->open, active->open.count - 1);
}

/* Go on to `time_ns`, which never decreases. 0 or -1. */
static int advance(struct active *active, int64_t time_ns)
{
    for (; active->calls && active->next < active->calls->spans.count; active->next++) {
        const struct gt_call_span *span = gt_chunks_at(&active->calls->spans, active->next);
        uint32_t *open;

        if (span->start_ns > time_ns)
            break;
        close_until(active, span->start_ns);
        open = gt_chunks_push(&active->open);
        if (!open)
            return -1;
        *open = (uint32_t)active->next;
    }
    if (active->calls)
        close_until(active, time_ns);
    return 0;
}

/* Adds the functions below the node `at`; returns the innermost one's node. */
static uint32_t add_functions(struct gt_flame *flame, const struct gt_timeline *timeline,
                              const struct active *active, uint32_t at)
{
    for (size_t i = 0; i < active->open.count && i < GT_FLAME_PYTHON_MAX; i++) {
        const struct gt_function_info *called =
            gt_chunks_at(&timeline->functions, open_span(active, i)->function);

        if (at == GT_NO_INDEX)
            break;
        at = child(flame, at,
                   add_name(flame, gt_intern_text(&timeline->names, called->name),
                            gt_intern_length(&timeline->names, called->name), ""));
    }
    return at;
}

static bool is_interpreter(const struct gt_stacks *stacks, uint32_t frame)
{
    const char *dso = gt_stacks_dso(stacks, frame);

    return gt_stacks_is_python(dso, strlen(dso));
}

/* How many of the frames, which come with the innermost first, are inside the functions: all up
 * to the outermost one of the interpreter, or all. The start of the program, alone outside
 * libc's frames, does not count as such a frame. */
static uint32_t place_of_functions(const struct gt_stacks *stacks, const uint32_t *frames,
                                   uint32_t count)
{
    uint32_t first = count;

    for (uint32_t i = count; i-- > 0;) {
        if (!is_interpreter(stacks, frames[i]))
            continue;
        if (i + 1 < count || (i > 0 && is_interpreter(stacks, frames[i - 1])))
            return i + 1;
        first = i + 1;
    }
    return first;
}

static int add_span(struct gt_flame *flame, const struct gt_timeline *timeline, uint32_t head,
                    const struct gt_state_span *span, const struct active *active,
                    unsigned flags)
{
    const struct gt_stacks *stacks = &timeline->stacks;
    uint32_t count, at = head;
    const uint32_t *frames = gt_stacks_frames(stacks, span->stack, &count);
    bool merge = active->open.count > 0;
    uint32_t place = place_of_functions(stacks, frames, count);

    flame->spans++;
    flame->spans_unstacked += span->stack == 0;
    for (uint32_t left = count; at != GT_NO_INDEX; left--) {
        if (merge && left == place)
            at = add_functions(flame, timeline, active, at);
        if (left == 0 || at == GT_NO_INDEX)
            break;
        if (!merge || flags & GT_FLAME_KEEP_INTERPRETER ||
            !is_interpreter(stacks, frames[left - 1]))
            at = child(flame, at, frame_name(flame, stacks, frames[left - 1]));
    }
    if (at == GT_NO_INDEX)
        return -1;
    gt_flame_at(flame, at)->self_ns =
        gt_add_ns(gt_flame_at(flame, at)->self_ns, span->end_ns - span->start_ns);
    return 0;
}

static int add_thread(struct gt_flame *flame, const struct gt_timeline *timeline,
                      uint32_t thread, enum gt_sched_state state, unsigned flags)
{
    const struct gt_sched *sched = gt_sched_of(timeline, thread);
    struct active active = {.calls = gt_calls_of(timeline, thread)};
    uint32_t head;
    int rc = 0;

    if (sched->state_count[state] == 0)
        return 0;
    head = head_of(flame, timeline, thread, flags);
    if (head == GT_NO_INDEX)
        return -1;
    gt_chunks_init(&active.open, sizeof(uint32_t));
    for (size_t i = 0; i < sched->spans.count && rc == 0; i++) {
        const struct gt_state_span *span = gt_chunks_at(&sched->spans, i);

        if (span->state != state)
            continue;
        rc = advance(&active, span->start_ns);
        if (rc == 0)
            rc = add_span(flame, timeline, head, span, &active, flags);
    }
    gt_chunks_release(&active.open);
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

int gt_flame_init(struct gt_flame *flame, const struct gt_timeline *timeline,
                  enum gt_sched_state state, unsigned flags, struct gt_error *err)
{
    struct gt_flame_node *root;

    memset(flame, 0, sizeof(*flame));
    gt_chunks_init(&flame->nodes, sizeof(struct gt_flame_node));
    gt_intern_init(&flame->names);
    gt_hashmap_init(&flame->child_of);
    root = gt_chunks_push(&flame->nodes);
    if (root) {
        *root = (struct gt_flame_node){.first_child = GT_NO_INDEX, .next_sibling = GT_NO_INDEX};
        root->name = gt_intern_add(&flame->names, "all", 3);
    }
    if (!root || root->name == UINT32_MAX) {
        gt_flame_release(flame);
        return gt_error_memory(err);
    }
    for (uint32_t i = 0; i < timeline->scheds.count; i++)
        if (add_thread(flame, timeline, i, state, flags)) {
            gt_flame_release(flame);
            return gt_error_memory(err);
        }
    sum_up(flame);
    return 0;
}

void gt_flame_release(struct gt_flame *flame)
{
    gt_chunks_release(&flame->nodes);
    gt_intern_release(&flame->names);
    gt_hashmap_release(&flame->child_of);
}
