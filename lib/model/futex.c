#include "model/tracker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * GIL waits from the futex system call alone (FACTS: "Contention alone, at almost no cost").
 *
 * glibc's condition variable at address A waits and wakes on the words A+40 and A+44. So a
 * timed wait on one of them makes A a candidate, and everything that happens on it is kept
 * until the end, when the pattern decides. It is a GIL's `cond` if A lies in a _PyRuntime.
 * Elsewhere (sub-interpreters, an interpreter whose file is not known) a thread that waited
 * there must also have woken others there: a GIL's waiter is its next owner, the consumers of
 * a queue are not its producers. Both words must have been used: CPython's locks, which
 * may be waited for and released in the same way, are semaphores and have one word. And where
 * the _PyRuntime is known, its neighbours must have been used, the mutex at A+48 or
 * `switch_cond` at A+88 or 96, lest a C library's condition variable passes for a
 * sub-interpreter's GIL.
 *
 * Where only one thread ever waits nobody passes it on. Then forced switching tells: who has
 * just woken a waiter sleeps on `switch_cond` until that one has acquired.
 *
 * (Since glibc 2.41 the words are at A+32 and A+36: all of this moves along by 8 bytes.)
 *
 * While a thread waits, a release wakes it. So the owner at a release has held since it
 * acquired after a wait of its own, or at least since the first of the present waiters came.
 * Holds that nobody waited for are not seen.
 *
 * A waiter that came back (woken, or because the switch interval passed) first needs the
 * GIL's mutex, at A+48, and may sleep for that, too; then it has the GIL, or waits again at
 * once. A release while all waiters are between two waits is silent: it is told by one of
 * them acquiring though nobody was woken.
 */

enum {
    OP_MASK = 0x7f, /* without PRIVATE and CLOCK_REALTIME */
    OP_WAIT = 0,
    OP_WAKE = 1,
    OP_WAIT_BITSET = 9,
    WORD_0 = 40, /* pthread_cond_t.__g_signals[0], [1] */
    WORD_1 = 44, /* an address that is 4 modulo 8: no semaphore's */
    MUTEX = 8,   /* from what WORD_0 would make of the mutex to the condition variable */
    /* A waiter that is woken too late (another thread took the GIL) waits again at once. */
    AGAIN_NS = 200000,
};

/* From `cond` to `switch_cond`: x86-64, aarch64; CPython 3.6, where they are separate
 * variables, as its builds here have them. */
static const uint64_t switch_distances[] = {88, 96, 0 - (uint64_t)128};
enum { SWITCH_DISTANCES = 3 };

enum entry_kind {
    ENTRY_WAIT,   /* entered */
    ENTRY_EXIT,   /* and returned from it */
    ENTRY_WAKE,   /* woke a waiter: released */
    ENTRY_SWITCH, /* signalled switch_cond: acquired */
    ENTRY_MUTEX,  /* waits for the mutex */
    ENTRY_UNLOCK, /* let another one have the mutex */
};

struct entry {
    int64_t time_ns;
    uint32_t thread;
    uint32_t kind;
};

/* One condition variable that somebody waited on with a timeout. */
struct candidate {
    uint32_t process;
    uint64_t address;
    struct gt_chunks entries; /* of struct entry */
    bool used_word[2];
    bool used_neighbour; /* its mutex or switch_cond was waited for or woken */
    bool switched;       /* who woke one of its waiters slept on switch_cond next */
    uint32_t last_waker;
    bool passed_on;           /* somebody who waited here woke others here */
    struct gt_hashmap waited; /* who waited here: threads */
    bool runtime;             /* the process's _PyRuntime is known, … */
    bool known;               /* … and it lies in it */
    int64_t start_ns;         /* of the program image it belongs to */
};

static struct candidate *candidate_at(const struct gt_timeline *timeline, uint32_t index)
{
    return gt_chunks_at(&timeline->tracker->candidates, index);
}

static struct candidate *find(const struct gt_timeline *timeline, uint32_t process,
                              uint64_t address)
{
    uint32_t index =
        gt_hashmap_get(&gt_process_state_at(timeline, process)->candidate_of, address);

    return index == GT_HASHMAP_NONE ? NULL : candidate_at(timeline, index);
}

static struct candidate *add(struct gt_timeline *timeline, uint32_t process, uint64_t address)
{
    uint32_t index = (uint32_t)timeline->tracker->candidates.count;
    struct candidate *candidate = gt_chunks_push(&timeline->tracker->candidates);
    struct gt_process_state *state = gt_process_state_at(timeline, process);

    if (!candidate)
        return NULL;
    memset(candidate, 0, sizeof(*candidate));
    candidate->process = process;
    candidate->address = address;
    candidate->runtime = state->runtime_end != 0;
    candidate->known = address >= state->runtime_start && address < state->runtime_end;
    candidate->start_ns = state->image_start_ns;
    gt_chunks_init(&candidate->entries, sizeof(struct entry));
    gt_hashmap_init(&candidate->waited);
    candidate->last_waker = GT_NO_INDEX;
    /* Last: what is in the list is released, also when this fails. */
    return gt_hashmap_put(&state->candidate_of, address, index) ? NULL : candidate;
}

static int note(struct candidate *candidate, uint32_t thread, enum entry_kind kind,
                int64_t time_ns)
{
    const struct entry *newest = gt_chunks_last(&candidate->entries);
    struct entry *entry;

    if (newest && time_ns < newest->time_ns)
        time_ns = newest->time_ns; /* the order is the truth */
    entry = gt_chunks_push(&candidate->entries);
    if (!entry)
        return -1;
    *entry = (struct entry){time_ns, thread, kind};
    return 0;
}

/* The candidate whose switch_cond is at `address`. */
static struct candidate *find_switch(const struct gt_timeline *timeline, uint32_t process,
                                     uint64_t address)
{
    struct candidate *candidate = NULL;

    for (size_t i = 0; !candidate && i < SWITCH_DISTANCES; i++)
        candidate = find(timeline, process, address - switch_distances[i]);
    return candidate;
}

static int enter_wait(struct gt_timeline *timeline, uint32_t process, uint32_t thread,
                      uint64_t address, bool second_word, const struct gt_event *event)
{
    struct candidate *candidate = find(timeline, process, address);
    bool timed = event->other_value != 0;

    if (!candidate && !timed) {
        candidate = find_switch(timeline, process, address);
        if (candidate) {
            candidate->used_neighbour = true;
            candidate->switched |= candidate->last_waker == thread;
        }
        return 0;
    }
    if (!timed)
        return 0;
    if (!candidate)
        candidate = add(timeline, process, address);
    if (!candidate || note(candidate, thread, ENTRY_WAIT, event->time_ns) ||
        gt_hashmap_put(&candidate->waited, thread, 1))
        return -1;
    candidate->used_word[second_word] = true;
    gt_thread_state_at(timeline, thread)->futex_wait = address;
    return 0;
}

static int enter_wake(struct gt_timeline *timeline, uint32_t process, uint32_t thread,
                      uint64_t address, const struct gt_event *event)
{
    struct candidate *candidate = find(timeline, process, address);

    if (candidate) {
        if (gt_hashmap_get(&candidate->waited, thread) != GT_HASHMAP_NONE)
            candidate->passed_on = true;
        candidate->last_waker = thread;
        return note(candidate, thread, ENTRY_WAKE, event->time_ns);
    }
    candidate = find(timeline, process, address - MUTEX);
    if (candidate) {
        candidate->used_neighbour = true;
        return note(candidate, thread, ENTRY_UNLOCK, event->time_ns);
    }
    candidate = find_switch(timeline, process, address);
    if (!candidate)
        return 0;
    candidate->used_neighbour = true;
    return note(candidate, thread, ENTRY_SWITCH, event->time_ns);
}

static int enter_mutex(struct gt_timeline *timeline, uint32_t process, uint32_t thread,
                       uint64_t address, const struct gt_event *event)
{
    struct candidate *candidate = find(timeline, process, address - MUTEX);

    if (!candidate)
        return 0;
    gt_thread_state_at(timeline, thread)->futex_wait = candidate->address;
    return note(candidate, thread, ENTRY_MUTEX, event->time_ns);
}

int gt_futex_feed(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event)
{
    uint32_t process = gt_thread_at(timeline, thread)->process;
    struct gt_thread_state *state = gt_thread_state_at(timeline, thread);
    bool second_word = event->value % 8 == 4;
    uint64_t address = event->value - (second_word ? WORD_1 : WORD_0);

    timeline->saw_futex = true;
    if (event->kind == GT_EVENT_FUTEX_EXIT) {
        struct candidate *candidate =
            state->futex_wait ? find(timeline, process, state->futex_wait) : NULL;

        state->futex_wait = 0;
        return candidate ? note(candidate, thread, ENTRY_EXIT, event->time_ns) : 0;
    }
    switch (event->flags & OP_MASK) {
    case OP_WAIT_BITSET:
        return enter_wait(timeline, process, thread, address, second_word, event);
    case OP_WAKE:
        return enter_wake(timeline, process, thread, address, event);
    case OP_WAIT:
        return enter_mutex(timeline, process, thread, address, event);
    default:
        return 0;
    }
}

/* A mapping of an interpreter: where its _PyRuntime is. */
void gt_futex_runtime(struct gt_timeline *timeline, uint32_t process, uint64_t start,
                      uint64_t end)
{
    struct gt_process_state *state = gt_process_state_at(timeline, process);

    state->runtime_start = start;
    state->runtime_end = end;
}

/* Does the pattern say GIL? */
static bool is_gil(const struct candidate *candidate)
{
    return candidate->known ||
           (candidate->used_word[0] && candidate->used_word[1] &&
            (candidate->switched ||
             (candidate->passed_on && (candidate->used_neighbour || !candidate->runtime))));
}

/* One thread's part while a candidate's entries are replayed. Times are -1 when not so. */
struct waiter {
    int64_t since_ns;    /* waits */
    int64_t returned_ns; /* … and came back from the last system call of it */
    int64_t acquired_ns; /* holds */
    int64_t unlocked_ns; /* let another one have the mutex */
};

struct replay {
    struct gt_timeline *timeline;
    struct gt_gil *gil;
    struct waiter *waiters; /* by member */
    size_t count;
    const struct candidate *candidate;
    size_t settled;       /* entries before this one are older than AGAIN_NS */
    int64_t last_wake_ns; /* last release that is known */
    uint32_t last_owner;  /* member who acquired last */
    bool released;        /* by somebody, and nobody acquired since */
};

static struct waiter *waiter_of(struct replay *replay, uint32_t thread)
{
    uint32_t member = gt_gil_member(replay->timeline, replay->gil, thread);
    struct waiter *grown;

    if (member == GT_NO_INDEX)
        return NULL;
    if (member >= replay->count) {
        size_t count = ((size_t)member + 1) * 2;

        grown = reallocarray(replay->waiters, count, sizeof(*grown));
        if (!grown)
            return NULL;
        for (size_t i = replay->count; i < count; i++)
            grown[i] = (struct waiter){-1, -1, -1, -1};
        replay->waiters = grown;
        replay->count = count;
    }
    return &replay->waiters[member];
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
    if (since_ns < replay->last_wake_ns)
        since_ns = replay->last_wake_ns;
    if (since_ns >= until_ns)
        return 0;
    replay->last_wake_ns = until_ns;
    return gt_gil_push(&replay->gil->holds, gt_member_at(replay->gil, owner)->thread, since_ns,
                       until_ns, 0);
}

/* The wait is over at `time_ns`: the thread has the GIL. */
static int acquire(struct replay *replay, struct waiter *waiter, uint32_t thread,
                   int64_t time_ns)
{
    uint32_t member = (uint32_t)(waiter - replay->waiters), owner = replay->last_owner;
    int64_t since_ns = waiter->since_ns;

    if (!replay->released && owner != GT_NO_INDEX && owner != member &&
        released_silently(replay, owner, waiter, time_ns))
        return -1;
    replay->released = false;
    replay->last_owner = member;
    waiter->since_ns = -1;
    waiter->acquired_ns = time_ns;
    if (since_ns < 0)
        return 0;
    replay->gil->handovers++;
    return time_ns > since_ns ? gt_gil_push(&replay->gil->waits, thread, since_ns, time_ns, 0)
                              : 0;
}

/* Who came back from a wait long before `time_ns`, and did not wait again, has the GIL. */
static int settle(struct replay *replay, int64_t time_ns)
{
    for (; replay->settled < replay->candidate->entries.count; replay->settled++) {
        const struct entry *entry = gt_chunks_at(&replay->candidate->entries, replay->settled);
        uint32_t member = gt_hashmap_get(&replay->gil->member_of, entry->thread);
        struct waiter *waiter;

        if (entry->time_ns >= time_ns - AGAIN_NS)
            break;
        waiter = member < replay->count ? &replay->waiters[member] : NULL;
        if (entry->kind == ENTRY_EXIT && waiter && waiter->since_ns >= 0 &&
            waiter->returned_ns == entry->time_ns &&
            acquire(replay, waiter, entry->thread, entry->time_ns))
            return -1;
    }
    return 0;
}

static int on_wait(struct waiter *waiter, const struct entry *entry)
{
    if (waiter->since_ns < 0)
        waiter->since_ns = entry->time_ns;
    waiter->returned_ns = -1;
    waiter->acquired_ns = -1; /* it released, while nobody waited */
    return 0;
}

static int on_wake(struct replay *replay, struct waiter *waiter, const struct entry *entry)
{
    int64_t since_ns = INT64_MAX;

    if (waiter->since_ns >= 0 && waiter->returned_ns >= 0 &&
        acquire(replay, waiter, entry->thread, waiter->returned_ns))
        return -1;
    if (waiter->since_ns >= 0) {
        /* It releases what it waits for: when it got it was not recorded. */
        replay->gil->defects.unmatched_releases++;
        waiter->since_ns = -1;
        since_ns = entry->time_ns;
    }
    if (waiter->acquired_ns >= 0)
        since_ns = waiter->acquired_ns;
    for (size_t i = 0; waiter->acquired_ns < 0 && i < replay->count; i++)
        if (replay->waiters[i].since_ns >= 0 && replay->waiters[i].since_ns < since_ns)
            since_ns = replay->waiters[i].since_ns;
    if (since_ns < replay->last_wake_ns)
        since_ns = replay->last_wake_ns;
    waiter->acquired_ns = -1;
    replay->released = true;
    replay->last_wake_ns = entry->time_ns;
    if (since_ns >= entry->time_ns)
        return 0;
    return gt_gil_push(&replay->gil->holds, entry->thread, since_ns, entry->time_ns, 0);
}

static int replay_entry(struct replay *replay, const struct entry *entry)
{
    struct waiter *waiter = waiter_of(replay, entry->thread);

    if (!waiter || settle(replay, entry->time_ns))
        return -1;
    replay->timeline->quality.gil_events++;
    switch (entry->kind) {
    case ENTRY_WAIT:
        return on_wait(waiter, entry);
    case ENTRY_EXIT:
        waiter->returned_ns = entry->time_ns;
        return 0;
    case ENTRY_WAKE:
        return on_wake(replay, waiter, entry);
    case ENTRY_MUTEX: /* a waiter that needs it to go on, else somebody who comes or goes */
        waiter->returned_ns = -1;
        return 0;
    case ENTRY_UNLOCK:
        waiter->unlocked_ns = entry->time_ns;
        return 0;
    default:
        return waiter->since_ns >= 0 ? acquire(replay, waiter, entry->thread, entry->time_ns)
                                     : 0;
    }
}

/* Waits that are open at the end: got it at their last return, or never. */
static int close_waits(struct replay *replay)
{
    for (uint32_t i = 0; i < replay->count && i < replay->gil->members.count; i++) {
        struct waiter *waiter = &replay->waiters[i];
        uint32_t thread = gt_member_at(replay->gil, i)->thread;

        if (waiter->since_ns < 0)
            continue;
        if (waiter->returned_ns >= 0) {
            if (acquire(replay, waiter, thread, waiter->returned_ns))
                return -1;
        } else {
            replay->gil->defects.takes_without_return++;
            if (gt_gil_push(&replay->gil->waits, thread, waiter->since_ns,
                            gt_thread_at(replay->timeline, thread)->end_ns, GT_SPAN_CUT_END))
                return -1;
        }
    }
    return 0;
}

static int make_gil(struct gt_timeline *timeline, const struct candidate *candidate)
{
    struct replay replay = {.timeline = timeline,
                            .candidate = candidate,
                            .last_owner = GT_NO_INDEX,
                            .last_wake_ns = -1};
    uint32_t index =
        gt_gil_new(timeline, candidate->process, GT_GIL_FROM_FUTEX, candidate->address, 0);
    int rc = index == GT_NO_INDEX ? -1 : 0;

    if (rc == 0) {
        replay.gil = gt_gil_at(timeline, index);
        replay.gil->start_ns = candidate->start_ns;
    }
    for (size_t i = 0; rc == 0 && i < candidate->entries.count; i++)
        rc = replay_entry(&replay, gt_chunks_at(&candidate->entries, i));
    if (rc == 0)
        rc = close_waits(&replay);
    if (rc == 0 && candidate->start_ns !=
                       gt_process_state_at(timeline, candidate->process)->image_start_ns) {
        /* Its program was replaced by another one, after the last that is known of it. */
        const struct entry *last = gt_chunks_last(&candidate->entries);

        replay.gil->closed = true;
        replay.gil->end_ns = last->time_ns;
    }
    free(replay.waiters);
    return rc;
}

static bool seen_otherwise(const struct gt_timeline *timeline,
                           const struct candidate *candidate)
{
    return gt_process_state_at(timeline, candidate->process)->saw_gil;
}

int gt_futex_finish(struct gt_timeline *timeline)
{
    for (uint32_t i = 0; i < timeline->tracker->candidates.count; i++) {
        const struct candidate *candidate = candidate_at(timeline, i);

        if (is_gil(candidate) && !seen_otherwise(timeline, candidate) &&
            make_gil(timeline, candidate))
            return -1;
    }
    return 0;
}

void gt_futex_release(struct gt_timeline *timeline)
{
    for (uint32_t i = 0; i < timeline->tracker->candidates.count; i++) {
        gt_chunks_release(&candidate_at(timeline, i)->entries);
        gt_hashmap_release(&candidate_at(timeline, i)->waited);
    }
    gt_chunks_release(&timeline->tracker->candidates);
}

void gt_futex_init(struct gt_timeline *timeline)
{
    gt_chunks_init(&timeline->tracker->candidates, sizeof(struct candidate));
}
