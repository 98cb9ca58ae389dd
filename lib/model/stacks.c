/* SPDX-License-Identifier: MIT */
#include "model/stacks.h"

#include <string.h>

void gt_stacks_init(struct gt_stacks *stacks)
{
    gt_intern_init(&stacks->names);
    gt_intern_init(&stacks->frames);
    gt_intern_init(&stacks->stacks);
    gt_hashmap_init(&stacks->build_of);
}

void gt_stacks_release(struct gt_stacks *stacks)
{
    gt_intern_release(&stacks->names);
    gt_intern_release(&stacks->frames);
    gt_intern_release(&stacks->stacks);
    gt_hashmap_release(&stacks->build_of);
}

static uint32_t add_frame(struct gt_stacks *stacks, const struct gt_frame *frame)
{
    struct gt_stack_frame pair = {
        .symbol = gt_intern_add(&stacks->names, frame->symbol, frame->symbol_length),
        .dso = gt_intern_add(&stacks->names, frame->dso, frame->dso_length),
    };

    if (pair.symbol == UINT32_MAX || pair.dso == UINT32_MAX)
        return UINT32_MAX;
    return gt_intern_add(&stacks->frames, (const char *)&pair, sizeof(pair));
}

uint32_t gt_stacks_add(struct gt_stacks *stacks, const struct gt_frame *frames, uint32_t count)
{
    uint32_t ids[256];

    if (count > sizeof(ids) / sizeof(ids[0]))
        count = sizeof(ids) / sizeof(ids[0]);
    for (uint32_t i = 0; i < count; i++) {
        ids[i] = add_frame(stacks, &frames[i]);
        if (ids[i] == UINT32_MAX)
            return UINT32_MAX;
    }
    return gt_intern_add(&stacks->stacks, (const char *)ids, count * sizeof(ids[0]));
}

const uint32_t *gt_stacks_frames(const struct gt_stacks *stacks, uint32_t stack,
                                 uint32_t *count)
{
    *count = (uint32_t)(gt_intern_length(&stacks->stacks, stack) / sizeof(uint32_t));
    return (const uint32_t *)(const void *)gt_intern_text(&stacks->stacks, stack);
}

static const struct gt_stack_frame *frame_at(const struct gt_stacks *stacks, uint32_t frame)
{
    return (const struct gt_stack_frame *)(const void *)gt_intern_text(&stacks->frames, frame);
}

const char *gt_stacks_symbol(const struct gt_stacks *stacks, uint32_t frame)
{
    return gt_intern_text(&stacks->names, frame_at(stacks, frame)->symbol);
}

const char *gt_stacks_dso(const struct gt_stacks *stacks, uint32_t frame)
{
    return gt_intern_text(&stacks->names, frame_at(stacks, frame)->dso);
}

int gt_stacks_set_build(struct gt_stacks *stacks, const char *dso, size_t length,
                        const char *build_id)
{
    uint32_t file = gt_intern_add(&stacks->names, dso, length);
    uint32_t build = gt_intern_add(&stacks->names, build_id, strlen(build_id));

    if (file == UINT32_MAX || build == UINT32_MAX)
        return -1;
    return gt_hashmap_put(&stacks->build_of, file, build);
}

const char *gt_stacks_build(const struct gt_stacks *stacks, uint32_t frame)
{
    uint32_t build = gt_hashmap_get(&stacks->build_of, frame_at(stacks, frame)->dso);

    return build == GT_HASHMAP_NONE ? "" : gt_intern_text(&stacks->names, build);
}

static bool symbol_starts(const struct gt_frame *frame, const char *word)
{
    size_t length = strlen(word);

    return frame->symbol_length >= length && memcmp(frame->symbol, word, length) == 0;
}

static bool symbol_has(const struct gt_frame *frame, const char *word)
{
    return memmem(frame->symbol, frame->symbol_length, word, strlen(word)) != NULL;
}

bool gt_stacks_is_python(const char *dso, size_t dso_length)
{
    const char *slash = memrchr(dso, '/', dso_length);
    const char *name = slash ? slash + 1 : dso;
    size_t length = dso_length - (size_t)(name - dso);

    return (length >= 6 && memcmp(name, "python", 6) == 0) ||
           (length >= 9 && memcmp(name, "libpython", 9) == 0);
}

static bool is_python(const struct gt_frame *frame)
{
    return gt_stacks_is_python(frame->dso, frame->dso_length);
}

/* take_gil, take_gil.constprop.0, take_gil.lto_priv.0 */
static bool is_take_gil(const struct gt_frame *frame)
{
    return symbol_starts(frame, "take_gil") &&
           (frame->symbol_length == 8 || frame->symbol[8] == '.');
}

bool gt_stack_waits_for_gil(const struct gt_frame *frames, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (is_take_gil(&frames[i]))
            return true;
        /* Versions of the symbol show as pthread_cond_timedwait@@GLIBC_2.3.2, and the
         * function itself as ___pthread_cond_timedwait64. */
        if ((symbol_has(&frames[i], "pthread_cond_timedwait") ||
             symbol_has(&frames[i], "pthread_cond_clockwait")) &&
            i + 1 < count && is_python(&frames[i + 1]))
            return true;
    }
    return false;
}
