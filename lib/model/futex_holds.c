/* SPDX-License-Identifier: MIT */
#include "model/futex.h"

#include <stddef.h>
#include <stdlib.h>

/*
 * What was noted of a GIL's condition variable becomes waits and holds, in two passes.
 *
 * A waiter that came back from a system call (woken, or because the switch interval passed)
 * first needs the GIL's mutex, and may sleep for that, too; then it has the GIL, or waits again
 * at once. The first pass tells which: it has the GIL if what it does next is anything but to
 * wait again. If it does wait again, then it had the GIL in between only if it took longer
 * than one who loops, somebody had released, and nobody else is known to have got it.
 *
 * While a thread waits, a release wakes it. So the second pass knows of the owner at a release
 * that it has held since it acquired, or, where nobody waited meanwhile, at least since
 * somebody did. Holds that nobody waited for are not seen. A release while all waiters are
 * between two waits is silent: it is told by one of them acquiring though nobody was woken.
 */

enum {
    AGAIN_NS = 100000,
    /* After a time-out it has asked the holder, who then sleeps on switch_cond as it releases:
     * that tells, almost always. */
    AGAIN_ASKED_NS = 1000000,
};

/* One thread's part. Entries are counted from 1, 0 is none. */
struct waiter {
    /* The first pass. */
    bool looping;     /* began to wait, and is not known to have got it */
    bool in_call;     /* of the wait */
    bool unlocked;    /* let another one have the mutex since it came back, … */
    int64_t doing_ns; /* … then */
    bool asked;       /* it came back because its time was up */
    size_t returned;  /* entry of its last return; 0: in a call, or it has got the GIL */
    size_t earlier;   /* the return before a wait for the mutex, when that came late */
    /* The second one. Times are -1 when not so. */
    int64_t since_ns;    /* waits */
    int64_t acquired_ns; /* holds */
    int64_t unlocked_ns; /* let another one have the mutex */
    int64_t asked_ns;    /* began its newest timed wait, … */
    bool timed_out;      /* … which time ended */
    int64_t woke_ns;     /* its newest release that woke somebody; -1: none */
};

struct replay {
    struct gt_timeline *timeline;
    struct gt_gil_state *state; /* of the GIL */
    const struct gt_candidate *candidate;
    struct waiter *waiters; /* by member */
    size_t count;
    /* The first pass. */
    uint32_t in_call; /* how many are */
    uint32_t woken;   /* and will come back soon */
    size_t alone;     /* newest entry after which a release would wake nobody */
    size_t released;  /* entry of the newest one */
    /* The second one. */
    uint32_t waiting;         /* how many wait */
    int64_t waiting_since_ns; /* at least one of them, without a break */
    int64_t last_wake_ns;     /* last release that is known */
    int64_t last_change_ns;   /* last acquisition or release */
    uint32_t last_owner;      /* member who acquired last */
    bool free;                /* somebody released, and nobody acquired since */
};

static struct waiter *waiter_of(struct replay *replay, uint32_t thread)
{
    uint32_t member = gt_gil_thread_of(replay->timeline, replay->state, thread);
    struct waiter *grown;

    if (member == GT_NO_INDEX)
        return NULL;
    if (member >= replay->count) {
        size_t count = ((size_t)member + 1) * 2;

        grown = reallocarray(replay->waiters, count, sizeof(*grown));
        if (!grown)
            return NULL;
        for (size_t i = replay->count; i < count; i++)
            grown[i] = (struct waiter){
                .since_ns = -1, .acquired_ns = -1, .unlocked_ns = -1, .woke_ns = -1};
        replay->waiters = grown;
        replay->count = count;
    }
    return &replay->waiters[member];
}

static struct gt_futex_entry *entry_at(const struct replay *replay, size_t index)
{
    return gt_chunks_at(&replay->candidate->entries, index);
}

/* --- the first pass: which returns are acquisitions --- */

/* It has had the GIL since it came back. */
static void got_it(struct replay *replay, struct waiter *waiter)
{
    if (waiter->returned)
        entry_at(replay, waiter->returned - 1)->kind = GT_FUTEX_ACQUIRED;
    waiter->looping = false;
    waiter->returned = waiter->earlier = 0;
}

static void came_back(const struct replay *replay, struct waiter *waiter, size_t index)
{
    waiter->returned = waiter->looping ? index + 1 : 0;
    waiter->unlocked = false;
    waiter->asked = entry_at(replay, index)->kind == GT_FUTEX_TIMEOUT;
    waiter->doing_ns = entry_at(replay, index)->time_ns;
}

/* How long it was ready and had no CPU, as far as the scheduler told. Who sleeps does something
 * else, and has had the GIL. */
static int64_t ready_ns(const struct replay *replay, const struct waiter *waiter,
                        int64_t from_ns, int64_t until_ns)
{
    uint32_t thread =
        gt_gil_thread_state_at(replay->state, (uint32_t)(waiter - replay->waiters))->thread;
    const struct gt_scheduling *scheduling = gt_scheduling_of(replay->timeline, thread);
    int64_t ns[GT_SCHED_STATES] = {0};

    if (scheduling)
        gt_sched_within(&scheduling->sched, from_ns, until_ns, ns);
    return ns[GT_SCHED_PREEMPTED] + ns[GT_SCHED_WOKEN];
}

/* Longer than one takes who loops. */
static bool is_long(const struct replay *replay, const struct waiter *waiter, int64_t time_ns)
{
    int64_t passed_ns = time_ns - waiter->doing_ns;
    int64_t most_ns = waiter->asked ? AGAIN_ASKED_NS : AGAIN_NS;

    return passed_ns > most_ns &&
           passed_ns - ready_ns(replay, waiter, waiter->doing_ns, time_ns) > most_ns;
}

/*
 * It waits again, for the GIL or for the mutex: did it have the GIL in between? Then it let go
 * of it without waking anybody, so there must have been nobody to wake.
 */
static void comes_again(struct replay *replay, struct waiter *waiter, int64_t time_ns)
{
    waiter->earlier = 0;
    if (!waiter->returned || !is_long(replay, waiter, time_ns))
        return;
    if (replay->alone >= waiter->returned)
        got_it(replay, waiter);
    else
        waiter->earlier = waiter->returned;
}

/* Who would be woken by a release? */
static void count_sleepers(struct replay *replay, struct waiter *waiter, size_t index)
{
    switch (entry_at(replay, index)->kind) {
    case GT_FUTEX_WAIT:
        replay->in_call += !waiter->in_call;
        waiter->in_call = true;
        break;
    case GT_FUTEX_EXIT:
        replay->woken -= waiter->in_call && replay->woken > 0;
        /* fall through */
    case GT_FUTEX_TIMEOUT:
        replay->in_call -= waiter->in_call;
        waiter->in_call = false;
        break;
    case GT_FUTEX_WAKE:
        replay->woken += replay->in_call > replay->woken;
        break;
    default:
        break;
    }
    if (replay->in_call <= replay->woken)
        replay->alone = index + 1;
}

/* It releases: it has had the GIL since it came back, from the wait for the mutex if it was not
 * for the release that it needed that. */
static void has_it(struct replay *replay, struct waiter *waiter, int64_t time_ns)
{
    if (waiter->earlier && !waiter->unlocked && !is_long(replay, waiter, time_ns))
        waiter->returned = waiter->earlier;
    if (waiter->returned)
        got_it(replay, waiter);
}

/* Events were lost: what comes back later may have come back before. */
static void forget_returns(struct replay *replay, int64_t time_ns)
{
    for (size_t i = 0; i < replay->count; i++) {
        struct waiter *waiter = &replay->waiters[i];

        if (waiter->returned && is_long(replay, waiter, time_ns))
            got_it(replay, waiter);
        waiter->looping = waiter->in_call = false;
        waiter->returned = waiter->earlier = 0;
    }
    replay->in_call = replay->woken = 0;
}

/* What the thread of entry `index` does shows whether it has the GIL. 0 or -1. */
static int look_at(struct replay *replay, size_t index)
{
    const struct gt_futex_entry *entry = entry_at(replay, index);
    struct waiter *waiter = waiter_of(replay, entry->thread);

    if (!waiter)
        return -1;
    count_sleepers(replay, waiter, index);
    switch (entry->kind) {
    case GT_FUTEX_WAIT:
        comes_again(replay, waiter, entry->time_ns);
        waiter->looping = true;
        waiter->returned = waiter->earlier = 0;
        break;
    case GT_FUTEX_EXIT:
    case GT_FUTEX_TIMEOUT:
        came_back(replay, waiter, index);
        break;
    case GT_FUTEX_MUTEX: /* to go on, or later, as it comes or goes again */
        /* A release that comes as it begins to wait again ends that without a system call. */
        if (waiter->returned && waiter->unlocked && replay->released < waiter->returned)
            got_it(replay, waiter);
        comes_again(replay, waiter, entry->time_ns);
        waiter->returned = 0;
        break;
    case GT_FUTEX_UNLOCK: /* within the wait, or as it has got it */
        if (waiter->returned && waiter->unlocked)
            got_it(replay, waiter);
        waiter->unlocked = true;
        waiter->doing_ns = entry->time_ns;
        break;
    case GT_FUTEX_SWITCH: /* now, or again after it has had the GIL for a while */
        if (!waiter->unlocked && !is_long(replay, waiter, entry->time_ns))
            waiter->returned = 0; /* the entry itself is the acquisition */
        got_it(replay, waiter);
        break;
    case GT_FUTEX_WAKE:
        has_it(replay, waiter, entry->time_ns);
        replay->released = index + 1;
        break;
    case GT_FUTEX_YIELD:
        has_it(replay, waiter, entry->time_ns);
        break;
    case GT_FUTEX_LEFT:
        got_it(replay, waiter);
        break;
    default:
        forget_returns(replay, entry->time_ns);
        break;
    }
    return 0;
}

static int find_acquisitions(struct replay *replay)
{
    for (size_t i = 0; i < replay->candidate->entries.count; i++)
        if (look_at(replay, i))
            return -1;
    for (size_t i = 0; i < replay->count; i++)
        if (replay->waiters[i].returned)
            got_it(replay, &replay->waiters[i]);
    return 0;
}

/* --- the second pass: waits and holds --- */

static int begin_wait(struct replay *replay, struct waiter *waiter,
                      const struct gt_futex_entry *entry)
{
    int64_t time_ns = entry->time_ns, before_ns = waiter->asked_ns;
    bool timed_out = waiter->timed_out;

    waiter->acquired_ns = -1; /* it released, while nobody waited */
    waiter->asked_ns = time_ns;
    waiter->timed_out = false;
    if (waiter->since_ns >= 0) {
        if (!timed_out || replay->last_change_ns >= before_ns)
            return 0;
        /* The kernel has said that the deadline passed. */
        return gt_gil_ask(&replay->state->gil,
                          (struct gt_ask){time_ns, before_ns, time_ns, entry->thread});
    }
    waiter->since_ns = time_ns;
    if (replay->waiting++ == 0)
        replay->waiting_since_ns = time_ns;
    return 0;
}

/* Returns since when it waited. */
static int64_t end_wait(struct replay *replay, struct waiter *waiter)
{
    int64_t since_ns = waiter->since_ns;

    replay->waiting -= since_ns >= 0;
    waiter->since_ns = -1;
    return since_ns;
}

/* A hold of which only the part that somebody waited for is known. */
static int push_hold(struct replay *replay, uint32_t thread, int64_t since_ns, int64_t until_ns)
{
    if (since_ns < replay->waiting_since_ns)
        since_ns = replay->waiting_since_ns;
    if (since_ns < replay->last_wake_ns)
        since_ns = replay->last_wake_ns;
    replay->last_wake_ns = until_ns;
    if (since_ns >= until_ns)
        return 0;
    return gt_gil_push(&replay->state->gil.holds, thread, since_ns, until_ns, 0);
}

/* `owner` released when `next` acquired, and woke nobody. */
static int released_silently(struct replay *replay, uint32_t owner, const struct waiter *next,
                             int64_t time_ns)
{
    struct waiter *waiter = &replay->waiters[owner];
    int64_t since_ns = waiter->acquired_ns, until_ns = time_ns;

    /* Somebody unknown may have come between, if nobody waited when `owner` acquired. */
    if (since_ns < 0 || (waiter->unlocked_ns <= next->since_ns && next->since_ns > since_ns))
        return 0;
    if (waiter->unlocked_ns > since_ns && waiter->unlocked_ns < until_ns)
        until_ns = waiter->unlocked_ns;
    waiter->acquired_ns = -1;
    if (since_ns >= until_ns || replay->last_wake_ns >= until_ns)
        return 0;
    return push_hold(replay, gt_gil_thread_state_at(replay->state, owner)->thread, since_ns,
                     until_ns);
}

/* The wait is over at `time_ns`: the thread has the GIL. */
static int acquire(struct replay *replay, struct waiter *waiter, uint32_t thread,
                   int64_t time_ns)
{
    uint32_t member = (uint32_t)(waiter - replay->waiters), owner = replay->last_owner;
    int64_t since_ns;

    if (!replay->free && owner != GT_NO_INDEX && owner != member &&
        released_silently(replay, owner, waiter, time_ns))
        return -1;
    replay->free = false;
    replay->last_change_ns = time_ns;
    replay->last_owner = member;
    waiter->acquired_ns = time_ns;
    since_ns = end_wait(replay, waiter);
    replay->state->gil.handovers++;
    if (time_ns <= since_ns)
        return 0;
    return gt_gil_push(&replay->state->gil.waits, thread, since_ns, time_ns, 0);
}

static int release(struct replay *replay, struct waiter *waiter,
                   const struct gt_futex_entry *entry)
{
    int64_t since_ns = waiter->acquired_ns >= 0 ? waiter->acquired_ns : 0;

    if (waiter->since_ns >= 0) {
        /* It releases what it waits for: when it got it was not recorded. */
        replay->state->gil.defects.unmatched_releases++;
        end_wait(replay, waiter);
        since_ns = entry->time_ns;
    } else if (!replay->waiting) {
        since_ns = entry->time_ns; /* nobody that is known waits: nobody knows */
    }
    waiter->acquired_ns = -1;
    waiter->woke_ns = entry->time_ns;
    replay->free = true;
    replay->last_change_ns = entry->time_ns;
    return push_hold(replay, entry->thread, since_ns, entry->time_ns);
}

/*
 * It sleeps until another one has acquired. As a rule it has woken that one just before; but
 * where all who wait were between two waits it had nobody to wake, and this is all that tells
 * of the release.
 */
static int yielded(struct replay *replay, struct waiter *waiter,
                   const struct gt_futex_entry *entry)
{
    enum { JUST_NS = 1000000 };
    uint32_t member = (uint32_t)(waiter - replay->waiters), owner = replay->last_owner;

    if (replay->free || !replay->waiting || waiter->since_ns >= 0 ||
        (waiter->woke_ns >= 0 && entry->time_ns - waiter->woke_ns < JUST_NS) ||
        (owner != GT_NO_INDEX && owner != member && replay->waiters[owner].acquired_ns >= 0))
        return 0;
    return release(replay, waiter, entry);
}

/* Events were lost: whoever waited or held may do something else now. */
static int lose(struct replay *replay, int64_t time_ns)
{
    for (uint32_t i = 0; i < replay->count && i < replay->state->members.count; i++) {
        struct waiter *waiter = &replay->waiters[i];
        int64_t since_ns = end_wait(replay, waiter);

        waiter->acquired_ns = waiter->unlocked_ns = -1;
        waiter->timed_out = false;
        if (since_ns >= 0 && since_ns < time_ns &&
            gt_gil_push(&replay->state->gil.waits,
                        gt_gil_thread_state_at(replay->state, i)->thread, since_ns, time_ns,
                        GT_SPAN_CUT_END))
            return -1;
    }
    replay->last_owner = GT_NO_INDEX;
    replay->last_wake_ns = time_ns;
    replay->free = true;
    return 0;
}

static int replay_entry(struct replay *replay, const struct gt_futex_entry *entry)
{
    struct waiter *waiter = waiter_of(replay, entry->thread);

    if (!waiter)
        return -1;
    replay->timeline->quality.gil_events++;
    switch (entry->kind) {
    case GT_FUTEX_WAIT:
        return begin_wait(replay, waiter, entry);
    case GT_FUTEX_TIMEOUT:
        waiter->timed_out = true;
        return 0;
    case GT_FUTEX_WAKE:
        return release(replay, waiter, entry);
    case GT_FUTEX_YIELD:
        return yielded(replay, waiter, entry);
    case GT_FUTEX_UNLOCK:
        waiter->unlocked_ns = entry->time_ns;
        return 0;
    case GT_FUTEX_ACQUIRED:
    case GT_FUTEX_SWITCH:
        if (waiter->since_ns < 0)
            return 0;
        return acquire(replay, waiter, entry->thread, entry->time_ns);
    case GT_FUTEX_LOST:
        return lose(replay, entry->time_ns);
    default:
        return 0;
    }
}

/* Who waits at the end never got it. */
static int close_waits(struct replay *replay)
{
    for (uint32_t i = 0; i < replay->count && i < replay->state->members.count; i++) {
        uint32_t thread = gt_gil_thread_state_at(replay->state, i)->thread;
        int64_t since_ns = end_wait(replay, &replay->waiters[i]);

        if (since_ns < 0)
            continue;
        replay->state->gil.defects.takes_without_return++;
        if (gt_gil_push(&replay->state->gil.waits, thread, since_ns,
                        gt_thread_at(replay->timeline, thread)->end_ns, GT_SPAN_CUT_END))
            return -1;
    }
    return 0;
}

static int replay_all(struct replay *replay)
{
    const struct gt_chunks *entries = &replay->candidate->entries;

    if (find_acquisitions(replay))
        return -1;
    for (size_t i = 0; i < entries->count; i++)
        if (replay_entry(replay, gt_chunks_at(entries, i)))
            return -1;
    return close_waits(replay);
}

int gt_futex_replay(struct gt_timeline *timeline, struct gt_candidate *candidate)
{
    struct replay replay = {.timeline = timeline,
                            .candidate = candidate,
                            .last_owner = GT_NO_INDEX,
                            .last_wake_ns = -1,
                            .last_change_ns = -1};
    const struct gt_futex_entry *last = gt_chunks_last(&candidate->entries);
    uint32_t index =
        gt_gil_new(timeline, candidate->process, GT_GIL_FROM_FUTEX, candidate->address, 0);
    int rc;

    if (index == GT_NO_INDEX)
        return -1;
    replay.state = gt_gil_state_at(timeline, index);
    replay.state->gil.start_ns = candidate->start_ns;
    replay.state->intervals = candidate->intervals;
    gt_intervals_init(&candidate->intervals); /* handed over */
    rc = replay_all(&replay);
    if (last && candidate->start_ns !=
                    gt_process_state_at(timeline, candidate->process)->image_start_ns) {
        /* Its program was replaced by another one, after the last that is known of it. */
        replay.state->closed = true;
        replay.state->gil.name = candidate->name;
        replay.state->gil.end_ns = last->time_ns;
    }
    free(replay.waiters);
    return rc;
}
