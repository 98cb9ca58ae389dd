/* SPDX-License-Identifier: MIT */
#include "ingest/sleep_stack.h"

#include "model/stacks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES_MAX = 64 };

void gt_sleep_stacks_init(struct gt_sleep_stacks *names)
{
    gt_function_starts_init(&names->starts);
    gt_symbols_init(&names->symbols);
}

void gt_sleep_stacks_release(struct gt_sleep_stacks *names)
{
    gt_function_starts_release(&names->starts);
    gt_symbols_release(&names->symbols);
}

/* Its function's name, or else where that begins in its file; on the heap. NULL: no memory. */
static char *name_of(struct gt_sleep_stacks *names, const struct gt_frame *frame,
                     struct gt_stacks *stacks)
{
    const char *build = gt_function_build_id(&names->starts, frame->dso, frame->dso_length);
    char *name =
        gt_symbols_name(&names->symbols, frame->dso, frame->dso_length, build, frame->address);
    char place[32] = "";
    uint64_t start;

    if (name)
        return name;
    start = gt_function_start_of(&names->starts, frame->dso, frame->dso_length, frame->address);
    if (start && gt_stacks_set_build(stacks, frame->dso, frame->dso_length, build))
        return NULL;
    if (start)
        snprintf(place, sizeof(place), "+0x%llx", (unsigned long long)start);
    return strdup(place);
}

int gt_sleep_stack_name(struct gt_sleep_stacks *names, struct gt_stacks *stacks,
                        struct gt_event *event)
{
    uint32_t count = 0, all = event->frame_count < FRAMES_MAX ? event->frame_count : FRAMES_MAX;
    struct gt_frame frames[FRAMES_MAX] = {{0}};
    char *texts[FRAMES_MAX];

    for (; count < all; count++) {
        texts[count] = name_of(names, &event->frames[count], stacks);
        if (!texts[count])
            break;
        frames[count] = event->frames[count];
        frames[count].symbol = texts[count];
        frames[count].symbol_length = (uint32_t)strlen(texts[count]);
    }
    event->asleep.stack = count == all ? gt_stacks_add(stacks, frames, count) : UINT32_MAX;
    while (count > 0)
        free(texts[--count]);
    return event->asleep.stack == UINT32_MAX ? -1 : 0;
}
