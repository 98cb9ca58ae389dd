/* SPDX-License-Identifier: MIT */
#include "whatif/named.h"

#include "base/nstime.h"

#include <stdlib.h>
#include <string.h>

/* "a.b.c" ends with "c", "b.c" and itself. */
static bool ends_with(const char *text, const char *name)
{
    size_t length = strlen(text), end = strlen(name);

    return end > 0 && length >= end && strcmp(text + length - end, name) == 0 &&
           (length == end || text[length - end - 1] == '.');
}

bool gt_named_is(const struct gt_timeline *timeline, uint32_t function, const char *name)
{
    const struct gt_function_info *info = gt_chunks_at(&timeline->functions, function);
    const char *own = gt_intern_text(&timeline->names, info->name);
    const char *module = gt_intern_text(&timeline->names, info->file);
    size_t length = strlen(module);

    if (ends_with(own, name))
        return true;
    return info->flags & GT_FUNCTION_C && length && strncmp(name, module, length) == 0 &&
           name[length] == '.' && strcmp(name + length + 1, own) == 0;
}

/* Versions of symbols show as "poll@@GLIBC_2.2.5". */
static bool is_symbol(const char *symbol, const char *name)
{
    size_t length = strlen(name);

    return strncmp(symbol, name, length) == 0 && (!symbol[length] || symbol[length] == '@');
}

static bool is_under(const struct gt_stacks *stacks, uint32_t stack, const char *name)
{
    uint32_t count;
    const uint32_t *frames = gt_stacks_frames(stacks, stack, &count);

    for (uint32_t i = 0; i < count; i++)
        if (is_symbol(gt_stacks_symbol(stacks, frames[i]), name))
            return true;
    return false;
}

/* By stack: is the function in it? NULL: no memory. */
static bool *find_stacks(const struct gt_stacks *stacks, const char *name)
{
    size_t count = gt_intern_count(&stacks->stacks);
    bool *under = calloc(count + 1, sizeof(*under));

    for (uint32_t i = 0; under && i < count; i++)
        under[i] = is_under(stacks, i, name);
    return under;
}

/* By thread: the span that goes on; tag 0: none. */
static int end_span(struct gt_nonyielding_span *open, struct gt_chunks *spans)
{
    struct gt_nonyielding_span *span;

    if (!open->tag)
        return 0;
    span = gt_chunks_push(spans);
    if (!span)
        return -1;
    *span = *open;
    open->tag = 0;
    return 0;
}

static int take(struct gt_nonyielding_span *open, const struct gt_native_sample *sample,
                bool under, uint16_t tag, struct gt_chunks *spans)
{
    int64_t half_ns = sample->weight_ns / 2;

    if (!under) {
        if (open->end_ns > sample->time_ns)
            open->end_ns = sample->time_ns;
        return end_span(open, spans);
    }
    if (!open->tag)
        *open = (struct gt_nonyielding_span){
            .start_ns = sample->time_ns - half_ns, .thread = sample->thread, .tag = tag};
    open->end_ns = gt_add_ns(sample->time_ns, half_ns);
    return 0;
}

int gt_named_spans(const struct gt_timeline *timeline, const char *name, uint16_t tag,
                   struct gt_chunks *spans)
{
    size_t threads = timeline->threads.count;
    struct gt_nonyielding_span *open = calloc(threads + 1, sizeof(*open));
    bool *under = find_stacks(&timeline->native_stacks, name);
    int rc = open && under ? 0 : -1;

    for (size_t i = 0; rc == 0 && i < timeline->native.count; i++) {
        const struct gt_native_sample *sample = gt_chunks_at(&timeline->native, i);

        rc = take(&open[sample->thread], sample, under[sample->stack], tag, spans);
    }
    for (size_t i = 0; rc == 0 && i < threads; i++)
        rc = end_span(&open[i], spans);
    free(open);
    free(under);
    return rc;
}
