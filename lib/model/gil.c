/* SPDX-License-Identifier: MIT */
#include "model/builder.h"

/*
 * The events of a GIL become spans. The order of the events is trusted: acquisitions and
 * releases happen under the GIL's mutex. So if an event does not fit, something was lost, or
 * recorded twice, or this is no GIL. Each such event is counted.
 *
 * Lost ranges are noted in the timeline only. A GIL and its members take them into account at
 * their next event.
 */

/* When the first lost range began that is not yet seen. */
static int64_t lost_since_ns(const struct gt_timeline *timeline, uint32_t seen)
{
    return ((const struct gt_lost_range *)gt_chunks_at(&timeline->lost, seen))->start_ns;
}

void gt_gil_release(struct gt_gil *gil)
{
    gt_chunks_release(&gil->holds);
    gt_chunks_release(&gil->waits);
    gt_chunks_release(&gil->unknowns);
    gt_chunks_release(&gil->members);
    gt_chunks_release(&gil->asks);
    gt_intervals_release(&gil->intervals);
    gt_hashmap_release(&gil->member_of);
}

void gt_gil_state_release(struct gt_gil_state *state)
{
    gt_gil_release(&state->gil);
    gt_intervals_state_release(&state->intervals);
    gt_chunks_release(&state->members);
}

uint32_t gt_gil_new(struct gt_timeline *timeline, uint32_t process, enum gt_gil_origin source,
                    uint64_t address, uint64_t acquired)
{
    struct gt_process_state *owner = gt_process_state_at(timeline, process);
    uint32_t index = (uint32_t)gt_builder_of(timeline)->gils.count;
    struct gt_gil_state *state = gt_chunks_push(&gt_builder_of(timeline)->gils);

    if (!state)
        return GT_NO_INDEX;
    *state = (struct gt_gil_state){
        .gil = {.process = process,
                .start_ns = owner->image_start_ns,
                .end_ns = -1,
                .address = address,
                .acquired = acquired,
                .source = source,
                .image = owner->image},
        .owner = GT_NO_INDEX,
        .known_since_ns = owner->image_start_ns,
        .now_ns = owner->image_start_ns,
        .lost_seen = (uint32_t)timeline->lost.count,
        .last_change_ns = -1,
        .last_acquirer = GT_NO_INDEX,
        .last_acquired_ns = -1,
        .next = GT_NO_INDEX,
    };
    gt_chunks_init(&state->gil.holds, sizeof(struct gt_span));
    gt_chunks_init(&state->gil.waits, sizeof(struct gt_span));
    gt_chunks_init(&state->gil.unknowns, sizeof(struct gt_span));
    gt_chunks_init(&state->gil.members, sizeof(struct gt_gil_thread));
    gt_chunks_init(&state->gil.asks, sizeof(struct gt_ask));
    gt_hashmap_init(&state->gil.member_of);
    gt_chunks_init(&state->members, sizeof(struct gt_gil_thread_state));
    gt_intervals_init(&state->intervals);
    if (state->known_since_ns < gt_builder_of(timeline)->lost_until_ns)
        state->known_since_ns = state->now_ns = gt_builder_of(timeline)->lost_until_ns;
    owner->gil_count++;
    owner->saw_gil = owner->saw_gil || source != GT_GIL_FROM_FUTEX;
    if (owner->first_gil == GT_NO_INDEX)
        owner->first_gil = index;
    else
        gt_gil_state_at(timeline, owner->last_gil)->next = index;
    owner->last_gil = index;
    return index;
}

uint32_t gt_gil_thread_of(const struct gt_timeline *timeline, struct gt_gil_state *state,
                          uint32_t thread)
{
    uint32_t index = state->owner != GT_NO_INDEX ? state->owner : state->last_acquirer;
    struct gt_gil_thread_state *member;

    /* Most events are of the owner, or of who has just been it. */
    if (index != GT_NO_INDEX && gt_gil_thread_state_at(state, index)->thread == thread)
        return index;
    index = gt_hashmap_get(&state->gil.member_of, thread);
    if (index != GT_HASHMAP_NONE)
        return index;
    index = (uint32_t)state->members.count;
    member = gt_chunks_push(&state->members);
    if (!member || gt_hashmap_put(&state->gil.member_of, thread, index))
        return GT_NO_INDEX;
    *member = (struct gt_gil_thread_state){.thread = thread,
                                           .wait_since_ns = -1,
                                           .enter_since_ns = -1,
                                           .lost_seen = (uint32_t)timeline->lost.count};
    return index;
}

int gt_gil_push(struct gt_chunks *spans, uint32_t thread, int64_t start_ns, int64_t end_ns,
                uint32_t flags)
{
    struct gt_span *span = gt_chunks_push(spans);

    if (!span)
        return -1;
    *span = (struct gt_span){start_ns, end_ns, thread, flags};
    return 0;
}

static int end_wait(struct gt_gil_state *state, struct gt_gil_thread_state *member,
                    int64_t time_ns, uint32_t flags)
{
    int64_t since_ns = member->wait_since_ns;

    member->wait_since_ns = -1;
    if (since_ns >= 0 && state->waiting)
        state->waiting--;
    if (since_ns < 0 || time_ns <= since_ns)
        return 0;
    member->waited_ns = time_ns;
    return gt_gil_push(&state->gil.waits, member->thread, since_ns, time_ns, flags);
}

/* gil_detect.c needs to know what a thread does with known GILs. What function probes tell does
 * not count: it is about the same GIL. */
static void note_activity(struct gt_timeline *timeline, const struct gt_gil_state *state,
                          uint32_t thread, int owned)
{
    struct gt_thread_state *actor = gt_thread_state_at(timeline, thread);

    if (state->gil.source == GT_GIL_FROM_FUNCTIONS || state->distrusted)
        return;
    actor->activity++;
    if (owned > 0)
        actor->owned++;
    else if (owned < 0 && actor->owned)
        actor->owned--;
}

bool gt_gil_is_impostor(const struct gt_timeline *timeline, const struct gt_gil_state *state)
{
    return state->gil.source == GT_GIL_FROM_COND && state->misfits >= 3 &&
           state->misfits * 10 > state->transitions + timeline->quality.lost_events;
}

static void count_misfit(struct gt_timeline *timeline, struct gt_gil_state *state)
{
    state->misfits++;
    if (state->distrusted || !gt_gil_is_impostor(timeline, state))
        return;
    if (state->owner != GT_NO_INDEX)
        note_activity(timeline, state, gt_gil_thread_state_at(state, state->owner)->thread, -1);
    state->distrusted = true;
}

static int end_hold(struct gt_timeline *timeline, struct gt_gil_state *state, int64_t time_ns,
                    uint32_t flags)
{
    struct gt_gil_thread_state *member = gt_gil_thread_state_at(state, state->owner);

    state->owner = GT_NO_INDEX;
    note_activity(timeline, state, member->thread, -1);
    if (time_ns < state->owner_since_ns)
        return 0;
    if (state->owner_inferred)
        flags |= GT_SPAN_INFERRED;
    return gt_gil_push(&state->gil.holds, member->thread, state->owner_since_ns, time_ns,
                       flags);
}

static void begin_hold(struct gt_timeline *timeline, struct gt_gil_state *state,
                       uint32_t member, int64_t time_ns)
{
    state->owner = member;
    state->owner_since_ns = time_ns;
    state->owner_inferred = false;
    note_activity(timeline, state, gt_gil_thread_state_at(state, member)->thread, +1);
}

/* After a loss, the owner may have released the GIL, and others may have held it. 0 or -1. */
static int catch_up(struct gt_timeline *timeline, struct gt_gil_state *state)
{
    uint32_t seen = state->lost_seen;

    state->lost_seen = (uint32_t)timeline->lost.count;
    if (seen == state->lost_seen)
        return 0;
    if (state->now_ns < gt_builder_of(timeline)->lost_until_ns)
        state->now_ns = gt_builder_of(timeline)->lost_until_ns;
    state->known_since_ns = state->now_ns;
    if (state->owner == GT_NO_INDEX)
        return 0;
    return end_hold(timeline, state, lost_since_ns(timeline, seen), GT_SPAN_CUT_END);
}

/* Did another thread hold the GIL at some time since this one entered take_gil? */
static bool was_contended(const struct gt_gil_state *state, uint32_t at)
{
    const struct gt_gil_thread_state *member = gt_gil_thread_state_at(state, at);

    if (member->enter_since_ns < 0)
        return false;
    return member->contended ||
           (state->last_acquirer != at && state->last_acquired_ns > member->enter_since_ns);
}

/* A wait that function probes tell of counts from the call of take_gil, if it was one. */
static void begin_function_wait(struct gt_gil_state *state, uint32_t at)
{
    struct gt_gil_thread_state *member = gt_gil_thread_state_at(state, at);

    if (was_contended(state, at)) {
        member->wait_since_ns = member->enter_since_ns;
        state->waiting++;
    }
    member->enter_since_ns = -1;
}

/* Likewise, a thread that waited may not wait any more. */
static int member_catch_up(const struct gt_timeline *timeline, struct gt_gil_state *state,
                           uint32_t at)
{
    struct gt_gil_thread_state *member = gt_gil_thread_state_at(state, at);
    uint32_t seen = member->lost_seen;

    member->lost_seen = (uint32_t)timeline->lost.count;
    if (seen == member->lost_seen)
        return 0;
    begin_function_wait(state, at);
    return end_wait(state, member, lost_since_ns(timeline, seen), GT_SPAN_CUT_END);
}

/*
 * An event of `thread` on the GIL: bring what is known up to date. Times that go back (the
 * order is the truth) are moved up to the newest. Returns the member, GT_NO_INDEX when memory
 * is exhausted.
 */
static uint32_t touch(struct gt_timeline *timeline, struct gt_gil_state *state, uint32_t thread,
                      int64_t *time_ns)
{
    uint32_t at;

    if (catch_up(timeline, state))
        return GT_NO_INDEX;
    if (*time_ns < state->now_ns)
        *time_ns = state->now_ns;
    state->now_ns = *time_ns;
    at = gt_gil_thread_of(timeline, state, thread);
    if (at == GT_NO_INDEX || member_catch_up(timeline, state, at))
        return GT_NO_INDEX;
    return at;
}

/* The owner waits for the GIL, or another one has it: its release was not recorded. */
static int end_unseen(struct gt_timeline *timeline, struct gt_gil_state *state, int64_t time_ns)
{
    count_misfit(timeline, state);
    state->gil.defects.unmatched_takes++;
    return end_hold(timeline, state, time_ns, GT_SPAN_CUT_END);
}

int gt_gil_ask(struct gt_gil *gil, struct gt_ask ask)
{
    struct gt_ask *added = gt_chunks_push(&gil->asks);

    if (!added)
        return -1;
    *added = ask;
    return 0;
}

/* The member calls its timed wait, for the first time or again. 0 or -1. */
static int note_wait(struct gt_gil_state *state, struct gt_gil_thread_state *member,
                     int64_t time_ns, int64_t deadline_ns, bool again)
{
    int rc = 0;

    if (again && state->last_change_ns < member->asked_ns)
        rc = gt_gil_ask(&state->gil, (struct gt_ask){time_ns, member->asked_ns,
                                                     member->deadline_ns, member->thread});
    if (deadline_ns && gt_intervals_add(&state->intervals, time_ns, deadline_ns - time_ns))
        return -1;
    member->asked_ns = time_ns;
    member->deadline_ns = deadline_ns;
    return rc;
}

int gt_gil_wait(struct gt_timeline *timeline, uint32_t index, uint32_t thread, int64_t time_ns,
                int64_t deadline_ns)
{
    struct gt_gil_state *state = gt_gil_state_at(timeline, index);
    uint32_t at = touch(timeline, state, thread, &time_ns);
    struct gt_gil_thread_state *member;
    bool again;

    if (at == GT_NO_INDEX)
        return -1;
    timeline->quality.gil_events++;
    note_activity(timeline, state, thread, 0);
    member = gt_gil_thread_state_at(state, at);
    if (state->owner == at && end_unseen(timeline, state, time_ns))
        return -1;
    again = member->wait_since_ns >= 0;
    if (!again) {
        member->wait_since_ns = time_ns; /* later waits repeat every switch interval */
        state->waiting++;
    }
    return note_wait(state, member, time_ns, deadline_ns, again);
}

/* Another thread acquired the GIL, and the release of the owner was not recorded. */
static int take_over(struct gt_timeline *timeline, uint32_t index, int64_t time_ns)
{
    struct gt_gil_state *state = gt_gil_state_at(timeline, index);
    struct gt_suspect *suspect = gt_chunks_push(&gt_builder_of(timeline)->suspects);

    if (!suspect)
        return -1;
    *suspect = (struct gt_suspect){state->owner_since_ns, time_ns, index};
    return end_unseen(timeline, state, time_ns);
}

int gt_gil_acquired(struct gt_timeline *timeline, uint32_t index, uint32_t thread,
                    int64_t time_ns)
{
    struct gt_gil_state *state = gt_gil_state_at(timeline, index);
    uint32_t at = touch(timeline, state, thread, &time_ns);

    if (at == GT_NO_INDEX)
        return -1;
    timeline->quality.gil_events++;
    if (state->owner == at) {
        state->gil.defects.duplicates++;
        return 0;
    }
    state->transitions++;
    if (state->owner != GT_NO_INDEX && take_over(timeline, index, time_ns))
        return -1;
    state->gil.handovers += gt_gil_thread_state_at(state, at)->wait_since_ns >= 0;
    if (end_wait(state, gt_gil_thread_state_at(state, at), time_ns, 0))
        return -1;
    begin_hold(timeline, state, at, time_ns);
    state->last_change_ns = time_ns;
    state->last_acquired_ns = time_ns;
    state->last_acquirer = at;
    return 0;
}

/* A wait ended at a time that is not known. Returns whether there was one. */
static bool forget_wait(struct gt_gil_state *state, struct gt_gil_thread_state *member)
{
    bool waited = member->wait_since_ns >= 0;

    member->wait_since_ns = -1;
    if (waited && state->waiting)
        state->waiting--;
    return waited;
}

/*
 * glibc's timed wait signals the condition variable itself if it may have consumed a signal
 * that was meant for another waiter (seen with glibc 2.36, when a wait times out during a
 * release). Such a signal is no release: a thread that waits for the GIL cannot release it.
 */
static bool is_passed_on(const struct gt_gil_state *state, uint32_t at)
{
    return state->gil.source == GT_GIL_FROM_COND &&
           state->last_change_ns >= state->known_since_ns &&
           gt_gil_thread_state_at(state, at)->wait_since_ns >= 0;
}

int gt_gil_released(struct gt_timeline *timeline, uint32_t index, uint32_t thread,
                    int64_t time_ns)
{
    struct gt_gil_state *state = gt_gil_state_at(timeline, index);
    uint32_t at = touch(timeline, state, thread, &time_ns);
    int rc = 0;

    if (at == GT_NO_INDEX)
        return -1;
    timeline->quality.gil_events++;
    if (state->owner == at) {
        state->transitions++;
        rc = end_hold(timeline, state, time_ns, 0);
    } else if (gt_gil_switched_off(timeline, state, at)) {
        return end_wait(state, gt_gil_thread_state_at(state, at), time_ns, 0);
    } else if (is_passed_on(state, at)) {
        state->gil.defects.passed_signals++;
        return 0;
    } else if (state->owner == GT_NO_INDEX && state->last_change_ns < state->known_since_ns) {
        /* The first event of this GIL: the thread has held it from the beginning, … */
        int64_t since_ns;

        gt_earlier_held(timeline, state, thread);
        since_ns = gt_thread_at(timeline, thread)->start_ns;
        state->transitions++;
        if (since_ns < state->known_since_ns)
            since_ns = state->known_since_ns;
        if (since_ns < gt_gil_thread_state_at(state, at)->waited_ns)
            since_ns = gt_gil_thread_state_at(state, at)->waited_ns;
        /* … unless it waited for it: then it is not known when it got it. */
        if (forget_wait(state, gt_gil_thread_state_at(state, at)) || since_ns > time_ns)
            since_ns = time_ns;
        state->last_acquirer = at; /* it is known to have had it now */
        state->last_acquired_ns = time_ns;
        rc = gt_gil_push(&state->gil.holds, thread, since_ns, time_ns, GT_SPAN_CUT_START);
    } else if (state->owner == GT_NO_INDEX && state->gil.holds.count &&
               gt_span_at(&state->gil.holds, state->gil.holds.count - 1)->thread == thread) {
        state->gil.defects.duplicates++; /* it released already, and nobody acquired since */
        return 0;
    } else {
        state->transitions++;
        count_misfit(timeline, state);
        state->gil.defects.unmatched_releases++;
    }
    state->last_change_ns = time_ns;
    return rc;
}

/* A thread drops the GIL, and its take_gil was not seen to return (an optimised clone without
 * the probe). It has held the GIL since that became free, or since it entered take_gil,
 * whichever is later. It waited until then, or longer: the holder before it may not have been
 * seen, either. */
static int infer_take(struct gt_timeline *timeline, struct gt_gil_state *state, uint32_t at,
                      int64_t time_ns)
{
    struct gt_gil_thread_state *member = gt_gil_thread_state_at(state, at);
    const struct gt_span *last = gt_chunks_last(&state->gil.holds);
    int64_t enter_ns = member->enter_since_ns;
    int64_t since_ns = enter_ns > state->last_change_ns ? enter_ns : state->last_change_ns;

    if (last && since_ns < last->end_ns) /* a release that was not recorded, either */
        since_ns = last->end_ns;
    if (state->owner != GT_NO_INDEX) /* nor was the release of who has it, as far as known */
        since_ns = time_ns;
    state->gil.defects.returns_missing++;
    state->gil.takes++;
    if (since_ns > enter_ns && gt_gil_push(&state->gil.waits, member->thread, enter_ns,
                                           since_ns, GT_SPAN_CUT_END | GT_SPAN_END_INFERRED))
        return -1;
    if (state->owner != GT_NO_INDEX &&
        end_hold(timeline, state, since_ns, GT_SPAN_CUT_END | GT_SPAN_END_INFERRED))
        return -1;
    begin_hold(timeline, state, at, since_ns);
    state->owner_inferred = true;
    return 0;
}

int gt_gil_function(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event)
{
    uint32_t process = gt_thread_at(timeline, thread)->process;
    struct gt_process_state *owner = gt_process_state_at(timeline, process);
    int64_t time_ns = event->time_ns;
    struct gt_gil_state *state;
    struct gt_gil_thread_state *member;
    uint32_t at;

    if (owner->function_gil == GT_NO_INDEX) {
        owner->function_gil = gt_gil_new(timeline, process, GT_GIL_FROM_FUNCTIONS, 0, 0);
        if (owner->function_gil == GT_NO_INDEX)
            return -1;
    }
    state = gt_gil_state_at(timeline, owner->function_gil);
    at = touch(timeline, state, thread, &time_ns);
    if (at == GT_NO_INDEX)
        return -1;
    member = gt_gil_thread_state_at(state, at);
    switch (event->kind) {
    case GT_EVENT_TAKE_ENTER:
        timeline->quality.gil_events++;
        if (member->enter_since_ns >= 0)
            return 0; /* entered twice: two probes on one place */
        if (state->owner == at && end_unseen(timeline, state, time_ns))
            return -1;
        member->enter_since_ns = time_ns;
        /* Who asks for a free GIL does not wait. */
        member->contended = state->owner != GT_NO_INDEX && state->owner != at;
        return 0;
    case GT_EVENT_TAKE_RETURN:
        begin_function_wait(state, at);
        state->gil.takes++;
        return gt_gil_acquired(timeline, owner->function_gil, thread, time_ns);
    case GT_EVENT_DROP_ENTER:
        if (state->owner != at && member->enter_since_ns >= 0 &&
            infer_take(timeline, state, at, time_ns))
            return -1;
        member->enter_since_ns = -1;
        return gt_gil_released(timeline, owner->function_gil, thread, time_ns);
    default:
        return 0; /* the return of drop_gil says nothing (GIL.md: forced switching) */
    }
}

int gt_gil_function_wait(struct gt_timeline *timeline, uint32_t thread,
                         const struct gt_event *event)
{
    const struct gt_process_state *owner =
        gt_process_state_at(timeline, gt_thread_at(timeline, thread)->process);
    int64_t time_ns = event->time_ns;
    struct gt_gil_state *state;
    struct gt_gil_thread_state *member;
    uint32_t at;

    if (owner->function_gil == GT_NO_INDEX)
        return 0;
    state = gt_gil_state_at(timeline, owner->function_gil);
    at = touch(timeline, state, thread, &time_ns);
    if (at == GT_NO_INDEX)
        return -1;
    member = gt_gil_thread_state_at(state, at);
    if (member->enter_since_ns < 0)
        return 0; /* for something else */
    return note_wait(state, member, time_ns, gt_deadline_ns(timeline, event),
                     member->asked_ns >= member->enter_since_ns);
}

static int exit_from(struct gt_timeline *timeline, struct gt_gil_state *state, uint32_t thread,
                     int64_t time_ns)
{
    uint32_t at = gt_hashmap_get(&state->gil.member_of, thread);
    struct gt_gil_thread_state *member;

    if (at == GT_HASHMAP_NONE)
        return 0;
    member = gt_gil_thread_state_at(state, at);
    if (catch_up(timeline, state) || member_catch_up(timeline, state, at))
        return -1;
    if (time_ns < state->now_ns)
        time_ns = state->now_ns;
    state->now_ns = time_ns;
    begin_function_wait(state, at);
    if (member->wait_since_ns >= 0)
        state->gil.defects.takes_without_return++;
    if (end_wait(state, member, time_ns, GT_SPAN_CUT_END))
        return -1;
    return state->owner == at ? end_hold(timeline, state, time_ns, GT_SPAN_CUT_END) : 0;
}

int gt_gil_thread_exit(struct gt_timeline *timeline, uint32_t thread, int64_t time_ns)
{
    uint32_t process = gt_thread_at(timeline, thread)->process;
    uint32_t at = gt_process_state_at(timeline, process)->first_gil;

    for (; at != GT_NO_INDEX; at = gt_gil_state_at(timeline, at)->next)
        if (!gt_gil_state_at(timeline, at)->closed &&
            exit_from(timeline, gt_gil_state_at(timeline, at), thread, time_ns))
            return -1;
    return 0;
}

int gt_gil_lose(struct gt_timeline *timeline, struct gt_gil_state *state, int64_t start_ns,
                int64_t end_ns)
{
    if (catch_up(timeline, state))
        return -1;
    for (uint32_t i = 0; i < state->members.count; i++) {
        begin_function_wait(state, i);
        if (end_wait(state, gt_gil_thread_state_at(state, i), start_ns, GT_SPAN_CUT_END))
            return -1;
    }
    if (state->now_ns < end_ns)
        state->now_ns = end_ns;
    state->known_since_ns = state->now_ns;
    if (state->owner == GT_NO_INDEX)
        return 0;
    return end_hold(timeline, state, start_ns, GT_SPAN_CUT_END);
}

int gt_gil_close(struct gt_timeline *timeline, struct gt_gil_state *state, int64_t time_ns)
{
    if (state->closed)
        return 0;
    if (catch_up(timeline, state))
        return -1;
    state->closed = true;
    state->gil.name = gt_process_at(timeline, state->gil.process)->name;
    state->gil.command = gt_process_at(timeline, state->gil.process)->command;
    state->gil.role = gt_process_at(timeline, state->gil.process)->role;
    if (time_ns < state->now_ns)
        time_ns = state->now_ns; /* as in touch() */
    state->gil.end_ns = time_ns;
    for (uint32_t i = 0; i < state->members.count; i++)
        if (exit_from(timeline, state, gt_gil_thread_state_at(state, i)->thread, time_ns))
            return -1;
    return 0;
}
