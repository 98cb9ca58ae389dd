/* SPDX-License-Identifier: MIT */
#include "model/futex.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <string.h>

/*
 * GIL waits from the futex system call alone (GIL.md: "Futex calls"),
 * or from the places in libc that only contention reaches: the same, but that these tell the
 * condition variable itself, and that who waited has the mutex again.
 *
 * glibc's condition variable at address A waits and wakes on the words A+40 and A+44. So a
 * timed wait on one of them makes A a candidate, and everything that happens on it is kept
 * until the end, when the pattern decides. It is a GIL's `cond` if A lies in a _PyRuntime.
 * Elsewhere (sub-interpreters, an interpreter whose file is not known) a thread that waited
 * there must also have woken others there, before or after: a GIL's waiter is its next owner,
 * the consumers of a queue are not its producers. Both words must have been used: CPython's
 * locks, which may be waited for and released in the same way, are semaphores and have one
 * word. And where the _PyRuntime is known, its neighbours must have been used, the mutex at
 * A+48, which waits tell or somebody slept for, or `switch_cond` at A+88 or 96, lest a C
 * library's condition variable passes for a sub-interpreter's GIL.
 *
 * Where only one thread ever waits nobody passes it on. Then forced switching tells: who has
 * just woken a waiter sleeps on `switch_cond` until that one has acquired.
 *
 * Since glibc 2.41 the words are at A+32 and A+36. A is then told 8 bytes too low by a word.
 */

enum {
    WORD_0 = 40,    /* pthread_cond_t.__g_signals[0] */
    WORD_1 = 44,    /* [1]; an address that is 4 modulo 8: no semaphore's */
    WORD_MOVED = 8, /* lower, since glibc 2.41; its own lock was there before */
    BOTH_WORDS = 3, /* or libc said that it is a condition variable */
};

/*
 * From `cond` to the mutex and to `switch_cond`. In CPython 3.6 they are separate variables of
 * one file, 64 bytes apart, in the order of their definitions or, as compilers have it, in the
 * opposite one.
 */
static const uint64_t mutex_distances[] = {48, 48 + WORD_MOVED, 0 - (uint64_t)64, 64};
static const uint64_t switch_distances[] = {GT_DISTANCE_X86_64, GT_DISTANCE_AARCH64,
                                            0 - (uint64_t)128, 128};
enum {
    MUTEX_DISTANCES = sizeof(mutex_distances) / sizeof(mutex_distances[0]),
    SWITCH_DISTANCES = sizeof(switch_distances) / sizeof(switch_distances[0]),
};

static struct gt_candidate *candidate_at(const struct gt_timeline *timeline, uint32_t index)
{
    return gt_chunks_at(&gt_builder_of(timeline)->candidates, index);
}

static struct gt_candidate *find(const struct gt_timeline *timeline, uint32_t process,
                                 uint64_t address)
{
    uint32_t index =
        gt_hashmap_get(&gt_process_state_at(timeline, process)->candidate_of, address);

    return index == GT_HASHMAP_NONE ? NULL : candidate_at(timeline, index);
}

static struct gt_candidate *add(struct gt_timeline *timeline, uint32_t process,
                                uint64_t address)
{
    uint32_t index = (uint32_t)gt_builder_of(timeline)->candidates.count;
    struct gt_candidate *candidate = gt_chunks_push(&gt_builder_of(timeline)->candidates);
    struct gt_process_state *state = gt_process_state_at(timeline, process);

    if (!candidate)
        return NULL;
    memset(candidate, 0, sizeof(*candidate));
    candidate->process = process;
    candidate->address = address;
    candidate->runtime = state->runtime_end != 0;
    candidate->known = address >= state->runtime_start && address < state->runtime_end;
    candidate->start_ns = state->image_start_ns;
    candidate->name = gt_process_at(timeline, process)->name;
    candidate->lost_seen = (uint32_t)timeline->lost.count;
    gt_chunks_init(&candidate->entries, sizeof(struct gt_futex_entry));
    gt_intervals_init(&candidate->intervals);
    gt_hashmap_init(&candidate->waited);
    gt_hashmap_init(&candidate->woke);
    candidate->last_waker = GT_NO_INDEX;
    /* Last: what is in the list is released, also when this fails. */
    return gt_hashmap_put(&state->candidate_of, address, index) ? NULL : candidate;
}

/* A GIL uses both words of its condition variable, in turns: a lock that many wait for need
 * not be remembered for ever. */
static void forget_lock(struct gt_candidate *candidate)
{
    enum { ENOUGH = 1 << 14 };

    if (candidate->entries.count >= ENOUGH && !candidate->known &&
        candidate->used_words != BOTH_WORDS)
        gt_chunks_truncate(&candidate->entries, 0);
}

static int push(struct gt_candidate *candidate, uint32_t thread, enum gt_futex_entry_kind kind,
                int64_t time_ns)
{
    const struct gt_futex_entry *newest = gt_chunks_last(&candidate->entries);
    struct gt_futex_entry *entry;

    if (newest && time_ns < newest->time_ns)
        time_ns = newest->time_ns; /* the order is the truth */
    entry = gt_chunks_push(&candidate->entries);
    if (!entry)
        return -1;
    *entry = (struct gt_futex_entry){time_ns, thread, kind};
    return 0;
}

/* Note what was lost since it was touched last; `thread` is any that waited there. */
static int catch_up(const struct gt_timeline *timeline, struct gt_candidate *candidate,
                    uint32_t thread)
{
    uint32_t seen = candidate->lost_seen;

    candidate->lost_seen = (uint32_t)timeline->lost.count;
    if (seen == candidate->lost_seen)
        return 0;
    return push(candidate, thread, GT_FUTEX_LOST,
                ((const struct gt_lost_range *)gt_chunks_at(&timeline->lost, seen))->start_ns);
}

static int note(const struct gt_timeline *timeline, struct gt_candidate *candidate,
                uint32_t thread, enum gt_futex_entry_kind kind, int64_t time_ns)
{
    forget_lock(candidate);
    if (catch_up(timeline, candidate, thread))
        return -1;
    return push(candidate, thread, kind, time_ns);
}

/* The condition variable that a word belongs to, if it does. */
static uint64_t cond_of_word(uint64_t word)
{
    return word - (word % 8 == 4 ? WORD_1 : WORD_0);
}

/* The candidate whose switch_cond this is. */
static struct gt_candidate *find_switch(const struct gt_timeline *timeline, uint32_t process,
                                        uint64_t cond)
{
    struct gt_candidate *candidate = NULL;

    for (size_t i = 0; !candidate && i < SWITCH_DISTANCES; i++)
        candidate = find(timeline, process, cond - switch_distances[i]);
    return candidate;
}

/*
 * The candidate that has this word, found by `finder`. The second place is of conds that libc
 * told: candidates that words told are all off by as much. Where their words have been seen in
 * the first place, glibc is older: the second word is the lock within the condition variable,
 * which those contend for who time out just as another one is woken, and tells nothing.
 */
static struct gt_candidate *
find_by_word(struct gt_candidate *finder(const struct gt_timeline *, uint32_t, uint64_t),
             const struct gt_timeline *timeline, uint32_t process, uint64_t word)
{
    struct gt_candidate *candidate = finder(timeline, process, cond_of_word(word));

    if (candidate) {
        candidate->words_fit = true;
        return candidate;
    }
    candidate = finder(timeline, process, cond_of_word(word) + WORD_MOVED);
    return candidate && !candidate->words_fit ? candidate : NULL;
}

/* The candidate whose mutex has this word. */
static struct gt_candidate *find_mutex(const struct gt_timeline *timeline, uint32_t process,
                                       uint64_t word)
{
    struct gt_candidate *candidate = NULL;

    for (size_t i = 0; !candidate && i < MUTEX_DISTANCES; i++)
        candidate = find(timeline, process, word - mutex_distances[i]);
    return candidate;
}

/* A wait told the mutex: it lies where a GIL's does, or it does not. */
static void note_mutex(struct gt_candidate *candidate, const struct gt_event *event)
{
    for (size_t i = 0; event->cond.mutex && i < MUTEX_DISTANCES; i++)
        if (event->cond.mutex == candidate->address + mutex_distances[i])
            candidate->used_neighbour = true;
}

/* Does who takes the GIL use this: a word or the address of the condition variable, of
 * switch_cond, or the mutex? */
static bool is_of_taking(uint64_t address, uint64_t word)
{
    bool is = word - address < sizeof(pthread_cond_t);

    for (size_t i = 0; !is && i < MUTEX_DISTANCES; i++)
        is = word == address + mutex_distances[i];
    for (size_t i = 0; !is && i < SWITCH_DISTANCES; i++)
        is = word - (address + switch_distances[i]) < sizeof(pthread_cond_t);
    return is;
}

int gt_futex_left(struct gt_timeline *timeline, uint32_t thread, int64_t time_ns)
{
    struct gt_thread_state *state = gt_thread_state_at(timeline, thread);
    struct gt_candidate *candidate =
        state->futex_loop
            ? find(timeline, gt_thread_at(timeline, thread)->process, state->futex_loop)
            : NULL;

    state->futex_loop = 0;
    return candidate ? note(timeline, candidate, thread, GT_FUTEX_LEFT, time_ns) : 0;
}

/* Waits for the condition variable at `address`, which is known to use `words`. */
static int enter_wait(struct gt_timeline *timeline, uint32_t process, uint32_t thread,
                      const struct gt_event *event, uint64_t address, unsigned words)
{
    struct gt_thread_state *state = gt_thread_state_at(timeline, thread);
    struct gt_candidate *candidate = find(timeline, process, address);
    bool block = event->kind == GT_EVENT_BLOCK_ENTER;
    bool timed = block ? event->cond.deadline_ns != 0 : event->futex.timed;
    int64_t deadline_ns = block ? gt_deadline_ns(timeline, event) : 0;

    if (!candidate && !timed) {
        candidate = find_switch(timeline, process, address);
        if (candidate) {
            candidate->used_neighbour = true;
            candidate->switched |= candidate->last_waker == thread;
            state->futex_loop = 0;
            return note(timeline, candidate, thread, GT_FUTEX_YIELD, event->time_ns);
        }
        return 0;
    }
    if (!timed)
        return 0;
    if (!candidate && gt_builder_of(timeline)->candidates.count >= GT_GILS_MAX)
        return gt_limits_no_gil(timeline, process, event->time_ns);
    if (!candidate)
        candidate = add(timeline, process, address);
    if (!candidate || note(timeline, candidate, thread, GT_FUTEX_WAIT, event->time_ns) ||
        gt_hashmap_put(&candidate->waited, thread, 1) ||
        (deadline_ns &&
         gt_intervals_add(&candidate->intervals, event->time_ns, deadline_ns - event->time_ns)))
        return -1;
    if (gt_hashmap_get(&candidate->woke, thread) != GT_HASHMAP_NONE)
        candidate->passed_on = true;
    if (block)
        note_mutex(candidate, event);
    candidate->used_words |= words;
    candidate->words_fit |= !block;
    state->futex_wait = state->futex_loop = address;
    return 0;
}

int gt_futex_deadline(struct gt_timeline *timeline, uint32_t thread,
                      const struct gt_event *event)
{
    uint32_t process = gt_thread_at(timeline, thread)->process;
    int64_t deadline_ns = timeline->saw_futex ? gt_deadline_ns(timeline, event) : 0;
    struct gt_candidate *candidate = NULL;

    if (deadline_ns)
        candidate = find(timeline, process, event->cond.address);
    if (deadline_ns && !candidate)
        candidate = find(timeline, process, event->cond.address - WORD_MOVED);
    if (!candidate)
        return 0;
    note_mutex(candidate, event);
    return gt_intervals_add(&candidate->intervals, event->time_ns,
                            deadline_ns - event->time_ns);
}

static int enter_wake(struct gt_timeline *timeline, uint32_t process, uint32_t thread,
                      const struct gt_event *event)
{
    uint64_t word = event->futex.address;
    struct gt_candidate *candidate = find_by_word(find, timeline, process, word);

    if (candidate && gt_thread_state_at(timeline, thread)->futex_wait == candidate->address &&
        candidate->lost_seen == timeline->lost.count) {
        timeline->quality.passed_signals++;
        return 0; /* still inside of its wait: glibc passes on what that may have eaten */
    }
    if (candidate) {
        if (gt_hashmap_get(&candidate->waited, thread) != GT_HASHMAP_NONE)
            candidate->passed_on = true;
        if (gt_hashmap_put(&candidate->woke, thread, 1))
            return -1;
        candidate->last_waker = thread;
        gt_thread_state_at(timeline, thread)->futex_loop = 0;
        return note(timeline, candidate, thread, GT_FUTEX_WAKE, event->time_ns);
    }
    candidate = find_mutex(timeline, process, word);
    if (candidate) {
        candidate->used_neighbour = true;
        return note(timeline, candidate, thread, GT_FUTEX_UNLOCK, event->time_ns);
    }
    candidate = find_by_word(find_switch, timeline, process, word);
    if (!candidate)
        return 0;
    candidate->used_neighbour = true;
    gt_thread_state_at(timeline, thread)->futex_loop = 0;
    return note(timeline, candidate, thread, GT_FUTEX_SWITCH, event->time_ns);
}

/* It waits for the mutex, or, where its time is up as another one is woken, for the lock within
 * the condition variable: either way its wait goes on. */
static int enter_mutex(struct gt_timeline *timeline, uint32_t process, uint32_t thread,
                       const struct gt_event *event)
{
    struct gt_candidate *candidate = find_mutex(timeline, process, event->futex.address);

    if (!candidate)
        candidate = find(timeline, process, event->futex.address - (WORD_0 - WORD_MOVED));
    if (!candidate)
        return 0;
    gt_thread_state_at(timeline, thread)->futex_wait = candidate->address;
    return note(timeline, candidate, thread, GT_FUTEX_MUTEX, event->time_ns);
}

static int returned(struct gt_timeline *timeline, uint32_t process, uint32_t thread,
                    const struct gt_event *event)
{
    struct gt_thread_state *state = gt_thread_state_at(timeline, thread);
    struct gt_candidate *candidate =
        state->futex_wait ? find(timeline, process, state->futex_wait) : NULL;
    bool timed_out = event->result == -ETIMEDOUT || event->result == ETIMEDOUT;

    state->futex_wait = 0;
    if (!candidate)
        return 0;
    return note(timeline, candidate, thread, timed_out ? GT_FUTEX_TIMEOUT : GT_FUTEX_EXIT,
                event->time_ns);
}

int gt_futex_feed(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event)
{
    uint32_t process = gt_thread_at(timeline, thread)->process;
    const struct gt_thread_state *state = gt_thread_state_at(timeline, thread);
    bool block = event->kind == GT_EVENT_BLOCK_ENTER;
    uint64_t address;

    timeline->saw_futex = true;
    if (event->kind == GT_EVENT_FUTEX_EXIT || event->kind == GT_EVENT_BLOCK_EXIT)
        return returned(timeline, process, thread, event);
    address = block ? event->cond.address : event->futex.address;
    if (state->futex_loop && !is_of_taking(state->futex_loop, address) &&
        gt_futex_left(timeline, thread, event->time_ns))
        return -1;
    if (block)
        return enter_wait(timeline, process, thread, event, address, BOTH_WORDS);
    switch (event->futex.operation & (uint32_t)FUTEX_CMD_MASK) {
    case FUTEX_WAIT_BITSET:
        return enter_wait(timeline, process, thread, event, cond_of_word(address),
                          address % 8 == 4 ? 2 : 1);
    case FUTEX_WAKE:
        return enter_wake(timeline, process, thread, event);
    case FUTEX_WAIT:
        return enter_mutex(timeline, process, thread, event);
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
static bool is_gil(const struct gt_candidate *candidate)
{
    return candidate->known ||
           (candidate->used_words == BOTH_WORDS &&
            (candidate->switched ||
             (candidate->passed_on && (candidate->used_neighbour || !candidate->runtime))));
}

static bool seen_otherwise(const struct gt_timeline *timeline,
                           const struct gt_candidate *candidate)
{
    return gt_process_state_at(timeline, candidate->process)->saw_gil;
}

int gt_futex_finish(struct gt_timeline *timeline)
{
    for (uint32_t i = 0; i < gt_builder_of(timeline)->candidates.count; i++) {
        struct gt_candidate *candidate = candidate_at(timeline, i);
        const struct gt_futex_entry *last = gt_chunks_last(&candidate->entries);

        if (!last || !is_gil(candidate) || seen_otherwise(timeline, candidate))
            continue;
        if (catch_up(timeline, candidate, last->thread) || gt_futex_replay(timeline, candidate))
            return -1;
    }
    return 0;
}

void gt_futex_release(struct gt_timeline *timeline)
{
    for (uint32_t i = 0; i < gt_builder_of(timeline)->candidates.count; i++) {
        gt_chunks_release(&candidate_at(timeline, i)->entries);
        gt_intervals_state_release(&candidate_at(timeline, i)->intervals);
        gt_hashmap_release(&candidate_at(timeline, i)->waited);
        gt_hashmap_release(&candidate_at(timeline, i)->woke);
    }
    gt_chunks_release(&gt_builder_of(timeline)->candidates);
}

void gt_futex_init(struct gt_timeline *timeline)
{
    gt_chunks_init(&gt_builder_of(timeline)->candidates, sizeof(struct gt_candidate));
}
