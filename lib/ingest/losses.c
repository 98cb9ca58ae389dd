/* SPDX-License-Identifier: MIT */
#include "ingest/losses.h"

#include <bsd/stdlib.h>
#include <stdlib.h>
#include <string.h>

enum { CPU_MAX = 65536 }; /* a number beyond this is no CPU's */

void gt_losses_release(struct gt_losses *losses)
{
    free(losses->last_ns);
    *losses = (struct gt_losses){0};
}

static int make_room(struct gt_losses *losses, size_t cpu)
{
    size_t count = cpu + 16;
    int64_t *last_ns;

    if (cpu < losses->count)
        return 0;
    last_ns = reallocarray(losses->last_ns, count, sizeof(*last_ns));
    if (!last_ns)
        return -1;
    memset(last_ns + losses->count, 0, (count - losses->count) * sizeof(*last_ns));
    losses->last_ns = last_ns;
    losses->count = count;
    return 0;
}

int gt_losses_note(struct gt_losses *losses, const struct gt_event *event,
                   struct gt_event *told)
{
    bool has_cpu = event->cpu >= 0 && event->cpu < CPU_MAX;
    int64_t since_ns = GT_SINCE_BEGINNING;

    if (event->time_ns <= 0)
        return 0; /* a name of what ran before */
    if (has_cpu && make_room(losses, (size_t)event->cpu))
        return -1;
    if (has_cpu && losses->last_ns[event->cpu] > 0)
        since_ns = losses->last_ns[event->cpu];
    if (has_cpu)
        losses->last_ns[event->cpu] = event->time_ns;
    if (event->kind != GT_EVENT_LOST || event->lost.of_process)
        return 0;
    *told = *event;
    told->lost.since_ns = since_ns;
    return 1;
}
