/* SPDX-License-Identifier: MIT */
#include "attach/gil.h"

#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/syscall.h>
#include <time.h>

/* glibc, nptl/bits: sizes that are part of its interface. */
enum {
    COND_BYTES = 48,
    MUTEX_BYTES = sizeof(pthread_mutex_t),
    RUNTIME_MAX_BYTES = 64 << 20,
    STATE_WORDS = 64, /* of struct _ts, in which its pthread_t is looked for */
    READINGS = 40,    /* until the GIL is given up as moving too fast */
    GILS_MAX = 1024,
};

/* struct _gil_runtime_state up to 3.12, and later without Py_GIL_DISABLED; `interval` first. */
enum { HOLDER_AT = 8, LOCKED_AT = 16, TURNS_AT = 24, COND_AT = 32, GIL_BYTES = 208 };

/* --- threads --- */

int gt_thread_of_inner(const struct gt_chunks *threads, int inner_tid)
{
    for (size_t i = 0; i < threads->count; i++) {
        const struct gt_running_thread *thread = gt_chunks_at(threads, i);

        if (thread->inner_tid == inner_tid)
            return thread->tid;
    }
    return 0;
}

/* On x86-64 it begins with two pointers to itself (tcbhead_t: tcb, self). */
int gt_thread_of_pthread(const struct gt_running *running, const struct gt_chunks *threads,
                         uint64_t pthread)
{
    int32_t tid;

    if (pthread % 8 || !pthread)
        return 0;
#if defined(__x86_64__)
    uint64_t head[3];

    if (!gt_running_read(running, pthread, head, sizeof(head)) || head[0] != pthread ||
        head[2] != pthread)
        return 0;
#endif
    if (!gt_running_read(running, pthread + GT_PTHREAD_TID, &tid, sizeof(tid)))
        return 0;
    return gt_thread_of_inner(threads, tid);
}

/* From 3.11 on the kernel's number of the thread follows. */
int gt_thread_of_state(const struct gt_running *running, const struct gt_python *python,
                       const struct gt_chunks *threads, uint64_t state)
{
    bool has_number = python->minor >= 11;
    uint64_t words[STATE_WORDS];

    if (!state || state % 8 || !gt_running_read(running, state, words, sizeof(words)))
        return 0;
    for (int i = 0; i + 1 < STATE_WORDS; i++) {
        int tid = words[i] > 4096 ? gt_thread_of_pthread(running, threads, words[i]) : 0;

        if (tid && (!has_number || gt_thread_of_inner(threads, (int)words[i + 1]) == tid))
            return tid;
#if !defined(__x86_64__)
        if (tid && !has_number)
            return 0; /* nothing else proves that this is a pthread_t */
#endif
    }
    return 0;
}

/* --- finding --- */

static uint64_t word_at(const char *data, size_t at)
{
    uint64_t word;

    memcpy(&word, data + at, sizeof(word));
    return word;
}

static uint32_t half_at(const char *data, size_t at)
{
    uint32_t half;

    memcpy(&half, data + at, sizeof(half));
    return half;
}

/* A mutex of the default kind, of no robust list. */
static bool is_mutex(const char *data)
{
    return half_at(data, 0) <= 2 && half_at(data, 16) == 0 && word_at(data, 24) == 0;
}

static bool has_shape(const char *data)
{
    const uint64_t hour_us = UINT64_C(3600000000), user = UINT64_C(1) << 47;
    size_t first = COND_AT + COND_BYTES, second = first + MUTEX_BYTES + COND_BYTES;
    uint64_t interval = word_at(data, 0), holder = word_at(data, HOLDER_AT);

    return interval >= 1 && interval <= hour_us && holder % 8 == 0 && holder > 4096 &&
           holder < user && half_at(data, LOCKED_AT) <= 1 &&
           half_at(data, LOCKED_AT + 4) == 0 && word_at(data, TURNS_AT) < user &&
           is_mutex(data + first) && is_mutex(data + second);
}

static struct gt_gil_now *add(struct gt_chunks *gils, uint64_t interpreter, uint64_t holder,
                              uint64_t locked)
{
    struct gt_gil_now *gil = gt_chunks_push(gils);

    if (gil)
        *gil = (struct gt_gil_now){.interpreter = interpreter,
                                   .holder = holder,
                                   .locked = locked,
                                   .cond = locked + COND_AT - LOCKED_AT};
    return gil;
}

/* Its interval, too, is read here: it lies before the holder in every version; and before that,
 * in builds without a GIL, whether there is one: INT_MAX, unless it is only for a moment. */
static void read_settings(struct gt_gil_now *gil, const struct gt_running *running,
                          const struct gt_python *python)
{
    uint64_t interval_us;
    int32_t enabled = INT32_MAX;

    if (python->free_threaded &&
        !gt_running_read(running, gil->holder - 2 * HOLDER_AT, &enabled, sizeof(enabled)))
        enabled = 0;
    gil->enabled = enabled == INT32_MAX;

    if (gt_running_read(running, gil->holder - HOLDER_AT, &interval_us, sizeof(interval_us)) &&
        interval_us >= 1 && interval_us <= UINT64_C(3600000000))
        gil->interval_ns = (int64_t)interval_us * 1000;
}

static int search(struct gt_chunks *gils, const struct gt_running *running,
                  const struct gt_python *python, const struct gt_chunks *threads,
                  struct gt_error *err)
{
    size_t size = (size_t)MIN(python->runtime_size, RUNTIME_MAX_BYTES);
    char *data = malloc(size ? size : 1);

    if (!data)
        return gt_error_memory(err);
    if (!gt_running_read(running, python->runtime, data, size))
        size = 0;
    for (size_t at = 0; at + GIL_BYTES <= size && !gils->count; at += 8) {
        uint64_t address = python->runtime + at;

        if (has_shape(data + at) &&
            (address == python->gil ||
             gt_thread_of_state(running, python, threads, word_at(data + at, HOLDER_AT))) &&
            !add(gils, 0, address + HOLDER_AT, address + LOCKED_AT)) {
            free(data);
            return gt_error_memory(err);
        }
    }
    free(data);
    return 0;
}

static bool is_listed(const struct gt_chunks *gils, uint64_t holder)
{
    for (size_t i = 0; i < gils->count; i++)
        if (((const struct gt_gil_now *)gt_chunks_at(gils, i))->holder == holder)
            return true;
    return false;
}

/* Each interpreter points to its GIL, which may be another one's. */
static int take_offsets(struct gt_chunks *gils, const struct gt_running *running,
                        const struct gt_layout *layout, struct gt_error *err)
{
    uint64_t at = gt_layout_first(layout, running), gil;

    for (int i = 0; at && i < GILS_MAX; i++) {
        if (!gt_running_read(running, at + layout->is_gil, &gil, sizeof(gil)))
            break;
        if (gil && !is_listed(gils, gil + layout->gil_holder) &&
            !add(gils, at, gil + layout->gil_holder, gil + layout->gil_locked))
            return gt_error_memory(err);
        if (!gt_running_read(running, at + layout->is_next, &at, sizeof(at)))
            break;
    }
    return 0;
}

int gt_gils_find(struct gt_chunks *gils, const struct gt_running *running,
                 const struct gt_python *python, const struct gt_layout *layout,
                 const struct gt_chunks *threads, struct gt_error *err)
{
    int rc = 0;

    if (layout->is_gil)
        rc = take_offsets(gils, running, layout, err);
    else if (python->runtime)
        rc = search(gils, running, python, threads, err);
    for (size_t i = 0; rc == 0 && i < gils->count; i++)
        read_settings(gt_chunks_at(gils, i), running, python);
    return rc;
}

int64_t gt_gils_interval_ns(const struct gt_running *running, struct gt_python *python,
                            bool *enabled)
{
    struct gt_chunks gils, threads;
    struct gt_layout layout;
    int64_t greatest_ns = 0;

    gt_chunks_init(&gils, sizeof(struct gt_gil_now));
    gt_chunks_init(&threads, sizeof(struct gt_running_thread));
    gt_layout_find(&layout, running, python);
    if (gt_running_threads(running, &threads, NULL) == 0 &&
        gt_gils_find(&gils, running, python, &layout, &threads, NULL) == 0)
        for (size_t i = 0; i < gils.count; i++) {
            const struct gt_gil_now *gil = gt_chunks_at(&gils, i);

            greatest_ns = MAX(greatest_ns, gil->interval_ns);
            if (!gil->interpreter)
                python->gil = gil->holder - HOLDER_AT;
            *enabled = *enabled || gil->enabled;
        }
    gt_chunks_release(&gils);
    gt_chunks_release(&threads);
    return greatest_ns;
}

/* --- looking --- */

struct reading {
    uint64_t holder, turns;
    int32_t locked;
    uint32_t mutex;
};

static bool read_once(const struct gt_gil_now *gil, const struct gt_running *running,
                      struct reading *reading)
{
    return gt_running_read(running, gil->holder, &reading->holder, 8) &&
           gt_running_read(running, gil->locked, &reading->locked, 4) &&
           gt_running_read(running, gil->locked + TURNS_AT - LOCKED_AT, &reading->turns, 8) &&
           gt_running_read(running, gil->cond + COND_BYTES, &reading->mutex, 4);
}

static bool are_sure(const struct reading *one, const struct reading *two)
{
    return one->holder == two->holder && one->turns == two->turns &&
           one->locked == two->locked && !one->mutex && !two->mutex;
}

static void conclude(struct gt_gil_now *gil, const struct reading *reading,
                     const struct gt_running *running, const struct gt_python *python,
                     const struct gt_chunks *threads)
{
    gil->turns = reading->turns;
    if (reading->locked == 0) {
        gil->known = GT_GIL_FREE;
    } else if (reading->locked == 1) {
        gil->thread = reading->holder;
        gil->holder_tid = gt_thread_of_state(running, python, threads, reading->holder);
        gil->known = gil->holder_tid ? GT_GIL_HELD : GT_GIL_UNKNOWN;
    }
}

void gt_gil_look(struct gt_gil_now *gil, const struct gt_running *running,
                 const struct gt_python *python, const struct gt_chunks *threads)
{
    const struct timespec pause = {.tv_nsec = 500000};
    struct reading before, now;

    gil->known = GT_GIL_UNKNOWN;
    gil->holder_tid = 0;
    if (!read_once(gil, running, &before))
        return;
    for (int i = 0; i < READINGS; i++) {
        if (!read_once(gil, running, &now))
            return;
        if (are_sure(&before, &now)) {
            conclude(gil, &now, running, python, threads);
            return;
        }
        before = now;
        if (i > READINGS / 2)
            nanosleep(&pause, NULL);
    }
}

enum gt_gil_word gt_gil_word_of(const struct gt_gil_now *gil,
                                const struct gt_running_thread *thread)
{
    uint64_t word = thread->arguments[0];

    if (thread->call != SYS_futex || word < gil->cond)
        return GT_GIL_NO_WORD;
    if (word < gil->cond + COND_BYTES)
        return GT_GIL_COND;
    if (word < gil->cond + COND_BYTES + MUTEX_BYTES)
        return GT_GIL_MUTEX;
    if (word < gil->cond + 2 * COND_BYTES + MUTEX_BYTES)
        return GT_GIL_SWITCH_COND;
    return GT_GIL_NO_WORD;
}
