#include "model/builder.h"

/*
 * One GIL's events become spans. The order of events is the truth: acquisitions and releases
 * happen under the GIL's mutex, so an event that does not fit means that something was lost,
 * recorded twice, or that this is no GIL. Each misfit is counted.
 *
 * Lost ranges are noted in the timeline only; a GIL and its members learn of them when they
 * are touched next, so that a thousand losses cost nothing in a thousand GILs.
 */

int64_t gt_lost_until_ns(const struct gt_timeline *timeline)
{
    return timeline->builder->lost_until_ns;
}

/* Since when nothing is known by one who knows the first `seen` lost ranges. */
static int64_t lost_since_ns(const struct gt_timeline *timeline, uint32_t seen)
{
    return ((const struct gt_lost_range *)gt_chunks_at(&timeline->lost, seen))->start_ns;
}

void gt_gil_release(struct gt_gil *gil)
{
    gt_chunks_release(&gil->holds);
    gt_chunks_release(&gil->waits);
    gt_chunks_release(&gil->members);
    gt_chunks_release(&gil->asks);
    gt_intervals_release(&gil->intervals);
    gt_hashmap_release(&gil->member_of);
}

uint32_t gt_gil_new(struct gt_timeline *timeline, uint32_t process, enum gt_gil_origin source,
                    uint64_t address, uint64_t acquired)
{
    struct gt_process_state *state = gt_process_state_at(timeline, process);
    uint32_t index = (uint32_t)timeline->gils.count;
    struct gt_gil *gil = gt_chunks_push(&timeline->gils);

    if (!gil)
        return GT_NO_INDEX;
    *gil = (struct gt_gil){
        .process = process,
        .start_ns = state->image_start_ns,
        .end_ns = -1,
        .address = address,
        .acquired = acquired,
        .source = source,
        .owner = GT_NO_INDEX,
        .known_since_ns = state->image_start_ns,
        .now_ns = state->image_start_ns,
        .lost_seen = (uint32_t)timeline->lost.count,
        .image = state->image,
        .last_change_ns = -1,
        .last_acquirer = GT_NO_INDEX,
        .last_acquired_ns = -1,
        .next = GT_NO_INDEX,
    };
    gt_chunks_init(&gil->holds, sizeof(struct gt_span));
    gt_chunks_init(&gil->waits, sizeof(struct gt_span));
    gt_chunks_init(&gil->members, sizeof(struct gt_gil_thread));
    gt_chunks_init(&gil->asks, sizeof(struct gt_ask));
    gt_intervals_init(&gil->intervals);
    gt_hashmap_init(&gil->member_of);
    if (gil->known_since_ns < gt_lost_until_ns(timeline))
        gil->known_since_ns = gil->now_ns = gt_lost_until_ns(timeline);
    state->gil_count++;
    state->saw_gil = state->saw_gil || source != GT_GIL_FROM_FUTEX;
    if (state->first_gil == GT_NO_INDEX)
        state->first_gil = index;
    else
        gt_gil_at(timeline, state->last_gil)->next = index;
    state->last_gil = index;
    return index;
}

uint32_t gt_gil_member(const struct gt_timeline *timeline, struct gt_gil *gil, uint32_t thread)
{
    uint32_t index;
    struct gt_gil_thread *member;

    /* The owner is asked for at every second event. */
    if (gil->owner != GT_NO_INDEX && gt_gil_thread_at(gil, gil->owner)->thread == thread)
        return gil->owner;
    index = gt_hashmap_get(&gil->member_of, thread);
    if (index != GT_HASHMAP_NONE)
        return index;
    index = (uint32_t)gil->members.count;
    member = gt_chunks_push(&gil->members);
    if (!member || gt_hashmap_put(&gil->member_of, thread, index))
        return GT_NO_INDEX;
    *member = (struct gt_gil_thread){.thread = thread,
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

static int end_wait(struct gt_gil *gil, struct gt_gil_thread *member, int64_t time_ns,
                    uint32_t flags)
{
    int64_t since_ns = member->wait_since_ns;

    member->wait_since_ns = -1;
    if (since_ns >= 0 && gil->waiting)
        gil->waiting--;
    if (since_ns < 0 || time_ns <= since_ns)
        return 0;
    member->waited_ns = time_ns;
    return gt_gil_push(&gil->waits, member->thread, since_ns, time_ns, flags);
}

/* What a thread does with known GILs matters to gil_detect.c; function probes see the same
 * GIL a second time and must not. */
static void note_activity(struct gt_timeline *timeline, const struct gt_gil *gil,
                          uint32_t thread, int owned)
{
    struct gt_thread_state *state = gt_thread_state_at(timeline, thread);

    if (gil->source == GT_GIL_FROM_FUNCTIONS || gil->distrusted)
        return;
    state->activity++;
    if (owned > 0)
        state->owned++;
    else if (owned < 0 && state->owned)
        state->owned--;
}

bool gt_gil_is_impostor(const struct gt_timeline *timeline, const struct gt_gil *gil)
{
    return gil->source == GT_GIL_FROM_COND && gil->misfits >= 3 &&
           gil->misfits * 10 > gil->transitions + timeline->quality.lost_events;
}

static void count_misfit(struct gt_timeline *timeline, struct gt_gil *gil)
{
    gil->misfits++;
    if (gil->distrusted || !gt_gil_is_impostor(timeline, gil))
        return;
    if (gil->owner != GT_NO_INDEX)
        note_activity(timeline, gil, gt_gil_thread_at(gil, gil->owner)->thread, -1);
    gil->distrusted = true;
}

static int end_hold(struct gt_timeline *timeline, struct gt_gil *gil, int64_t time_ns,
                    uint32_t flags)
{
    struct gt_gil_thread *member = gt_gil_thread_at(gil, gil->owner);

    gil->owner = GT_NO_INDEX;
    note_activity(timeline, gil, member->thread, -1);
    if (time_ns < gil->owner_since_ns)
        return 0;
    return gt_gil_push(&gil->holds, member->thread, gil->owner_since_ns, time_ns, flags);
}

static void begin_hold(struct gt_timeline *timeline, struct gt_gil *gil, uint32_t member,
                       int64_t time_ns)
{
    gil->owner = member;
    gil->owner_since_ns = time_ns;
    note_activity(timeline, gil, gt_gil_thread_at(gil, member)->thread, +1);
}

/* Who held when events were lost may have let go, and others have held. 0 or -1. */
static int catch_up(struct gt_timeline *timeline, struct gt_gil *gil)
{
    uint32_t seen = gil->lost_seen;

    gil->lost_seen = (uint32_t)timeline->lost.count;
    if (seen == gil->lost_seen)
        return 0;
    if (gil->now_ns < gt_lost_until_ns(timeline))
        gil->now_ns = gt_lost_until_ns(timeline);
    gil->known_since_ns = gil->now_ns;
    return gil->owner == GT_NO_INDEX
               ? 0
               : end_hold(timeline, gil, lost_since_ns(timeline, seen), GT_SPAN_CUT_END);
}

/* The same for who waited, or had asked. */
static int member_catch_up(const struct gt_timeline *timeline, struct gt_gil *gil,
                           struct gt_gil_thread *member)
{
    uint32_t seen = member->lost_seen;

    member->lost_seen = (uint32_t)timeline->lost.count;
    if (seen == member->lost_seen)
        return 0;
    member->enter_since_ns = -1;
    return end_wait(gil, member, lost_since_ns(timeline, seen), GT_SPAN_CUT_END);
}

/*
 * An event of `thread` on the GIL: bring what is known up to date. Times that go back (the
 * order is the truth) are moved up to the newest. Returns the member, GT_NO_INDEX when memory
 * is exhausted.
 */
static uint32_t touch(struct gt_timeline *timeline, struct gt_gil *gil, uint32_t thread,
                      int64_t *time_ns)
{
    uint32_t at;

    if (catch_up(timeline, gil))
        return GT_NO_INDEX;
    if (*time_ns < gil->now_ns)
        *time_ns = gil->now_ns;
    gil->now_ns = *time_ns;
    at = gt_gil_member(timeline, gil, thread);
    if (at == GT_NO_INDEX || member_catch_up(timeline, gil, gt_gil_thread_at(gil, at)))
        return GT_NO_INDEX;
    return at;
}

/* Its owner asks for it again: the release was not recorded. */
static int end_unseen(struct gt_timeline *timeline, struct gt_gil *gil, int64_t time_ns)
{
    count_misfit(timeline, gil);
    gil->defects.unmatched_takes++;
    return end_hold(timeline, gil, time_ns, GT_SPAN_CUT_END);
}

int64_t gt_gil_deadline_ns(const struct gt_timeline *timeline, const struct gt_event *event)
{
    static const int64_t day_ns = (int64_t)86400 * 1000000000;
    int64_t deadline_ns = event->cond.deadline_ns;

    if (deadline_ns <= GT_NO_DEADLINE)
        return 0;
    if (deadline_ns > day_ns && deadline_ns - day_ns > event->time_ns)
        deadline_ns =
            timeline->builder->realtime_ns ? deadline_ns - timeline->builder->realtime_ns : 0;
    return deadline_ns - day_ns < event->time_ns && deadline_ns > 0 ? deadline_ns : 0;
}

int gt_gil_ask(struct gt_gil *gil, struct gt_ask ask)
{
    struct gt_ask *added = gt_chunks_push(&gil->asks);

    if (!added)
        return -1;
    *added = ask;
    return 0;
}

bool gt_gil_is_request(const struct gt_gil *gil, const struct gt_ask *ask)
{
    int64_t interval_ns;

    if (ask->deadline_ns)
        return ask->time_ns >= ask->deadline_ns;
    interval_ns = gt_interval_at(&gil->intervals, ask->time_ns);
    return ask->time_ns - ask->since_ns >= interval_ns - interval_ns / 10;
}

/* The member calls its timed wait, for the first time or again. 0 or -1. */
static int note_wait(struct gt_gil *gil, struct gt_gil_thread *member, int64_t time_ns,
                     int64_t deadline_ns, bool again)
{
    int rc = 0;

    if (again && gil->last_change_ns < member->asked_ns)
        rc = gt_gil_ask(gil, (struct gt_ask){time_ns, member->asked_ns, member->deadline_ns,
                                             member->thread});
    if (deadline_ns && gt_intervals_add(&gil->intervals, time_ns, deadline_ns - time_ns))
        return -1;
    member->asked_ns = time_ns;
    member->deadline_ns = deadline_ns;
    return rc;
}

int gt_gil_wait(struct gt_timeline *timeline, uint32_t index, uint32_t thread, int64_t time_ns,
                int64_t deadline_ns)
{
    struct gt_gil *gil = gt_gil_at(timeline, index);
    uint32_t at = touch(timeline, gil, thread, &time_ns);
    struct gt_gil_thread *member;
    bool again;

    if (at == GT_NO_INDEX)
        return -1;
    timeline->quality.gil_events++;
    note_activity(timeline, gil, thread, 0);
    member = gt_gil_thread_at(gil, at);
    if (gil->owner == at && end_unseen(timeline, gil, time_ns))
        return -1;
    again = member->wait_since_ns >= 0;
    if (!again) {
        member->wait_since_ns = time_ns; /* later waits repeat every switch interval */
        gil->waiting++;
    }
    return note_wait(gil, member, time_ns, deadline_ns, again);
}

/* Somebody acquired while `gil->owner` is still known to hold. */
static int take_over(struct gt_timeline *timeline, uint32_t index, int64_t time_ns)
{
    struct gt_gil *gil = gt_gil_at(timeline, index);
    struct gt_suspect *suspect = gt_chunks_push(&timeline->builder->suspects);

    if (!suspect)
        return -1;
    *suspect = (struct gt_suspect){gil->owner_since_ns, time_ns, index};
    count_misfit(timeline, gil);
    gil->defects.unmatched_takes++;
    return end_hold(timeline, gil, time_ns, GT_SPAN_CUT_END);
}

int gt_gil_acquired(struct gt_timeline *timeline, uint32_t index, uint32_t thread,
                    int64_t time_ns)
{
    struct gt_gil *gil = gt_gil_at(timeline, index);
    uint32_t at = touch(timeline, gil, thread, &time_ns);

    if (at == GT_NO_INDEX)
        return -1;
    timeline->quality.gil_events++;
    if (gil->owner == at) {
        gil->defects.duplicates++;
        return 0;
    }
    gil->transitions++;
    if (gil->owner != GT_NO_INDEX && take_over(timeline, index, time_ns))
        return -1;
    gil->handovers += gt_gil_thread_at(gil, at)->wait_since_ns >= 0;
    if (end_wait(gil, gt_gil_thread_at(gil, at), time_ns, 0))
        return -1;
    begin_hold(timeline, gil, at, time_ns);
    gil->last_change_ns = time_ns;
    gil->last_acquired_ns = time_ns;
    gil->last_acquirer = at;
    return 0;
}

/* The wait ended, nobody knows when. Says whether there was one. */
static bool forget_wait(struct gt_gil *gil, struct gt_gil_thread *member)
{
    bool waited = member->wait_since_ns >= 0;

    member->wait_since_ns = -1;
    if (waited && gil->waiting)
        gil->waiting--;
    return waited;
}

/*
 * glibc's timed wait signals the condition itself when it may have eaten a signal that was
 * meant for another waiter (seen with 2.36, as a wait times out during a release, and a third
 * thread may have taken the GIL by then). Who waits for the GIL cannot release it.
 */
static bool is_passed_on(const struct gt_gil *gil, uint32_t at)
{
    return gil->source == GT_GIL_FROM_COND && gil->last_change_ns >= gil->known_since_ns &&
           gt_gil_thread_at(gil, at)->wait_since_ns >= 0;
}

int gt_gil_released(struct gt_timeline *timeline, uint32_t index, uint32_t thread,
                    int64_t time_ns)
{
    struct gt_gil *gil = gt_gil_at(timeline, index);
    uint32_t at = touch(timeline, gil, thread, &time_ns);
    int rc = 0;

    if (at == GT_NO_INDEX)
        return -1;
    timeline->quality.gil_events++;
    if (gil->owner == at) {
        gil->transitions++;
        rc = end_hold(timeline, gil, time_ns, 0);
    } else if (is_passed_on(gil, at)) {
        gil->defects.passed_signals++;
        return 0;
    } else if (gil->owner == GT_NO_INDEX && gil->last_change_ns < gil->known_since_ns) {
        /* The first thing known of this GIL: its owner has had it since knowledge began. */
        int64_t since_ns = gt_thread_at(timeline, thread)->start_ns;

        gil->transitions++;
        if (since_ns < gil->known_since_ns)
            since_ns = gil->known_since_ns;
        if (since_ns < gt_gil_thread_at(gil, at)->waited_ns)
            since_ns = gt_gil_thread_at(gil, at)->waited_ns;
        /* Unless it was seen waiting: when it got it was not recorded. */
        if (forget_wait(gil, gt_gil_thread_at(gil, at)) || since_ns > time_ns)
            since_ns = time_ns;
        rc = gt_gil_push(&gil->holds, thread, since_ns, time_ns, GT_SPAN_CUT_START);
    } else if (gil->owner == GT_NO_INDEX && gil->holds.count &&
               gt_span_at(&gil->holds, gil->holds.count - 1)->thread == thread) {
        gil->defects.duplicates++; /* it released already, and nobody acquired since */
        return 0;
    } else {
        gil->transitions++;
        count_misfit(timeline, gil);
        gil->defects.unmatched_releases++;
    }
    gil->last_change_ns = time_ns;
    return rc;
}

/* Is or was the GIL another thread's since this one entered take_gil? */
static bool was_contended(const struct gt_gil *gil, uint32_t at)
{
    const struct gt_gil_thread *member = gt_gil_thread_at(gil, at);

    if (member->enter_since_ns < 0)
        return false;
    return member->contended ||
           (gil->last_acquirer != at && gil->last_acquired_ns > member->enter_since_ns);
}

/* drop_gil by a thread whose take_gil never returned (an optimised clone without the probe):
 * it has held since the GIL became free, or since it asked. It waited until then at least: who
 * had the GIL may not have been seen to return from take_gil, either. */
static int infer_take(struct gt_timeline *timeline, struct gt_gil *gil, uint32_t at)
{
    struct gt_gil_thread *member = gt_gil_thread_at(gil, at);
    const struct gt_span *last = gt_chunks_last(&gil->holds);
    int64_t enter_ns = member->enter_since_ns;
    int64_t since_ns = enter_ns > gil->last_change_ns ? enter_ns : gil->last_change_ns;

    if (last && since_ns < last->end_ns) /* a release that was not recorded, either */
        since_ns = last->end_ns;
    gil->defects.returns_missing++;
    gil->takes++;
    if (since_ns > enter_ns &&
        gt_gil_push(&gil->waits, member->thread, enter_ns, since_ns, GT_SPAN_CUT_END))
        return -1;
    begin_hold(timeline, gil, at, since_ns);
    return 0;
}

int gt_gil_function(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event)
{
    uint32_t process = gt_thread_at(timeline, thread)->process;
    struct gt_process_state *state = gt_process_state_at(timeline, process);
    int64_t time_ns = event->time_ns;
    struct gt_gil *gil;
    struct gt_gil_thread *member;
    uint32_t at;

    if (state->function_gil == GT_NO_INDEX) {
        state->function_gil = gt_gil_new(timeline, process, GT_GIL_FROM_FUNCTIONS, 0, 0);
        if (state->function_gil == GT_NO_INDEX)
            return -1;
    }
    gil = gt_gil_at(timeline, state->function_gil);
    at = touch(timeline, gil, thread, &time_ns);
    if (at == GT_NO_INDEX)
        return -1;
    member = gt_gil_thread_at(gil, at);
    switch (event->kind) {
    case GT_EVENT_TAKE_ENTER:
        timeline->quality.gil_events++;
        if (member->enter_since_ns >= 0)
            return 0; /* entered twice: two probes on one place */
        if (gil->owner == at && end_unseen(timeline, gil, time_ns))
            return -1;
        member->enter_since_ns = time_ns;
        /* Whoever asks for a GIL that is free has nothing to wait for. */
        member->contended = gil->owner != GT_NO_INDEX && gil->owner != at;
        return 0;
    case GT_EVENT_TAKE_RETURN:
        if (was_contended(gil, at)) {
            member->wait_since_ns = member->enter_since_ns;
            gil->waiting++;
        }
        member->enter_since_ns = -1;
        gil->takes++;
        return gt_gil_acquired(timeline, state->function_gil, thread, time_ns);
    case GT_EVENT_DROP_ENTER:
        if (gil->owner != at && member->enter_since_ns >= 0 && infer_take(timeline, gil, at))
            return -1;
        member->enter_since_ns = -1;
        return gt_gil_released(timeline, state->function_gil, thread, time_ns);
    default:
        return 0; /* the return of drop_gil says nothing (GIL.md: forced switching) */
    }
}

int gt_gil_function_wait(struct gt_timeline *timeline, uint32_t thread,
                         const struct gt_event *event)
{
    const struct gt_process_state *state =
        gt_process_state_at(timeline, gt_thread_at(timeline, thread)->process);
    int64_t time_ns = event->time_ns;
    struct gt_gil *gil;
    struct gt_gil_thread *member;
    uint32_t at;

    if (state->function_gil == GT_NO_INDEX)
        return 0;
    gil = gt_gil_at(timeline, state->function_gil);
    at = touch(timeline, gil, thread, &time_ns);
    if (at == GT_NO_INDEX)
        return -1;
    member = gt_gil_thread_at(gil, at);
    if (member->enter_since_ns < 0)
        return 0; /* for something else */
    return note_wait(gil, member, time_ns, gt_gil_deadline_ns(timeline, event),
                     member->asked_ns >= member->enter_since_ns);
}

static int exit_from(struct gt_timeline *timeline, struct gt_gil *gil, uint32_t thread,
                     int64_t time_ns)
{
    uint32_t at = gt_hashmap_get(&gil->member_of, thread);
    struct gt_gil_thread *member;

    if (at == GT_HASHMAP_NONE)
        return 0;
    member = gt_gil_thread_at(gil, at);
    if (catch_up(timeline, gil) || member_catch_up(timeline, gil, member))
        return -1;
    if (time_ns < gil->now_ns)
        time_ns = gil->now_ns;
    gil->now_ns = time_ns;
    if (was_contended(gil, at)) {
        member->wait_since_ns = member->enter_since_ns;
        gil->waiting++;
    }
    member->enter_since_ns = -1;
    if (member->wait_since_ns >= 0)
        gil->defects.takes_without_return++;
    if (end_wait(gil, member, time_ns, GT_SPAN_CUT_END))
        return -1;
    return gil->owner == at ? end_hold(timeline, gil, time_ns, GT_SPAN_CUT_END) : 0;
}

int gt_gil_thread_exit(struct gt_timeline *timeline, uint32_t thread, int64_t time_ns)
{
    uint32_t process = gt_thread_at(timeline, thread)->process;
    uint32_t at = gt_process_state_at(timeline, process)->first_gil;

    for (; at != GT_NO_INDEX; at = gt_gil_at(timeline, at)->next)
        if (!gt_gil_at(timeline, at)->closed &&
            exit_from(timeline, gt_gil_at(timeline, at), thread, time_ns))
            return -1;
    return 0;
}

int gt_gil_lose(struct gt_timeline *timeline, struct gt_gil *gil, int64_t start_ns,
                int64_t end_ns)
{
    if (catch_up(timeline, gil))
        return -1;
    for (uint32_t i = 0; i < gil->members.count; i++) {
        struct gt_gil_thread *member = gt_gil_thread_at(gil, i);

        member->enter_since_ns = -1;
        if (end_wait(gil, member, start_ns, GT_SPAN_CUT_END))
            return -1;
    }
    if (gil->now_ns < end_ns)
        gil->now_ns = end_ns;
    gil->known_since_ns = gil->now_ns;
    return gil->owner == GT_NO_INDEX ? 0 : end_hold(timeline, gil, start_ns, GT_SPAN_CUT_END);
}

int gt_gil_close(struct gt_timeline *timeline, struct gt_gil *gil, int64_t time_ns)
{
    if (gil->closed)
        return 0;
    if (catch_up(timeline, gil))
        return -1;
    gil->closed = true;
    gil->name = gt_process_at(timeline, gil->process)->name;
    if (time_ns < gil->now_ns)
        time_ns = gil->now_ns; /* the order is the truth, here too */
    gil->end_ns = time_ns;
    for (uint32_t i = 0; i < gil->members.count; i++)
        if (exit_from(timeline, gil, gt_gil_thread_at(gil, i)->thread, time_ns))
            return -1;
    return 0;
}
