/* SPDX-License-Identifier: MIT */
#include "attach/dump.h"

#include "attach/frames.h"

#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

/*
 * A waiter wakes up each switch interval and waits again, so one look may miss it, and several
 * may where it has no CPU: looks are taken until each thread but the holder was seen asleep. If
 * the GIL has not changed hands meanwhile, what any of them saw holds.
 *
 * A wait for a mutex, and who has it, must be the same in all looks. A thread that two looks
 * saw wait for the GIL had not got it in between; so it had the mutex that a look between these
 * two said it has.
 */
enum { LOOKS_MIN = 6, LOOKS_MAX = 60, PAUSE_NS = 3000000, CHAIN_MAX = 64 };

static struct gt_gil_now *gil_at(const struct gt_dump *dump, size_t index)
{
    return gt_chunks_at(&dump->gils, index);
}

static struct gt_dump_thread *thread_at(const struct gt_dump *dump, size_t index)
{
    return gt_chunks_at(&dump->threads, index);
}

const struct gt_dump_thread *gt_dump_thread_of(const struct gt_dump *dump, int tid)
{
    for (size_t i = 0; i < dump->threads.count; i++)
        if (thread_at(dump, i)->seen.tid == tid)
            return thread_at(dump, i);
    return NULL;
}

/* --- what a thread waits for --- */

static bool is_futex_wait(const struct gt_running_thread *thread, int operation)
{
    return thread->call == SYS_futex &&
           ((int)thread->arguments[1] & FUTEX_CMD_MASK) == operation;
}

/* glibc waits for a mutex until its word is no longer 2, without a timeout. The mutex: lock,
 * count, owner, nusers, kind. */
static uint64_t mutex_of(const struct gt_running *running,
                         const struct gt_running_thread *thread)
{
    int32_t words[5];

    if (!is_futex_wait(thread, FUTEX_WAIT) || (int)thread->arguments[2] != 2 ||
        thread->arguments[3] ||
        !gt_running_read(running, thread->arguments[0], words, sizeof(words)))
        return 0;
    if (words[0] != 2 || words[3] < 1 || (words[4] & 0x7f) > PTHREAD_MUTEX_ADAPTIVE_NP)
        return 0;
    return thread->arguments[0];
}

static int owner_of(const struct gt_running *running, const struct gt_chunks *threads,
                    uint64_t mutex)
{
    int32_t owner;

    return gt_running_read(running, mutex + 8, &owner, sizeof(owner)) && owner > 0
               ? gt_thread_of_inner(threads, owner)
               : 0;
}

/* pthread_join waits until the tid in the other thread's struct pthread is 0. */
static int joined_by(const struct gt_running *running, const struct gt_chunks *threads,
                     const struct gt_running_thread *thread)
{
    if (thread->call != SYS_futex || thread->arguments[0] < GT_PTHREAD_TID ||
        thread->arguments[3])
        return 0;
    return gt_thread_of_pthread(running, threads, thread->arguments[0] - GT_PTHREAD_TID);
}

static void note_gil(const struct gt_dump *dump, struct gt_dump_thread *thread, int number)
{
    for (size_t i = 0; i < dump->gils.count; i++) {
        enum gt_gil_word word = gt_gil_word_of(gil_at(dump, i), &thread->seen);

        if (word == GT_GIL_NO_WORD)
            continue;
        thread->gil = i;
        if (word == GT_GIL_SWITCH_COND) {
            thread->wait = GT_DUMP_SWITCHED;
            continue;
        }
        thread->wait = GT_DUMP_GIL;
        thread->first = thread->first ? thread->first : number;
        thread->last = number;
    }
}

/* --- looks --- */

static struct gt_dump_thread *slot_of(struct gt_dump *dump,
                                      const struct gt_running_thread *seen)
{
    struct gt_dump_thread *thread = (struct gt_dump_thread *)gt_dump_thread_of(dump, seen->tid);

    if (!thread) {
        thread = gt_chunks_push(&dump->threads);
        if (thread)
            *thread = (struct gt_dump_thread){0};
    }
    return thread;
}

static void note_mutex(struct gt_dump_thread *thread, const struct gt_running *running,
                       const struct gt_chunks *threads, int number)
{
    uint64_t mutex = mutex_of(running, &thread->seen);
    int owner = mutex ? owner_of(running, threads, mutex) : 0;

    if (number == 1) {
        thread->mutex = mutex;
        thread->on_tid = owner;
    } else if (thread->mutex != mutex || thread->on_tid != owner) {
        thread->mutex = 0;
        thread->on_tid = 0;
    }
}

/* One look at all threads; `number` counts looks. */
static int look(struct gt_dump *dump, const struct gt_running *running,
                const struct gt_python *python, int number, struct gt_chunks *threads,
                struct gt_error *err)
{
    gt_chunks_truncate(threads, 0);
    if (gt_running_threads(running, threads, err) < 0)
        return GT_ERR_MEMORY;
    for (size_t i = 0; i < threads->count; i++) {
        const struct gt_running_thread *seen = gt_chunks_at(threads, i);
        struct gt_dump_thread *thread = slot_of(dump, seen);

        if (!thread)
            return gt_error_memory(err);
        thread->seen = *seen;
        thread->slept |= seen->state != 'R';
        note_mutex(thread, running, threads, number);
        note_gil(dump, thread, number);
    }
    for (size_t i = 0; i < dump->gils.count; i++) {
        struct gt_gil_now before = *gil_at(dump, i), *now = gil_at(dump, i);

        gt_gil_look(now, running, python, threads);
        dump->moves |=
            number > 1 && (now->turns != before.turns || now->known != before.known ||
                           now->holder_tid != before.holder_tid);
    }
    return 0;
}

/* The GIL has moved: only what the last look saw is of one moment. */
static void forget_waits(struct gt_dump *dump)
{
    for (size_t i = 0; i < dump->threads.count; i++) {
        struct gt_dump_thread *thread = thread_at(dump, i);

        thread->wait = GT_DUMP_NO_WAIT;
        thread->mutex = 0;
        thread->on_tid = 0;
        note_gil(dump, thread, LOOKS_MAX + 1);
    }
}

/* What remains to be said of a thread, after the last look. */
static void judge(struct gt_dump_thread *thread, const struct gt_running *running,
                  const struct gt_chunks *threads)
{
    int joined;

    if (thread->wait != GT_DUMP_NO_WAIT)
        return;
    joined = joined_by(running, threads, &thread->seen);
    if (thread->mutex) {
        thread->wait = GT_DUMP_MUTEX;
    } else if (joined) {
        thread->wait = GT_DUMP_JOIN;
        thread->on_tid = joined;
    } else if (thread->seen.call == SYS_futex) {
        thread->wait = GT_DUMP_FUTEX;
    }
}

/* Is it known of all threads what they do? */
static bool is_enough(const struct gt_dump *dump, const struct gt_chunks *threads, int number)
{
    if (number < LOOKS_MIN)
        return false;
    for (size_t i = 0; !dump->moves && i < threads->count; i++) {
        const struct gt_running_thread *seen = gt_chunks_at(threads, i);
        const struct gt_dump_thread *thread = gt_dump_thread_of(dump, seen->tid);
        bool holds = false;

        for (size_t j = 0; j < dump->gils.count; j++)
            holds |= gil_at(dump, j)->holder_tid == seen->tid;
        if (!holds && (!thread->slept || (thread->first && thread->last < thread->first + 2)))
            return false;
    }
    return true;
}

static bool is_there(const struct gt_chunks *threads, int tid)
{
    for (size_t i = 0; i < threads->count; i++)
        if (((const struct gt_running_thread *)gt_chunks_at(threads, i))->tid == tid)
            return true;
    return false;
}

static int add_states(struct gt_dump *dump, const struct gt_running *running,
                      const struct gt_python *python, const struct gt_chunks *threads,
                      struct gt_error *err)
{
    struct gt_chunks states;
    int rc;

    gt_chunks_init(&states, sizeof(struct gt_thread_state_at));
    rc = gt_frames_states(&states, running, python, &dump->layout, threads, err);
    for (size_t i = 0; rc == 0 && i < states.count; i++) {
        const struct gt_thread_state_at *one = gt_chunks_at(&states, i);
        struct gt_dump_thread *thread =
            (struct gt_dump_thread *)gt_dump_thread_of(dump, one->tid);

        if (thread && !thread->state)
            thread->state = one->state;
    }
    gt_chunks_release(&states);
    return rc;
}

/* 3.12 has GILs of single interpreters, and nothing that says where. */
static bool has_others(const struct gt_dump *dump, const struct gt_running *running)
{
    uint64_t first = gt_layout_first(&dump->layout, running), next = 0;

    return first && !dump->layout.is_gil &&
           gt_running_read(running, first + dump->layout.is_next, &next, sizeof(next)) && next;
}

static int take(struct gt_dump *dump, const struct gt_running *running,
                const struct gt_python *python, struct gt_chunks *threads, struct gt_error *err)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    int rc = gt_running_threads(running, threads, err);

    gt_layout_find(&dump->layout, running, python);
    if (rc == 0)
        rc = gt_gils_find(&dump->gils, running, python, &dump->layout, threads, err);
    dump->others = has_others(dump, running);
    for (int i = 1; rc == 0 && i <= LOOKS_MAX && !is_enough(dump, threads, i - 1); i++) {
        if (i > 1)
            nanosleep(&pause, NULL);
        rc = look(dump, running, python, i, threads, err);
    }
    if (rc < 0)
        return rc;
    if (dump->moves)
        forget_waits(dump);
    for (size_t i = 0; i < dump->threads.count; i++) {
        struct gt_dump_thread *thread = thread_at(dump, i);

        if (!is_there(threads, thread->seen.tid))
            thread->seen.state = 'X';
        else
            judge(thread, running, threads);
    }
    return add_states(dump, running, python, threads, err);
}

int gt_dump_take(struct gt_dump *dump, const struct gt_running *running,
                 const struct gt_python *python, struct gt_error *err)
{
    struct gt_chunks threads;
    int rc;

    memset(dump, 0, sizeof(*dump));
    gt_chunks_init(&dump->gils, sizeof(struct gt_gil_now));
    gt_chunks_init(&dump->threads, sizeof(struct gt_dump_thread));
    gt_chunks_init(&threads, sizeof(struct gt_running_thread));
    rc = take(dump, running, python, &threads, err);
    gt_chunks_release(&threads);
    return rc;
}

void gt_dump_release(struct gt_dump *dump)
{
    gt_chunks_release(&dump->gils);
    gt_chunks_release(&dump->threads);
}

const struct gt_dump_thread *gt_dump_deadlock(const struct gt_dump *dump, size_t gil)
{
    const struct gt_gil_now *now = gil_at(dump, gil);
    const struct gt_dump_thread *thread;

    if (dump->moves || now->known != GT_GIL_HELD)
        return NULL;
    thread = gt_dump_thread_of(dump, now->holder_tid);
    for (int i = 0; thread && i < CHAIN_MAX; i++) {
        if (thread->wait == GT_DUMP_GIL)
            return thread->gil == gil && thread->last >= thread->first + 2 ? thread : NULL;
        if (thread->wait != GT_DUMP_MUTEX && thread->wait != GT_DUMP_JOIN)
            return NULL;
        thread = gt_dump_thread_of(dump, thread->on_tid);
    }
    return NULL;
}
