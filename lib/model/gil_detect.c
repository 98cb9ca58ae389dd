/* SPDX-License-Identifier: MIT */
#include "model/builder.h"

#include <bsd/stdlib.h>
#include <stdlib.h>

/*
 * Which condition variables are a GIL's? (GIL.md: "The structure".)
 *
 * A thread that acquires signals `switch_cond`, and signals `cond` when it releases, both in
 * one structure at a known distance. So a thread that signals B and then, as its next
 * unexplained signal, A = B - D tells a GIL: at once for the distance of CPython 3.7+
 * (a condition variable and a mutex), after three repetitions for other short distances
 * (3.6 keeps separate statics). A pair is refused when its thread held another GIL
 * meanwhile, which cannot be (a thread drops one interpreter's GIL before it takes the
 * next), or when the process can have only one. What still slips through breaks the
 * alternation of holders sooner or later: from then on it refuses nobody else (`distrusted`),
 * and finalize.c drops it.
 */

enum {
    DISTANCE_MAX = 1024, /* separate statics of one file */
    REPETITIONS = 3,
    /* Bounds for what a program could make us remember, far above what CPython does. */
    CONDS_MAX = 1 << 16, /* condition variables per program */
    GILS_MAX = 1 << 10,  /* open GILs per process */
    PENDING_FIRST = 4,
};

static struct gt_cond *cond_at(const struct gt_timeline *timeline, uint32_t index)
{
    return gt_chunks_at(&gt_builder_of(timeline)->conds, index);
}

/* The process's cond at this address, made when new; NULL when memory is exhausted. */
static struct gt_cond *find_cond(struct gt_timeline *timeline, uint32_t process,
                                 uint64_t address)
{
    struct gt_process_state *state = gt_process_state_at(timeline, process);
    struct gt_cond *cond;
    uint32_t index;

    for (int i = 0; i < 2; i++)
        if (state->recent[i] != GT_NO_INDEX &&
            cond_at(timeline, state->recent[i])->address == address)
            return cond_at(timeline, state->recent[i]);
    index = gt_hashmap_get(&state->cond_of, address);
    if (index == GT_HASHMAP_NONE) {
        index = (uint32_t)gt_builder_of(timeline)->conds.count;
        cond = gt_chunks_push(&gt_builder_of(timeline)->conds);
        if (!cond || gt_hashmap_put(&state->cond_of, address, index))
            return NULL;
        *cond = (struct gt_cond){.address = address, .gil = GT_NO_INDEX};
        if (state->guessed &&
            gt_hashmap_put(&gt_builder_of(timeline)->guess_of, address, process))
            return NULL;
    }
    state->recent[1] = state->recent[0];
    state->recent[0] = index;
    return cond_at(timeline, index);
}

static int act(struct gt_timeline *timeline, const struct gt_cond *cond, uint32_t thread,
               enum gt_event_kind kind, int64_t time_ns, int64_t deadline_ns)
{
    if (kind == GT_EVENT_COND_SIGNAL && cond->role == GT_COND_ACQUIRED)
        return gt_gil_acquired(timeline, cond->gil, thread, time_ns);
    if (kind == GT_EVENT_COND_SIGNAL)
        return gt_gil_released(timeline, cond->gil, thread, time_ns);
    if (cond->role != GT_COND_RELEASED)
        return 0; /* a wait for `switch_cond`, not for the GIL */
    return gt_gil_wait(timeline, cond->gil, thread, time_ns, deadline_ns);
}

static int remember(struct gt_process_state *state, struct gt_pending event)
{
    /* Most processes (forked workers) have few: the ring grows before it turns. */
    if (state->pending_count == state->pending_capacity &&
        state->pending_capacity < GT_PENDING_MAX) {
        uint32_t capacity =
            state->pending_capacity ? state->pending_capacity * 2 : PENDING_FIRST;
        struct gt_pending *pending =
            reallocarray(state->pending, capacity, sizeof(*state->pending));

        if (!pending)
            return -1;
        state->pending = pending;
        state->pending_capacity = capacity;
    }
    state->pending[state->pending_count++ % state->pending_capacity] = event;
    return 0;
}

/* What happened on a GIL before it was known to be one. */
static int replay(struct gt_timeline *timeline, uint32_t process,
                  const struct gt_cond *released, const struct gt_cond *acquired)
{
    struct gt_process_state *state = gt_process_state_at(timeline, process);
    uint32_t count = state->pending_count;
    uint32_t kept = count < state->pending_capacity ? count : state->pending_capacity;
    int64_t lost_until_ns = gt_builder_of(timeline)->lost_until_ns;

    for (uint32_t i = count - kept; i != count; i++) {
        struct gt_pending *old = &state->pending[i % state->pending_capacity];
        uint32_t thread = old->thread;

        if (thread == GT_NO_INDEX || old->time_ns < lost_until_ns ||
            (old->address != released->address && old->address != acquired->address))
            continue;
        old->thread = GT_NO_INDEX;
        if (act(timeline, old->address == released->address ? released : acquired, thread,
                old->kind, old->time_ns, old->deadline_ns))
            return -1;
    }
    return 0;
}

static int make_gil(struct gt_timeline *timeline, uint32_t process, uint64_t released_address,
                    uint64_t acquired_address, int64_t time_ns)
{
    struct gt_cond *released = find_cond(timeline, process, released_address);
    struct gt_cond *acquired = find_cond(timeline, process, acquired_address);
    uint32_t gil;

    /* The first push of conds may move the early ones: look the first up again. */
    released = released && acquired ? find_cond(timeline, process, released_address) : NULL;
    if (!released)
        return -1;
    if (gt_builder_of(timeline)->gils.count >= GT_GILS_MAX)
        return gt_limits_no_gil(timeline, process, time_ns);
    gil = gt_gil_new(timeline, process, GT_GIL_FROM_COND, released_address, acquired_address);
    if (gil == GT_NO_INDEX)
        return -1;
    released->gil = acquired->gil = gil;
    released->role = GT_COND_RELEASED;
    acquired->role = GT_COND_ACQUIRED;
    return replay(timeline, process, released, acquired);
}

/* A forked child's GIL is where its parent's was. Returns 1 when that explained the address. */
static int inherit(struct gt_timeline *timeline, uint32_t process, uint64_t address,
                   int64_t time_ns)
{
    uint32_t parent = gt_process_at(timeline, process)->parent;
    const struct gt_cond *cond;
    const struct gt_gil *gil;
    uint32_t index;

    if (parent == GT_NO_INDEX || gt_process_state_at(timeline, process)->image_start_ns !=
                                     gt_process_at(timeline, process)->start_ns)
        return 0; /* it executed another program since */
    index = gt_hashmap_get(&gt_process_state_at(timeline, parent)->cond_of, address);
    if (index == GT_HASHMAP_NONE)
        return 0;
    cond = cond_at(timeline, index);
    if (cond->role == GT_COND_UNKNOWN)
        return 0;
    gil = &gt_gil_state_at(timeline, cond->gil)->gil;
    return make_gil(timeline, process, gil->address, gil->acquired, time_ns) ? -1 : 1;
}

static bool has_cond_gil(const struct gt_timeline *timeline, uint32_t process)
{
    uint32_t at = gt_process_state_at(timeline, process)->first_gil;

    while (at != GT_NO_INDEX) {
        const struct gt_gil_state *state = gt_gil_state_at(timeline, at);

        if (state->gil.source == GT_GIL_FROM_COND && !state->distrusted)
            return true;
        at = state->next;
    }
    return false;
}

/* Does `thread`, which signalled B and now signals A, prove a GIL? */
static bool proves_gil(struct gt_timeline *timeline, uint32_t thread, struct gt_cond *cond)
{
    struct gt_thread_state *state = gt_thread_state_at(timeline, thread);
    uint32_t process = gt_thread_at(timeline, thread)->process;
    uint64_t before = state->last_signal;
    uint64_t distance = before - cond->address;

    if (before == 0 || before == cond->address || state->owned ||
        state->activity != state->signal_activity)
        return false;
    if (gt_process_state_at(timeline, process)->gil_count >= GILS_MAX ||
        (gt_builder_of(timeline)->single_gil && has_cond_gil(timeline, process)))
        return false;
    if (distance == GT_DISTANCE_X86_64 || distance == GT_DISTANCE_AARCH64)
        return true;
    if ((distance > DISTANCE_MAX && (uint64_t)0 - distance > DISTANCE_MAX) || distance % 4)
        return false;
    cond->score = cond->partner == before ? cond->score + 1 : 1;
    cond->partner = before;
    return cond->score >= REPETITIONS;
}

int gt_gil_detect(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event)
{
    uint32_t process = gt_thread_at(timeline, thread)->process;
    struct gt_thread_state *state;
    const struct gt_hashmap *cond_of = &gt_process_state_at(timeline, process)->cond_of;
    int64_t deadline_ns = gt_deadline_ns(timeline, event);
    struct gt_cond *cond;
    int rc;

    if (cond_of->count >= CONDS_MAX &&
        gt_hashmap_get(cond_of, event->cond.address) == GT_HASHMAP_NONE)
        return 0;
    cond = find_cond(timeline, process, event->cond.address);
    if (!cond)
        return -1;
    if (cond->role != GT_COND_UNKNOWN)
        return act(timeline, cond, thread, event->kind, event->time_ns, deadline_ns);
    rc = inherit(timeline, process, event->cond.address, event->time_ns);
    if (rc < 0)
        return -1;
    if (rc > 0) {
        cond = find_cond(timeline, process, event->cond.address);
        return cond->role == GT_COND_UNKNOWN
                   ? 0 /* it is not kept */
                   : act(timeline, cond, thread, event->kind, event->time_ns, deadline_ns);
    }
    if (remember(gt_process_state_at(timeline, process),
                 (struct gt_pending){event->time_ns, deadline_ns, event->cond.address, thread,
                                     event->kind}))
        return -1;
    if (event->kind == GT_EVENT_COND_WAIT)
        return 0;
    state = gt_thread_state_at(timeline, thread);
    if (proves_gil(timeline, thread, cond)) {
        uint64_t acquired = state->last_signal;

        state->last_signal = 0;
        return make_gil(timeline, process, event->cond.address, acquired, event->time_ns);
    }
    state->last_signal = event->cond.address;
    state->signal_activity = state->activity;
    if (state->owned)
        state->last_signal = 0; /* signalled while it holds a GIL: not an acquisition */
    return 0;
}

void gt_gil_detect_end(struct gt_timeline *timeline)
{
    for (uint32_t i = 0; i < gt_builder_of(timeline)->process_states.count; i++) {
        struct gt_process_state *state = gt_process_state_at(timeline, i);

        gt_hashmap_release(&state->cond_of);
        gt_hashmap_release(&state->candidate_of);
        free(state->pending);
        state->pending = NULL;
    }
    gt_chunks_release(&gt_builder_of(timeline)->conds);
}
