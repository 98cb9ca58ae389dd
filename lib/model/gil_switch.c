/* SPDX-License-Identifier: MIT */
#include "model/gil_switch.h"

#include "base/nstime.h"
#include "model/builder.h"

static struct gt_gil_switch *at(const struct gt_timeline *timeline, size_t index)
{
    return gt_chunks_at(&timeline->gil_switches, index);
}

/* The last one of a process, or NULL. There are as many as processes, or twice as many. */
static struct gt_gil_switch *last_of(const struct gt_timeline *timeline, uint32_t process)
{
    for (size_t i = timeline->gil_switches.count; i > 0; i--)
        if (gt_thread_at(timeline, at(timeline, i - 1)->thread)->process == process)
            return at(timeline, i - 1);
    return NULL;
}

int gt_gil_switch_feed(struct gt_timeline *timeline, uint32_t thread,
                       const struct gt_event *event)
{
    struct gt_gil_switch *last = last_of(timeline, gt_thread_at(timeline, thread)->process);
    struct gt_gil_switch *added;
    uint32_t module =
        gt_intern_add(&timeline->names, event->gil_switch.module, event->gil_switch.length);

    if (module == UINT32_MAX)
        return -1;
    if (last && last->on == event->gil_switch.on) {
        if (!last->module && module) { /* who imported the module tells a little later */
            last->module = module;
            last->thread = thread;
            last->loaded_ns = event->time_ns;
        }
        return 0;
    }
    if (timeline->gil_switches.count >= GT_PROCESSES_MAX)
        return 0;
    added = gt_chunks_push(&timeline->gil_switches);
    if (!added)
        return -1;
    *added = (struct gt_gil_switch){event->time_ns, event->time_ns, thread, module,
                                    event->gil_switch.on};
    return 0;
}

/* A child of fork is as its parent was. */
static const struct gt_gil_switch *known_of(const struct gt_timeline *timeline,
                                            uint32_t process)
{
    enum { GENERATIONS = 64 }; /* a damaged recording may have circles */
    const struct gt_gil_switch *found = NULL;

    for (int i = 0; i < GENERATIONS && process != GT_NO_INDEX && !found; i++) {
        if (timeline->gil_switches.count)
            found = last_of(timeline, process);
        process = gt_process_at(timeline, process)->parent;
    }
    return found;
}

static int drop_earlier(struct gt_chunks *spans, int64_t from_ns)
{
    struct gt_chunks kept;

    gt_chunks_init(&kept, sizeof(struct gt_span));
    for (size_t i = 0; i < spans->count; i++) {
        struct gt_span *copy;

        if (gt_span_at(spans, i)->end_ns <= from_ns)
            continue;
        copy = gt_chunks_push(&kept);
        if (!copy) {
            gt_chunks_release(&kept);
            return -1;
        }
        *copy = *gt_span_at(spans, i);
    }
    gt_chunks_release(spans);
    *spans = kept;
    return 0;
}

int gt_gil_switch_cut(const struct gt_timeline *timeline, struct gt_gil *gil)
{
    const struct gt_gil_switch *came = gt_gil_switch_of(timeline, gil->process);

    if (!came || came->time_ns <= gil->start_ns || came->time_ns >= gil->end_ns)
        return 0;
    gil->start_ns = came->time_ns;
    return drop_earlier(&gil->holds, came->time_ns) || drop_earlier(&gil->waits, came->time_ns)
               ? -1
               : 0;
}

enum gt_gil_use gt_gil_use(const struct gt_timeline *timeline, uint32_t process)
{
    const struct gt_gil_switch *known = known_of(timeline, process);
    bool no_gil = timeline->no_gil;

    if (known)
        return known->on ? GT_GIL_LATER : GT_GIL_NEVER;
    if (timeline->recordings.count)
        no_gil = gt_recording_at(timeline, gt_process_at(timeline, process)->recording)->no_gil;
    return no_gil ? GT_GIL_NEVER : GT_GIL_ALWAYS;
}

const struct gt_gil_switch *gt_gil_switch_of(const struct gt_timeline *timeline,
                                             uint32_t process)
{
    const struct gt_gil_switch *known = known_of(timeline, process);

    return known && known->on ? known : NULL;
}

bool gt_gil_switched_off(const struct gt_timeline *timeline, const struct gt_gil_state *state,
                         uint32_t at)
{
    return state->owner == GT_NO_INDEX &&
           gt_gil_thread_state_at(state, at)->wait_since_ns >= 0 &&
           gt_gil_use(timeline, state->gil.process) == GT_GIL_NEVER;
}

bool gt_gil_is_momentary(const struct gt_timeline *timeline, const struct gt_gil *gil)
{
    enum { HOLDS_MAX = 4096, HELD_PART = 5 }; /* a fifth of its life */
    int64_t held_ns = 0;

    if (gt_gil_use(timeline, gil->process) != GT_GIL_NEVER || gil->holds.count > HOLDS_MAX)
        return false;
    for (uint32_t i = 0; i < gil->members.count; i++)
        held_ns = gt_add_ns(held_ns, gt_gil_thread_at(gil, i)->hold_ns);
    return held_ns < (gil->end_ns - gil->start_ns) / HELD_PART;
}

bool gt_any_gil(const struct gt_timeline *timeline)
{
    for (uint32_t i = 0; i < timeline->gils.count; i++)
        if (!gt_gil_is_momentary(timeline, gt_gil_at(timeline, i)))
            return true;
    return false;
}
